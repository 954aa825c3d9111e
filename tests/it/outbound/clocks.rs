//! B1 to B4: times are compared only with times of the same clock, and waits take as long as they should.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::demo::stage::{SECRET, Stage, Tuning, until};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::{Settings, Store};
use serde_json::{Value, json};

use super::{brisk, next_put};
use crate::world::World;

const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
const PATIENCE: Duration = Duration::from_secs(120);
const MINUTE_MS: i64 = 60_000;

fn goodays_at(ahead_ms: i64) -> Tuning {
    Tuning { goodays_clock: Clock::Ahead(ahead_ms), ..brisk() }
}

#[tokio::test]
async fn b01_the_case_asks_for_attention_whatever_goodays_clock_says() {
    join_all([-10 * MINUTE_MS, 10 * MINUTE_MS, -90 * MINUTE_MS].map(|ahead_ms| async move {
        let world = World::with(goodays_at(ahead_ms)).await;
        let id = world.replied().await;
        world.customer_writes(&id, "I have one more question.");
        world.settle().await;
        assert_eq!(world.field(&id, "Status"), "Customer Replied", "{ahead_ms}");
        world.answers(&id, "And one more answer.").await;
        world.customer_writes(&id, "Then all is clear.");
        world.settle().await;
        assert_eq!(world.thread(&id).len(), 4, "{ahead_ms}");
        world.end().await;
    }))
    .await;
}

#[tokio::test]
async fn b01_he_writes_while_the_read_back_is_on_its_way() {
    join_all([0, -10 * MINUTE_MS, 10 * MINUTE_MS].map(|ahead_ms| async move {
        let world = World::with(goodays_at(ahead_ms)).await;
        let id = world.arrives(Feedback::default()).await;
        // The look before the action is fast, the one after it slow.
        let slow = Fault {
            method: Some("GET".to_owned()),
            skip: 1,
            ..Fault::once("/responses/", Act::Slow { ms: 1000 })
        };
        world.goodays.wire().fault(slow);
        world.agent_comments(&id, "The first answer.");
        world.until("he has it", || !world.received(&id).is_empty()).await;
        world.customer_writes(&id, "I have a question about that.");
        world.settle().await;
        assert_eq!(world.field(&id, "Status"), "Customer Replied", "{ahead_ms}");
        world.end().await;
    }))
    .await;
}

/// An attempt with unknown outcome is distinguished from older texts by Goodays' own times.
#[tokio::test]
async fn b01_an_answer_without_an_answer_is_found_whatever_goodays_clock_says() {
    join_all([-10 * MINUTE_MS, 10 * MINUTE_MS, -25 * 60 * MINUTE_MS].map(|ahead_ms| async move {
        let world = World::with(goodays_at(ahead_ms)).await;
        for act in [Act::ResetAfter, Act::ResetBefore] {
            let id = world.arrives(Feedback::default()).await;
            next_put(&world, "reply", act);
            world.answers(&id, "Sent by a line that breaks.").await;
        }
        world.end().await;
    }))
    .await;
}

#[tokio::test]
async fn b03_a_row_of_the_future_blinds_no_poll() {
    for days in [1, 30, 4000] {
        let mut world = World::with(brisk()).await;
        let id = world.arrives(Feedback::default()).await;
        let other = world.arrives(Feedback::default()).await;
        let ahead_ms = days * 24 * 60 * MINUTE_MS;
        world.salesforce.advance(ahead_ms);
        world.agent_comments(&id, "Stamped far in the future.");
        world.salesforce.advance(-ahead_ms);
        world.settle().await;
        assert_eq!(world.received(&id).len(), 1);
        assert!(world.app().shared.poll_state.ahead.load().is_some(), "it is said");
        world.agent_comments(&other, "Stamped as ever.");
        world.settle().await;
        assert_eq!(world.received(&other).len(), 1);
        world.restart().await;
        world.customer_writes(&other, "And after a restart?");
        world.settle().await;
        world.answers(&other, "As ever, too.").await;
        world.end().await;
    }
}

/// The real daemon, with a wall clock that the test sets through a file.
struct Elsewhen {
    stage: Stage,
    shim: PathBuf,
    daemon: Option<Child>,
}

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *at) {
    int done = syscall(SYS_clock_gettime, id, at);
    FILE *file = id == CLOCK_REALTIME ? fopen(getenv("MOVED_BY"), "r") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) at->tv_sec += seconds;
        fclose(file);
    }
    return done;
}
"#;

impl Elsewhen {
    async fn new() -> Self {
        let stage = Stage::set(Tuning { close_grace_ms: 1500, ..brisk() }).await.unwrap();
        crate::world::text_status(&stage.salesforce);
        let source = stage.dir.path().join("shim.c");
        let shim = stage.dir.path().join("shim.so");
        std::fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).status();
        assert!(built.unwrap().success(), "whoever builds Rust has a C compiler");
        stage.config().unwrap();
        Self { stage, shim, daemon: None }
    }

    fn folder(&self) -> &Path {
        self.stage.dir.path()
    }

    fn move_wall_clock(&self, seconds: i64) {
        // Replaced atomically, because the daemon may read it at any moment.
        let new = self.folder().join("moved.new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, self.folder().join("moved")).unwrap();
    }

    async fn start(&mut self) {
        let (webhook, admin) = (free_port(), free_port());
        let file = self.stage.config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[0] = format!("server: {{ listen: '127.0.0.1:{webhook}' }}");
        lines[1] = format!("admin: {{ listen: '127.0.0.1:{admin}' }}");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let child = Command::new(BINARY)
            .args(["run", "-c"])
            .arg(&file)
            .env("LD_PRELOAD", &self.shim)
            .env("MOVED_BY", self.folder().join("moved"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.daemon = Some(child.unwrap());
        let url = format!("http://127.0.0.1:{webhook}/webhooks/goodays");
        self.stage.goodays.set_webhook(&url, Some(SECRET.to_owned()));
        let open = || std::net::TcpStream::connect(("127.0.0.1", admin)).ok();
        assert!(until(PATIENCE, open).await.is_some(), "{}", self.log());
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let pid = rustix::process::Pid::from_child(&daemon);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            daemon.wait().unwrap();
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Feedback becomes a Case, its answer reaches the customer, and a close waits only for its grace period.
    async fn carries(&self) {
        let id = self.stage.goodays.customer_leaves(Feedback::default());
        let case = || self.stage.salesforce.case_by_key(&id);
        assert!(until(PATIENCE, case).await.is_some(), "no Case\n{}", self.log());
        self.stage
            .salesforce
            .agent_comments(&id, "An answer in time.", true, "jennifer.parker@brand.example")
            .unwrap();
        let received = || self.stage.goodays.received_by_customer(&id).pop();
        assert!(until(PATIENCE, received).await.is_some(), "no answer\n{}", self.log());
        let other = self.stage.goodays.customer_leaves(Feedback::default());
        let case = || self.stage.salesforce.case_by_key(&other);
        assert!(until(PATIENCE, case).await.is_some(), "no second Case\n{}", self.log());
        let closed = json!({ "Status": "Closed" });
        self.stage.salesforce.agent_updates_case(&other, closed, "jennifer.parker@brand.example").unwrap();
        let processed = || self.stage.goodays.processed(&other).pop();
        assert!(until(PATIENCE, processed).await.is_some(), "no close\n{}", self.log());
    }
}

impl Drop for Elsewhen {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_a_wall_clock_that_is_set_back_holds_nothing_up() {
    let mut world = Elsewhen::new().await;
    world.start().await;
    world.carries().await;
    for seconds in [-90, -7200, -30 * 86_400] {
        world.move_wall_clock(seconds);
        world.carries().await;
    }
    // Restarted at a time before those that an earlier process noted.
    world.stop();
    world.start().await;
    world.carries().await;
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b04_a_wall_clock_that_jumps_forward_shortens_no_wait() {
    let mut world = Elsewhen::new().await;
    world.start().await;
    let id = world.stage.goodays.customer_leaves(Feedback::default());
    assert!(until(PATIENCE, || world.stage.salesforce.case_by_key(&id)).await.is_some());
    // The connection breaks, and the action is applied later: a settle time that ends too early would send it again.
    let late =
        Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", Act::CommitLater { ms: 300 }) };
    world.stage.goodays.wire().fault(late);
    world
        .stage
        .salesforce
        .agent_comments(&id, "Sent while the clock jumps.", true, "jennifer.parker@brand.example")
        .unwrap();
    assert!(until(PATIENCE, || world.stage.goodays.wire().faults().is_empty().then_some(())).await.is_some());
    world.move_wall_clock(3600);
    let told = || {
        let case = world.stage.salesforce.case_by_key(&id)?;
        (case["Goodays_Sync_Status__c"] == json!("Sent: public reply")).then_some(())
    };
    assert!(until(PATIENCE, told).await.is_some(), "{}", world.log());
    assert_eq!(world.stage.goodays.received_by_customer(&id).len(), 1);
    let puts = world.stage.goodays.wire().requests().into_iter().filter(|r| r.method == "PUT").count();
    assert_eq!(puts, 1);
    world.carries().await;
    world.stop();
}

/// The state contains a time two hours ahead of this machine's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_a_new_process_begins_no_earlier_than_the_last_one_ended() {
    let mut world = Elsewhen::new().await;
    let ahead_ms = Clock::System.now_ms() + 120 * MINUTE_MS;
    let state = world.folder().join("state");
    let store = Store::open(&state, Settings::default()).unwrap();
    store.set_meta("our time", &ahead_ms).await.unwrap();
    drop(store);
    world.start().await;
    world.carries().await;
    world.stop();
    let store = Store::open(&state, Settings::default()).unwrap();
    let noted: Option<Value> = store.meta("our time").await.unwrap();
    assert!(noted.and_then(|noted| noted.as_i64()).is_some_and(|noted| noted >= ahead_ms), "time went back");
}
