//! Law 7: every action of an agent is seen, and nothing else (Salesforce reference, 7).

use std::collections::BTreeMap;

use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{AGENT, World};

fn poll_fault(act: Act, skip: u32) -> Fault {
    let method = Some("POST".to_owned());
    Fault { method, body_contains: Some("SystemModstamp".to_owned()), skip, ..Fault::once("/composite", act) }
}

/// A step of the call says what a whole answer may say of everything: it pauses all calls, and is no refused query.
#[tokio::test]
async fn c04_a_step_that_speaks_of_everything_pauses_as_an_answer_does() {
    let error = |code: &str, message: &str| json!([{ "errorCode": code, "message": message }]);
    let table = [
        (json!(502), json!("<html>"), "road"),
        (json!(403), error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), "daily_limit"),
        (json!(503), error("SERVER_UNAVAILABLE", "x"), "no_answer"),
        (json!("200"), json!({ "done": true, "records": [] }), "road"),
    ];
    for (status, body, trouble) in table {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        world.quiet().await;
        let step = |name: &str| json!({ "referenceId": name, "httpStatusCode": status, "body": body });
        let body =
            json!({ "compositeResponse": [step("q0"), step("q1"), step("q2"), step("q3")] }).to_string();
        let act = Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() };
        world.stage.salesforce.wire().fault(Fault { times: None, ..poll_fault(act, 0) });
        world.holds(trouble, || world.salesforce_trouble().filter(|code| code == trouble)).await;
        assert_eq!(**world.stage.app().shared.poll_state.trouble.load(), None, "{status}");
        world.stage.salesforce.wire().clear_faults();
        world.stage.app().shared.salesforce_breaker.reopen();
        world.stage.app().shared.wake_all();
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
    }
}

/// Something answers for Salesforce that shows the same rows for ever, and says that more follow.
#[tokio::test]
async fn c11_pages_that_repeat_the_same_rows_end_the_poll_loudly() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    let mut row = world.stage.salesforce.case_by_key(&id).unwrap();
    row["SystemModstamp"] = json!("2026-07-07T00:37:00.250+0000");
    let page = |rows: &[serde_json::Value], done: bool| json!({ "totalSize": rows.len(), "done": done, "records": rows });
    let step = |name: &str, body| json!({ "referenceId": name, "httpStatusCode": 200, "body": body });
    let body = json!({ "compositeResponse":
        [step("q0", page(&[row], false)), step("q1", page(&[], true)), step("q2", page(&[], true))] });
    let act =
        Act::Answer { status: 200, body: body.to_string(), content_type: None, headers: BTreeMap::new() };
    world.stage.salesforce.wire().clear_requests();
    world.stage.salesforce.wire().fault(Fault { times: None, ..poll_fault(act, 0) });
    world.holds("the trouble", || world.salesforce_trouble().filter(|code| code == "road")).await;
    let polls = world.stage.salesforce.wire().requests();
    let polls = polls.iter().filter(|seen| seen.path.ends_with("/composite")).count();
    assert!(polls < 10, "{polls} calls");
    world.stage.salesforce.wire().clear_faults();
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// A comment becomes visible after a later one was seen.
#[tokio::test]
async fn rows_that_become_visible_late_are_met() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let (other, other_case) = world.arrives().await;
    world.quiet().await;
    world.stage.salesforce.set_commit_delay(60_000);
    let late = world.agent_answers(&case);
    world.stage.salesforce.set_commit_delay(0);
    // Stamps have whole seconds: the cursor has to pass that of the late row.
    world.stage.salesforce.advance(1000);
    let early = world.agent_answers(&other_case);
    world.receives(&other, &early).await;
    assert_eq!(world.received(&id), Vec::<String>::new());
    world.stage.salesforce.advance(60_000);
    world.receives(&id, &late).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// The row is as late as the overlap is long. Meanwhile the cursor advanced and the process was restarted.
#[tokio::test]
async fn the_whole_overlap_counts_from_the_last_look_back() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let (other, other_case) = world.arrives().await;
    world.quiet().await;
    world.stage.salesforce.set_commit_delay(590_000);
    let late = world.agent_answers(&case);
    world.stage.salesforce.set_commit_delay(0);
    // Eleven minutes of other changes, which the last look back did not see.
    world.stage.salesforce.advance(330_000);
    let text = world.agent_answers(&other_case);
    world.receives(&other, &text).await;
    world.customer_writes(&other);
    world.quiet().await;
    world.stage.salesforce.advance(330_000);
    let text = world.agent_answers(&other_case);
    world.receives(&other, &text).await;
    world.quiet().await;
    world.stage.stop_daemon().await;
    world.stage.start_daemon().await.unwrap();
    world.receives(&id, &late).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// More rows with the same second than a page holds, and a process that ends between two pages.
#[tokio::test]
async fn equal_stamps_over_many_pages_and_a_restart_between_them() {
    let mut world = World::start().await;
    world.stage.goodays.pause_webhooks(true);
    let ids: Vec<String> = (0..23).map(|_| world.leaves()).collect();
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    let mut cases = Vec::new();
    for id in &ids {
        cases.push(world.case(id).await);
    }
    world.quiet().await;
    world.stage.salesforce.with_settings(|s| s.page_size = 4);
    world.stage.salesforce.wire().fault(poll_fault(Act::ResetBefore, 3));
    let texts: Vec<String> = cases.iter().map(|case| world.agent_answers(case)).collect();
    world
        .holds("a page that broke off", || world.stage.salesforce.wire().faults().is_empty().then_some(()))
        .await;
    world.stage.stop_daemon().await;
    world.stage.start_daemon().await.unwrap();
    for (id, text) in ids.iter().zip(&texts) {
        world.receives(id, text).await;
    }
    world.quiet().await;
    world.laws_hold().await;
}

#[tokio::test]
async fn a_mass_touch_is_no_news() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let (closed, closed_case) = world.arrives().await;
    world.agent_sets(&closed_case, json!({ "Status": "Closed" }));
    world.holds("close", || world.stage.goodays.processed(&closed).first().cloned()).await;
    world.quiet().await;
    let (puts, graphs) = (world.puts(""), world.graphs());
    for _ in 0..2 {
        world.stage.salesforce.touch_all();
        world.quiet().await;
    }
    assert_eq!((world.puts(""), world.graphs()), (puts, graphs), "{id} {case}");
    world.laws_hold().await;
}

#[tokio::test]
async fn a_comment_is_sent_when_it_is_published_and_once() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let text = world.text("agent");
    let comment = world.stage.salesforce.agent_comments(&case, &text, false, AGENT).unwrap();
    world.quiet().await;
    assert_eq!(world.received(&id), Vec::<String>::new());
    world.stage.salesforce.agent_publishes(&comment, true).unwrap();
    world.receives(&id, &text).await;
    for published in [false, true] {
        world.stage.salesforce.agent_publishes(&comment, published).unwrap();
        world.quiet().await;
    }
    assert_eq!(world.received(&id), [text]);
    world.laws_hold().await;
}

/// A pause that an operator or a new secret ended is also over for polls.
#[tokio::test]
async fn polls_go_on_as_soon_as_a_pause_is_lifted() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    let body = json!([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]);
    let headers = BTreeMap::new();
    let act = Act::Answer { status: 403, body: body.to_string(), content_type: None, headers };
    world.stage.salesforce.wire().fault(poll_fault(act, 0));
    world.holds("the pause", || world.salesforce_trouble().filter(|t| t == "daily_limit")).await;
    world.stage.app().shared.salesforce_breaker.reopen();
    world.stage.app().shared.wake_all();
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// One of the two queries fails: the rows of the other are read again, and none is missed.
#[tokio::test]
async fn one_failed_query_of_a_poll_loses_nothing() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    let good = json!({"body": {"totalSize": 0, "done": true, "records": []}, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "r0"});
    let bad = json!({"body": [{"errorCode": "QUERY_TIMEOUT", "message": "too long"}], "httpHeaders": {}, "httpStatusCode": 400, "referenceId": "r1"});
    let body = json!({ "compositeResponse": [good, bad, good] }).to_string();
    let act = Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() };
    world.stage.salesforce.wire().fault(Fault { times: Some(3), ..poll_fault(act, 0) });
    let text = world.agent_answers(&case);
    world.agent_sets(&case, json!({ "Priority": "Low" }));
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(**world.stage.app().shared.poll_state.trouble.load(), None);
}

/// Closed, reopened by the customer's next message, closed again: two edges.
#[tokio::test]
async fn a_reopened_case_can_be_closed_again() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    world.quiet().await;
    world.customer_writes(&id);
    world.quiet().await;
    assert_eq!(world.stage.salesforce.case_by_key(&id).unwrap()["Status"], json!("Customer Replied"));
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
}

/// The Cases of two responses are merged: an answer goes to the response that waits (design, rule 11).
#[tokio::test]
async fn after_a_merge_the_answer_goes_to_the_one_who_waits() {
    let mut world = World::start().await;
    let (first, first_case) = world.answered().await;
    let (second, second_case) = world.arrives().await;
    world.quiet().await;
    world.stage.salesforce.merge_cases(&first_case, &second_case).unwrap();
    world.quiet().await;
    let text = world.agent_answers(&first_case);
    world.receives(&second, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&first).len(), 1);
    assert_eq!(world.received(&second).len(), 1);
}

/// After a cut connection polls omit the query for merged Cases for a while. A merge in that time is still seen.
#[tokio::test]
async fn a_merge_while_merged_cases_are_not_asked_for_is_met() {
    let mut world = World::start().await;
    let (first, first_case) = world.answered().await;
    let (second, second_case) = world.arrives().await;
    let (other, other_case) = world.arrives().await;
    world.quiet().await;
    let wire = world.stage.salesforce.wire().clone();
    wire.fault(poll_fault(Act::ResetBefore, 0));
    world.holds("a cut line", || wire.faults().is_empty().then_some(())).await;
    wire.clear_requests();
    world.stage.salesforce.merge_cases(&first_case, &second_case).unwrap();
    // Other changes follow, later than the overlap.
    world.stage.salesforce.advance(900_000);
    let text = world.agent_answers(&other_case);
    world.receives(&other, &text).await;
    // As its condition stands in the URL.
    let asked =
        || wire.requests().iter().any(|r| r.body.contains("MasterRecordId%20%21%3D%20null")).then_some(());
    world.holds("the query for merged Cases", asked).await;
    world.quiet().await;
    let text = world.agent_answers(&first_case);
    world.receives(&second, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&first).len(), 1);
}

/// Comments written while the daemon was down are sent in order.
#[tokio::test]
async fn what_agents_wrote_while_we_were_down_is_sent_in_order() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    world.stage.stop_daemon().await;
    let first = world.agent_answers(&case);
    let second = world.agent_answers(&case);
    world.stage.start_daemon().await.unwrap();
    world.receives(&id, &first).await;
    // Goodays accepts the next answer after the customer writes. The agent is informed.
    let item = world.parked_with("wait_for_customer").await;
    assert_eq!(item.response_id.as_deref(), Some(id.as_str()));
    world.quiet().await;
    world.laws_hold().await;
    assert!(!world.received(&id).contains(&second));
}

/// A poll's answer with more bytes than any answer may have.
fn too_large(body_contains: &str, times: Option<u32>) -> Fault {
    let body = " ".repeat(17 << 20);
    let act = Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() };
    Fault { body_contains: Some(body_contains.to_owned()), times, ..poll_fault(act, 0) }
}

/// Many Cases with long texts are one page that is too large, at each poll.
#[tokio::test]
async fn c09_a_page_that_is_too_large_is_read_in_smaller_ones() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    for rows in [2000, 1000, 500] {
        world.stage.salesforce.wire().fault(too_large(&format!("LIMIT%20{rows}"), None));
    }
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    assert_eq!(world.salesforce_trouble(), None);
    let late = world.leaves();
    world.case(&late).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.stage.salesforce.wire().faults().len(), 3);
}

/// A Case that is too large by itself is named, and read again when it has changed.
#[tokio::test]
async fn c09_a_row_that_is_too_large_stops_no_other() {
    let mut world = World::start().await;
    let (_, large) = world.arrives().await;
    world.quiet().await;
    // Pages of 2000, 1000, 500, 250, 125, 62, 31, 15, 7, 3 rows; a larger one after the query for merges; one of one row.
    world.stage.salesforce.wire().fault(too_large("CreatedDate", Some(12)));
    let trouble = |world: &World| (**world.stage.app().shared.poll_state.trouble.load()).clone();
    world.holds("its name", || trouble(&world).filter(|told| told.contains(&large))).await;
    assert_eq!(world.salesforce_trouble(), None);
    let (id, case) = world.arrives().await;
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    assert!(trouble(&world).is_some(), "it is still not read");
    world.stage.salesforce.advance(1000);
    world.agent_sets(&large, json!({ "Priority": "High" }));
    world.holds("it is read", || trouble(&world).is_none().then_some(())).await;
    world.quiet().await;
    world.laws_hold().await;
}
