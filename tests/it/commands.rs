//! The commands that ask a running daemon: the real binary is run next to a world.

use assert_cmd::Command;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::world::{AGENT, World, text, words};

/// Exit code, standard output and standard error.
type Said = (i32, String, String);

async fn run(world: &World, args: &[&str]) -> Said {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.args(args).arg("-c").arg(world.config_file());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The command's JSON output.
async fn machine(world: &World, args: &[&str]) -> Value {
    let (code, out, err) = run(world, &[args, &["--json"]].concat()).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test]
async fn a_sweep_is_told_in_lines_and_for_machines_in_json() {
    let world = World::start().await;
    world.arrives(words("Too loud.")).await;
    world.goodays.drop_webhooks(1);
    let lost = world.customer_leaves(words("Too cold."));
    world.settle().await;
    let (code, out, _) = run(&world, &["sweep", "--dry-run"]).await;
    insta::assert_snapshot!(out.replace(&lost, "LOST"), @r"
    in Goodays    2 looked at
    missing       1 in Salesforce; nothing was taken in: without --dry-run it is
                  LOST
    unanswered    0
    ");
    assert_eq!(code, 1);
    let (code, out, _) = run(&world, &["sweep"]).await;
    insta::assert_snapshot!(out.replace(&lost, "LOST"), @r"
    in Goodays    2 looked at
    missing       1 in Salesforce; 1 taken in now
                  LOST
    unanswered    0
    ");
    assert_eq!(code, 0);
    world.settle().await;
    world.case(&lost);
    let report = machine(&world, &["sweep"]).await;
    assert_eq!((&report["looked_at"], &report["missing_count"]), (&2.into(), &0.into()));
}

/// An event without a readable id asks the daemon nothing by itself.
#[tokio::test]
async fn a_plan_says_that_a_daemon_runs_whatever_the_event() {
    let world = World::start().await;
    for (name, body) in [("parked.json", r#"{"event_type": "response"}"#), ("broken.json", "{")] {
        let file = world.dir.path().join(name);
        std::fs::write(&file, body).unwrap();
        let (_, _, said) = run(&world, &["plan", file.to_str().unwrap()]).await;
        assert!(said.contains("as the running daemon would write it now"), "{name}: {said}");
    }
}

#[tokio::test]
async fn answers_that_wait_for_a_human_are_named_by_a_sweep() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.replied().await;
    world.agent_comments(&id, "One more thing.");
    world.settle().await;
    let (code, out, _) = run(&world, &["sweep"]).await;
    insta::assert_snapshot!(out.replace(&id, "ID"), @r"
    in Goodays    1 looked at
    missing       0 in Salesforce
    unanswered    1
                  ID
    What agents did there is not at Goodays yet. What waits for a human: goodays-salesforce parked
    ");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn forgetting_is_told_in_lines_and_for_machines_in_json() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    let (code, out, _) = run(&world, &["forget", "--response", &id]).await;
    insta::assert_snapshot!(out, @r"
    forgotten     responses 1, events 1, actions 0
    The Case is Salesforce's, the feedback Goodays': delete them there.
    ");
    assert_eq!(code, 0);
    let counts = machine(&world, &["forget", "--email", "nobody@nowhere.example"]).await;
    assert_eq!(counts["responses"], 0);
    let (code, out, _) = run(&world, &["forget", "--email", AGENT]).await;
    assert_eq!((code, out.as_str()), (0, "Nothing is held of this person.\n"));
    let (code, out, err) = run(&world, &["forget", "--email", " "]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "error: either `response` or `email`\n"));
}

/// How many queries for a Case by its number Salesforce received.
fn asked_by_number(world: &World) -> usize {
    let requests = world.salesforce.wire().requests();
    requests.iter().filter(|seen| seen.query.contains("CaseNumber%20%3D")).count()
}

#[tokio::test]
async fn a_case_is_named_by_its_number_or_its_id() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let id = world.arrives(words("Too loud.")).await;
    world.settle().await;
    let case = world.case(&id);
    let (number, by_id) =
        (text(&case["CaseNumber"]), run(&world, &["plan", "--case", &text(&case["Id"])]).await);
    let by_number = run(&world, &["plan", "--case", &number]).await;
    assert_eq!((by_number.0, &by_number), (0, &by_id));
    assert!(by_number.1.starts_with(&format!("response {id}: open in Goodays")), "{}", by_number.1);
    assert_eq!(asked_by_number(&world), 0, "the ledger knows it");
    // Salesforce is asked once for a Case that is not in the ledger.
    let strange = world.salesforce.create_case(json!({"Subject": "By phone"}), AGENT).unwrap();
    let strange = world.salesforce.records("Case").into_iter().find(|case| case["Id"] == *strange).unwrap();
    let (code, _, err) = run(&world, &["plan", "--case", &text(&strange["CaseNumber"])]).await;
    assert!(err.contains("no feedback is known to stand in this Case"), "{err}");
    assert_eq!((code, asked_by_number(&world)), (1, 1));
    let (code, _, err) = run(&world, &["plan", "--case", "it's 7/8"]).await;
    assert!(
        err.contains("neither the ledger nor Salesforce has a Case of this number: give the number"),
        "{err}"
    );
    assert_eq!(code, 1);
    // Cases in the ledger are still found while Salesforce is away.
    let away = Act::Answer { status: 503, body: String::new(), content_type: None, headers: [].into() };
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("/services/data", away) });
    world
        .until("Salesforce is out of reach", || world.app().shared.salesforce_breaker.trouble().is_some())
        .await;
    assert_eq!(run(&world, &["plan", "--case", &number]).await.0, 0);
    let (code, _, err) = run(&world, &["plan", "--case", "99999999"]).await;
    assert!(err.contains("Salesforce cannot be asked now"), "{err}");
    assert!(err.contains("or the Case's id of 15 or 18 characters"), "{err}");
    assert_eq!(code, 3);
}
