//! Where a login leads: to the right org before anything is sent (design, rule 16), and after an org has moved
//! (Salesforce reference, 1.6 and 2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::check;
use goodays_salesforce::demo::stage::{Stage, until};
use goodays_salesforce::mapping::Mapping;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{PATIENCE, World, quick};
use crate::silent_port;

const OTHER_ORG: &str = "00Dxx0000001gPLEAY";
const OUR_ORG: &str = "00DSm0000000004MAA";
const OTHER_USER: &str = "005xx000001Sv6AAAS";

fn always(path: &str, act: Act) -> Fault {
    Fault { times: None, ..Fault::once(path, act) }
}

fn answer(status: u16, body: &str) -> Act {
    Act::Answer { status, body: body.to_owned(), content_type: None, headers: BTreeMap::new() }
}

fn ended() -> Act {
    answer(401, r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#)
}

/// The answer to a login. The simulator would accept the token.
fn granted(stage: &Stage, org: &str, user: &str) -> (String, Act) {
    let token = stage.salesforce.new_token();
    let id = format!("https://login.salesforce.com/id/{org}/{user}");
    let body = json!({ "access_token": token, "instance_url": stage.salesforce.url(), "token_type": "Bearer",
        "id": id, "issued_at": "1" });
    (token, answer(200, &body.to_string()))
}

fn carried(stage: &Stage, token: &str) -> usize {
    let bearer = format!("Bearer {token}");
    let requests = stage.salesforce.wire().requests();
    requests.iter().filter(|seen| seen.headers.get("authorization") == Some(&bearer)).count()
}

fn logins(world: &World) -> usize {
    let requests = world.stage.salesforce.wire().requests();
    requests.iter().filter(|seen| seen.path.ends_with("/oauth2/token")).count()
}

/// The session ends during a poll, a write, and a describe. The new login leads to a copied sandbox.
#[tokio::test]
async fn a11_nothing_travels_on_a_session_of_another_org() {
    let calls = ["/composite", "/composite/graph", "/describe", "/query"];
    join_all(calls.into_iter().map(|call| async move {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        world.quiet().await;
        world.stage.salesforce.wire().fault(always(call, ended()));
        let (token, login) = granted(&world.stage, OTHER_ORG, OTHER_USER);
        world.stage.salesforce.wire().fault(always("/oauth2/token", login));
        // All callers: an edit's describe, feedback, an agent's answer.
        world.stage.app().shared.reload_mappings().await.unwrap();
        let late = world.leaves();
        let text = world.agent_answers(&case);
        world.holds("the refusal", || world.salesforce_trouble().filter(|t| t == "other_org")).await;
        assert_eq!(carried(&world.stage, &token), 0, "{call}");
        assert!(!world.received(&id).contains(&text), "{call}");
        let led = world.stage.app().shared.salesforce_led().unwrap();
        assert_eq!(led.org.as_str(), OTHER_ORG);
        // An admin fixes the login. Nothing is restarted.
        world.stage.salesforce.wire().clear_faults();
        world.case(&late).await;
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(carried(&world.stage, &token), 0, "{call}");
    }))
    .await;
}

/// Before a contact is noted, too: all its answers come from one org.
#[tokio::test]
async fn a11_a_first_contact_is_made_with_one_org() {
    let mut stage = Stage::set(quick()).await.unwrap();
    let (first, login) = granted(&stage, OTHER_ORG, OTHER_USER);
    stage.salesforce.wire().fault(Fault::once("/oauth2/token", login));
    stage.salesforce.wire().fault(Fault { skip: 1, ..Fault::once("/describe", ended()) });
    stage.start_daemon().await.unwrap();
    let trouble = || stage.app().shared.salesforce_breaker.trouble().filter(|t| t.code == "other_org");
    until(PATIENCE, trouble).await.expect("the second login is refused");
    assert_eq!(carried(&stage, &first), 2, "the two descriptions");
    let id = stage.goodays.customer_leaves(Feedback::default());
    until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("nothing was kept of the first org");
    assert_eq!(stage.app().shared.salesforce_led().unwrap().org.as_str(), OUR_ORG);
    assert_eq!(carried(&stage, &first), 2);
}

/// The app gets another user at run time: what the first user wrote stays ours, whichever call got the new session.
#[tokio::test]
async fn a11_another_user_is_taken_over_before_anything_travels() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let words = world.customer_writes(&id);
    world.quiet().await;
    let mut comments = world.stage.salesforce.comments_of(&case).into_iter();
    let imported = comments.find(|c| c["CommentBody"].as_str().is_some_and(|b| b.contains(&words)));
    let imported = imported.unwrap()["Id"].as_str().unwrap().to_owned();
    world.stage.salesforce.expire_sessions();
    let (token, login) = granted(&world.stage, OUR_ORG, OTHER_USER);
    world.stage.salesforce.wire().fault(always("/oauth2/token", login));
    world.stage.salesforce.agent_publishes(&imported, true).unwrap();
    world.holds("the new user's calls", || (carried(&world.stage, &token) > 3).then_some(())).await;
    world.quiet().await;
    assert!(!world.received(&id).iter().any(|text| text.contains(&words)));
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert!(!world.received(&id).iter().any(|text| text.contains(&words)));
}

fn pages() -> Vec<(&'static str, Act)> {
    let page = |status: u16| Act::Answer {
        status,
        body: "<html><body>This site has moved.</body></html>".to_owned(),
        content_type: Some("text/html".to_owned()),
        headers: BTreeMap::new(),
    };
    let redirect = |status: u16| Act::Answer {
        status,
        body: String::new(),
        content_type: None,
        headers: [("Location".to_owned(), "http://127.0.0.1:1/".to_owned())].into(),
    };
    let auth = |code: &str| answer(401, &format!(r#"[{{"message":"x","errorCode":"{code}"}}]"#));
    let missing = |status: u16| answer(status, r#"[{"message":"x","errorCode":"NOT_FOUND"}]"#);
    vec![
        ("404 in the API's words", missing(404)),
        ("410 in the API's words", missing(410)),
        ("other JSON", answer(200, r#"{"status":"ok"}"#)),
        ("cut", Act::ResetBefore),
        ("301", redirect(301)),
        ("302", redirect(302)),
        ("307", redirect(307)),
        ("a page", page(200)),
        ("404", page(404)),
        ("403", page(403)),
        ("420", page(420)),
        ("502", page(502)),
        ("c05 INVALID_AUTH_HEADER", auth("INVALID_AUTH_HEADER")),
        ("c05 INVALID_HEADER_TYPE", auth("INVALID_HEADER_TYPE")),
        ("c05 a 401 without words", answer(401, "")),
    ]
}

#[tokio::test]
async fn c04_c05_an_org_that_has_moved_costs_one_login_and_parks_nothing() {
    join_all(pages().into_iter().map(|(what, act)| async move {
        let mut world = World::start().await;
        let (_, case) = world.arrives().await;
        let old = world.stage.salesforce.url().trim_start_matches("http://").to_owned();
        let new = world.stage.salesforce.url().replace("127.0.0.1", "localhost");
        world.stage.salesforce.with_settings(|s| s.instance_url = new);
        let before = logins(&world);
        let moved = Fault { host: Some(old), ..always("/services/data", act) };
        world.stage.salesforce.wire().fault(moved);
        let ids = [world.leaves(), world.leaves()];
        for id in &ids {
            world.case(id).await;
        }
        world.agent_answers(&case);
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{what}");
        assert_eq!(logins(&world), before + 1, "{what}");
        assert_eq!(world.stage.app().shared.salesforce_led().unwrap().instance, "localhost");
        assert_eq!(world.salesforce_trouble(), None, "{what}");
    }))
    .await;
}

/// The login leads to the same place: this is reported, and further logins are made at a limited rate.
#[tokio::test]
async fn c04_an_org_that_is_nowhere_costs_few_logins() {
    let mut world = World::start().await;
    let (_, _) = world.arrives().await;
    let before = logins(&world);
    let moved =
        Act::Answer { status: 302, body: String::new(), content_type: None, headers: BTreeMap::new() };
    world.stage.salesforce.wire().fault(always("/services/data", moved));
    let id = world.leaves();
    world.holds("the trouble", || world.salesforce_trouble().filter(|t| t == "REDIRECT")).await;
    assert!(logins(&world) <= before + 3, "{}", logins(&world) - before);
    world.stage.salesforce.wire().clear_faults();
    world.case(&id).await;
    world.quiet().await;
    assert_eq!(world.parked().await, []);
}

/// The address to which the login leads does not answer: `check` names it.
#[tokio::test]
async fn c04_check_says_where_the_login_leads() {
    let stage = Stage::set(quick()).await.unwrap();
    let silent = silent_port();
    let nowhere = format!("http://localhost:{}", silent.local_addr().unwrap().port());
    stage.salesforce.with_settings(|s| s.instance_url = nowhere);
    let config = stage.config().unwrap();
    let (mapping, _) = Mapping::load(&config.mappings).unwrap();
    let report = check::online(&config, &mapping, Duration::from_secs(5)).await;
    let told: Vec<&str> = report.findings.iter().map(|one| one.message.as_str()).collect();
    assert!(told.contains(&format!("the login leads to localhost, org {OUR_ORG}").as_str()), "{told:?}");
    assert_eq!(report.exit_code(), 3);
}
