//! Roads that can be cut: to the database of one instance, and to the doors of all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A road to the database. While it is cut, nothing arrives and nothing is refused, as when a switch fails.
pub struct Link {
    pub port: u16,
    open: watch::Sender<bool>,
}

impl Link {
    pub async fn to(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (open, is_open) = watch::channel(true);
        let own = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, port, is_open.clone()));
            }
        });
        Ok(Self { port: own, open })
    }

    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn carry(near: TcpStream, port: u16, mut open: watch::Receiver<bool>) {
    if open.wait_for(|open| *open).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = one_way(near_in, far_out, open.clone()) => {}
        () = one_way(far_in, near_out, open) => {}
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
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
