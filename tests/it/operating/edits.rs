//! E5: files that are edited while the daemon runs.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use goodays_salesforce::config::Actions;
use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::schema::Field;
use goodays_salesforce::sim::wire::{Act, Fault};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::{World, words};

const CASE: &str = include_str!("../../../mappings/case.yaml");
const PATIENCE: Duration = Duration::from_secs(120);
const ACTIONS: &str = include_str!("../../../mappings/actions.yaml");

fn save(world: &World, name: &str, text: &str) {
    std::fs::write(world.dir.path().join("mappings").join(name), text).unwrap();
}

fn version(world: &World) -> String {
    world.app().shared.mapping().version().to_owned()
}

fn refused(world: &World) -> Option<String> {
    world.app().shared.mapping_refusal()
}

async fn admin(world: &World, path: &str) -> String {
    let http = goodays_salesforce::http::direct_client(std::time::Duration::from_secs(30));
    let url = format!("http://{}{path}", world.app().doors.admin_addr());
    http.get(url).send().await.unwrap().text().await.unwrap()
}

async fn status(world: &World) -> Value {
    serde_json::from_str(&admin(world, "/status").await).unwrap()
}

async fn gauge(world: &World, name: &str) -> String {
    let text = admin(world, "/metrics").await;
    let name = format!("goodays_salesforce_{name} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("missing").to_owned()
}

/// Changes connector.yaml in the way an editor saves it.
fn edit(world: &World, old: &str, new: &str) {
    let file = world.config_file();
    let yaml = std::fs::read_to_string(&file).unwrap();
    assert!(yaml.contains(old), "{old} in {yaml}");
    std::fs::write(file, yaml.replace(old, new)).unwrap();
}

#[tokio::test]
async fn e05_a_saved_field_that_the_org_lacks_is_refused_and_the_good_version_goes_on() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let good = version(&world);
    save(&world, "case.yaml", &format!("{CASE}\n  Store_Code__c: {{ from: response.place.partner_id }}\n"));
    world.until("it is refused", || refused(&world).is_some()).await;
    let told = refused(&world).unwrap();
    assert!(told.contains("S006") && told.contains("case.yaml:") && told.contains("Store_Code__c"), "{told}");
    assert_eq!(version(&world), good);
    assert_eq!(gauge(&world, "mapping_files_refused").await, "1");
    world.arrives(words("Too loud.")).await;
    // Created in the org a moment ago: an older description of the org must not be used.
    world
        .salesforce
        .set_field("Case", Field { name: "Store_Code__c".to_owned(), ..Field::default() })
        .unwrap();
    world.app().shared.reload().await.unwrap();
    assert_ne!(version(&world), good);
    assert_eq!(gauge(&world, "mapping_files_refused").await, "0");
    let id = world.arrives(words("Too cold.")).await;
    assert_ne!(world.field(&id, "Store_Code__c"), "");
}

#[tokio::test]
async fn e05_the_same_holds_for_what_actions_read_and_for_objects() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let good = version(&world);
    for (name, text, word) in [
        (
            "actions.yaml",
            ACTIONS.replace("case.Status == 'Spam'", "case.Spam_Flag__c == 'Spam'"),
            "Spam_Flag__c",
        ),
        (
            "actions.yaml",
            ACTIONS.replace("approved: Goodays_Approved__c", "approved: Goodays_Answer__c"),
            "Goodays_Answer__c",
        ),
        ("case.yaml", CASE.replace("object: Case", "object: Caze"), "Caze"),
        (
            "case.yaml",
            CASE.replace("marker: Goodays_Message_Ids__c", "marker: Goodays_Ids__c"),
            "Goodays_Ids__c",
        ),
    ] {
        let before = std::fs::read_to_string(world.dir.path().join("mappings").join(name)).unwrap();
        assert_ne!(before, text, "{word}");
        save(&world, name, &text);
        let told = world.app().shared.reload_mappings().await.unwrap_err();
        assert!(told.contains(word), "{told}");
        assert_eq!(version(&world), good);
        save(&world, name, &before);
    }
    assert_eq!(world.app().shared.reload_mappings().await.unwrap(), good);
}

#[tokio::test]
async fn e05_an_org_that_cannot_be_asked_refuses_nothing() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let good = version(&world);
    let away = Act::Answer { status: 503, body: String::new(), content_type: None, headers: [].into() };
    world.salesforce.wire().fault(Fault { times: Some(1), ..Fault::once("/describe", away) });
    save(&world, "case.yaml", &format!("{CASE}\n  Store_Code__c: {{ from: response.place.partner_id }}\n"));
    let now = world.app().shared.reload_mappings().await.unwrap();
    assert_ne!(now, good);
    world.arrives(words("Too loud.")).await;
}

/// It answers everything but that. What was read of it before stays in force, and is not asked for at each poll.
#[tokio::test]
async fn e05_an_org_that_cannot_describe_itself_any_more_is_served_all_the_same() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    let body = r#"[{"errorCode":"UNKNOWN_EXCEPTION","message":"An unexpected error occurred."}]"#.to_owned();
    let no = Act::Answer { status: 500, body, content_type: None, headers: [].into() };
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("/describe", no) });
    world.app().shared.reload_mappings().await.unwrap();
    world.agent_comments(&id, "It was repaired.");
    world.until("the customer has it", || !world.received(&id).is_empty()).await;
    world.arrives(words("Too cold.")).await;
    world.settle().await;
    let asked = world.salesforce.wire().requests();
    let asked = asked.iter().filter(|seen| seen.path.ends_with("/describe") && seen.status == 500).count();
    assert_eq!(asked, 2, "once for Cases, once for comments");
}

/// An answer that names no field is no description: the fields of new Cases are not left out for it.
#[tokio::test]
async fn e05_a_description_without_fields_costs_no_words() {
    let world = World::start().await;
    for fields in [json!([]), json!([{"label": "Case ID"}]), json!([{"name": "Subject"}])] {
        let body = json!({"name": "Case", "fields": fields}).to_string();
        let empty = Act::Answer { status: 200, body, content_type: None, headers: [].into() };
        world.salesforce.wire().fault(Fault::once("/sobjects/Case/describe", empty));
        world.app().shared.reload_mappings().await.unwrap();
        world.polled().await;
        let id = world.arrives(words("Too loud.")).await;
        assert_eq!(world.case(&id)["Description"], json!("Too loud."), "{fields}");
    }
}

/// An edit is not refused for problems that existed before it.
#[tokio::test]
async fn e05_what_the_version_in_force_lacks_as_well_refuses_no_edit() {
    let lacking = format!("{CASE}\n  Store_Code__c: {{ from: response.place.partner_id }}\n");
    let mut world = World::with_mapping("case.yaml", &lacking).await;
    world.errors_are_fine();
    save(&world, "case.yaml", &lacking.replace("value: Goodays,", "value: Web,"));
    world.app().shared.reload_mappings().await.unwrap();
    let id = world.arrives(words("Too loud.")).await;
    assert_eq!(world.field(&id, "Origin"), "Web");
}

#[tokio::test]
async fn e05_the_brake_takes_effect_while_running() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    edit(&world, "goodays:\n", "goodays:\n  actions: observe\n");
    world.until("it observes", || world.app().shared.live().actions == Actions::Observe).await;
    assert_eq!(gauge(&world, "observing").await, "1");
    assert_eq!(status(&world).await["actions"], "observe");
    world.agent_comments(&id, "We are sorry to hear that.");
    world.settle().await;
    assert_eq!(world.received(&id), []);
    assert_eq!(world.field(&id, "Goodays_Sync_Status__c"), "Would be sent: answer");
    edit(&world, "  actions: observe\n", "");
    world.until("it sends", || world.app().shared.live().actions == Actions::Send).await;
    world.answers(&id, "Another one is on its way.").await;
    assert_eq!(gauge(&world, "observing").await, "0");
}

#[tokio::test]
async fn e05_polls_and_limits_follow_an_edit_at_once() {
    let world = World::start().await;
    edit(&world, "close_grace:", "quiet: 1s, close_grace:");
    edit(&world, "goodays:\n", "goodays:\n  max_actions_per_hour: 7\n");
    let config = world.app().shared.reload_config();
    assert_eq!(config, Ok(()));
    let live = world.app().shared.live();
    assert_eq!((live.max_actions_per_hour, live.poll.quiet.as_millis()), (7, 1000));
    assert_eq!(status(&world).await["configuration"]["waits_for_restart"], serde_json::json!([]));
}

/// What waits is checked again, although nothing of its Case changes.
#[tokio::test]
async fn e05_an_answer_that_waits_for_an_approval_goes_when_none_is_needed_any_more() {
    let goodays = "approval: public\n".to_owned();
    let world = World::as_deployed(Tuning { goodays, ..Tuning::default() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_comments(&id, "We are sorry to hear that.");
    world.until("it waits", || world.told(&id).0 == "waiting" && world.is_recorded()).await;
    edit(&world, "approval: public", "approval: none");
    world.app().shared.reload_config().unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    world.end().await;
}

#[tokio::test]
async fn e05_a_longer_pause_between_polls_ends_with_the_edit() {
    let hour = Tuning { poll_ms: 100, ..Tuning::default() };
    let world = World::with(hour).await;
    edit(&world, "interval: 100ms", "interval: 1h");
    world.app().shared.reload_config().unwrap();
    let last = || **world.app().shared.poll_state.last_completed_ms.load();
    let before = last();
    edit(&world, "interval: 1h", "interval: 100ms");
    world.app().shared.reload_config().unwrap();
    world.until("a poll before the hour is over", || last() != before).await;
}

#[tokio::test]
async fn e05_what_needs_a_restart_is_named_and_a_broken_edit_is_refused() {
    let mut world = World::start().await;
    world.errors_are_fine();
    edit(&world, "state: { path: ./state }", "state: { path: ./state, keep_events: 8d }");
    let edits = || world.app().shared.edits.load_full();
    world.until("it is noticed", || edits().waiting == ["state.keep_events"]).await;
    assert_eq!(
        status(&world).await["configuration"]["waits_for_restart"],
        serde_json::json!(["state.keep_events"])
    );
    assert_eq!(gauge(&world, "configuration_waits_for_restart").await, "1");
    edit(&world, "keep_events: 8d", "keep_event: 8d");
    world.until("it is refused", || edits().refused.is_some()).await;
    let said = status(&world).await["configuration"]["refused"].to_string();
    assert!(said.contains("keep_event") && said.contains("connector.yaml:"), "{said}");
    assert_eq!(gauge(&world, "configuration_refused").await, "1");
    edit(&world, ", keep_event: 8d", "");
    world.until("all is as it was", || *edits() == goodays_salesforce::workers::Edits::default()).await;
    assert_eq!(gauge(&world, "configuration_refused").await, "0");
    // The next start reads the file.
    world.arrives(words("Too loud.")).await;
}

/// The binary itself, with the signals that an operator sends. It is killed at the end of its test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Child {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e05_a_signal_reads_all_files_anew_and_the_logs_level_follows() {
    let sections = "log: { level: error }\n".to_owned();
    let stage = Stage::set(Tuning { sections, ..Tuning::default() }).await.unwrap();
    stage.config().unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("goodays-salesforce"));
    command.arg("run").arg("-c").arg(stage.config_file()).stderr(std::process::Stdio::piped());
    let mut child = Child(command.spawn().unwrap());
    let log = BufReader::new(child.0.stderr.take().unwrap());
    let addr = stage.dir.path().join("state/admin.addr");
    until(PATIENCE, || addr.exists().then_some(())).await.expect("it runs");
    let yaml = std::fs::read_to_string(stage.config_file()).unwrap();
    std::fs::write(stage.config_file(), yaml.replace("level: error", "level: info")).unwrap();
    child.signal(Signal::HUP);
    let told = tokio::task::spawn_blocking(move || {
        let mut lines = log.lines().map(Result::unwrap);
        (lines.find(|line| line.contains("are in force")), lines)
    });
    let (line, rest) = tokio::time::timeout(PATIENCE, told).await.expect("a line").unwrap();
    assert!(line.unwrap().contains("log.level"));
    // A stop is handled while files are read anew.
    child.signal(Signal::HUP);
    child.signal(Signal::TERM);
    tokio::task::spawn_blocking(move || rest.for_each(drop)).await.unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}
