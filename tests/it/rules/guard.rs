//! Rule 16: guards against writing to the wrong customers, or to too many.

use futures_util::future::join_all;
use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::operator::Outcome;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::Fault;
use goodays_salesforce::workers::SweepOptions;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::together::refusal;
use crate::world::World;

#[tokio::test]
async fn rule_16_a_state_of_another_org_is_refused() {
    let mut world = World::start().await;
    world.open_is_fine();
    let id = world.replied().await;
    world.stop().await;
    let other = json!({ "access_token": "00D!x", "instance_url": world.salesforce.url(), "token_type": "Bearer",
        "id": "https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001Sv6AAAS", "issued_at": "1" });
    let path = "/services/oauth2/";
    world
        .salesforce
        .wire()
        .fault(Fault { times: None, ..Fault::once(path, refusal(200, &other.to_string())) });
    world.agent_comments(&id, "Must not be sent.");
    world.stage.start_daemon().await.unwrap();
    world.until("it is refused", || world.app().shared.salesforce_breaker.trouble().is_some()).await;
    let trouble = world.app().shared.salesforce_breaker.trouble().unwrap();
    assert_eq!(trouble.code, "other_org");
    assert!(!world.app().shared.is_ready());
    // Webhooks are still accepted.
    let waiting = world.customer_leaves(Feedback::default());
    world.goodays.webhooks_sent().await;
    assert_eq!(world.goodays.webhook_log().last().unwrap().status, Some(200));
    assert_eq!(world.cases(&waiting).len(), 0);
    assert_eq!(world.puts(&id).len(), 1);
}

/// Logins from now on lead to this org and user.
fn logins_lead_to(world: &World, org: &str, user: &str) {
    let id = format!("https://login.salesforce.com/id/{org}/{user}");
    let granted = json!({ "access_token": world.salesforce.new_token(), "instance_url": world.salesforce.url(),
        "token_type": "Bearer", "id": id, "issued_at": "1" });
    let act = refusal(200, &granted.to_string());
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("/services/oauth2/", act) });
}

#[tokio::test]
async fn rule_16_a_login_that_leads_to_another_org_later_on_is_refused() {
    let world = World::start().await;
    let id = world.replied().await;
    world.salesforce.expire_sessions();
    logins_lead_to(&world, "00Dxx0000001gPLEAY", "005xx000001Sv6AAAS");
    world.until("it is refused", || world.app().shared.salesforce_breaker.trouble().is_some()).await;
    assert_eq!(world.app().shared.salesforce_breaker.trouble().unwrap().code, "other_org");
    assert_eq!(world.puts(&id).len(), 1);
}

/// The app has another Run-As user: what the first user wrote is not an agent's answer (rule 6).
#[tokio::test]
async fn rule_06_comments_of_the_user_that_we_were_are_never_sent() {
    let mut world = World::start().await;
    let id = world.replied().await;
    world.customer_writes(&id, "One more question, please.");
    world.settle().await;
    let comments = world.salesforce.comments_of(&id);
    let imported = comments.last().unwrap()["Id"].as_str().unwrap().to_owned();
    world.stop().await;
    world.salesforce.expire_sessions();
    logins_lead_to(&world, "00DSm0000000004MAA", "005xx000001Sv6AAAS");
    world.go_on().await;
    world.salesforce.agent_publishes(&imported, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}

#[tokio::test]
async fn rule_16_a_state_of_another_goodays_account_sends_nothing() {
    let mut world = World::start().await;
    world.open_is_fine();
    let id = world.replied().await;
    world.stop().await;
    let other = refusal(200, r#"{"username": "another-brand", "token": "t"}"#);
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/session", other) });
    world.go_on().await;
    world.customer_writes(&id, "A question for the first brand.");
    world.agent_comments(&id, "Must not be sent.");
    world.until("it is refused", || world.app().shared.goodays_breaker.trouble().is_some()).await;
    assert_eq!(world.app().shared.goodays_breaker.trouble().unwrap().code, "other_account");
    assert_eq!(world.puts(&id).len(), 1);
}

/// A sweep asks for the account's feedback, and another brand's must not become Cases.
#[tokio::test]
async fn rule_16_a_sweep_reads_nothing_of_another_goodays_account() {
    let mut world = World::start().await;
    world.open_is_fine();
    world.replied().await;
    world.stop().await;
    let other = refusal(200, r#"{"username": "another-brand", "token": "t"}"#);
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/session", other) });
    world.goodays.drop_webhooks(1);
    let theirs = world.customer_leaves(Feedback::default());
    world.go_on().await;
    let since = Timestamp::from_millisecond(world.app().shared.clock.now_ms()).unwrap() - 1.hour();
    let swept = world.app().shared.sweep(SweepOptions { since, named: false, dry_run: false }).await;
    assert!(swept.is_err(), "{swept:?}");
    assert_eq!(world.app().shared.goodays_breaker.trouble().unwrap().code, "other_account");
    assert_eq!(world.cases(&theirs).len(), 0);
}

/// An answer that does not name the account compares nothing: the next one may name it.
#[tokio::test]
async fn rule_16_an_account_that_is_not_told_at_first_is_asked_again() {
    let mut world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.stop().await;
    world.goodays.wire().fault(Fault::once("/session", refusal(200, "{}")));
    world.go_on_without_state().await;
    world.agent_comments(&id, "An answer to the first words.");
    world.settle().await;
    world.customer_writes(&id, "One more question, please.");
    world.settle().await;
    world.agent_comments(&id, "An answer to the question.");
    world.settle().await;
    assert_eq!(world.puts(&id).len(), 2);
    assert!(world.app().shared.store.meta::<u64>("goodays_account").await.unwrap().is_some());
}

/// The account is known, and whoever refuses the question does not answer it.
#[tokio::test]
async fn rule_16_a_known_account_that_is_not_told_sends_nothing_until_it_is() {
    const NOT_TOLD: [(u16, &str); 5] = [
        (404, r#"{"detail":"Not found."}"#),
        (403, r#"{"detail":"Not accessible"}"#),
        (404, r#"{"message":"no Route matched with those values"}"#),
        (403, "<html>Blocked</html>"),
        (200, "{}"),
    ];
    join_all(NOT_TOLD.map(|(status, body)| async move {
        let mut world = World::start().await;
        let id = world.replied().await;
        world.stop().await;
        world.goodays.wire().fault(Fault { times: None, ..Fault::once("/session", refusal(status, body)) });
        world.go_on().await;
        world.customer_writes(&id, "One more question, please.");
        world.agent_comments(&id, "An answer that waits.");
        world.until("it is told", || world.app().shared.goodays_breaker.trouble().is_some()).await;
        assert_eq!(world.app().shared.goodays_breaker.trouble().unwrap().code, "road", "{status} {body}");
        world.polled().await;
        assert_eq!(world.puts(&id).len(), 1, "{status} {body}");
        world.goodays.wire().clear_faults();
        world.settle().await;
        assert_eq!(world.puts(&id).len(), 2, "{status} {body}");
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}

#[tokio::test]
async fn rule_16_observing_shows_what_would_be_sent() {
    let goodays = "actions: observe\n".to_owned();
    let world = World::with(Tuning { goodays, ..Tuning::default() }).await;
    let (answered, closed) =
        (world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await);
    world.agent_comments(&answered, "Only a rehearsal.");
    world.agent_sets(&closed, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.told(&answered).0, "Would be sent: answer");
    assert_eq!(world.told(&closed).0, "Would be sent: close");
    world.salesforce.touch_all();
    world.settle().await;
    let puts = world.goodays.wire().requests().iter().filter(|r| r.method == "PUT").count();
    assert_eq!(puts, 0);
}

#[tokio::test]
async fn rule_16_what_was_only_observed_is_sent_when_it_is_done_anew() {
    let goodays = "actions: observe\n".to_owned();
    let mut world = World::with(Tuning { goodays, ..Tuning::default() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    world.stop().await;
    world.stage.tuning.goodays.clear();
    world.go_on().await;
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    world.agent_sets(&id, json!({ "Status": "New" }));
    world.settle().await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.processed(&id), ["close"]);
}

#[tokio::test]
async fn rule_16_a_mass_edit_is_held_back_and_released_by_retry() {
    let goodays = "max_actions_per_hour: 3\n".to_owned();
    let world = World::with(Tuning { goodays, ..Tuning::default() }).await;
    let ids: Vec<String> = (0..6).map(|_| world.customer_leaves(Feedback::default())).collect();
    world.settle().await;
    for id in &ids {
        world.agent_sets(id, json!({ "Status": "Closed" }));
    }
    world.settle().await;
    let sent = || ids.iter().filter(|id| world.processed(id) == ["close"]).count();
    assert_eq!(sent(), 3);
    let parked = world.parked().await;
    assert_eq!(parked.len(), 3);
    for item in &parked {
        assert_eq!(item.reason_code, "max_actions_per_hour");
        let told = world.told(item.response_id.as_ref().unwrap());
        assert_eq!(told.0, "Not sent");
        assert!(told.1.contains("Held back"), "{told:?}");
    }
    for item in parked {
        assert_eq!(world.retry(item.id).await, Outcome::Done);
    }
    world.settle().await;
    assert_eq!(sent(), 6);
    for id in &ids {
        assert_eq!(world.told(id), ("Sent: close".into(), String::new()));
    }
}

#[tokio::test]
async fn rule_16_attachments_and_action_urls_are_never_called() {
    let world = World::start().await;
    let trap = format!("{}/trap/reply", world.salesforce.url());
    let message = json!({ "id": "m1", "content": "See my picture.", "attachment": trap });
    let patch = json!({ "actions": { "reply": trap }, "place": { "detail_url": trap }, "message": message });
    let id = world.arrives(Feedback { patch, ..Feedback::default() }).await;
    assert_eq!(world.case(&id)["Description"], Value::from(format!("See my picture.\n{trap}")));
    world.answers(&id, "Thank you for the picture.").await;
    let called = world.salesforce.wire().requests().into_iter().any(|r| r.path.contains("trap"));
    assert!(!called);
}
