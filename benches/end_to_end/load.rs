//! A bounded load: a number of connections, each with one request at a time.
//!
//! Requests are built before the clock starts, so that only the other side is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use goodays_salesforce::goodays::signature;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const SECRET: &str = "bench-secret";
/// A conversation of three texts: a Case with two comments.
const EVENT: &str = include_str!("../../tests/fixtures/goodays/message_first.json");

/// The event of conversation `number`, in the form of Goodays.
pub fn event(number: usize) -> String {
    // The fixture's addresses are masked, and Salesforce refuses those in an e-mail field.
    let text = EVENT.replace("[email protected]", &format!("customer{number}@example.com"));
    let mut text = text.replace("vdOpL1NJ74l", &format!("bench{number}"));
    for (index, id) in ["mxo1B0eGdj", "54EjZ70lxy", "vdJmjjLk8D"].iter().enumerate() {
        text = text.replace(id, &format!("m{number}x{index}"));
    }
    // Not indented, as Goodays sends it.
    let value: serde_json::Value = serde_json::from_str(&text).expect("the fixture is JSON");
    value.to_string()
}

/// The webhook's request, signed.
pub fn request(number: usize) -> Vec<u8> {
    let body = event(number);
    let signature = signature::sign(body.as_bytes(), &SecretString::from(SECRET));
    let head = format!(
        "POST /webhooks/goodays HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         X-HMAC-SHA256: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// The result of a load.
pub struct Acknowledged {
    pub took: Duration,
    /// Of each request, sorted.
    pub latencies: Vec<Duration>,
}

impl Acknowledged {
    pub fn per_second(&self) -> f64 {
        per_second(self.latencies.len(), self.took)
    }

    /// Milliseconds of the quantile `q`.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(&self.latencies, q)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Milliseconds of the quantile `q` of sorted times.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
pub fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * q).round() as usize).map_or(0.0, |d| d.as_secs_f64() * 1e3)
}

/// Sends all requests over `connections` connections. Every answer must be a success.
pub async fn post(
    addr: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    connections: usize,
) -> anyhow::Result<Acknowledged> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..connections.min(requests.len()))
        .map(|_| tokio::spawn(worker(addr, requests.clone(), next.clone())))
        .collect();
    let mut latencies = Vec::with_capacity(requests.len());
    for worker in workers {
        latencies.extend(worker.await??);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Ok(Acknowledged { took, latencies })
}

async fn worker(
    addr: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Vec<Duration>> {
    let mut line = Line::open(addr).await?;
    let mut latencies = Vec::new();
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let began = Instant::now();
        line.ask(request).await?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

/// How long the answer to one webhook is waited for.
const ANSWER: Duration = Duration::from_secs(30);

/// Sends so many requests each second, whether or not those before them are answered, each on a connection of its own.
/// For each, whether it was answered with a success.
pub async fn send_at_rate(
    addr: SocketAddr,
    requests: Arc<Vec<(usize, Vec<u8>)>>,
    per_second: u32,
) -> Vec<bool> {
    let mut times = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut answers = Vec::with_capacity(requests.len());
    for place in 0..requests.len() {
        times.tick().await;
        let requests = requests.clone();
        answers.push(tokio::spawn(async move {
            let asked = async { Line::open(addr).await?.ask(&requests[place].1).await };
            matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(_)))
        }));
    }
    let mut answered = Vec::with_capacity(answers.len());
    for answer in answers {
        answered.push(answer.await.unwrap_or(false));
    }
    answered
}

/// One persistent connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    pub async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await.with_context(|| format!("nobody listens on {addr}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends one request and returns the body of its answer.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was cut");
            }
            if let Some((body, length)) = head(&self.buffer)?
                && self.buffer.len() >= body + length
            {
                return Ok(self.buffer[body..body + length].to_vec());
            }
        }
    }
}

/// The beginning and the length of the body, once the head is complete.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    if !head.starts_with("HTTP/1.1 20") {
        bail!("answered {}", String::from_utf8_lossy(bytes));
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok(Some((end + 4, length.context("an answer without Content-Length")?)))
}
