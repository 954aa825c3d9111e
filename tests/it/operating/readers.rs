//! D13: a command ends quietly when the reader of its output disconnects. D6: to whom the commands connect.

use std::io::pipe;
use std::path::Path;
use std::process::{Command, Output};

use axum::Router;
use axum::http::StatusCode;
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::json;

use crate::world::World;

fn bin(args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("goodays-salesforce"));
    command.args(args).current_dir(dir);
    command
}

async fn ended(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Runs a command whose standard output has no reader.
async fn unread(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    let ended = ended(command).await;
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test]
async fn d13_commands_about_files_end_quietly_when_nobody_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for args in [
        vec!["schema", "connector"],
        vec!["schema", "case"],
        vec!["check", "--offline"],
        vec!["check", "--offline", "--json"],
        vec!["plan", "tests/fixtures/goodays/response.json"],
        vec!["plan", "tests/fixtures/goodays", "--json"],
        vec!["--help"],
        vec!["--version"],
    ] {
        let (code, said) = unread(bin(&args, root)).await;
        assert_eq!(code, Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn d13_commands_that_ask_the_daemon_do_so_too() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.replied().await;
    world.agent_comments(&id, "One more thing.");
    world.settle().await;
    for args in [
        vec!["status"],
        vec!["status", "--json"],
        vec!["parked"],
        vec!["parked", "--all"],
        vec!["sweep", "--dry-run"],
        vec!["apply-actions", "--dry-run"],
        vec!["forget", "--email", "nobody@nowhere.example"],
        vec!["retry", "--all", "--reason", "nothing"],
        vec!["drop", "--all", "--reason", "nothing"],
    ] {
        let (code, said) = unread(bin(&args, world.dir.path())).await;
        assert_eq!((code, said.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// `2>&1 | true`: an error message has no reader either.
#[tokio::test]
async fn d13_an_error_without_reader_keeps_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    for (args, expected) in
        [(vec!["check", "--offline"], 0), (vec!["status"], 2), (vec!["run"], 2), (vec!["plan", "e1"], 2)]
    {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = bin(&args, dir.path());
        command.stderr(writer.try_clone().unwrap()).stdout(writer);
        assert_eq!(ended(command).await.status.code(), Some(expected), "{args:?}");
    }
}

/// A listener that counts connections.
async fn proxy() -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let came = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = came.clone();
    let url = serving(Router::new().fallback(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { (StatusCode::OK, axum::Json(json!({}))) }
    }))
    .await;
    (url, came)
}

async fn serving(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn d06_the_admin_door_is_never_asked_through_a_proxy() {
    let world = World::start().await;
    world.arrives(Feedback::default()).await;
    let (proxy, came) = proxy().await;
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        for args in [vec!["status"], vec!["parked"], vec!["forget", "--email", "nobody@nowhere.example"]] {
            let mut command = bin(&args, world.dir.path());
            command.env(name, &proxy);
            let ended = ended(command).await;
            assert_eq!(ended.status.code(), Some(0), "{name} {args:?}: {ended:?}");
        }
        // Both remotes are on this machine, too.
        let direct = ended(bin(&["check"], world.dir.path())).await;
        let mut command = bin(&["check"], world.dir.path());
        command.env(name, &proxy);
        let proxied = ended(command).await;
        let text = |output: Output| String::from_utf8(output.stdout).unwrap();
        assert_eq!((proxied.status, text(proxied)), (direct.status, text(direct)), "{name}");
    }
    assert_eq!(came.load(std::sync::atomic::Ordering::SeqCst), 0, "nothing went to the proxy");
}

/// For any other listener at that address: an answer without its required members is an error.
#[tokio::test]
async fn d06_an_answer_without_its_members_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = "goodays: { token: t, webhook: { secrets: [s] } }\n\
                salesforce: { login_url: 'http://127.0.0.1:1', auth: { client_id: i, client_secret: s } }\n";
    std::fs::write(dir.path().join("connector.yaml"), yaml).unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    for body in ["{}", "null", "\"\"", "<html>", "{\"inbox\": {}, \"status\": 1}"] {
        let url = serving(Router::new().fallback(move || async move { body })).await;
        std::fs::write(dir.path().join("state/admin.addr"), url.trim_start_matches("http://")).unwrap();
        for args in [
            vec!["status"],
            vec!["status", "--json"],
            vec!["parked"],
            vec!["parked", "--json"],
            vec!["sweep"],
            vec!["forget", "--response", "r1"],
            vec!["retry", "e1"],
            vec!["retry", "--all"],
            vec!["drop", "e1"],
            vec!["drop", "--all", "--reason", "x"],
            vec!["plan", "--case", "00001001"],
        ] {
            let ended = ended(bin(&args, dir.path())).await;
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(5), "{args:?} {body}: {said}");
            assert!(said.contains("is not this program's daemon"), "{args:?} {body}: {said}");
            assert_eq!(String::from_utf8(ended.stdout).unwrap(), "", "{args:?} {body}");
        }
    }
}
