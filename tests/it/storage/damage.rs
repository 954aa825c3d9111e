//! Damaged bytes, snapshots, bodies and databases under the real binary.

use super::*;

use serde_json::json;

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

/// Flips a bit in each value of this key in the journals.
fn flip(state: &Path, key: &[u8]) {
    let mut flipped = 0;
    for file in journals(state) {
        let mut bytes = fs::read(&file).unwrap();
        let length = u32::try_from(key.len()).unwrap().to_be_bytes();
        for at in 8..bytes.len() - key.len() {
            if bytes[at..].starts_with(key) && bytes[at - 8..at - 4] == length {
                bytes[at + key.len() + 9] ^= 4;
                flipped += 1;
            }
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(flipped > 0, "no journal holds it");
}

#[tokio::test]
async fn d02_one_flipped_bit_in_a_header_costs_that_event_and_no_other() {
    let (post, mut child, parked) =
        harmed(8, 7, |state, events| flip(state, &keys::entry(events[3].0))).await;
    assert_eq!(parked.len(), 1);
    let lost = parked[0]["response_id"].as_str().unwrap();
    assert_eq!(post.cases(lost), 0);
    child.stop().await;
    let mut child = Child::start(&post.stage, "exec");
    let (_, admin) = child.doors().await;
    let again = post.asked(&admin, "/parked").await.1;
    assert_eq!((again[0]["id"].as_str(), again.as_array().unwrap().len()), (parked[0]["id"].as_str(), 1));
    child.stop().await;
}

/// An action that waits, and one that was sent and that the ledger names: neither is sent, and its conversation goes on.
#[tokio::test]
async fn d02_one_flipped_bit_in_an_action_costs_that_action() {
    let mut post = Post::new().await;
    post.stage.goodays.pause_webhooks(false);
    post.stage.start_daemon().await.unwrap();
    let id = post.stage.goodays.customer_leaves(Feedback::default());
    let case = until(PATIENCE, || post.stage.salesforce.case_by_key(&id)).await.unwrap();
    let case = case["Id"].as_str().unwrap().to_owned();
    let answers = |post: &Post, words: &str| {
        post.stage.salesforce.agent_comments(&case, words, true, "a@brand.example").unwrap();
    };
    answers(&post, "the first answer");
    let received = |post: &Post| post.stage.goodays.received_by_customer(&id).len();
    until(PATIENCE, || (received(&post) == 1).then_some(())).await.unwrap();
    until(PATIENCE, || {
        now(post.stage.app().shared.store.all_open_intents()).unwrap().is_empty().then_some(())
    })
    .await
    .unwrap();
    post.stage.goodays.wire().fault(Wired { times: None, ..Wired::once("/v2/", Act::ResetBefore) });
    answers(&post, "the second answer");
    until(PATIENCE, || now(post.stage.app().shared.store.all_open_intents()).unwrap().pop()).await.unwrap();
    let actions = post.stage.app().shared.store.intents_from(0, 9).await.unwrap().records;
    assert_eq!(actions.len(), 2);
    assert!(post.stage.stop_daemon().await);
    for action in &actions {
        flip(&post.state(), &keys::intent(action.seq));
    }
    post.stage.goodays.wire().clear_faults();

    for life in 0..2 {
        let mut child = Child::start(&post.stage, "exec");
        let (webhook, admin) = child.doors().await;
        post.stage.goodays.customer_writes(&id, &format!("later words {life}")).unwrap();
        assert_eq!(post.event(&webhook, &id).await, Some(200));
        let arrived = || {
            let all = post.stage.salesforce.comments_of(&case);
            all.iter()
                .any(|comment| comment["CommentBody"].to_string().contains(&format!("later words {life}")))
        };
        let there = until(PATIENCE, || arrived().then_some(())).await;
        assert!(there.is_some(), "{}", child.log());
        let mut parked = Value::Null;
        while parked.as_array().is_none_or(Vec::is_empty) && child.ended().is_none() {
            parked = post.asked(&admin, "/parked").await.1;
        }
        let codes: Vec<&Value> = parked.as_array().unwrap().iter().map(|item| &item["reason_code"]).collect();
        assert_eq!(codes, ["damaged"], "{parked}");
        assert_eq!((received(&post), post.cases(&id)), (1, 1), "{}", child.log());
        child.stop().await;
    }
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
        let answer = post.http.post(url).json(&json!({})).send().await.unwrap();
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
    // The next bodies belong into parts of sled that cannot be read.
    let store = Store::open(&post.state(), Settings::default()).unwrap();
    let next = store.last_seq().await.unwrap();
    store.close().unwrap();
    let sled = sled::open(post.state().join("sled")).unwrap();
    let state = sled.open_tree("state").unwrap();
    for seq in (0..2048).map(|more| (next + more) / 64 * 64) {
        state.insert(keys::payload(seq), b"\0junk").unwrap();
    }
    drop((state, sled));
    let mut child = Child::start(&post.stage, "exec");
    let (webhook, _) = child.doors().await;
    assert_eq!(post.feedback(&webhook, "kept").await, Some(200));
    child.terminate();
    assert_eq!(child.code().await, 1, "{}", child.log());

    post.stage.salesforce.wire().clear_faults();
    let mut child = Child::start(&post.stage, "exec");
    child.doors().await;
    post.all_arrive().await;
    child.stop().await;
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
    // The first start after the loss ends before it has seen to it.
    let store = Store::open(&post.state(), Settings::default()).unwrap();
    assert!(store.is_incomplete());
    store.close().unwrap();

    let mut child = Child::start(&post.stage, "exec");
    let (_, admin) = child.doors().await;
    assert!(child.log().contains("a part of the state is lost"), "{}", child.log());
    let parked = post.asked(&admin, "/parked").await.1;
    let codes: Vec<&Value> = parked.as_array().unwrap().iter().map(|item| &item["reason_code"]).collect();
    assert_eq!(codes, ["damaged"], "{parked}");
    assert_eq!(post.stage.goodays.received_by_customer(&id).len(), 0);
    // Its Case says so.
    let told = || {
        let case = post.stage.salesforce.case_by_key(&id)?;
        case["Goodays_Sync_Error__c"]
            .as_str()?
            .contains("look in Goodays whether this was sent")
            .then_some(())
    };
    assert!(until(PATIENCE, told).await.is_some(), "{}", child.log());
    // No retry sends it: the lost record may have said that the customer has it.
    let item = parked[0]["id"].as_str().unwrap();
    let order = async |path: &str, body: Value| {
        let answer = post.http.post(format!("http://{admin}{path}")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for body in [json!({}), json!({ "send_again": true })] {
        let (status, answer) = order(&format!("/parked/{item}/retry"), body).await;
        assert_eq!(status, 409);
        assert!(answer["error"].as_str().unwrap().contains("drop it"), "{answer}");
    }
    let (_, tally) = order("/parked/retry", json!({ "reason": "damaged" })).await;
    assert_eq!((&tally["retrying"], &tally["damaged"]), (&json!(0), &json!(1)), "{tally}");
    assert_eq!(order(&format!("/parked/{item}/drop"), json!({})).await.0, 200);
    assert_eq!(post.asked(&admin, "/parked").await.1, json!([]));
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
