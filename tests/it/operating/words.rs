//! F3 and F4: the output of `status` and `parked`, and the exit codes for a watchdog.

use std::time::Duration;

use assert_cmd::Command;
use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::http::Failure;
use goodays_salesforce::sim::goodays::Feedback;

use crate::world::{World, words};

/// Exit code and standard output.
async fn run(world: &World, args: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.args(args).arg("-c").arg(world.config_file());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

async fn status(world: &World) -> (i32, String) {
    run(world, &["status"]).await
}

#[tokio::test]
async fn f03_all_well_is_0_and_an_observing_daemon_says_so() {
    let world = World::with(Tuning { goodays: "actions: observe".to_owned(), ..Tuning::default() }).await;
    let (code, said) = status(&world).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("observe: nothing is sent to customers"), "{said}");
}

#[tokio::test]
async fn f03_a_remote_in_trouble_is_4_with_code_since_and_retry() {
    let world = World::start().await;
    let shared = &world.app().shared;
    let failure = Failure::login("bad_token", "Set goodays.token.");
    shared.goodays_breaker.failed(&failure, shared.clock.now_ms());
    let (code, said) = status(&world).await;
    assert_eq!(code, 4, "{said}");
    for word in ["in trouble: Set goodays.token.", "code bad_token", "since 20", "tried again at 20"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    shared.goodays_breaker.succeeded(shared.clock.now_ms());
    assert_eq!(status(&world).await.0, 0);
}

#[tokio::test]
async fn f03_dropped_fields_are_counted_by_name() {
    let world = World::start().await;
    let address = Feedback { email: Some("no address".to_owned()), ..words("Too loud.") };
    world.arrives(address.clone()).await;
    world.arrives(address).await;
    let (code, said) = status(&world).await;
    assert_eq!(code, 0, "the Cases are there: {said}");
    assert!(said.contains("SuppliedEmail left out or shortened 2x since the start ("), "{said}");
}

#[tokio::test]
async fn f03_an_edit_that_waits_for_a_restart_is_1() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let file = world.config_file();
    let yaml = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, yaml.replace("./state }", "./state, keep_events: 8d }")).unwrap();
    world.app().shared.reload_config().unwrap();
    let (code, said) = status(&world).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("edited, in force after a restart: state.keep_events"), "{said}");
    std::fs::write(&file, format!("{yaml}nonsense: 1\n")).unwrap();
    world.app().shared.reload_config().unwrap_err();
    // The commands read the file as well, so they report its mistakes themselves.
    assert_eq!(status(&world).await.0, 2);
}

#[tokio::test]
async fn f03_a_daemon_that_is_gone_is_5() {
    let mut world = World::start().await;
    let addr = world.dir.path().join("state/admin.addr");
    let left = std::fs::read_to_string(&addr).unwrap();
    world.stop().await;
    assert_eq!(status(&world).await.0, 5);
    // The state after the daemon was killed.
    std::fs::write(addr, left).unwrap();
    assert_eq!(status(&world).await.0, 5);
}

/// Items that agents settle themselves do not change the exit code. One event of another kind does.
#[tokio::test]
async fn f04_parked_is_grouped_and_a_reason_is_dropped_as_a_whole() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.replied().await;
    for number in 0..7 {
        world.agent_comments(&id, &format!("One more thing, number {number}."));
    }
    world.settle().await;
    assert_eq!(world.parked().await.len(), 7);
    let (code, said) = status(&world).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("7 that their agents see on the Case"), "{said}");
    let (code, said) = run(&world, &["parked"]).await;
    assert_eq!(code, 1);
    assert_eq!(said.lines().count(), 5, "{said}");
    assert!(said.starts_with("wait_for_customer: 7 answers, "), "{said}");
    assert!(said.contains(", and 2 more (--all)"), "{said}");
    assert_eq!(run(&world, &["parked", "--all"]).await.1.lines().count(), 14);
    world.post(&serde_json::json!({ "no": "event" })).await;
    assert_eq!(status(&world).await.0, 1);
    let dropped = run(&world, &["drop", "--all", "--reason", "wait_for_customer"]).await;
    assert_eq!(dropped, (0, "7 dropped\n".to_owned()));
    let left: Vec<String> = world.parked().await.iter().map(|item| item.reason_code.clone()).collect();
    assert_eq!(left, ["unreadable"]);
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1, "nothing was sent");
}

#[tokio::test]
async fn f04_dropping_all_needs_a_reason() {
    let world = World::start().await;
    assert_eq!(run(&world, &["drop", "--all"]).await.0, 2);
    assert_eq!(run(&world, &["drop", "a1", "--all", "--reason", "x"]).await.0, 2);
    let nothing = "Nothing waits for a human with this reason.\n".to_owned();
    assert_eq!(run(&world, &["drop", "--all", "--reason", "x"]).await, (0, nothing));
    let http = goodays_salesforce::http::direct_client(Duration::from_secs(30));
    let url = format!("http://{}/parked/drop", world.app().doors.admin_addr());
    assert_eq!(http.post(url).send().await.unwrap().status(), 400);
}

/// What a command on a copy of the world's connector.yaml with this change says on standard error, and its exit code.
async fn says_on(world: &World, (old, new): (&str, &str)) -> (i32, String) {
    let yaml = std::fs::read_to_string(world.config_file()).unwrap();
    assert!(yaml.contains(old), "{yaml}");
    let copy = world.dir.path().join("copy.yaml");
    std::fs::write(&copy, yaml.replace(old, new)).unwrap();
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.arg("status").arg("-c").arg(copy);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn f03_a_command_without_the_admin_token_says_where_it_is_missing() {
    let token = ", token: the-door's-own";
    let world = World::with(Tuning { admin: "token: the-door's-own".to_owned(), ..Tuning::default() }).await;
    let (code, said) = says_on(&world, (token, ", token: '${NOT_SET_ANYWHERE:-}'")).await;
    assert!(code == 2 && said.contains("set the variable for this command, too"), "{code} {said}");
    let (code, said) = says_on(&world, (token, ", token: another")).await;
    assert!(code == 2 && said.contains("takes another token"), "{code} {said}");
    let (code, said) = says_on(&world, (token, token)).await;
    assert_eq!((code, said.as_str()), (0, ""));
}
