//! Roads that can be cut: to the database of one instance, and to the doors of all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A port that nobody listens at now.
pub async fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

/// A road to a server of the database. While it is cut, nothing arrives and nothing is refused, as when a switch fails.
pub struct Link {
    pub port: u16,
    road: watch::Sender<Road>,
}

#[derive(Clone, Copy)]
struct Road {
    is_open: bool,
    /// What the server says arrives.
    answers: bool,
    /// What was sent on an earlier road is lost.
    number: u64,
}

impl Link {
    pub async fn to(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (road, seen) = watch::channel(Road { is_open: true, answers: true, number: 0 });
        let own = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, port, seen.clone()));
            }
        });
        Ok(Self { port: own, road })
    }

    pub fn cut(&self) {
        self.road.send_modify(|road| road.is_open = false);
    }

    /// The server hears what is sent, and its answers do not arrive.
    pub fn hold_answers(&self) {
        self.road.send_modify(|road| road.answers = false);
    }

    /// What was sent meanwhile arrives now.
    pub fn mend(&self) {
        self.road.send_modify(|road| (road.is_open, road.answers) = (true, true));
    }

    /// What was sent meanwhile never arrives, and the connections end.
    pub fn mend_and_lose(&self) {
        self.road.send_modify(|road| *road = Road { is_open: true, answers: true, number: road.number + 1 });
    }
}

/// What goes one way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// Waits until the road is open. False if it is another one by then.
async fn is_open(road: &mut watch::Receiver<Road>, number: u64, way: Way) -> bool {
    let passes = |road: &Road| road.is_open && (road.answers || way == Way::There);
    let open = road.wait_for(|road| passes(road) || road.number != number).await;
    open.is_ok_and(|road| road.number == number)
}

async fn carry(near: TcpStream, port: u16, mut road: watch::Receiver<Road>) {
    let number = road.borrow().number;
    if !is_open(&mut road, number, Way::There).await {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = one_way(near_in, far_out, road.clone(), (number, Way::There)) => {}
        () = one_way(far_in, near_out, road, (number, Way::Back)) => {}
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut road: watch::Receiver<Road>,
    (number, way): (u64, Way),
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if !is_open(&mut road, number, way).await || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// The load balancer: the next door that takes the connection.
pub async fn balance(at: SocketAddr, doors: Vec<SocketAddr>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(at).await?;
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (doors, turn) = (doors.clone(), Arc::clone(&turn));
            tokio::spawn(async move {
                let first = turn.fetch_add(1, Ordering::SeqCst);
                for next in 0..doors.len() {
                    if let Ok(mut far) = TcpStream::connect(doors[(first + next) % doors.len()]).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        return;
                    }
                }
            });
        }
    });
    Ok(())
}
