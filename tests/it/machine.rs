//! The real process under bad conditions: nobody reads its log, few file descriptors, signals at once.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::http::client;
use goodays_salesforce::state::engine::Tx;
use goodays_salesforce::state::{Fault, Settings, Store};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::database;

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon whose remotes refuse every connection.
struct Process {
    child: Child,
    hook: String,
    admin: String,
    /// It was read until the listeners were open.
    stderr: Option<BufReader<ChildStderr>>,
    dir: TempDir,
}

/// The same before its listeners are open.
struct Begun {
    child: Child,
    stderr: BufReader<ChildStderr>,
    dir: TempDir,
}

impl Begun {
    /// `more` is added to its connector.yaml.
    fn of(limits: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let yaml = format!(
            "server: {{ listen: '127.0.0.1:0' }}\nadmin: {{ listen: '127.0.0.1:0' }}\n\
             goodays: {{ base_url: 'http://127.0.0.1:1', token: t, webhook: {{ secrets: [s3cret] }} }}\n\
             salesforce: {{ login_url: 'http://127.0.0.1:1', auth: {{ client_id: i, client_secret: s }} }}\n\
             mappings: '{}'\n{more}",
            mappings.display()
        );
        fs::write(dir.path().join("connector.yaml"), yaml).unwrap();
        let bin = assert_cmd::cargo::cargo_bin("goodays-salesforce");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limits} exec \"$0\" run"), bin.to_str().unwrap()]);
        let mut child = command.current_dir(dir.path()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, dir }
    }

    /// With a database: `address` is the key that leads to it.
    fn on(address: &str, schema: &str) -> Self {
        Self::of("", &format!("state: {{ postgres: {{ {address}, schema: {schema} }} }}\n"))
    }

    /// Reads its log up to the next line with this text.
    fn line_with(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it ended before it said: {text}");
        }
        line
    }
}

impl Process {
    /// `limits` are shell commands that run before `exec` of the daemon.
    fn start(limits: &str) -> Self {
        let mut begun = Begun::of(limits, "");
        let line = begun.line_with("listening");
        let found =
            |name: &str| line.split(name).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let Begun { child, stderr, dir } = begun;
        Self { hook: found("webhook="), admin: found("admin="), child, stderr: Some(stderr), dir }
    }

    async fn post(&self, http: &reqwest::Client, id: usize) -> u16 {
        let body = json!({ "event_type": "response", "response": { "id": format!("r{id}") } }).to_string();
        let signed = http.post(&self.hook).header(HEADER, sign(body.as_bytes(), &"s3cret".into()));
        signed.body(body).send().await.unwrap().status().as_u16()
    }

    /// Asserts that it accepts all of these webhooks, and that it reports itself alive.
    async fn takes(&self, webhooks: usize) {
        let http = client(PATIENCE);
        for first in (0..webhooks).step_by(20) {
            let statuses = join_all((first..first + 20).map(|id| self.post(&http, id))).await;
            assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        }
        let live = http.get(format!("http://{}/health/live", self.admin)).send().await.unwrap();
        assert_eq!(live.status().as_u16(), 200);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!("it does not end");
            }
            std::thread::yield_now();
        }
    }

    fn ends_well(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// systemd starts what depends on the daemon when the doors are open (`Type=notify`).
#[test]
fn the_service_manager_is_told_when_the_doors_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let _process = Process::start(&format!("NOTIFY_SOCKET='{}'", path.display()));
    let mut message = [0; 64];
    let length = socket.recv(&mut message).unwrap();
    assert_eq!(std::str::from_utf8(&message[..length]).unwrap().trim_end(), "READY=1");
}

/// As at a boot, or while another server of the cluster takes over.
#[test]
fn a_start_waits_for_a_database_that_is_away() {
    let away = "state: { postgres: { url: 'postgres://x@127.0.0.1:1/x?sslmode=disable' } }\n";
    let mut begun = Begun::of("", away);
    for _ in 0..2 {
        begun.line_with("the start waits for it");
    }
    kill_process(Pid::from_child(&begun.child), Signal::TERM).unwrap();
    assert_eq!(begun.child.wait().unwrap().code(), Some(0));
}

/// As a primary does that waits for its standby: reads are answered, and no write is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_while_nothing_can_be_written_to_the_database() {
    let Some(settings) = database::settings() else { return };
    drop(Store::connect(&settings).await.unwrap());
    let somebody = database::connect(&settings).await;
    somebody.batch_execute("begin; lock table meta in share mode").await.unwrap();
    let mut begun = Begun::on(&format!("url: '{}'", settings.url), &settings.schema);
    begun.line_with("the start waits for it");
    somebody.batch_execute("commit").await.unwrap();
    begun.line_with("listening");
    kill_process(Pid::from_child(&begun.child), Signal::TERM).unwrap();
    assert_eq!(begun.child.wait().unwrap().code(), Some(0));
}

/// The password is replaced while the database is away, and the file of its address gets the new one last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_takes_a_new_address_of_the_database() {
    let Some(settings) = database::settings() else { return };
    let somebody = database::connect(&settings).await;
    let old = format!("old_{}", settings.schema);
    somebody.batch_execute(&format!("create role {old} nologin")).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("address");
    fs::write(&file, "postgres://goodays@127.0.0.1:1/x").unwrap();
    let mut begun = Begun::on(&format!("url_file: '{}'", file.display()), &settings.schema);
    begun.line_with("the start waits for it");
    fs::write(&file, settings.url.replace("//goodays@", &format!("//{old}@"))).unwrap();
    let line = begun.line_with("does not let us in");
    assert!(line.contains("the start waits for it"), "{line}");
    fs::write(&file, &settings.url).unwrap();
    begun.line_with("listening");
    kill_process(Pid::from_child(&begun.child), Signal::TERM).unwrap();
    assert_eq!(begun.child.wait().unwrap().code(), Some(0));
    somebody.batch_execute(&format!("drop role {old}")).await.unwrap();
}

/// A pipe holds 64 KiB. This log is longer.
#[tokio::test]
async fn d03_nobody_reads_the_log_and_all_goes_on() {
    let process = Process::start("");
    process.takes(800).await;
    process.ends_well();
}

#[tokio::test]
async fn d04_the_reader_of_the_log_goes_away_and_all_goes_on() {
    let mut process = Process::start("");
    drop(process.stderr.take());
    process.takes(100).await;
    process.ends_well();
}

/// More half-open connections than there are descriptors.
#[tokio::test]
async fn d05_few_descriptors_are_shared_so_that_the_store_has_some() {
    let process = Process::start("ulimit -n 300;");
    let address = process.hook.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let silent = join_all((0..400).map(|_| TcpStream::connect(&address))).await;
    process.takes(200).await;
    drop(silent);
    process.ends_well();
}

#[tokio::test]
async fn d05_the_soft_limit_is_raised_to_the_hard_one() {
    let process = Process::start("ulimit -Sn 200; ulimit -Hn 2000; ulimit -Sf 8192;");
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(words[3..5], ["2000", "2000"], "{files}");
    let size = limits.lines().find(|line| line.starts_with("Max file size")).unwrap();
    let words: Vec<&str> = size.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{size}");
    process.ends_well();
}

/// As in an image that was built without the package ca-certificates. An acknowledged event waits until there are some.
#[tokio::test]
async fn without_ca_certificates_the_door_is_open_and_the_commands_work() {
    let process = Process::start("export SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/nowhere;");
    process.takes(20).await;
    let mut status = Command::new(assert_cmd::cargo::cargo_bin("goodays-salesforce"));
    status.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nowhere");
    let output = status.arg("status").current_dir(process.dir.path()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("20 waiting"), "{words} {output:?}");
    process.ends_well();
}

#[tokio::test]
async fn d10_a_stop_during_reloads_is_not_lost() {
    for reloads in 0..6 {
        let mut process = Process::start("");
        for _ in 0..reloads {
            process.signal(Signal::HUP);
        }
        process.signal(Signal::TERM);
        process.signal(Signal::HUP);
        let status = process.ended();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "after {reloads} reloads");
    }
}

/// A disk that hangs: writers wait for room in memory, and the only worker thread continues with all other work.
#[test]
fn d11_writers_that_wait_for_room_stop_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { fault: Fault::HangSync, stuck_after: PATIENCE, ..Settings::default() };
    let store = Store::open(dir.path(), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let writes = |store: Store, writer: u8| async move {
        loop {
            let mut tx = Tx::default();
            tx.set(vec![b'M', writer], vec![writer; 1 << 20]);
            if store.engine().unwrap().transact(&tx).is_err() {
                return;
            }
        }
    };
    runtime.block_on(async {
        (0..3).for_each(|writer| drop(tokio::spawn(writes(store.clone(), writer))));
        while store.room().now_or_never().is_some() {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::spawn(async {}).await.unwrap();
        }
        assert!(store.accepting().is_ok(), "it waits still");
    });
    runtime.shutdown_background();
    // Waiting writers end with the process.
    std::mem::forget(store);
}
