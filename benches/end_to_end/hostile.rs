//! Genuine webhooks beside an attack on the same door.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::{Acknowledged, post};
use crate::org::Org;
use crate::report::Row;
use crate::scenes::{CONNECTIONS, Scenes, requests, row, share};
use crate::target::{Kind, Target};

/// Connections that send half a head, and nothing more.
const HALF_OPEN: usize = 1000;
/// Connections that send a large body without a signature, again and again.
const LARGE: usize = 60;
const LARGE_BYTES: usize = 7 << 20;
/// Connections of small requests with a wrong signature, each of which would be a line in the log.
const FLOOD: usize = 16;
/// Rounds of all attacks in turns. The median is reported.
const ROUNDS: usize = 3;
/// Until an attack is under way.
const RAMP: Duration = Duration::from_secs(1);
/// Before an attacker whose connection was closed opens the next one.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    half_open: usize,
    large: usize,
    /// The same with a well-formed wrong signature.
    forged: usize,
    flood: usize,
}

const ALONE: Attack = Attack { name: "acknowledge, alone", half_open: 0, large: 0, forged: 0, flood: 0 };

const ATTACKS: [Attack; 6] = [
    ALONE,
    Attack { name: "acknowledge, 1000 half-open", half_open: HALF_OPEN, ..ALONE },
    Attack { name: "acknowledge, 60 large bodies", large: LARGE, ..ALONE },
    // Each has to be read whole before it is refused.
    Attack { name: "acknowledge, 60 large forged bodies", forged: LARGE, ..ALONE },
    Attack { name: "acknowledge, log flood", flood: FLOOD, ..ALONE },
    Attack { name: "acknowledge, attacked", half_open: HALF_OPEN, large: LARGE, flood: FLOOD, ..ALONE },
];

impl Scenes {
    /// Acknowledgements without and with attacks, while Salesforce is down.
    pub async fn hostile(&self) -> anyhow::Result<Vec<Row>> {
        let mut org = Org::start().await?;
        let target = Target::start(Kind::Ours, &org, &self.peers).await?;
        org.go_down().await?;
        let mut rounds: [Vec<(Acknowledged, f64)>; ATTACKS.len()] = Default::default();
        let mut first = 0;
        for _ in 0..ROUNDS {
            for (attack, results) in ATTACKS.iter().zip(&mut rounds) {
                let genuine = requests(first, self.events);
                first += self.events;
                let attackers = attack.begin(target.addr);
                tokio::time::sleep(RAMP).await;
                let cpu_ms = target.process.cpu_ms();
                let acknowledged = post(target.addr, genuine, CONNECTIONS).await?;
                drop(attackers);
                results.push((acknowledged, share(target.process.cpu_ms() - cpu_ms, self.events)));
            }
        }
        let mut rows = Vec::new();
        for (attack, mut results) in ATTACKS.iter().zip(rounds) {
            results.sort_by_key(|(acknowledged, _)| acknowledged.took);
            let mut row = row(attack.name, Kind::Ours, 0, self.events);
            let (acknowledged, cpu_ms) = &results[ROUNDS / 2];
            row.acknowledged(acknowledged);
            row.cpu_ms_per_event = Some(*cpu_ms);
            rows.push(row);
        }
        if let Some(last) = rows.last_mut() {
            last.peak_mb = Some(target.process.peak_mb());
        }
        Ok(rows)
    }
}

impl Attack {
    /// Goes on until the set is dropped.
    fn begin(self, addr: SocketAddr) -> JoinSet<()> {
        let mut attackers = JoinSet::new();
        for _ in 0..self.half_open {
            attackers.spawn(again(addr, half_open));
        }
        for _ in 0..self.large {
            attackers.spawn(again(addr, large_body));
        }
        for _ in 0..self.forged {
            attackers.spawn(again(addr, forged_body));
        }
        for _ in 0..self.flood {
            attackers.spawn(again(addr, flood));
        }
        attackers
    }
}

async fn again<F>(addr: SocketAddr, attack: fn(TcpStream) -> F)
where
    F: Future<Output = std::io::Result<()>>,
{
    loop {
        if let Ok(stream) = TcpStream::connect(addr).await {
            let _ = attack(stream).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn half_open(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"POST /webhooks/goodays HTTP/1.1\r\nHost: bench\r\n").await?;
    stream.read_u8().await.map(|_| ())
}

fn head(length: usize, more: &str) -> String {
    format!(
        "POST /webhooks/goodays HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{more}\r\n"
    )
}

async fn large_body(stream: TcpStream) -> std::io::Result<()> {
    large(stream, "").await
}

async fn forged_body(stream: TcpStream) -> std::io::Result<()> {
    large(stream, &forged()).await
}

fn forged() -> String {
    format!("X-HMAC-SHA256: {:064}\r\n", 0)
}

async fn large(mut stream: TcpStream, more: &str) -> std::io::Result<()> {
    const PIECE: [u8; 1 << 14] = [b' '; 1 << 14];
    stream.write_all(head(LARGE_BYTES, more).as_bytes()).await?;
    for _ in 0..LARGE_BYTES / PIECE.len() {
        stream.write_all(&PIECE).await?;
    }
    stream.read_u8().await.map(|_| ())
}

async fn flood(mut stream: TcpStream) -> std::io::Result<()> {
    let request = [head(2, &forged()).as_bytes(), b"{}"].concat();
    let mut answer = [0; 4096];
    loop {
        stream.write_all(&request).await?;
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
    }
}
