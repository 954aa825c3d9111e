//! Backup and restore with the exact commands of docs/operations.md, and events that are repeated after pruning.

use std::process::Command;

use goodays_salesforce::app::App;
use goodays_salesforce::demo::stage::load;
use goodays_salesforce::goodays::signature::HEADER;
use goodays_salesforce::http::client;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::arena::{Ahead, PATIENCE, Tuning, World, quick};
use crate::now;

const GUIDE: &str = include_str!("../../docs/operations.md");
const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
/// The archive's name in the guide.
const ARCHIVE: &str = "goodays-2026-01-31.tar.gz";

/// The lines of a block of commands: the `n`th in the guide's section on backups.
fn commands(n: usize) -> Vec<&'static str> {
    let section = GUIDE.split("\n## Backup and restore\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let block = section.split("```sh\n").nth(n + 1).expect("a block of commands");
    block.split("```").next().unwrap().lines().collect()
}

/// Runs the commands of the guide on this world's folder instead of a server's.
async fn follow(world: &mut World, lines: &[&str]) {
    for line in lines {
        match *line {
            "systemctl stop goodays-salesforce" => assert!(world.stage.stop_daemon().await),
            "systemctl start goodays-salesforce" => world.stage.start_daemon().await.unwrap(),
            line if line.starts_with("goodays-salesforce ") => command(world, line).await,
            line => shell(world, line),
        }
    }
}

/// Runs one of our commands while the daemon runs.
async fn command(world: &World, line: &str) {
    let since = jiff::Timestamp::from_millisecond(world.stage.salesforce.now_ms() - 3_600_000).unwrap();
    let line = line.replace("2026-01-31T08:00:00Z", &since.to_string());
    let mut child = Command::new(BINARY)
        .args(line.split(' ').skip(1))
        .arg("-c")
        .arg(world.stage.config_file())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let code = world.holds("the command's end", || child.try_wait().unwrap()).await.code();
    assert!(matches!(code, Some(0 | 1)), "{line}: {code:?}");
}

fn shell(world: &World, line: &str) {
    let line = line.replace("/var/lib", &world.stage.dir.path().display().to_string());
    let line = line.replace("goodays-salesforce", "state");
    let done = Command::new("sh").args(["-euc", &line]).current_dir(world.stage.dir.path()).status().unwrap();
    assert!(done.success(), "{line}");
}

/// Checks that the archive's name in the guide contains the day.
fn named_as_in_the_guide(world: &World) {
    let dir = world.stage.dir.path();
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_archive = |p: &std::path::PathBuf| p.to_string_lossy().ends_with(".tar.gz");
    let archive = files.into_iter().find(is_archive).expect("an archive was made");
    std::fs::rename(archive, dir.join(ARCHIVE)).unwrap();
}

fn cases(world: &World, id: &str) -> usize {
    let all = world.stage.salesforce.records("Case");
    all.iter().filter(|case| case["Goodays_Response_Id__c"] == *id).count()
}

#[tokio::test]
async fn a_fresh_backup_goes_on_where_it_ended() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    follow(&mut world, &commands(0)).await;
    named_as_in_the_guide(&world);
    follow(&mut world, &commands(1)).await;
    assert!(world.stage.dir.path().join("state.before").exists(), "the folder is kept");
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.customer_writes(&id);
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.received(&id).len(), 2);
    assert_eq!(world.parked().await, []);
}

/// An answer waits while the backup is made. The backup does not contain the changes that follow.
#[tokio::test]
async fn an_old_backup_doubles_nothing_in_either_direction() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    let (other, other_case) = world.answered().await;
    world.quiet().await;
    let away = Act::Answer { status: 503, body: String::new(), content_type: None, headers: [].into() };
    world.stage.goodays.wire().fault(Fault { times: None, ..Fault::once("/responses/", away) });
    let waiting = world.agent_answers(&case);
    let noted = || now(world.stage.app().shared.store.all_open_intents()).unwrap().pop();
    world.holds("the answer waits", noted).await;
    follow(&mut world, &commands(0)).await;
    named_as_in_the_guide(&world);

    world.stage.goodays.wire().clear_faults();
    // The agents' work before and after the backup must not have the same second.
    world.stage.salesforce.advance(600_000);
    world.receives(&id, &waiting).await;
    world.quiet().await;
    world.customer_writes(&id);
    world.customer_writes(&other);
    world.quiet().await;
    let later = world.agent_answers(&other_case);
    world.receives(&other, &later).await;
    world.quiet().await;
    world.customer_writes(&other);
    let (new, new_case) = world.arrives().await;
    let reply = world.agent_answers(&new_case);
    world.receives(&new, &reply).await;
    world.quiet().await;
    let before = [&id, &other, &new].map(|id| world.received(id));

    follow(&mut world, &commands(1)).await;
    world.quiet().await;
    world.stage.salesforce.touch_all();
    world.quiet().await;
    assert_eq!([&id, &other, &new].map(|id| world.received(id)), before);
    world.laws_hold().await;
    for id in [&id, &other, &new] {
        assert_eq!(cases(&world, id), 1);
    }
    // Salesforce's stamps have whole seconds: changes from now on must be later than the start.
    world.stage.salesforce.advance(1000);
    let text = world.agent_answers(&other_case);
    world.receives(&other, &text).await;
    world.quiet().await;
    // The next start finds no difference, and keeps what it knows.
    let before = world.stage.app().shared.store.meta::<Value>("contact").await.unwrap();
    world.stage.stop_daemon().await;
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    assert_eq!(world.stage.app().shared.store.meta::<Value>("contact").await.unwrap(), before);
    world.laws_hold().await;
}

/// Nothing that the backup knows has changed since.
#[tokio::test]
async fn an_old_backup_is_recognised_by_a_case_that_it_does_not_know() {
    let mut world = World::start().await;
    world.answered().await;
    world.quiet().await;
    follow(&mut world, &commands(0)).await;
    named_as_in_the_guide(&world);
    world.stage.salesforce.advance(600_000);
    let (new, case) = world.arrives().await;
    for _ in 0..2 {
        let text = world.agent_answers(&case);
        world.receives(&new, &text).await;
        world.customer_writes(&new);
        world.quiet().await;
    }
    let before = world.received(&new);
    follow(&mut world, &commands(1)).await;
    world.quiet().await;
    world.stage.salesforce.touch_all();
    world.quiet().await;
    assert_eq!((world.received(&new), world.parked().await), (before, vec![]));
    world.laws_hold().await;
}

/// Only an event's ids and its hash are left.
#[tokio::test]
async fn what_comes_again_after_it_was_pruned_changes_nothing() {
    let ahead = Ahead::none();
    let mut world = World::with(Tuning { goodays_clock: ahead.clock(), ..quick() }).await;
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    let kept: Vec<Vec<u8>> = ["response", "message", "delegated"]
        .iter()
        .map(|kind| world.stage.goodays.event_body(&id, kind))
        .collect();
    world.stage.goodays.send_event(&id, "message").await.unwrap();
    world.quiet().await;
    assert!(world.stage.stop_daemon().await);
    let config = load(&world.stage.config_file()).unwrap();
    ahead.set(i64::try_from(config.state.keep_events.as_millis()).unwrap() + 60_000);
    world.stage.app = Some(App::start(config, ahead.clock()).await.unwrap());
    let events = || now(world.stage.app().shared.store.events_from(0, 10)).unwrap().records.len();
    world.holds("the events are pruned", || (events() == 0).then_some(())).await;
    assert!(world.stage.stop_daemon().await);
    world.stage.start_daemon().await.unwrap();

    let mut said = Vec::new();
    for body in kept {
        let signature = world.stage.goodays.sign(&body).unwrap();
        let url = format!("http://{}/webhooks/goodays", world.stage.webhook_addr());
        let sent = client(PATIENCE).post(url).header(HEADER, signature).body(body).send().await.unwrap();
        assert_eq!(sent.status(), 200);
        said.push(sent.json::<Value>().await.unwrap()["status"].clone());
    }
    assert!(said.contains(&json!("duplicate")) && said.contains(&json!("accepted")), "{said:?}");
    world.stage.salesforce.touch_all();
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.comments(&case).len(), 2);
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(cases(&world, &id), 1);
    assert_eq!(world.parked().await, []);
}
