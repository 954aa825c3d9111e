//! Malicious remotes and payloads, against the whole daemon (law 9; design, rule 16).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use goodays_salesforce::http::{Failure, client, exchange};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::arena::PATIENCE;
use crate::world::{World, words};

/// A server that must never get a request.
struct Trap {
    url: String,
    met: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/trap", listener.local_addr().unwrap());
        let met = Arc::new(AtomicUsize::new(0));
        let count = met.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, met }
    }

    fn redirect(&self, status: u16) -> Act {
        let headers = [("Location".to_owned(), self.url.clone())].into();
        Act::Answer { status, body: String::new(), content_type: None, headers }
    }

    fn is_unmet(&self) {
        assert_eq!(self.met.load(Ordering::SeqCst), 0, "somebody went where a stranger sent him");
    }
}

#[tokio::test]
async fn no_redirect_of_salesforce_is_followed() {
    let trap = Trap::set().await;
    let mut world = World::start().await;
    let cases = [("/composite/graph", 307), ("/composite/graph", 302), ("/composite?", 308)];
    for (met, (path, status)) in (1..).zip(cases) {
        // The first one causes a login, because the org may have moved. The second one is reported.
        let fault = Fault::once(path, trap.redirect(status));
        world.salesforce.wire().fault(Fault { times: Some(2), ..fault });
        let id = world.customer_leaves(Feedback::default());
        // Another call may have succeeded in between, so the test reads the log.
        let told = || world.log().matches("answers with a redirect").count() == met;
        world.until("the redirect is told", told).await;
        // Somebody has fixed it: the event or action concerned has waited.
        world.app().shared.salesforce_breaker.reopen();
        world.app().shared.wake_all();
        world.settle().await;
        world.case(&id);
    }
    world.stop().await;
    world.open_is_fine();
    world.salesforce.wire().fault(Fault::once("/oauth2/token", trap.redirect(307)));
    world.stage.start_daemon().await.unwrap();
    let trouble = || world.app().shared.salesforce_breaker.trouble();
    world.until("the login is refused", || trouble().is_some()).await;
    assert_eq!(trouble().unwrap().code, "REDIRECT");
    trap.is_unmet();
}

#[tokio::test]
async fn no_redirect_of_goodays_is_followed() {
    let trap = Trap::set().await;
    let mut world = World::start().await;
    world.parked_is_fine();
    for (method, status) in [("GET", 302), ("GET", 308), ("PUT", 307), ("PUT", 301)] {
        let id = world.arrives(Feedback::default()).await;
        let path = format!("/responses/{id}");
        let fault = Fault { method: Some(method.to_owned()), ..Fault::once(&path, trap.redirect(status)) };
        world.goodays.wire().fault(fault);
        world.agent_comments(&id, "An answer for one.");
        world.until("the redirect is met", || world.goodays.wire().faults().is_empty()).await;
        world.settle().await;
        for item in world.parked().await {
            assert_eq!(item.reason_code, format!("status_{status}"));
            world.retry(item.id).await;
        }
        world.settle().await;
        assert_eq!(world.received(&id).len(), 1, "{method} {status}");
    }
    trap.is_unmet();
}

#[tokio::test]
async fn a_next_page_elsewhere_is_asked_of_our_own_remote() {
    let trap = Trap::set().await;
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    let page = json!({ "totalSize": 5000, "done": false, "records": [],
        "nextRecordsUrl": format!("{}/services/data/v66.0/query/01gD0000002HU6KIAW-2000", trap.url) });
    let body = json!({ "compositeResponse": [
        { "body": page, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "q0" },
        { "body": page, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "q1" } ] });
    let act = Act::Answer { status: 200, body: body.to_string(), content_type: None, headers: [].into() };
    world.salesforce.wire().fault(Fault::once("/composite?", act));
    world.until("the page is met", || world.salesforce.wire().faults().is_empty()).await;
    world.answers(&id, "An answer that no page hides.").await;
    trap.is_unmet();
}

/// The result of a packed answer with this body.
async fn packed_answer(body: &[u8]) -> Result<usize, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(body).unwrap();
    let bomb = packer.finish().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
             content-length: {}\r\n\r\n",
            bomb.len()
        );
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&bomb).await;
    });
    exchange(client(PATIENCE).get(url)).await.map(|answer| answer.body.len())
}

/// A few kilobytes that unpack to more bytes or more values than any answer may have.
#[tokio::test]
async fn c09_an_answer_that_unpacks_without_end_is_not_read_to_it() {
    let too_large = |why: &str| Err(Failure::TooLarge(why.to_owned()));
    let long = too_large("an answer too long to read");
    let many = too_large("an answer with too many values to read");
    assert_eq!(packed_answer(&vec![b' '; 80 << 20]).await, long);
    assert_eq!(packed_answer(&vec![b'['; 80 << 20]).await, long);
    assert_eq!(packed_answer(&vec![b'['; 15 << 20]).await, many);
    assert_eq!(packed_answer(&b"[0],".repeat(1 << 20)).await, many);
    assert_eq!(packed_answer(&b"{\"\":0},".repeat(1 << 20)).await, many);
    let text = [b"\"".as_slice(), &b",[{".repeat(1 << 20), b"\""].concat();
    assert_eq!(packed_answer(&text).await, Ok(text.len()), "a long text is one value");
}

#[tokio::test]
async fn ids_that_no_field_holds_wait_for_a_human() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let long = "x".repeat(10_000);
    for id in [long.as_str(), "nul\0byte", "line\nbreak", "..", "."] {
        let (status, said) = world.post(&json!({ "event_type": long, "response": { "id": id } })).await;
        assert_eq!((status, &said["status"]), (200, &json!("parked")));
        assert!(!said.to_string().contains("xxxx"), "{said}");
    }
    assert_eq!(world.parked().await.len(), 5);
    world.arrives(Feedback::default()).await;
}

/// The marker cannot hold such an id, so only the comment itself shows that the message is there.
#[tokio::test]
async fn message_ids_may_be_monstrous() {
    let world = World::start().await;
    let start = world.arrives(words("The first words.")).await;
    let event = world.goodays.event_body(&start, "response");
    let long = "m".repeat(10_000);
    for id in [
        long.as_str(),
        "nul\0byte",
        "a'b\"c\\d",
        "%00%2f/..",
        "{{ id }} @{x}",
        "' OR Id != null --",
        "\u{202e}",
    ] {
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        let response = format!("r{}", id.len());
        event["response"]["id"] = json!(response);
        let sender = event["response"]["user"].clone();
        event["response"]["attached_messages"] = json!([{ "id": id, "content": "One message.",
            "type": "Message", "created_date": "2030-01-01T00:00:00Z", "sender": sender }]);
        for kind in ["message", "response", "delegated"] {
            event["event_type"] = json!(kind);
            assert_eq!(world.post(&event).await.1["status"], "accepted");
            world.settle().await;
        }
        assert_eq!(world.thread(&response), ["One message."], "{id:.20}");
    }
}

/// Deep, wide, and with keys that have a meaning elsewhere.
#[tokio::test]
async fn odd_shapes_cost_nobody_anything() {
    let world = World::start().await;
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let wide: Value =
        (0..20_000).map(|n| (format!("key{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    for (n, odd) in [deep, wide, json!({ "__proto__": 1, "constructor": 2, "": 3 })].into_iter().enumerate() {
        let id = format!("odd{n}");
        let event = json!({ "event_type": "response", "x": odd, "response": { "id": id, "message": {
            "id": "m", "content": "Fine words." }, "context": odd, "user": odd, "answers": odd } });
        assert_eq!(world.post(&event).await.1["status"], "accepted");
        world.settle().await;
        assert_eq!(world.case(&id)["Description"], "Fine words.");
    }
}
