//! Law 3: feedback that no webhook reported is found and imported.

use std::time::{Duration, Instant};

use goodays_salesforce::app::App;
use goodays_salesforce::operator::status::Status;
use goodays_salesforce::workers::{SweepOptions, SweepReport};
use jiff::{Timestamp, ToSpan};

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{Ahead, Tuning, World, quick};
use crate::now;

async fn sweep(world: &World, dry_run: bool) -> SweepReport {
    let now = Timestamp::from_millisecond(world.stage.app().shared.clock.now_ms()).unwrap();
    let options = SweepOptions { since: now - 1.hour(), named: false, dry_run };
    world.stage.app().shared.sweep(options).await.unwrap()
}

#[tokio::test]
async fn a_feedback_that_no_webhook_told_is_listed_and_then_imported() {
    let mut world = World::start().await;
    let (known, _) = world.answered().await;
    world.stage.goodays.drop_webhooks(2);
    let lost = [world.leaves(), world.leaves()];
    world.quiet().await;
    let listed = sweep(&world, true).await;
    let mut missing = listed.missing.clone();
    missing.sort();
    let mut wanted = lost.to_vec();
    wanted.sort();
    assert_eq!((missing, listed.repaired, listed.looked_at), (wanted, 0, 3), "{known}");
    world.quiet().await;
    assert_eq!(world.stage.salesforce.case_by_key(&lost[0]), None);
    assert_eq!(sweep(&world, false).await.repaired, 2);
    for id in &lost {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(sweep(&world, true).await.missing, Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_no_webhook_told_is_imported() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.goodays.drop_webhooks(1);
    let words = world.customer_writes(&id);
    world.quiet().await;
    assert!(!world.comments(&case).iter().any(|c| c.contains(&words)));
    assert_eq!(sweep(&world, false).await.missing, std::slice::from_ref(&id));
    world.quiet().await;
    world.laws_hold().await;
}

/// Goodays lists by the date of the feedback: older feedback than the window is read in parts.
#[tokio::test]
async fn a_message_on_feedback_older_than_the_window_is_imported() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.goodays.drop_webhooks(1);
    let words = world.customer_writes(&id);
    world.quiet().await;
    world.stage.stop_daemon().await;
    let written = Instant::now();
    world.holds("a window that is over", || (written.elapsed() > Duration::from_secs(1)).then_some(())).await;
    world.stage.tuning.sections = "sweep: { every: 500ms, window: 1s }\n".to_owned();
    world.stage.start_daemon().await.unwrap();
    let imported = || world.comments(&case).iter().any(|c| c.contains(&words)).then_some(());
    world.holds("the message", imported).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// Goodays limits the rate of calls: the sweep continues at the page where it was stopped.
#[tokio::test]
async fn a_sweep_on_its_schedule_goes_on_where_it_was_interrupted() {
    let sections = "sweep: { every: 500ms, window: 1h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    world.stage.goodays.drop_webhooks(150);
    let ids: Vec<String> = (0..150).map(|_| world.leaves()).collect();
    let busy = Act::Answer { status: 429, body: String::new(), content_type: None, headers: [].into() };
    world.stage.goodays.wire().fault(Fault::once("cursor=", busy));
    for id in &ids {
        world.case(id).await;
    }
    let pages = world.stage.goodays.wire().requests();
    let pages: Vec<_> = pages.iter().filter(|r| r.path.ends_with("/bulk")).collect();
    let refused = pages.iter().position(|r| r.status == 429).unwrap();
    assert_eq!(pages[refused].query, pages[refused + 1].query);
    world.quiet().await;
    world.laws_hold().await;
}

/// A cursor is not known any more.
fn dead_cursor() -> Act {
    let body = r#"{"detail":"Invalid cursor"}"#.to_owned();
    Act::Answer { status: 404, body, content_type: None, headers: [].into() }
}

async fn findings(world: &World) -> Vec<&'static str> {
    let shared = &world.stage.app().shared;
    let status = Status::read(shared, shared.clock.now_ms()).await.unwrap();
    status.findings(shared).await.unwrap().iter().map(|finding| finding.code).collect()
}

/// The pages of responses that were asked for, each as the number of its answer.
fn pages(world: &World) -> Vec<u16> {
    let pages = world.stage.goodays.wire().requests();
    pages.iter().filter(|r| r.path.ends_with("/bulk")).map(|r| r.status).collect()
}

/// A later page that is always refused: the first page is read each time, and that is no progress.
#[tokio::test]
async fn a_page_that_is_always_refused_is_told_and_not_read_without_end() {
    let sections = "sweep: { every: 500ms, window: 1h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    world.stage.goodays.wire().fault(Fault { times: None, ..Fault::once("cursor=", dead_cursor()) });
    world.stage.goodays.drop_webhooks(150);
    let ids: Vec<String> = (0..150).map(|_| world.leaves()).collect();
    world.holds("the trouble", || now(findings(&world)).contains(&"sweep").then_some(())).await;
    let refused = || pages(&world).iter().filter(|status| **status == 404).count();
    world.holds("the tries go on", || (refused() > 4).then_some(())).await;
    assert!(now(findings(&world)).contains(&"sweep"), "a first page that is read ends no trouble");
    world.stage.goodays.wire().clear_faults();
    for id in &ids {
        world.case(id).await;
    }
    world.holds("the end of the trouble", || (!now(findings(&world)).contains(&"sweep")).then_some(())).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// Cursors die when items change: the list is read again from its first page.
#[tokio::test]
async fn a_cursor_that_dies_once_costs_one_more_page() {
    let sections = "sweep: { every: 500ms, window: 1h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    world.stage.goodays.wire().fault(Fault::once("cursor=", dead_cursor()));
    world.stage.goodays.drop_webhooks(150);
    let ids: Vec<String> = (0..150).map(|_| world.leaves()).collect();
    for id in &ids {
        world.case(id).await;
    }
    let statuses = pages(&world);
    let died = statuses.iter().position(|status| *status == 404).unwrap();
    assert!(statuses[died + 1..].iter().all(|status| *status == 200), "{statuses:?}");
    assert!(!findings(&world).await.contains(&"sweep"));
    world.quiet().await;
    world.laws_hold().await;
}

/// Restarts with a clock that is so many hours ahead of now, and without webhooks; `meanwhile` comes about while the daemon is stopped.
async fn restarts_ahead<T>(world: &mut World, hours: i64, meanwhile: impl FnOnce(&mut World) -> T) -> T {
    assert!(world.stage.stop_daemon().await);
    let came = meanwhile(world);
    let clock = Ahead::none();
    clock.set(hours * 3_600_000);
    let config = world.stage.config().unwrap();
    world.stage.app = Some(App::start(config, clock.clock()).await.unwrap());
    world.holds("a poll", || **world.stage.app().shared.poll_state.last_completed_ms.load()).await;
    came
}

fn leaves_unheard(world: &mut World) -> String {
    world.stage.goodays.drop_webhooks(1);
    world.leaves()
}

/// Webhooks are lost while the daemon is stopped, and it is stopped more often than it sweeps.
#[tokio::test]
async fn a_sweep_that_is_overdue_at_a_start_is_not_put_off() {
    let sections = "sweep: { every: 24h, window: 48h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    world.arrives().await;
    for hours in [10, 20] {
        restarts_ahead(&mut world, hours, |_| ()).await;
        assert_eq!(pages(&world), Vec::<u16>::new(), "after {hours} hours none is due");
    }
    let lost = restarts_ahead(&mut world, 25, leaves_unheard).await;
    world.case(&lost).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// A clock that was ahead at a start puts no sweep off but the next one.
#[tokio::test]
async fn a_clock_that_was_ahead_stops_no_sweep() {
    let sections = "sweep: { every: 24h, window: 48h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    world.arrives().await;
    let shared = &world.stage.app().shared;
    let ahead_ms = shared.clock.now_ms() + 240 * 3_600_000;
    shared.store.set_meta("last sweep", &ahead_ms).await.unwrap();
    restarts_ahead(&mut world, 10, |_| ()).await;
    assert_eq!(pages(&world), Vec::<u16>::new(), "none is due");
    let lost = restarts_ahead(&mut world, 35, leaves_unheard).await;
    world.case(&lost).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// A webhook that arrives after the sweep creates no second Case and no second comment.
#[tokio::test]
async fn a_webhook_after_the_sweep_doubles_nothing() {
    let mut world = World::start().await;
    // Feedback from before the first contact with Salesforce is not swept.
    world.arrives().await;
    world.stage.goodays.pause_webhooks(true);
    let id = world.leaves();
    sweep(&world, false).await;
    world.case(&id).await;
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    world.quiet().await;
    world.laws_hold().await;
}

/// The other direction: answers in Salesforce that never reached Goodays are listed.
#[tokio::test]
async fn answers_that_reached_nobody_are_listed() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.agent_answers(&case);
    world.parked_with("wait_for_customer").await;
    assert_eq!(sweep(&world, true).await.unanswered, [id]);
}

/// Two cursors that lead to each other would be followed without end.
#[tokio::test]
async fn c11_a_list_that_leads_back_ends_loudly() {
    let mut world = World::start().await;
    let (id, _) = world.arrives().await;
    let url = world.stage.goodays.url();
    let page = |next: &str| Act::Answer {
        status: 200,
        body: format!(r#"{{"results":[{{"id":"{next}"}}],"next":"{url}/v2/responses/bulk?cursor={next}"}}"#),
        content_type: None,
        headers: [].into(),
    };
    let wire = world.stage.goodays.wire();
    for (path, next) in [("cursor=a", "b"), ("cursor=b", "a"), ("/responses/bulk", "a")] {
        wire.fault(Fault { times: None, ..Fault::once(path, page(next)) });
    }
    let began = Instant::now();
    let report = sweep(&world, true).await;
    assert_eq!(report.lists_without_end, 1, "{id}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let asked = wire.requests().into_iter().filter(|seen| seen.path.ends_with("/responses/bulk")).count();
    assert!(asked <= 4, "{asked} pages");
    wire.clear_faults();
    assert_eq!(sweep(&world, true).await.lists_without_end, 0);
}

/// A few large conversations are one page that is too large; Goodays answers all the same.
#[tokio::test]
async fn c09_a_page_that_is_too_large_is_swept_in_smaller_ones() {
    let mut world = World::start().await;
    world.answered().await;
    world.stage.goodays.drop_webhooks(3);
    let lost = [world.leaves(), world.leaves(), world.leaves()];
    for size in
        ["page_size=100", "page_size=50", "page_size=25", "page_size=12", "page_size=6", "page_size=3"]
    {
        let body = " ".repeat(17 << 20);
        let large = Act::Answer { status: 200, body, content_type: None, headers: [].into() };
        world.stage.goodays.wire().fault(Fault { times: None, ..Fault::once(size, large) });
    }
    let report = sweep(&world, false).await;
    assert_eq!((report.looked_at, report.unreadable, report.repaired), (4, 0, 3));
    assert_eq!((report.lists_without_end, world.goodays_trouble()), (0, None));
    for id in &lost {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold().await;
}

/// What cannot be read is not too large, and is passed over all the same. Goodays works, so an agent's answer is sent, and
/// one to a response that is not shown any more is given to a human.
#[tokio::test]
async fn c09_a_response_that_cannot_be_read_stops_no_other() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let (gone, gone_case) = world.arrives().await;
    world.stage.goodays.drop_webhooks(3);
    let before = world.leaves();
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let patch = json!({ "more": deep });
    let odd = Feedback { patch, ..Feedback::default() };
    let behind = world.leaves();
    world.stage.goodays.customer_leaves(odd);
    let report = sweep(&world, false).await;
    assert_eq!((report.looked_at, report.unreadable, report.repaired), (5, 1, 2));
    assert_eq!((report.lists_without_end, world.goodays_trouble()), (0, None));
    world.case(&before).await;
    world.case(&behind).await;
    let body = r#"{"detail":"Not found."}"#.to_owned();
    let no = Act::Answer { status: 404, body, content_type: None, headers: [].into() };
    let fault = Fault { times: None, ..Fault::once(&format!("/responses/{gone}"), no) };
    world.stage.goodays.wire().fault(fault);
    world.agent_answers(&gone_case);
    let parked = world.parked_with("status_404").await.response_id;
    assert_eq!((parked.as_deref(), world.goodays_trouble()), (Some(gone.as_str()), None));
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
}

/// A `Date` of the next century: a list of what is newer would be empty.
#[tokio::test]
async fn a_date_far_ahead_empties_no_sweep() {
    let sections = "sweep: { every: 500ms, window: 1h }\n".to_owned();
    let mut world = World::with(Tuning { sections, ..quick() }).await;
    let headers = [("Date".to_owned(), "Thu, 01 Jan 2099 00:00:00 GMT".to_owned())].into();
    let body = r#"{"pending_alert":0,"pending_reply":0}"#.to_owned();
    let odd = Act::Answer { status: 200, body, content_type: None, headers };
    // Each sweep ends with this question.
    world.stage.goodays.wire().fault(Fault { times: None, ..Fault::once("/dashboard", odd) });
    let asked =
        || world.stage.goodays.wire().requests().iter().filter(|r| r.path.ends_with("/dashboard")).count();
    let before = asked();
    world.holds("the odd date", || (asked() > before).then_some(())).await;
    world.stage.goodays.drop_webhooks(1);
    let lost = world.leaves();
    world.case(&lost).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// A conversation that is too large by itself: the ones behind it are imported.
#[tokio::test]
async fn c09_a_response_that_is_too_large_stops_no_other() {
    let mut world = World::start().await;
    world.answered().await;
    world.stage.goodays.drop_webhooks(3);
    let before = world.leaves();
    let patch = json!({ "more": "x".repeat(17 << 20) });
    world.stage.goodays.customer_leaves(Feedback { patch, ..Feedback::default() });
    let behind = world.leaves();
    let report = sweep(&world, false).await;
    assert_eq!((report.looked_at, report.unreadable, report.repaired), (4, 1, 2));
    assert_eq!((report.lists_without_end, world.goodays_trouble()), (0, None));
    world.case(&before).await;
    world.case(&behind).await;
    world.quiet().await;
}
