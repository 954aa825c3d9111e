//! Disk problems of the whole daemon (laws 1 and 8): only kept events are acknowledged, acknowledged events exist
//! afterwards, and the log or the final message says what to do.

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
        let body = self.stage.goodays.event_body(&id, "response");
        let signature = self.stage.goodays.sign(&body).unwrap();
        let sent = self.http.post(webhook).header(HEADER, signature).body(body).send().await;
        let status = sent.ok().map(|answer| answer.status().as_u16());
        if status == Some(200) {
            self.acknowledged.push(id);
        }
        status
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
    let mut child = Child::start(&post.stage, "trap '' XFSZ; ulimit -f 4096; exec");
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
    assert_eq!(child.code().await, 2);
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

#[tokio::test]
async fn what_was_acknowledged_survives_a_damaged_snapshot() {
    let mut post = Post::new().await;
    post.stage.salesforce.wire().fault(Wired { times: None, ..Wired::once("/oauth2/", Act::ResetBefore) });
    post.stage.start_daemon().await.unwrap();
    for _ in 0..20 {
        assert_eq!(post.feedback(&post.own_webhook(), "kept").await, Some(200));
    }
    assert!(post.stage.stop_daemon().await);
    post.stage.salesforce.wire().clear_faults();
    for snapshot in snapshots(&post) {
        fs::write(snapshot, "").unwrap();
    }
    let mut child = Child::start(&post.stage, "exec");
    child.doors().await;
    post.all_arrive().await;
    assert!(child.log().contains("is made anew from the journals"), "{}", child.log());
    assert!(post.state().join("sled.damaged-1").exists());
    child.stop().await;
}

/// Events wait while Salesforce is away, and `harm` damages the records of some: it gets the store and each event's
/// number and response. Returns the items that are parked with the code `damaged`, once all others are Cases.
async fn harmed(
    count: usize,
    harmless: usize,
    harm: impl FnOnce(&Path, &[(u64, RKey)]),
) -> (Post, Child, Vec<Value>) {
    let mut post = Post::new().await;
    post.stage.salesforce.wire().fault(Wired { times: None, ..Wired::once("/oauth2/", Act::ResetBefore) });
    post.stage.start_daemon().await.unwrap();
    for n in 0..count {
        assert_eq!(post.feedback(&post.own_webhook(), &format!("words {n}")).await, Some(200));
    }
    assert!(post.stage.stop_daemon().await);
    post.stage.salesforce.wire().clear_faults();
    let store = Store::open(&post.state(), Settings::default()).unwrap();
    let all = store.events_from(0, 1000).await.unwrap().records;
    let events: Vec<(u64, RKey)> =
        all.into_iter().map(|event| (event.seq, RKey::of(&event.response_id.unwrap()))).collect();
    assert_eq!(events.len(), count);
    store.close().unwrap();
    harm(&post.state(), &events);

    let mut child = Child::start(&post.stage, "exec");
    let (_, admin) = child.doors().await;
    let there = || post.acknowledged.iter().filter(|id| post.cases(id) == 1).count();
    let arrived = until(PATIENCE, || (there() == harmless).then_some(())).await;
    assert!(arrived.is_some(), "{} of {harmless}: {}", there(), child.log());
    let mut parked = Vec::new();
    while parked.len() < count - harmless && child.ended().is_none() {
        let all = post.asked(&admin, "/parked").await.1;
        parked = all.as_array().unwrap().iter().filter(|p| p["reason_code"] == "damaged").cloned().collect();
    }
    assert_eq!(child.ended(), None, "{}", child.log());
    (post, child, parked)
}

fn rewritten(state: &Path, write: impl FnOnce(&mut Tx)) {
    let store = Store::open(state, Settings::default()).unwrap();
    let mut tx = Tx::new();
    write(&mut tx);
    store.engine().unwrap().transact(&tx).unwrap();
    store.close().unwrap();
}

#[tokio::test]
async fn d02_one_flipped_bit_in_a_body_costs_that_event_and_no_other() {
    let (post, mut child, parked) = harmed(50, 49, |state, _| {
        for file in journals(state) {
            let mut bytes = fs::read(&file).unwrap();
            if let Some(at) = bytes.windows(8).position(|part| part == b"words 25") {
                bytes[at] ^= 1;
                fs::write(file, bytes).unwrap();
            }
        }
    })
    .await;
    let lost = parked[0]["response_id"].as_str().unwrap();
    assert_eq!(post.cases(lost), 0);
    assert!(post.acknowledged.iter().any(|id| id == lost));
    assert!(child.log().contains("a stored record is damaged"), "{}", child.log());
    child.stop().await;
}

#[tokio::test]
async fn d02_headers_links_and_bodies_that_are_damaged_or_gone_cost_themselves() {
    let (mut post, mut child, parked) = harmed(8, 6, |state, events| {
        rewritten(state, |tx| {
            // An invalid header, a missing body, an invalid link, and a record that never existed.
            tx.set(keys::entry(events[1].0), "junk").remove(keys::payload(events[3].0));
            tx.set(keys::link(events[5].1), "junk").set(keys::meta("delivered"), "junk");
        });
    })
    .await;
    assert_eq!(parked.len(), 2);
    // The bytes of one of them are complete: after a retry it arrives.
    let (webhook, admin) = child.doors().await;
    for item in &parked {
        let url = format!("http://{admin}/parked/{}/retry", item["id"].as_str().unwrap());
        let answer = post.http.post(url).json(&serde_json::json!({})).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
    let there = || post.acknowledged.iter().filter(|id| post.cases(id) == 1).count();
    assert!(until(PATIENCE, || (there() == 7).then_some(())).await.is_some(), "{}", child.log());
    assert_eq!(post.feedback(&webhook, "and the doors are open").await, Some(200));
    child.stop().await;
}

#[tokio::test]
async fn d01_a_last_checkpoint_that_fails_is_told_by_the_exit_code() {
    let mut post = Post::new().await;
    post.stage.salesforce.wire().fault(Wired { times: None, ..Wired::once("/oauth2/", Act::ResetBefore) });
    let mut child = Child::start(&post.stage, "exec");
    let (webhook, _) = child.doors().await;
    assert_eq!(post.feedback(&webhook, "kept").await, Some(200));
    for journal in journals(&post.state()) {
        fs::remove_file(journal).unwrap();
    }
    child.terminate();
    assert_eq!(child.code().await, 1, "{}", child.log());
}

fn journals(state: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("sled.journal-")).collect()
}

fn snapshots(post: &Post) -> Vec<PathBuf> {
    let files = fs::read_dir(post.state().join("sled")).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> =
        files.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect();
    assert!(!found.is_empty());
    found
}

/// A database that is lost together with the journals that had an old conversation: its ledger is read from Salesforce
/// again, and both directions go on, without a second comment and without a second answer.
#[tokio::test]
async fn the_ledger_of_an_old_conversation_is_learned_again() {
    let mut post = Post::new().await;
    post.stage.goodays.pause_webhooks(false);
    post.stage.start_daemon().await.unwrap();
    let id = post
        .stage
        .goodays
        .customer_leaves(Feedback { content: Some("the first words".to_owned()), ..Feedback::default() });
    let case = until(PATIENCE, || post.stage.salesforce.case_by_key(&id)).await.unwrap();
    let case = case["Id"].as_str().unwrap().to_owned();
    let answers = |post: &Post, words: &str| {
        post.stage.salesforce.agent_comments(&case, words, true, "a@brand.example").unwrap();
    };
    answers(&post, "the first answer");
    let received = |post: &Post| post.stage.goodays.received_by_customer(&id).len();
    until(PATIENCE, || (received(&post) == 1).then_some(())).await.unwrap();
    let rests =
        |post: &Post| now(post.stage.app().shared.store.all_open_intents()).unwrap().is_empty().then_some(());
    until(PATIENCE, || rests(&post)).await.unwrap();
    assert!(post.stage.stop_daemon().await);
    // Time goes by: what is done is only in sled.
    for _ in 0..2 {
        let store = Store::open(&post.state(), Settings::default()).unwrap();
        store.set_meta("a later write", &1).await.unwrap();
        store.retire(i64::MAX).await.unwrap();
        store.close().unwrap();
    }
    fs::remove_dir_all(post.state().join("sled")).unwrap();
    let store = Store::open(&post.state(), Settings::default()).unwrap();
    let rkey = RKey::of(&goodays_salesforce::goodays::ResponseId::new(id.clone()).unwrap());
    assert!(store.link(rkey).await.unwrap().is_none(), "the ledger is still there: the test shows nothing");
    store.close().unwrap();

    post.stage.start_daemon().await.unwrap();
    post.stage.goodays.customer_writes(&id, "the second words").unwrap();
    let comments = |post: &Post| post.stage.salesforce.comments_of(&case).len();
    until(PATIENCE, || (comments(&post) == 2).then_some(())).await.unwrap();
    answers(&post, "the second answer");
    until(PATIENCE, || (received(&post) == 2).then_some(())).await.unwrap();
    until(PATIENCE, || rests(&post)).await.unwrap();
    // Everything once more, as a poll that looks back and a webhook that is repeated.
    post.stage.goodays.send_event(&id, "response").await.unwrap();
    let polled = post.stage.salesforce.wire().count();
    until(PATIENCE, || (post.stage.salesforce.wire().count() > polled + 5).then_some(())).await.unwrap();
    assert_eq!((received(&post), post.cases(&id)), (2, 1));
    let said: Vec<String> = post
        .stage
        .salesforce
        .comments_of(&case)
        .iter()
        .map(|comment| comment["CommentBody"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(post.stage.stop_daemon().await);
}

/// A damaged place of the last journal may have said that an answer was sent. So what waits is not sent, and told.
#[tokio::test]
async fn after_a_loss_of_acknowledged_writes_an_unsent_answer_waits_for_a_human() {
    let mut post = Post::new().await;
    post.stage.goodays.pause_webhooks(false);
    post.stage.start_daemon().await.unwrap();
    let id = post.stage.goodays.customer_leaves(Feedback::default());
    let case = until(PATIENCE, || post.stage.salesforce.case_by_key(&id)).await.unwrap();
    post.stage.goodays.wire().fault(Wired { times: None, ..Wired::once("/v2/", Act::ResetBefore) });
    post.stage
        .salesforce
        .agent_comments(case["Id"].as_str().unwrap(), "her answer", true, "a@brand.example")
        .unwrap();
    let waits = || now(post.stage.app().shared.store.all_open_intents()).unwrap().pop();
    until(PATIENCE, waits).await.unwrap();
    assert!(post.stage.stop_daemon().await);
    // As after a kill: sled knows nothing of the last journal, and a record in its middle is damaged.
    fs::remove_dir_all(post.state().join("sled")).unwrap();
    let mut all = journals(&post.state());
    all.sort();
    let first = fs::read(&all[0]).unwrap();
    let mut changed = first;
    let at = changed.len() / 2;
    changed[at] ^= 1;
    fs::write(&all[0], changed).unwrap();
    post.stage.goodays.wire().clear_faults();

    let mut child = Child::start(&post.stage, "exec");
    let (_, admin) = child.doors().await;
    assert!(child.log().contains("a part of a journal is damaged"), "{}", child.log());
    let parked = post.asked(&admin, "/parked").await.1;
    let codes: Vec<&Value> = parked.as_array().unwrap().iter().map(|item| &item["reason_code"]).collect();
    assert_eq!(codes, ["damaged"], "{parked}");
    assert_eq!(post.stage.goodays.received_by_customer(&id).len(), 0);
    child.stop().await;
}

#[tokio::test]
async fn a_state_that_cannot_be_repaired_is_not_started_on() {
    let post = Post::new().await;
    for snapshot in snapshots(&post) {
        fs::write(snapshot, "").unwrap();
    }
    fs::write(post.state().join("sled/db"), "").unwrap();
    for journal in journals(&post.state()) {
        fs::remove_file(journal).unwrap();
    }
    let mut child = Child::start(&post.stage, "exec");
    assert_eq!(child.code().await, 2);
    for words in ["is damaged and cannot be made anew", "restore the last backup", "the sweep finds again"] {
        assert!(child.log().contains(words), "{words} in {}", child.log());
    }
    assert_eq!(fs::read(post.state().join("sled/db")).unwrap(), b"", "it was changed");
}
