//! Edits of actions.yaml act forward; `apply-actions` carries them out on existing records (design, rule 19).

use assert_cmd::Command;
use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::time::SalesforceTime;
use serde_json::{Value, json};

use crate::world::{World, text, words};

const SHIPPED: &str = include_str!("../../../mappings/actions.yaml");
const CLOSE: (&str, &str) = ("when: case.IsClosed,", "when: \"not case.IsClosed\",");
const ALL_COMMENTS: (&str, &str) = ("when: comment.IsPublished ", "when: \"true\" ");
const SPAM: &str = "when: \"case.Status == 'Spam'\"";

fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SHIPPED.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    })
}

fn write(world: &World, text: &str) {
    std::fs::write(world.dir.path().join("mappings/actions.yaml"), text).unwrap();
}

/// Saves the files while the daemon runs, and waits until they are in force.
async fn save(world: &World, changes: &[(&str, &str)]) {
    write(world, &with(changes));
    world.app().shared.reload().await.unwrap();
    world.polled().await;
    // Changes from now on must be later than the edit: stamps have whole seconds.
    world.salesforce.advance(3000);
}

/// Exit code and standard output of a command.
async fn run(world: &World, args: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.args(args).arg("-c").arg(world.config_file());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

async fn apply(world: &World, args: &[&str]) -> (i32, Value) {
    let (code, out) = run(world, &[&["apply-actions", "--json"], args].concat()).await;
    (code, serde_json::from_str(&out).unwrap())
}

/// The number of Cases and comments that a dry run names, and the exit code.
async fn touched(world: &World) -> (i32, u64, u64) {
    let (code, found) = apply(world, &["--dry-run"]).await;
    (code, found["cases"].as_u64().unwrap(), found["comments"].as_u64().unwrap())
}

async fn nothing_is_sent(world: &World, ids: &[&String]) {
    for _ in 0..3 {
        world.polled().await;
    }
    world.settle().await;
    for id in ids {
        assert_eq!(world.puts(id), [], "{id}");
    }
}

#[tokio::test]
async fn a06_an_edit_alone_touches_nothing() {
    let mut world = World::start().await;
    let open = world.arrives(words("Too loud.")).await;
    let noted = world.arrives(words("Too cold.")).await;
    world.agent_drafts(&noted, "He calls every week.");
    world.settle().await;
    save(&world, &[CLOSE, ALL_COMMENTS]).await;
    nothing_is_sent(&world, &[&open, &noted]).await;
    world.restart().await;
    nothing_is_sent(&world, &[&open, &noted]).await;
    world.agent_sets(&open, json!({ "Priority": "High" }));
    nothing_is_sent(&world, &[&open, &noted]).await;
    world.agent_drafts(&noted, "This one is written after the edit.");
    world.settle().await;
    let received = world.received(&noted);
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(received[0].1, "This one is written after the edit.");
}

/// Something on the way removes the `Date` from Salesforce's answers.
#[tokio::test]
async fn a06_an_edit_touches_nothing_when_salesforce_does_not_tell_the_time() {
    let mut world = World::start().await;
    world.stop().await;
    world.salesforce.with_settings(|settings| settings.no_date = true);
    world.go_on_without_state().await;
    let open = world.arrives(words("Too loud.")).await;
    let noted = world.arrives(words("Too cold.")).await;
    world.agent_drafts(&noted, "He calls every week.");
    world.settle().await;
    save(&world, &[CLOSE, ALL_COMMENTS]).await;
    assert_eq!(world.app().shared.salesforce.now(), None);
    nothing_is_sent(&world, &[&open, &noted]).await;
    world.agent_sets(&open, json!({ "Priority": "High" }));
    nothing_is_sent(&world, &[&open, &noted]).await;
    world.agent_drafts(&noted, "This one is written after the edit.");
    world.settle().await;
    assert_eq!(world.received(&noted).len(), 1);
    assert_eq!(world.received(&noted)[0].1, "This one is written after the edit.");
}

/// Polls go on from where they were: without Salesforce's clock by this machine's.
#[tokio::test]
async fn polls_move_on_when_salesforce_does_not_tell_the_time() {
    let mut world = World::start().await;
    world.stop().await;
    world.salesforce.with_settings(|settings| settings.no_date = true);
    world.go_on_without_state().await;
    let id = world.arrives(Feedback::default()).await;
    world.settle().await;
    assert_eq!(**world.app().shared.poll_state.ahead.load(), None, "no row is ahead of the clock");
    let cursor: Option<SalesforceTime> = world.app().shared.store.meta("cursor").await.unwrap();
    let case = world.field(&id, "SystemModstamp");
    assert!(cursor >= SalesforceTime::parse(&case), "{cursor:?} {case}");
}

#[tokio::test]
async fn a06_apply_actions_lists_and_carries_out_what_stands() {
    let goodays = "max_actions_per_hour: 2\n".to_owned();
    let world = World::with(Tuning { goodays, ..Tuning::default() }).await;
    let ids: Vec<String> = (0..4).map(|_| world.customer_leaves(Feedback::default())).collect();
    world.settle().await;
    let (code, out) = run(&world, &["apply-actions"]).await;
    assert_eq!((code, out.contains("was not edited")), (0, true), "{out}");
    let (_, out) = run(&world, &["check"]).await;
    assert!(!out.contains("S031"), "{out}");
    save(&world, &[CLOSE]).await;
    let (code, found) = apply(&world, &["--dry-run"]).await;
    assert_eq!(
        (code, &found["cases"], &found["open_cases"], &found["begun"]),
        (1, &4.into(), &4.into(), &0.into())
    );
    let listed = found["touched"].as_array().unwrap();
    assert!(
        listed.iter().all(|one| one["action"] == "close" && one["case_number"].is_string()),
        "{listed:?}"
    );
    nothing_is_sent(&world, &ids.iter().collect::<Vec<_>>()).await;
    let (_, out) = run(&world, &["check"]).await;
    let told = "warning[S031]: the last edit of the rules in actions.yaml would touch 4 Cases that stood before it, 4 of them open";
    assert!(out.contains(told), "{out}");
    let (code, out) = run(&world, &["apply-actions"]).await;
    assert_eq!((code, out.contains("4 actions are on their way")), (0, true), "{out}");
    world.settle().await;
    let sent = || ids.iter().filter(|id| world.processed(id) == ["close"]).count();
    assert_eq!(sent(), 2);
    let parked = world.parked().await;
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|item| item.reason_code == "max_actions_per_hour"), "{parked:?}");
    assert_eq!(touched(&world).await, (0, 0, 0), "each is known, sent or held back");
    world.polled().await;
    for item in parked {
        world.retry(item.id).await;
    }
    world.settle().await;
    assert_eq!(sent(), 4);
    assert!(ids.iter().all(|id| world.puts(id).len() == 1), "each once");
}

async fn order(world: &World, body: Value) -> (u16, Value) {
    let http = goodays_salesforce::http::direct_client(std::time::Duration::from_secs(30));
    let url = format!("http://{}/apply-actions", world.app().doors.admin_addr());
    let answer = http.post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// A call continues after the given row, also among rows with the same second.
#[tokio::test]
async fn a06_a_list_goes_on_where_the_call_before_it_ended() {
    let world = World::start().await;
    (0..4).for_each(|_| drop(world.customer_leaves(Feedback::default())));
    world.settle().await;
    save(&world, &[CLOSE]).await;
    let cases = world.salesforce.records("Case");
    let stamps = cases.iter().map(|case| (text(&case["SystemModstamp"]), text(&case["Id"])));
    let mut stamps: Vec<_> = stamps.collect();
    stamps.sort();
    for (n, (at, id)) in stamps.iter().enumerate() {
        let at = goodays_salesforce::salesforce::query::parse_moment(at).unwrap().as_millisecond();
        let after = json!({ "of": "cases", "at_ms": at, "id": id });
        let (status, found) = order(&world, json!({ "dry_run": true, "after": after })).await;
        assert_eq!((status, &found["cases"]), (200, &(3 - n).into()), "{found}");
        assert_eq!(found["next"], Value::Null);
    }
    assert_eq!(order(&world, json!({ "after": { "of": "users", "at_ms": 0, "id": null } })).await.0, 400);
}

#[tokio::test]
async fn a06_an_applied_answer_goes_before_the_close_of_its_case() {
    let mut world = World::with(Tuning { close_grace_ms: 1, ..Tuning::default() }).await;
    let id = world.arrives(words("Too loud.")).await;
    world.agent_drafts(&id, "We are sorry to hear that.");
    world.settle().await;
    world.stop().await;
    write(&world, &with(&[CLOSE, ALL_COMMENTS]));
    world.go_on().await;
    nothing_is_sent(&world, &[&id]).await;
    assert_eq!(touched(&world).await, (1, 1, 1), "edited while it was down");
    assert_eq!(apply(&world, &[]).await.1["begun"], 2);
    world.settle().await;
    assert_eq!(world.puts(&id)[0].0, "reply");
    assert_eq!(world.received(&id).len(), 1);
    world.restart().await;
    nothing_more(&world, &id).await;
}

async fn nothing_more(world: &World, id: &str) {
    let before = world.puts(id);
    world.polled().await;
    world.settle().await;
    assert_eq!(world.puts(id), before);
    assert_eq!(touched(world).await, (0, 0, 0));
}

#[tokio::test]
async fn a06_a_rule_that_goes_touches_nothing_and_a_new_field_is_no_news() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    world.agent_sets(&id, json!({ "Priority": "Low" }));
    world.settle().await;
    save(&world, &[(SPAM, "when: \"false\"")]).await;
    assert_eq!(touched(&world).await, (0, 0, 0));
    save(&world, &[(SPAM, "when: \"case.Priority == 'Low'\"")]).await;
    nothing_is_sent(&world, &[&id]).await;
    world.agent_sets(&id, json!({ "Subject": "Something else" }));
    nothing_is_sent(&world, &[&id]).await;
    assert_eq!(touched(&world).await, (1, 1, 0));
    assert_eq!(apply(&world, &[]).await.1["touched"][0]["action"], "spam");
    world.settle().await;
    assert_eq!(world.processed(&id), ["spam"]);
}

/// A waiting action was judged by the earlier rules, so their fields are read although no present rule names them.
#[tokio::test]
async fn a06_an_action_of_before_the_edit_is_not_taken_back_by_it() {
    let world = World::with(Tuning { close_grace_ms: 3000, ..Tuning::default() }).await;
    save(&world, &[(SPAM, "when: \"case.Priority == 'Low'\"")]).await;
    let id = world.arrives(words("Too loud.")).await;
    world.agent_sets(&id, json!({ "Priority": "Low" }));
    world.polled().await;
    write(&world, SHIPPED);
    world.app().shared.reload().await.unwrap();
    world.settle().await;
    assert_eq!(world.processed(&id), ["spam"]);
}
