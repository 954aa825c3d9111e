//! Disk problems of the whole daemon (laws 1 and 8): only kept events are acknowledged, acknowledged events exist
//! afterwards, and the log or the final message says what to do.

mod damage;
mod disk;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goodays_salesforce::app::Knobs;
use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::goodays::signature::HEADER;
use goodays_salesforce::http::client;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault as Wired};
use goodays_salesforce::state::engine::Tx;
use goodays_salesforce::state::engine::keys;
use goodays_salesforce::state::{Fault, RKey, Settings, Store};
use serde_json::Value;

use self::disk::{Child, SmallDisk};
use crate::arena::{PATIENCE, quick};
use crate::now;

/// Feedback whose webhooks the test posts, so that it knows which were acknowledged.
struct Post {
    stage: Stage,
    http: reqwest::Client,
    acknowledged: Vec<String>,
}

impl Post {
    /// Both simulators and a configuration. No daemon runs yet.
    async fn new() -> Self {
        Self::with(quick()).await
    }

    async fn with(tuning: Tuning) -> Self {
        let knobs = tuning.knobs.clone();
        let mut stage = Stage::start(Tuning { knobs: Knobs::default(), ..tuning }).await.unwrap();
        stage.stop_daemon().await;
        stage.tuning.knobs = knobs;
        stage.goodays.pause_webhooks(true);
        Self { stage, http: client(PATIENCE), acknowledged: Vec::new() }
    }

    /// Creates and posts one more feedback. Returns the status of its webhook, if any.
    async fn feedback(&mut self, webhook: &str, words: &str) -> Option<u16> {
        let feedback = Feedback { content: Some(words.to_owned()), ..Feedback::default() };
        let id = self.stage.goodays.customer_leaves(feedback);
        let status = self.event(webhook, &id).await;
        if status == Some(200) {
            self.acknowledged.push(id);
        }
        status
    }

    /// Posts the webhook of a response. Returns its status, if any.
    async fn event(&self, webhook: &str, id: &str) -> Option<u16> {
        let body = self.stage.goodays.event_body(id, "response");
        let signature = self.stage.goodays.sign(&body).unwrap();
        let sent = self.http.post(webhook).header(HEADER, signature).body(body).send().await;
        sent.ok().map(|answer| answer.status().as_u16())
    }

    fn own_webhook(&self) -> String {
        format!("http://{}/webhooks/goodays", self.stage.webhook_addr())
    }

    fn state(&self) -> PathBuf {
        self.stage.dir.path().join("state")
    }

    fn cases(&self, id: &str) -> usize {
        let all = self.stage.salesforce.records("Case");
        all.iter().filter(|case| case["Goodays_Response_Id__c"] == *id).count()
    }

    /// Asserts that every acknowledged feedback becomes one Case.
    async fn all_arrive(&self) {
        assert!(!self.acknowledged.is_empty(), "nothing was acknowledged: the test shows nothing");
        let missing = || self.acknowledged.iter().filter(|id| self.cases(id) == 0).count();
        let there = until(PATIENCE, || (missing() == 0).then_some(())).await;
        assert!(there.is_some(), "{} of {} are lost", missing(), self.acknowledged.len());
        let quiet = self.stage.salesforce.wire().count();
        until(PATIENCE, || (self.stage.salesforce.wire().count() > quiet + 5).then_some(())).await.unwrap();
        for id in &self.acknowledged {
            assert_eq!(self.cases(id), 1, "{id}");
        }
    }

    fn all_there(&self) -> bool {
        self.acknowledged.iter().all(|id| self.cases(id) == 1)
    }

    async fn asked(&self, admin: &str, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("http://{admin}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn a_disk_that_stops_to_sync_ends_the_process_and_loses_nothing() {
    for good in [6, 9, 14] {
        let mut tuning = quick();
        tuning.knobs.store = Settings { fault: Fault::FailSyncAfter(good), ..Settings::default() };
        let mut post = Post::with(tuning).await;
        post.stage.start_daemon().await.unwrap();
        let webhook = post.own_webhook();
        let refused = loop {
            let status = post.feedback(&webhook, "a few words").await;
            if status != Some(200) {
                break status;
            }
        };
        // The listener may have closed before it could answer.
        assert!(matches!(refused, None | Some(503)), "{refused:?}");
        let ended = tokio::time::timeout(PATIENCE, post.stage.app().failed()).await;
        assert!(ended.is_ok(), "it goes on without a disk");
        assert!(!post.stage.stop_daemon().await, "that was no clean end");
        post.stage.tuning.knobs.store = Settings::default();
        post.stage.start_daemon().await.unwrap();
        post.feedback(&post.own_webhook(), "and after it was mended").await;
        post.all_arrive().await;
    }
}

#[tokio::test]
async fn a_disk_that_does_not_return_is_broken_too() {
    let mut tuning = quick();
    let stuck_after = Duration::from_millis(500);
    tuning.knobs.store = Settings { fault: Fault::HangSync, stuck_after, ..Settings::default() };
    let mut post = Post::with(tuning).await;
    post.stage.start_daemon().await.unwrap();
    let status = post.feedback(&post.own_webhook(), "a few words").await;
    assert!(matches!(status, None | Some(503)), "{status:?}");
    assert!(tokio::time::timeout(PATIENCE, post.stage.app().failed()).await.is_ok());
    assert!(!post.stage.stop_daemon().await);
}

/// The kernel refuses: no file may exceed a megabyte or two.
#[tokio::test]
async fn a_write_that_the_system_refuses_ends_the_process_with_a_failure() {
    let mut post = Post::new().await;
    // The signal that comes with it ends a process that does not expect it.
    let mut child = Child::start(&post.stage, "ulimit -f 4096; exec");
    let (webhook, _) = child.doors().await;
    let words = "many words ".repeat(8000);
    let refused = loop {
        let status = post.feedback(&webhook, &words).await;
        if status != Some(200) {
            break status;
        }
    };
    assert!(matches!(refused, None | Some(503)), "{refused:?}");
    assert_eq!(child.code().await, 1, "{}", child.log());
    let log = child.log();
    for words in ["the disk refused a write", "check the disk and its space"] {
        assert!(log.contains(words), "{words} in {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
    post.stage.start_daemon().await.unwrap();
    post.all_arrive().await;
}

#[tokio::test]
async fn a_full_disk_turns_webhooks_away_and_it_goes_on_by_itself_when_there_is_room() {
    let mut post = Post::new().await;
    let Some(disk) = SmallDisk::over(&post.state(), "size=80m") else { return };
    let mut child = Child::start(&post.stage, &disk.enter());
    let (webhook, admin) = child.doors().await;
    assert_eq!(post.feedback(&webhook, "there is room").await, Some(200));
    let ballast = disk.inside(&post.state()).join("ballast");
    fs::write(&ballast, vec![1; 24 << 20]).unwrap();
    // The known free space is at most a second old.
    let full = until_status(&mut post, &webhook, 503).await;
    assert!(full, "it accepts on a full disk");
    let (status, said) = post.asked(&admin, "/health/accepting").await;
    assert_eq!(status, 503);
    assert!(said["reason"].as_str().unwrap().contains("make room or enlarge the disk"), "{said}");
    assert_eq!(post.asked(&admin, "/health/live").await.0, 200);
    assert_eq!(post.asked(&admin, "/status").await.1["accepting"], false);
    fs::remove_file(&ballast).unwrap();
    assert!(until_status(&mut post, &webhook, 200).await, "there is room again");
    post.all_arrive().await;
    assert!(child.log().contains("bytes are free"), "{}", child.log());
    child.stop().await;
}

async fn until_status(post: &mut Post, webhook: &str, wanted: u16) -> bool {
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE {
        if post.feedback(webhook, "is there room?").await == Some(wanted) {
            return true;
        }
    }
    false
}

/// No byte is free while work continues: the floor keeps new events away, but not the daemon's own records.
#[tokio::test]
async fn a_disk_without_a_single_byte_loses_and_doubles_nothing() {
    let mut post = Post::new().await;
    let Some(disk) = SmallDisk::over(&post.state(), "size=80m") else { return };
    let mut child = Child::start(&post.stage, &disk.enter());
    let (webhook, _) = child.doors().await;
    let away = Act::Answer {
        status: 503,
        body: String::new(),
        content_type: None,
        headers: std::collections::BTreeMap::new(),
    };
    let wire = post.stage.salesforce.wire().clone();
    wire.fault(Wired { times: None, ..Wired::once("/composite/graph", away) });
    let words = "many words ".repeat(2000);
    for _ in 0..40 {
        assert_eq!(post.feedback(&webhook, &words).await, Some(200));
    }
    let ballast = disk.inside(&post.state()).join("ballast");
    let filled = fill(&ballast);
    assert!(filled > 0);
    wire.clear_faults();
    let failed = until(PATIENCE, || child.ended().or_else(|| post.all_there().then_some(0))).await;
    assert!(matches!(failed, Some(0 | 1)), "{failed:?}: {}", child.log());
    fs::remove_file(&ballast).unwrap();
    // All Cases may exist although recording the last one failed. In that case the daemon ends a moment later.
    let quiet = wire.count();
    let ended = until(PATIENCE, || child.ended().or_else(|| (wire.count() > quiet + 5).then_some(0))).await;
    if ended == Some(1) {
        assert!(child.log().contains("the disk refused a write"), "{}", child.log());
        child = Child::start(&post.stage, &disk.enter());
        child.doors().await;
    }
    post.all_arrive().await;
    child.stop().await;
}

/// Writes until the disk is full. Returns the number of bytes.
fn fill(path: &std::path::Path) -> u64 {
    use std::io::Write;
    let mut file = fs::File::create(path).unwrap();
    for piece in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; piece]).is_ok() {}
    }
    file.metadata().unwrap().len()
}

#[tokio::test]
async fn a_read_only_disk_is_told_at_the_start() {
    let post = Post::new().await;
    let Some(disk) = SmallDisk::over(&post.state(), "ro") else { return };
    let mut child = Child::start(&post.stage, &disk.enter());
    // The system may have made it so after an error, and an admin makes it writable again: so it is started again.
    assert_eq!(child.code().await, 1);
    let log = child.log();
    for words in ["state folder", "Read-only file system", "check that it exists, is writable and has space"]
    {
        assert!(log.contains(words), "{words} in {log}");
    }
}

#[tokio::test]
async fn a_state_of_a_newer_version_is_left_alone() {
    let post = Post::new().await;
    let db = sled::open(post.state().join("sled")).unwrap();
    db.open_tree("state").unwrap().insert(b"\0version", &99u32.to_be_bytes()).unwrap();
    db.flush().unwrap();
    drop(db);
    let mut child = Child::start(&post.stage, "exec");
    assert_eq!(child.code().await, 2);
    for words in ["newer version (format 99", "run that version again, or restore a backup"] {
        assert!(child.log().contains(words), "{words} in {}", child.log());
    }
}
