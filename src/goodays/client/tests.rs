use std::time::Duration;

use super::*;
use crate::http::script::{Script, json, serve, with};

const TIME_LIMIT: Duration = Duration::from_millis(500);

pub(in crate::goodays) fn client(script: &Script) -> Client {
    let base = script.url.join("v2").unwrap();
    Client::new(base, || "0123abcd".into(), crate::http::client(TIME_LIMIT))
}

fn id() -> ResponseId {
    ResponseId::new("a?b%é&c").unwrap()
}

fn spam() -> Action {
    Action::Spam { user: None, remark_type: None }
}

#[tokio::test]
async fn the_token_stands_alone_and_ids_are_one_segment() {
    let script = serve(vec![json(200, "{}")]).await;
    client(&script).act(&id(), &Action::Spam { user: Some("u".into()), remark_type: None }).await.unwrap();
    let asked = script.asked().remove(0);
    assert!(asked.starts_with("PUT /v2/responses/a%3Fb%25%C3%A9&c/spam HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: 0123abcd\r\n"), "{asked}");
    assert!(asked.contains("content-type: application/json") && asked.ends_with(r#"{"user":"u"}"#));
}

#[tokio::test]
async fn c11_a_list_of_users_that_leads_back_ends() {
    let page =
        |cursor: &str| json(200, &format!(r#"{{"results":[],"next":"URL/v2/users?cursor={cursor}"}}"#));
    let script = serve(vec![page("a"), page("b"), page("a")]).await;
    let found = client(&script).users_by_email("a@b.example").await;
    assert!(matches!(found, Err(Failure::NoAnswer(_))), "{found:?}");
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn what_is_known_after_an_action() {
    let table = [
        (json(200, "{\"a\":"), "done"),
        (with(429, "retry-after: 7\r\n", ""), "busy: Goodays limits the rate of calls"),
        (json(401, ""), "Goodays does not accept the token (status 401): check goodays.token with Goodays"),
        (json(403, r#"{"detail":"Not accessible"}"#), "refused with status 403 "),
        (json(400, r#"{"code":"no_reply"}"#), "refused with status 400 no_reply"),
        (json(404, r#"{"detail":"Not found."}"#), "refused with status 404 "),
        (json(404, "<html>"), "the way there is disturbed: status 404"),
        (json(403, "<html>"), "the way there is disturbed: status 403"),
        (json(404, r#"{"message":"no Route matched with those values"}"#), "the way there is disturbed"),
        (json(400, ""), "the way there is disturbed: status 400"),
        (with(302, "location: URL/elsewhere\r\n", ""), "the way there is disturbed: status 302"),
        (json(500, ""), "no answer: status 500"),
        (json(503, ""), "no answer: status 503"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_owned(), "no answer"),
        (String::new(), "no answer"),
    ];
    for (answer, expected) in table {
        let script = serve(vec![answer.clone()]).await;
        let said = client(&script).act(&id(), &spam()).await;
        let said = said.map_or_else(|failure| failure.to_string(), |()| "done".to_owned());
        assert!(said.starts_with(expected), "{said} for {answer}");
        assert!(!said.contains("127.0.0.1"), "{said}");
    }
}

#[tokio::test]
async fn a_403_with_words_about_a_token_is_one_of_the_token_only_if_a_read_gets_it_too() {
    let bad_token = "Goodays does not accept the token (status 403)";
    let gateways = r#"{"message":"Invalid authentication credentials"}"#;
    let own = r#"{"detail":"Invalid token."}"#;
    let of_a_text = r#"{"detail":"Request blocked: forbidden token in content"}"#;
    let shown = r#"{"id":"a?b%é&c"}"#;
    let table = [
        (gateways, json(403, gateways), bad_token),
        (own, json(403, own), bad_token),
        (own, json(401, ""), bad_token),
        (of_a_text, json(200, shown), "refused with status 403 "),
        (r#"{"detail":"CSRF token missing"}"#, json(200, shown), "refused with status 403 "),
        (of_a_text, json(404, r#"{"detail":"Not found."}"#), "refused with status 403 "),
        (gateways, json(200, shown), "the way there is disturbed: status 403"),
        (own, json(500, ""), "no answer: status 403, and then no answer: status 500"),
        (own, json(404, "<html>"), "no answer: status 403, and then the way there is disturbed"),
    ];
    for (put, read, expected) in table {
        let script = serve(vec![json(403, put), read.clone()]).await;
        let said = client(&script).act(&id(), &spam()).await.unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said} for {put} and {read}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_no_answer_and_none_at_all_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/v2", listener.local_addr().unwrap())).unwrap();
    let client = Client::new(base, || "t".into(), crate::http::client(TIME_LIMIT));
    assert!(matches!(client.act(&id(), &spam()).await, Err(Failure::NoAnswer(_))));
    drop(listener);
    assert!(matches!(client.act(&id(), &spam()).await, Err(Failure::NotSent(_))));
}

#[tokio::test]
async fn reads_want_the_response_they_asked_for() {
    let script =
        serve(vec![json(200, r#"{"id":"r"}"#), json(200, r#"{"id":"other"}"#), json(200, "<html>")]).await;
    let (client, id) = (client(&script), ResponseId::new("r").unwrap());
    assert_eq!(client.response(&id).await.unwrap().id, id);
    for _ in 0..2 {
        assert!(matches!(client.response(&id).await, Err(Failure::NoAnswer(_))));
    }
}

#[tokio::test]
async fn a_server_that_is_away_until_a_time_is_asked_then() {
    let away = || with(503, "Retry-After: 120\r\n", "<html>");
    let script = serve(vec![away(), away(), away(), json(503, "<html>")]).await;
    let (client, id) = (client(&script), ResponseId::new("r").unwrap());
    let is_busy = |failure: &Failure| matches!(failure, Failure::Busy { retry_after: Some(after), daily_limit: false, .. } if after.as_secs() == 120);
    assert!(is_busy(&client.response(&id).await.unwrap_err()));
    assert!(is_busy(&client.dashboard().await.unwrap_err()));
    let sent = client.act(&id, &spam()).await.unwrap_err();
    assert!(matches!(sent, Failure::NoAnswer(_)), "it may have been done: {sent}");
    assert!(matches!(client.response(&id).await, Err(Failure::NoAnswer(_))));
}

#[tokio::test]
async fn what_is_no_list_names_no_users_and_no_events() {
    let bodies = ["{}", r#"{"results":null}"#, r#"{"status":"maintenance"}"#, "null", "7"];
    let script =
        serve(bodies.iter().flat_map(|body| [json(200, body), json(200, body), json(200, body)]).collect())
            .await;
    let client = client(&script);
    for body in bodies {
        assert!(matches!(client.users_by_email("a@b.example").await, Err(Failure::Road(_))), "{body}");
        assert!(matches!(client.events().await, Err(Failure::Road(_))), "{body}");
        assert!(matches!(client.user("1").await, Err(Failure::Road(_))), "{body}");
    }
}

#[tokio::test]
async fn half_a_character_costs_no_read() {
    let script = serve(vec![json(200, r#"{"id":"r","message":{"id":"m","content":"cut \ud83d"}}"#)]).await;
    let read = client(&script).response(&ResponseId::new("r").unwrap()).await.unwrap();
    assert_eq!(read.first.unwrap().content, "cut \u{fffd}");
}

#[tokio::test]
async fn users_sessions_and_dashboards() {
    let script = serve(vec![
        json(200, r#"{"results":[{"id":"1","email":"Ann@x.example","read_only":true},
            {"id":2,"email":"ann@x.example"},{"id":"3","email":"joann@x.example"},{"email":"ann@x.example"}]}"#),
        json(200, r#"[{"username":"acme","token":"t"}]"#),
        json(200, r#"{"pending_alert":1,"pending_reply":"2"}"#),
        json(200, "[]"),
    ])
    .await;
    let client = client(&script);
    let users = client.users_by_email("ann@x.example").await.unwrap();
    assert_eq!(
        users.iter().map(|u| (u.id.as_str(), u.read_only)).collect::<Vec<_>>(),
        [("1", true), ("2", false)]
    );
    assert_eq!(client.session().await.unwrap().as_deref(), Some("acme"));
    let waiting = Waiting { pending_alert: 1, pending_reply: 2 };
    assert_eq!(client.dashboard().await.unwrap(), waiting);
    assert!(client.dashboard().await.is_err());
}

#[tokio::test]
async fn an_account_without_statistics_is_refused_and_nothing_else() {
    let row = r#"[{"data":[{"reply_rate":93.5,"reply_time":7200}]}]"#;
    let script = serve(vec![json(200, row), json(403, r#"{"detail":"Not accessible"}"#)]).await;
    let client = client(&script);
    assert_eq!(client.relationship().await.unwrap().reply_rate, Some(93.5));
    assert!(matches!(client.relationship().await, Err(Failure::Refused { status: 403, .. })));
    assert!(script.asked()[0].starts_with("GET /v2/stats/relationship "));
}

#[tokio::test]
async fn one_user_and_the_custom_parameters() {
    let script = serve(vec![
        json(200, r#"[{"id":"u/1","read_only":"true"}]"#),
        json(404, r#"{"detail":"Not found."}"#),
        json(403, r#"{"detail":"Not accessible"}"#),
        json(200, r#"[{"custom_parameters":[{"key":"visit"},"title",7]}]"#),
        json(200, "{}"),
    ])
    .await;
    let client = client(&script);
    let one = client.user("u/1").await.unwrap().unwrap();
    assert_eq!((one.id.as_str(), one.read_only), ("u/1", true));
    assert_eq!(client.user("u").await.unwrap(), None);
    assert!(matches!(client.user("u").await, Err(Failure::Refused { status: 403, .. })));
    assert_eq!(client.custom_parameters().await.unwrap(), ["visit", "title"]);
    assert_eq!(client.custom_parameters().await.unwrap(), [] as [&str; 0]);
    let asked = script.asked();
    assert!(asked[0].starts_with("GET /v2/users/u%2F1 "), "{}", asked[0]);
    assert!(asked[3].starts_with("GET /v2/configuration "), "{}", asked[3]);
}
