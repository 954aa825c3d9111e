//! Limits and outages of one remote: the other direction continues, and nothing is lost (laws 1, 8 and 11).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::workers::{Allowance, Purpose};
use serde_json::json;

use crate::arena::{Tuning, World, quick};

fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> Act {
    Act::Answer {
        status,
        body: body.to_owned(),
        content_type: None,
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
    }
}

fn always(path: &str, act: Act) -> Fault {
    Fault { times: None, ..Fault::once(path, act) }
}

/// Asserts that every webhook so far was accepted.
fn all_accepted(world: &World) {
    let log = world.stage.goodays.webhook_log();
    assert!(log.iter().all(|sent| sent.status == Some(200)), "a webhook was not accepted");
}

#[tokio::test]
async fn while_salesforce_is_down_webhooks_are_accepted_and_then_all_are_cases() {
    let mut world = World::start().await;
    world.arrives().await;
    world.stage.salesforce.wire().fault(always("", Act::ResetBefore));
    let ids: Vec<String> = (0..30).map(|_| world.leaves()).collect();
    world.stage.goodays.webhooks_sent().await;
    world.holds("the trouble", || world.salesforce_trouble()).await;
    all_accepted(&world);
    assert_eq!(world.stage.app().shared.store.counters().await.unwrap().pending, 30);
    world.stage.salesforce.wire().clear_faults();
    for id in &ids {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.salesforce_trouble(), None);
}

#[tokio::test]
async fn the_orgs_daily_limit_is_a_long_pause_of_one_side_only() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.stage.salesforce.set_daily_limit(1000, 1000);
    let late = world.leaves();
    world.stage.goodays.webhooks_sent().await;
    world.holds("the pause", || world.salesforce_trouble().filter(|t| t == "daily_limit")).await;
    all_accepted(&world);
    let trouble = world.stage.app().shared.salesforce_breaker.trouble().unwrap();
    assert!(trouble.retry_at_ms - trouble.since_ms >= 80_000, "it probes now and then: {trouble:?}");
    world.stage.salesforce.set_daily_limit(100_000, 0);
    world.stage.app().shared.salesforce_breaker.reopen();
    world.stage.app().shared.wake_all();
    world.case(&late).await;
    world.quiet().await;
    world.laws_hold().await;
}

#[tokio::test]
async fn too_many_calls_at_one_time_is_a_short_pause() {
    let mut world = World::start().await;
    let body = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]"#;
    world
        .stage
        .salesforce
        .wire()
        .fault(Fault { times: Some(2), ..Fault::once("/composite/graph", answer(403, body, &[])) });
    let (id, _) = world.arrives().await;
    world.quiet().await;
    assert_eq!(world.graphs(), 3, "{id}");
    world.laws_hold().await;
}

/// The test uses up our own budget. Not one more call is made, also after a restart.
#[tokio::test]
async fn our_own_budget_is_never_exceeded_by_one_call() {
    let tuning = Tuning { salesforce: "api_calls_per_day: 100".to_owned(), ..quick() };
    let mut world = World::with(tuning).await;
    world.arrives().await;
    for _ in 0..2 {
        let shared = &world.stage.app().shared;
        let now_ms = || shared.clock.now_ms();
        while let Allowance::Go { .. } = shared.budget.ask(now_ms(), Purpose::Feedback).await.unwrap() {
            if shared.salesforce.query("SELECT Id FROM Case LIMIT 1").await.is_err() {
                break;
            }
        }
        assert!(world.stage.salesforce.api_calls() <= 100, "{} calls", world.stage.salesforce.api_calls());
        world.leaves();
        world.stage.goodays.webhooks_sent().await;
        all_accepted(&world);
        world.stage.stop_daemon().await;
        world.stage.start_daemon().await.unwrap();
        world.leaves();
        world.holds("the pause", || world.salesforce_trouble().filter(|t| t == "budget")).await;
        assert!(world.stage.salesforce.api_calls() <= 100, "{} calls", world.stage.salesforce.api_calls());
    }
    let trouble = world.stage.app().shared.salesforce_breaker.trouble().unwrap();
    assert!(trouble.advice.contains("api_calls_per_day"), "{}", trouble.advice);
}

/// When few calls are left, polls become rarer. New feedback does not wait for them.
#[tokio::test]
async fn new_feedback_comes_before_polls_when_the_budget_runs_short() {
    let tuning = Tuning { poll_ms: 50, salesforce: "api_calls_per_day: 100".to_owned(), ..quick() };
    let mut world = World::with(tuning).await;
    world.holds("half of the budget", || (world.stage.salesforce.api_calls() >= 50).then_some(())).await;
    let calls = world.stage.salesforce.api_calls();
    let (_, _) = world.arrives().await;
    assert!(world.stage.salesforce.api_calls() < calls + 10, "polls go on as if nothing was");
    world.laws_hold().await;
}

#[tokio::test]
async fn goodays_asks_for_a_pause_with_and_without_saying_how_long() {
    for headers in [&[][..], &[("Retry-After", "1")][..]] {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        let busy = || answer(429, r#"{"message":"API rate limit exceeded"}"#, headers);
        for _ in 0..2 {
            world.goodays_fault("reply", busy());
        }
        world
            .stage
            .goodays
            .wire()
            .fault(Fault { method: Some("GET".to_owned()), ..Fault::once("/responses/", busy()) });
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.puts("/reply"), 3);
        assert_eq!(world.parked().await, []);
    }
}

/// A token that Goodays no longer accepts stops only the sending, and is reported.
#[tokio::test]
async fn a_refused_token_stops_the_sending_and_nothing_else() {
    let bodies = [
        (401, r#"{"message":"No API key found in request"}"#),
        (403, r#"{"message":"Invalid authentication credentials"}"#),
    ];
    for (status, body) in bodies {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        world.stage.goodays.wire().fault(always("/v2/", answer(status, body, &[])));
        let text = world.agent_answers(&case);
        let code = status.to_string();
        world.holds("the trouble", || world.goodays_trouble().filter(|t| *t == code)).await;
        world.arrives().await;
        assert_eq!(world.received(&id), Vec::<String>::new());
        assert_eq!(world.parked().await, [], "it is no fault of this answer");
        world.stage.goodays.wire().clear_faults();
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
    }
}

/// The same status for a single response concerns only that response.
#[tokio::test]
async fn a_response_that_is_not_ours_any_more_parks_its_own_answer_only() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let (other, other_case) = world.arrives().await;
    let body = r#"{"detail":"You do not have permission to perform this action."}"#;
    world.stage.goodays.wire().fault(always(&format!("/responses/{id}"), answer(403, body, &[])));
    world.agent_answers(&case);
    let text = world.agent_answers(&other_case);
    world.receives(&other, &text).await;
    let item = world.parked_with("status_403").await;
    assert_eq!(item.response_id.as_deref(), Some(id.as_str()));
    world.quiet().await;
    world.laws_hold().await;
    let case = world.stage.salesforce.case_by_key(&id).unwrap();
    assert_eq!(case["Goodays_Sync_Status__c"], json!("Not sent"));
}

/// Goodays lists its responses, or nothing, and shows none of them for a while.
#[tokio::test]
async fn reads_that_are_refused_for_every_response_park_nothing() {
    let table = [
        (404, r#"{"detail":"Not found."}"#, false),
        (403, r#"{"detail":"You do not have permission to perform this action."}"#, false),
        (410, r#"{"detail":"Gone."}"#, false),
        (404, r#"{"message":"Not found"}"#, true),
    ];
    join_all(table.map(|(status, body, is_list_empty)| async move {
        let mut world = World::start().await;
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(world.arrives().await);
        }
        for (id, _) in &all {
            world.stage.goodays.wire().fault(always(&format!("/responses/{id}"), answer(status, body, &[])));
        }
        if is_list_empty {
            let empty = answer(200, r#"{"next":null,"previous":null,"results":[]}"#, &[]);
            world.stage.goodays.wire().fault(always("/responses/bulk", empty));
        }
        let texts: Vec<String> = all.iter().map(|(_, case)| world.agent_answers(case)).collect();
        world.holds("the trouble", || world.goodays_trouble().filter(|code| code == "road")).await;
        let reads = || {
            let requests = world.stage.goodays.wire().requests();
            requests.iter().filter(|r| r.status == status && r.path.ends_with(&all[0].0)).count()
        };
        world.holds("reads", || (reads() > 1).then_some(())).await;
        assert_eq!(world.parked().await, [], "{status} {body}");
        world.stage.goodays.wire().clear_faults();
        for ((id, _), text) in all.iter().zip(&texts) {
            world.receives(id, text).await;
        }
        world.quiet().await;
        world.laws_hold().await;
    }))
    .await;
}

/// Salesforce refuses the login until an admin fixes it.
#[tokio::test]
async fn a_refused_login_waits_for_an_admin_and_loses_nothing() {
    let mut world = World::start().await;
    world.arrives().await;
    let body = r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#;
    world.stage.salesforce.wire().fault(always("/services/oauth2/token", answer(400, body, &[])));
    world.stage.salesforce.expire_sessions();
    let ids = [world.leaves(), world.leaves()];
    world.holds("the trouble", || world.salesforce_trouble()).await;
    world.stage.goodays.webhooks_sent().await;
    all_accepted(&world);
    world.stage.salesforce.wire().clear_faults();
    for id in &ids {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold().await;
}

#[tokio::test]
async fn sessions_that_end_after_a_few_calls_disturb_nobody() {
    let mut world = World::start().await;
    world.stage.salesforce.with_settings(|s| s.session_calls = 3);
    for _ in 0..3 {
        let (id, case) = world.answered().await;
        world.customer_writes(&id);
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
    }
    world.quiet().await;
    world.laws_hold().await;
}
