//! The commands that ask a running daemon, as a person reads them: the real binary beside a world.

use assert_cmd::Command;
use serde_json::Value;

use crate::world::{AGENT, World, words};

/// Exit code, and what stands on standard output and standard error.
type Said = (i32, String, String);

async fn run(world: &World, args: &[&str]) -> Said {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.args(args).arg("-c").arg(world.config_file());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What the command prints for machines.
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
    Agents' answers to these are not at Goodays: goodays-salesforce parked
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
