//! F5: a connection survives the pauses of proxies, and a request head has a time limit.

use std::time::Duration;

use goodays_salesforce::web::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{House, Plan, hear, say};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);
const POST: &str = "POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

async fn house(head_time: Duration, keep_alive: Duration) -> House {
    // Without signatures, so that posts are accepted: a refusal would close the connection.
    let limits = Limits { head_time, keep_alive, ..Limits::default() };
    Plan { limits, webhook: "signature: off", ..Plan::default() }.build().await
}

/// Posts once more on the same connection.
async fn posts(stream: &mut TcpStream) {
    stream.write_all(POST.as_bytes()).await.unwrap();
    answer(stream).await;
}

async fn answer(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "it hung up");
    }
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
}

#[test]
fn f05_who_closes_an_idle_connection_is_the_proxy() {
    let limits = Limits::default();
    assert_eq!(
        limits.keep_alive,
        Duration::from_secs(75),
        "nginx, Caddy's peers and load balancers keep theirs for 60 s"
    );
    assert_eq!(limits.head_time, Duration::from_secs(10));
}

#[tokio::test]
async fn f05_a_connection_waits_longer_for_its_next_request_than_for_the_rest_of_a_head() {
    let house = house(SHORT, LONG).await;
    let mut stream = say(&house, POST).await;
    answer(&mut stream).await;
    let mut nothing = [0; 1];
    let waited = tokio::time::timeout(SHORT * 4, stream.read(&mut nothing)).await;
    assert!(waited.is_err(), "it is still open");
    posts(&mut stream).await;
    posts(&mut stream).await;
    // A head that was begun must end within its own time limit, or the connection is closed.
    stream.write_all(b"POST /webhooks/goodays HTTP/1.1\r\nhost:").await.unwrap();
    assert_eq!(hear(&mut stream).await, "");
}

#[tokio::test]
async fn f05_a_first_request_has_the_time_of_a_head_alone() {
    let house = house(SHORT, LONG).await;
    assert_eq!(hear(&mut say(&house, "").await).await, "");
}

#[tokio::test]
async fn f05_an_idle_connection_ends_in_the_end() {
    let house = house(SHORT, SHORT).await;
    let mut stream = say(&house, POST).await;
    answer(&mut stream).await;
    assert_eq!(hear(&mut stream).await, "");
}
