use std::io::Write;
use std::time::Duration;

use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::operator::ItemId;
use goodays_salesforce::web::Limits;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{House, Plan, SECRET, answered, event, hear, house, say};

const SHORT: Duration = Duration::from_millis(300);

/// Sends single bytes with pauses: each wait is short, but the whole is not.
async fn dripped(house: &House, text: &str) -> String {
    let (mut reading, mut writing) =
        TcpStream::connect(house.doors.webhook_addr()).await.unwrap().into_split();
    let bytes = text.as_bytes().to_vec();
    let dripping = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for byte in bytes.iter().cycle().take(100_000) {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            ticks.tick().await;
        }
    });
    let mut heard = Vec::new();
    let _ = reading.read_to_end(&mut heard).await;
    dripping.abort();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn who_drips_is_cut_as_who_is_silent() {
    let limits = Limits { head_time: SHORT, body_time: SHORT, ..Limits::default() };
    let house = Plan { limits, ..Plan::default() }.build().await;
    let head = dripped(&house, "POST /webhooks/goodays HTTP/1.1\r\nx: y\r\n").await;
    assert!(!head.contains("200"), "{head}");
    let mut stream = say(
        &house,
        &format!(
            "POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\
             expect: 100-continue\r\n{HEADER}: {}\r\n\r\n",
            "0".repeat(64)
        ),
    )
    .await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while stream.write_all(b" ").await.is_ok() {
        ticks.tick().await;
        if house.counted("too_slow").await == 1 {
            break;
        }
    }
    let said = hear(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert_eq!(answered(house.get("/health/accepting")).await.0, StatusCode::OK);
}

/// The signature is over the bytes as received, so they are never unpacked.
#[tokio::test]
async fn a_packed_body_is_not_unpacked() {
    let house = house().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![b' '; 64 << 20]).unwrap();
    packer.write_all(event("r1").as_bytes()).unwrap();
    let bomb = packer.finish().unwrap();
    let request = || house.hook().header("content-encoding", "gzip").body(bomb.clone());
    assert_eq!(answered(request()).await.0, StatusCode::UNAUTHORIZED);
    let signed = request().header(HEADER, sign(&bomb, &SECRET.into()));
    assert_eq!(answered(signed).await, (StatusCode::BAD_REQUEST, json!({ "error": "the body is not JSON" })));
    assert_eq!(house.pending(), 0);
}

/// Signed JSON with more values than a tree in memory should have. It is kept for a human, and nothing else happens.
#[tokio::test]
async fn c10_signed_events_beyond_all_measure_are_parked_and_nothing_is_lost() {
    let house = house().await;
    let with = |members: &str| format!(r#"{{"event_type":"response","response":{{"id":"big"{members}}}}}"#);
    let many = |piece: &str, bytes: usize| format!("[{}0]", piece.repeat(bytes / piece.len()));
    let messages = vec![r#"{"id":1}"#; 250_000].join(",");
    let bombs = [
        (with(&format!(r#","x":{}"#, many("[0],", 8_000_000))), "the event holds more than 100000 values"),
        (
            with(&format!(r#","x":{}"#, many("{\"\":0},", 1_000_000))),
            "the event holds more than 100000 values",
        ),
        (with(&format!(r#","attached_messages":[{messages}]"#)), "the event holds more than 2000 messages"),
        (
            with(&format!(r#","x":{}{}"#, "[".repeat(100_000), "]".repeat(100_000))),
            "the body is nested too deep",
        ),
        (format!("[{}]", many("[0],", 8_000_000)), "the body is missing or no object"),
    ];
    for (bomb, why) in &bombs {
        let parked = json!({ "status": "parked", "reason": why });
        assert_eq!(house.post(bomb.as_str()).await, (StatusCode::OK, parked.clone()));
        assert_eq!(house.post(bomb.as_str()).await, (StatusCode::OK, parked), "a repeat is no second one");
    }
    let waiting = house.shared.parked(10).await.unwrap();
    let codes: Vec<&str> = waiting.iter().map(|item| item.reason_code.as_str()).collect();
    assert_eq!(codes, ["too_large", "too_large", "too_large", "unreadable", "unreadable"]);
    assert_eq!(waiting[0].response_id.as_deref(), Some("big"));
    let ItemId::Event(seq) = waiting[0].id else { panic!("{:?} is no event", waiting[0]) };
    assert_eq!(house.shared.store.body(seq).await.unwrap().unwrap(), bombs[0].0.as_bytes());
    assert_eq!(house.pending(), 0);
    assert_eq!(house.post(event("big")).await.1["status"], "accepted", "the next one of it goes on");
}

/// A body that was changed in transit, at each of its bytes.
#[tokio::test]
async fn a_tampered_body_is_refused_wherever_it_was_changed() {
    let house = house().await;
    let body = event("r1").into_bytes();
    let good = sign(&body, &SECRET.into());
    for at in 0..body.len() {
        let mut tampered = body.clone();
        tampered[at] ^= 1;
        let sent = house.hook().header(HEADER, good.as_str()).body(tampered);
        assert_eq!(answered(sent).await.0, StatusCode::UNAUTHORIZED, "byte {at}");
    }
    for longer in [[&body[..], b" "].concat(), body[1..].to_vec(), Vec::new()] {
        let sent = house.hook().header(HEADER, good.as_str()).body(longer);
        assert_eq!(answered(sent).await.0, StatusCode::UNAUTHORIZED);
    }
    let twice = house.hook().header(HEADER, "0".repeat(64)).header(HEADER, good.as_str()).body(body.clone());
    assert_eq!(answered(twice).await.0, StatusCode::UNAUTHORIZED, "the first of two headers counts");
    assert_eq!(house.pending(), 0);
}

/// A request that two readers would end at different places.
#[tokio::test]
async fn a_request_with_two_lengths_is_one_request_at_most() {
    let house = house().await;
    for lengths in [
        "content-length: 6\r\ncontent-length: 60\r\n",
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length: -1\r\n",
        "content-length: 99999999999999999999\r\n",
    ] {
        let text = format!(
            "POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lengths}\r\n0\r\n\r\nX\
             GET /webhooks/goodays HTTP/1.1\r\nhost: x\r\n\r\n"
        );
        let said = hear(&mut say(&house, &text).await).await;
        assert!(!said.contains("200 OK"), "{lengths}: {said}");
        assert!(said.matches("HTTP/1.1").count() <= 1, "{lengths}: {said}");
    }
}

/// Raw requests to the admin listener, as a web page, a rebound host name, or a proxy would send them.
#[tokio::test]
async fn the_admin_door_is_shut_to_pages_however_they_come() {
    let house = house().await;
    house.post("{}").await;
    let parked = house.shared.parked(1).await.unwrap().remove(0).id;
    let own = house.doors.admin_addr();
    let heads = [
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: {own}\r\norigin: http://{own}\r\n"),
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: rebound.example\r\n"),
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: {own}\r\nhost: rebound.example\r\n"),
        format!("POST http://rebound.example/parked/{parked}/drop HTTP/1.1\r\nhost: {own}\r\n"),
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: 127.0.0.1.nip.example\r\n"),
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: 2130706433\r\n"),
        format!("POST /parked/{parked}/drop HTTP/1.1\r\nhost: {own}\r\nSec-Fetch-Site: CROSS-SITE\r\n"),
        format!("OPTIONS /parked/{parked}/drop HTTP/1.1\r\nhost: {own}\r\norigin: null\r\n"),
        format!(
            "GET /status HTTP/1.1\r\nhost: {own}\r\norigin: https://x.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        ),
    ];
    for head in heads {
        let mut stream = TcpStream::connect(own).await.unwrap();
        stream
            .write_all(format!("{head}content-type: text/plain\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        let status = String::from_utf8_lossy(&first[9..]).into_owned();
        assert!(["400", "403"].contains(&status.as_str()), "{status}: {head}");
    }
    assert_eq!(house.shared.parked(1).await.unwrap().len(), 1, "somebody dropped it");
    let allowed = answered(house.get("/status")).await;
    assert_eq!(allowed.0, StatusCode::OK);
}
