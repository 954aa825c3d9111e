//! Restarts at bad moments, and state that is gone (design, rules 2, 5 and 6).

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::workers::SweepOptions;
use serde_json::json;

use crate::arena::{Tuning, World, lane, quick};

/// One conversation waits for its read-back while others are written. A restart must keep the attempt.
#[tokio::test]
async fn a_doubt_outlives_later_writes_and_a_restart() {
    let mut world = World::with(Tuning { settle_ms: 6000, ..quick() }).await;
    let (id, case) = world.answered().await;
    let before = world.graphs();
    let late_ms = world.stage.salesforce.now_ms() + 5000;
    world.graph_fault(Act::CommitLater { ms: 4000 });
    world.customer_writes(&id);
    world.holds("the write without an answer", || (world.graphs() > before).then_some(())).await;
    loop {
        let (other, _) = world.arrives().await;
        if lane(&other) == lane(&id) {
            break;
        }
    }
    world.stage.stop_daemon().await;
    world.stage.start_daemon().await.unwrap();
    world.holds("the late commit", || (world.stage.salesforce.now_ms() > late_ms).then_some(())).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.comments(&case).len(), 2);
}

/// The Case was created without an answer, and an agent closed it before the daemon ran again.
#[tokio::test]
async fn what_an_agent_did_while_we_were_down_is_carried() {
    let mut world = World::with(Tuning { settle_ms: 1000, ..quick() }).await;
    world.graph_fault(Act::ResetAfter);
    let id = world.leaves();
    let case = world.case(&id).await;
    world.stage.stop_daemon().await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    restart(&mut world).await;
    world.holds("close", || (!world.stage.goodays.processed(&id).is_empty()).then_some(())).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.stage.goodays.processed(&id).len(), 1);
}

/// The state's folder is gone. Cases, agents' work and the marker still exist.
#[tokio::test]
async fn without_its_state_the_daemon_doubles_nothing_and_undoes_nothing() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    let second = world.agent_answers(&case);
    world.receives(&id, &second).await;
    world.quiet().await;
    world.agent_sets(
        &case,
        json!({ "Subject": "Corrected by the agent", "Priority": "Low", "Status": "Working" }),
    );
    let comments = world.comments(&case);
    lose_state(&mut world).await;
    for kind in ["response", "message"] {
        assert_eq!(world.stage.goodays.send_event(&id, kind).await, Ok(200));
    }
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.comments(&case), comments);
    let case = world.stage.salesforce.case_by_key(&id).unwrap();
    assert_eq!(case["Subject"], json!("Corrected by the agent"));
    assert_eq!((case["Priority"].clone(), case["Status"].clone()), (json!("Low"), json!("Working")));
    assert_eq!(world.received(&id).len(), 2);
}

/// After the loss, the poll reads the Case before any event arrives.
#[tokio::test]
async fn a_case_that_the_poll_met_first_is_read_before_it_is_written() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    let comments = world.comments(&case);
    lose_state(&mut world).await;
    world.agent_sets(&case, json!({ "Subject": "Touched after the loss" }));
    world.quiet().await;
    assert_eq!(world.stage.goodays.send_event(&id, "message").await, Ok(200));
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.comments(&case), comments);
    assert_eq!(world.stage.salesforce.case_by_key(&id).unwrap()["Subject"], json!("Touched after the loss"));
}

/// The marker was emptied by hand, too: only the comments' own texts are left (design, rule 5).
#[tokio::test]
async fn without_state_and_marker_the_texts_tell() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    let comments = world.comments(&case);
    world.agent_sets(&case, json!({ "Goodays_Message_Ids__c": null }));
    lose_state(&mut world).await;
    assert_eq!(world.stage.goodays.send_event(&id, "message").await, Ok(200));
    world.quiet().await;
    assert_eq!(world.comments(&case), comments);
    world.laws_hold().await;
}

/// Somebody corrected an imported comment: only the marker shows that this message was imported.
#[tokio::test]
async fn without_state_the_marker_tells_even_of_edited_comments() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let words = world.customer_writes(&id);
    world.quiet().await;
    let comments = world.stage.salesforce.comments_of(&case);
    let imported = comments.iter().find(|c| c["CommentBody"].as_str().unwrap().contains(&words)).unwrap();
    let comment = imported["Id"].as_str().unwrap();
    world.stage.salesforce.agent_edits_comment(comment, "A phone number was removed here.").unwrap();
    lose_state(&mut world).await;
    assert_eq!(world.stage.goodays.send_event(&id, "message").await, Ok(200));
    world.quiet().await;
    assert_eq!(world.comments(&case).len(), 2);
}

/// Comments written before the first start are never sent, published or not, and neither is an old close.
#[tokio::test]
async fn nothing_older_than_the_first_start_is_sent() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    world.stage.stop_daemon().await;
    let hidden =
        world.stage.salesforce.agent_comments(&case, "written before", false, "a@brand.example").unwrap();
    world.stage.salesforce.agent_comments(&case, "published before", true, "a@brand.example").unwrap();
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    world.stage.salesforce.advance(5000);
    std::fs::remove_dir_all(world.stage.dir.path().join("state")).unwrap();
    world.stage.start_daemon().await.unwrap();
    assert_eq!(world.stage.goodays.send_event(&id, "response").await, Ok(200));
    world.quiet().await;
    world.stage.salesforce.agent_publishes(&hidden, true).unwrap();
    world.quiet().await;
    assert_eq!(world.received(&id), Vec::<String>::new());
    assert_eq!(world.stage.goodays.processed(&id).len(), 0);
}

async fn restart(world: &mut World) {
    world.stage.start_daemon().await.unwrap();
}

async fn lose_state(world: &mut World) {
    world.stage.stop_daemon().await;
    std::fs::remove_dir_all(world.stage.dir.path().join("state")).unwrap();
    restart(world).await;
}

/// The `Date` header is made by whatever answers for Salesforce, here an hour behind the org's records. What stands there
/// when the state is lost was written before the new start.
#[tokio::test]
async fn a_date_behind_the_records_sends_nothing_twice() {
    let mut world = World::start().await;
    world.stage.salesforce.advance(3_600_000);
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    lose_state(&mut world).await;
    assert_eq!(world.stage.goodays.send_event(&id, "message").await, Ok(200));
    world.quiet().await;
    assert_eq!(world.received(&id).len(), 1, "{:?}", world.received(&id));
    assert_eq!(world.parked().await, []);
    // What is written from now on counts. Stamps have whole seconds.
    world.stage.salesforce.advance(2000);
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// One answer on the way has a `Date` of its own: the first start is not dated by it.
#[tokio::test]
async fn one_odd_date_dates_no_first_start() {
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT"] {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        world.customer_writes(&id);
        world.quiet().await;
        world.stage.stop_daemon().await;
        std::fs::remove_dir_all(world.stage.dir.path().join("state")).unwrap();
        let headers = [("Date".to_owned(), date.to_owned())].into();
        let body = json!({"totalSize": 1, "done": true, "records": [{"Id": case}]}).to_string();
        let odd = Act::Answer { status: 200, body, content_type: None, headers };
        // The question whether the org has Cases of ours is the last one before the first start is dated.
        world.stage.salesforce.wire().fault(Fault::once("!= null LIMIT 1", odd));
        restart(&mut world).await;
        assert_eq!(world.stage.goodays.send_event(&id, "message").await, Ok(200));
        world.quiet().await;
        assert_eq!(world.received(&id).len(), 1, "{date}: {:?}", world.received(&id));
        world.stage.salesforce.advance(2000);
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
    }
}

/// Feedback from between the loss and the new start is older than that start. A sweep with the time of the loss
/// imports it. The hourly sweeps ignore it.
#[tokio::test]
async fn a_sweep_since_the_loss_finds_what_was_left_before_the_new_start() {
    let mut world = World::start().await;
    world.arrives().await;
    let lost_ms = world.stage.salesforce.now_ms();
    world.stage.stop_daemon().await;
    world.stage.goodays.drop_webhooks(1);
    // A minute before the new start: on Goodays' clock a first start is known only to some seconds.
    let minute_ago = world.stage.salesforce.now_ms() - 60_000;
    let left = jiff::Timestamp::from_millisecond(minute_ago).unwrap().to_string();
    let patch = json!({ "created_date": left, "message": { "created_date": left } });
    let content = Some(world.text("customer"));
    let id = world.stage.goodays.customer_leaves(Feedback { content, patch, ..Feedback::default() });
    std::fs::remove_dir_all(world.stage.dir.path().join("state")).unwrap();
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    let shared = world.stage.app().shared.clone();
    let since = jiff::Timestamp::from_millisecond(lost_ms - 3_600_000).unwrap();
    let hourly = SweepOptions { since, named: false, dry_run: false };
    assert_eq!(shared.sweep(hourly).await.unwrap().repaired, 0);
    assert_eq!(world.stage.salesforce.case_by_key(&id), None);
    shared.sweep(SweepOptions { named: true, ..hourly }).await.unwrap();
    world.case(&id).await;
    world.quiet().await;
    world.laws_hold().await;
}
