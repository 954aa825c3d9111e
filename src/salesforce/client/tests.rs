use super::*;
use crate::http::script::{self, Script, serve};

fn granted(token: &str) -> String {
    granted_to(token, "00Dx0000000BV7zEAG", "005x00000012Q9PAAU")
}

fn granted_to(token: &str, org: &str, user: &str) -> String {
    let id = format!("https://login.salesforce.com/id/{org}/{user}");
    let token = json!({"access_token": token, "token_type": "Bearer", "instance_url": "URL", "id": id});
    script::json(200, &token.to_string())
}

fn ended() -> String {
    script::json(401, r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#)
}

fn client(script: &Script) -> Client {
    let credentials = Credentials::ClientCredentials { client_id: "k".into(), client_secret: "s".into() };
    let meter = Arc::new(Meter::new());
    meter.grant(10);
    let http = crate::http::client(std::time::Duration::from_secs(5));
    Client::new(script.url.clone(), "66.0".into(), credentials, http, meter, Clock::System)
}

#[tokio::test]
async fn an_ended_session_is_renewed_once() {
    let headers = "sforce-limit-info: api-usage=7/100\r\ndate: Tue, 07 Jul 2026 00:37:00 GMT\r\n";
    let script = serve(vec![granted("one"), ended(), granted("two"), script::with(200, headers, "{}")]).await;
    let client = client(&script);
    client.limits().await.unwrap();
    assert_eq!((client.meter().used(), client.meter().org_usage()), (2, Some((7, 100))));
    assert_eq!(client.server_time().unwrap().to_string(), "2026-07-07T00:37:00Z");
    let asked = script.asked();
    assert!(asked[1].contains("uthorization: Bearer one") || asked[1].contains("uthorization: bearer one"));
    for part in ["earer two", "sforce-call-options: client=goodays-salesforce/", "accept-encoding: gzip"] {
        assert!(asked[3].contains(part), "{}", asked[3]);
    }
}

#[tokio::test]
async fn a_login_that_does_not_help_is_no_loop() {
    let same = serve(vec![granted("one"), ended(), granted("one")]).await;
    assert!(matches!(client(&same).limits().await, Err(Failure::Login { .. })));
    let again = serve(vec![granted("one"), ended(), granted("two"), ended()]).await;
    assert!(matches!(client(&again).limits().await, Err(Failure::Login { .. })));
}

#[tokio::test]
async fn a11_nothing_is_sent_on_a_session_of_another_org_or_user() {
    let org = granted_to("evil", "00Dx0000000BV8zEAG", "005x00000012Q9PAAU");
    let script = serve(vec![granted("one"), ended(), org, granted("two"), script::json(200, "{}")]).await;
    let client = client(&script);
    assert!(matches!(client.limits().await, Err(Failure::WrongSession { .. })));
    assert_eq!(client.leads_to().unwrap().org.as_str(), "00Dx0000000BV8zEAG");
    client.limits().await.unwrap();
    assert!(script.asked().iter().all(|asked| !asked.contains("earer evil")));

    let user = || granted_to("new", "00Dx0000000BV7zEAG", "005x00000012Q9QAAU");
    let script = serve(vec![granted("one"), ended(), user(), script::json(200, "{}")]).await;
    let client = self::client(&script);
    assert!(matches!(client.limits().await, Err(Failure::SessionOver(_))));
    assert!(matches!(client.limits().await, Err(Failure::SessionOver(_))));
    assert_eq!(script.asked().len(), 3);
    let session = client.session().await.unwrap();
    client.bind(Owner { org: session.org_id, user: session.user_id }).await;
    client.limits().await.unwrap();
}

#[tokio::test]
async fn c04_a_redirect_is_followed_by_a_login_and_by_nothing_else() {
    let moved = || script::with(302, "location: https://evil.example/\r\n", "");
    let script = serve(vec![granted("one"), moved(), granted("two"), script::json(200, "{}")]).await;
    client(&script).limits().await.unwrap();
    let script = serve(vec![granted("one"), moved(), granted("two"), moved()]).await;
    let refused = client(&script).limits().await;
    assert!(matches!(&refused, Err(Failure::Login { code, .. }) if code == "REDIRECT"), "{refused:?}");
}

#[tokio::test]
async fn c11_pages_that_lead_back_end_the_walk() {
    let page = |next: &str| {
        let next = format!("/services/data/v66.0/query/{next}");
        script::json(
            200,
            &json!({"records": [{"Id": "1"}], "done": false, "nextRecordsUrl": next}).to_string(),
        )
    };
    let script = serve(vec![granted("one"), page("a"), page("b"), page("a")]).await;
    assert!(matches!(client(&script).query("SELECT Id FROM Case").await, Err(Failure::Road(_))));
    assert_eq!(script.asked().len(), 4);
}

#[tokio::test]
async fn calls_at_once_share_one_login_and_calls_not_sent_cost_nothing() {
    let script = serve(vec![granted("one"), script::json(200, "{}"), script::json(200, "{}")]).await;
    let client = client(&script);
    let (one, two) = tokio::join!(client.limits(), client.limits());
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(client.limits().await, Err(Failure::NotSent(_))));
    assert_eq!((client.meter().used(), client.meter().left()), (2, 8));
    client.meter().set_left(0);
    assert_eq!(client.limits().await, Err(Failure::Budget));
}

#[tokio::test]
async fn queries_are_read_to_their_end() {
    let script = serve(vec![
        granted("one"),
        script::json(
            200,
            r#"{"records":[{"Id":"1"}],"done":false,"nextRecordsUrl":"https://evil.example/services/data/v66.0/query/x"}"#,
        ),
        script::json(200, r#"{"records":[{"Id":"2"}],"done":true}"#),
        script::json(200, r#"{"records":[],"done":false}"#),
    ])
    .await;
    let client = client(&script);
    assert_eq!(client.query_all("SELECT Id FROM Case").await.unwrap().len(), 2);
    let asked = script.asked();
    assert!(asked[1].starts_with("GET /services/data/v66.0/queryAll?q=SELECT%20Id%20FROM%20Case "));
    assert!(asked[2].starts_with("GET /services/data/v66.0/query/x "));
    assert!(matches!(client.query("SELECT Id FROM Case").await, Err(Failure::NoAnswer(_))));
}

#[tokio::test]
async fn one_call_reads_several_queries_and_a_failed_one_spoils_no_other() {
    let answer = json!({"compositeResponse": [
        {"referenceId": "q1", "httpStatusCode": 400, "body": [{"errorCode": "INVALID_FIELD", "message": "m"}]},
        {"referenceId": "q0", "httpStatusCode": 200, "body": {"records": [{"Id": "1"}], "done": false}},
    ]});
    let script = serve(vec![granted("one"), script::json(200, &answer.to_string())]).await;
    let client = client(&script);
    let pages = client
        .pages(&[Asked::Current("SELECT Id FROM Case".into()), Asked::All("SELECT X FROM Case".into())])
        .await
        .unwrap();
    assert_eq!(pages[0], Ok(Page { rows: vec![json!({"Id": "1"})], done: false }));
    assert_eq!(pages[1].as_ref().unwrap_err().code, "INVALID_FIELD");
    let asked = script.asked().remove(1);
    assert!(asked.starts_with("POST /services/data/v66.0/composite HTTP/1.1"), "{asked}");
    assert!(asked.contains("sforce-auto-assign: FALSE") && asked.contains("allowSave=true"), "{asked}");
}

#[tokio::test]
async fn a_query_too_long_for_an_address_is_posted() {
    let answer = json!({"compositeResponse": [
        {"referenceId": "q0", "httpStatusCode": 200, "body": {"records": [], "done": true}},
    ]});
    let script = serve(vec![granted("one"), script::json(200, &answer.to_string())]).await;
    let client = client(&script);
    assert_eq!(client.query(&"x".repeat(15_000)).await, Ok(Vec::new()));
    assert!(script.asked()[1].starts_with("POST"));
    assert!(matches!(client.query(&"x".repeat(17_000)).await, Err(Failure::Refused { status: 414, .. })));
}
