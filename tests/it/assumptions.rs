//! The whole story with the other setting of each assumption about the two APIs (docs/simulators.md). None of them
//! may make a difference to a customer.

use futures_util::StreamExt;
use goodays_salesforce::demo;
use goodays_salesforce::demo::stage::{Stage, Tuning};
use goodays_salesforce::sim::goodays::{Switches, UpdatedDate};
use goodays_salesforce::sim::salesforce::settings::Settings;
use serde_json::Value;

/// How many stories run at the same time.
const AT_ONCE: usize = 4;

type Guess = (&'static str, fn(&mut Switches));

/// The other setting of each assumption about Goodays.
fn goodays() -> Vec<Guess> {
    vec![
        ("visible_after_ms", |s| s.visible_after_ms = 300),
        ("whole_response_late", |s| {
            s.visible_after_ms = 300;
            s.whole_response_late = true;
        }),
        ("message_stays_allowed", |s| s.message_stays_allowed = true),
        ("new_participation_ends", |s| s.new_participation_ends = false),
        ("reply_event", |s| s.reply_event = true),
        ("reply_event_echo", |s| {
            s.reply_event = true;
            s.reply_event_echo = true;
        }),
        ("html_entities", |s| s.html_entities = true),
        ("date_ahead_ms", |s| s.date_ahead_ms = 10_000),
        ("trim_texts", |s| s.trim_texts = false),
        ("ascii_bodies", |s| s.ascii_bodies = true),
        ("refusal_status", |s| s.refusal_status = 409),
        ("remark_type_required_on", |s| s.remark_type_required_on = Vec::new()),
        ("message_needs_user", |s| s.message_needs_user = true),
        ("taken_back_status", |s| s.taken_back_status = 404),
        ("updated_date never", |s| s.updated_date = UpdatedDate::Never),
        ("updated_date always", |s| s.updated_date = UpdatedDate::Always),
        ("end_inclusive", |s| s.end_inclusive = false),
        ("user_email_contains", |s| s.user_email_contains = true),
        ("events_as_page", |s| s.events_as_page = true),
        ("webhook_retries", |s| s.webhook_retries = 3),
    ]
}

async fn story(name: String, set: impl FnOnce(&Stage)) -> Option<String> {
    let mut stage =
        Stage::start(Tuning { goodays: demo::UNDO.to_owned(), ..Tuning::default() }).await.unwrap();
    set(&stage);
    let told = demo::tell(&stage).await;
    assert!(stage.stop_daemon().await, "{name}");
    told.err().map(|difference| format!("{name}: {difference:#}"))
}

async fn all(stories: Vec<impl Future<Output = Option<String>>>) -> Vec<String> {
    futures_util::stream::iter(stories)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |told| told)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_guess_about_salesforce_matters() {
    let patches: Vec<Value> = Settings::other_assumptions();
    let tell = |patch: Value| {
        story(patch.to_string(), move |stage| stage.salesforce.change_settings(&patch).unwrap())
    };
    let broken = all(patches.into_iter().map(tell).collect()).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_guess_about_goodays_matters() {
    let tell =
        |(name, switch): Guess| story(name.to_owned(), move |stage| stage.goodays.set_switches(switch));
    let broken = all(goodays().into_iter().map(tell).collect()).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
