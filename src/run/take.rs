//! Taking in what a poll's rows mean: the outbox's intents, the ledger, and what has to be told on the Case.

use serde_json::Value;
use tracing::{debug, info, warn};

use super::desk::Held;
use super::poll::stamp;
use super::{Contact, Shared};
use crate::goodays::ResponseId;
use crate::goodays::event::normalised;
use crate::plan::observe::{CommentNews, Since, addressee, case_row, comment_row};
use crate::plan::relearn::{adopt, read_row};
use crate::plan::{Answered, CaseRef, Intent, IntentState, Link, Note, Told, Wish, hash64};
use crate::salesforce::RecordId;
use crate::store::inbox::put_note;
use crate::store::ledger::put_link;
use crate::store::outbox::{add_intent, put_intent};
use crate::store::{RKey, Store, StoreError, Tx};

pub(super) fn id_of(row: &Value, field: &str) -> Option<RecordId> {
    row.get(field).and_then(Value::as_str).and_then(RecordId::new)
}

fn since(shared: &Shared, contact: &Contact) -> Since {
    let us = contact.formerly.iter().chain([&contact.us]).cloned().collect();
    Since { first_start_ms: contact.first_start_ms, us, now_ms: shared.clock.now_ms() }
}

fn key_of(row: &Value, field: &str) -> Option<ResponseId> {
    row.get(field).and_then(Value::as_str).and_then(|id| ResponseId::new(id).ok())
}

/// A Case changed: for its own response, and for those that were merged into it.
pub(super) fn take_case(shared: &Shared, held: &Held, row: &Value) -> Result<(), StoreError> {
    let Some(case) = held.mapping.case_mappings().first() else { return Ok(()) };
    let (Some(id), Some(response)) = (id_of(row, "Id"), key_of(row, &case.key_field)) else { return Ok(()) };
    let mut rkeys = vec![RKey::of(&response)];
    let own = rkeys[0];
    rkeys.extend(shared.store.responses_of_case(&id)?.into_iter().filter(|r| *r != own));
    for rkey in rkeys {
        loop {
            let mut tx = Tx::default();
            let before = shared.store.guard_link(&mut tx, rkey)?;
            let response = before.as_ref().map_or(&response, |l| &l.response_id);
            let Some(news) = case_row(row, before.as_ref(), response, &held.desk()) else { break };
            let now_ms = shared.clock.now_ms();
            if let Some(problem) = &news.problem {
                warn!(%response, %problem, "a status rule cannot be evaluated");
            }
            if news.take_back {
                take_back(&shared.store, &mut tx, rkey, now_ms)?;
            }
            if let Some(wish) = &news.wish {
                let author = path(row, held.mapping.actions().case_author.as_deref());
                let acted_ms = stamp(row).map_or(now_ms, |(at, _)| at.as_millisecond());
                fire(shared, &mut tx, rkey, response, &id, wish.clone(), author, acted_ms)?;
            }
            if before.as_ref() != Some(&news.link) {
                put_link(&mut tx, rkey, before.as_ref(), &news.link);
            }
            if commit(shared, &tx, rkey)? {
                break;
            }
        }
    }
    Ok(())
}

/// Commits what a row meant and wakes whoever has to do with it: only now, for a loop that is woken earlier finds
/// nothing and sleeps on. False when something changed in between.
pub(super) fn commit(shared: &Shared, tx: &Tx, rkey: RKey) -> Result<bool, StoreError> {
    if tx.writes.is_empty() {
        return Ok(true);
    }
    let done = shared.store.try_transact(tx)?;
    if done {
        shared.deliver.notify_one();
        shared.wake_lane(rkey.lane());
    }
    Ok(done)
}

/// A status intent of which the rule does not hold any more.
fn take_back(store: &Store, tx: &mut Tx, rkey: RKey, now_ms: i64) -> Result<(), StoreError> {
    for open in store.open_intents(rkey)? {
        if open.wish.is_answer() || !matches!(open.state, IntentState::Ready { .. }) {
            continue;
        }
        // Read again under the guard: delivery may have begun to send it.
        let guarded = store.guard_intent(tx, open.seq)?;
        if let Some(mut intent) = guarded.filter(|i| matches!(i.state, IntentState::Ready { .. })) {
            info!(response = %intent.response_id, action = intent.wish.name(), "taken back before it was sent");
            intent.state =
                IntentState::Cancelled { at_ms: now_ms, why: "taken back by the agent".to_owned() };
            put_intent(tx, rkey, &intent);
        }
    }
    Ok(())
}

/// Puts a wish into the outbox, once for its identity; what was cancelled, parked or only observed may be wished
/// again.
#[expect(clippy::too_many_arguments, reason = "the parts of an intent, each from another place")]
fn fire(
    shared: &Shared,
    tx: &mut Tx,
    rkey: RKey,
    response: &ResponseId,
    case: &RecordId,
    wish: Wish,
    author: Option<String>,
    acted_ms: i64,
) -> Result<Option<u64>, StoreError> {
    let now_ms = shared.clock.now_ms();
    let old = match shared.store.intent_by_identity(&wish.identity(case)) {
        // It may have been sent: never again without a human.
        Err(StoreError::Damaged(_)) => return Ok(None),
        old => old?,
    };
    // Decided on what is read under the guard: somebody may have sent it on its way meanwhile.
    let seq = match old.map(|old| shared.store.guard_intent(tx, old.seq)).transpose()?.flatten() {
        None => shared.store.next_seq(),
        Some(old) if may_fire_again(&old.state) => old.seq,
        Some(_) => return Ok(None),
    };
    let intent = Intent {
        seq,
        response_id: response.clone(),
        case_id: case.clone(),
        wish,
        author,
        acted_ms,
        seen_ms: now_ms,
        read_ms: now_ms,
        state: IntentState::Ready { not_before_ms: now_ms },
        attempts: 0,
        approved: false,
    };
    add_intent(tx, rkey, &intent);
    info!(%response, action = intent.wish.name(), "an agent's action is in the outbox");
    Ok(Some(seq))
}

fn may_fire_again(state: &IntentState) -> bool {
    state.is_parked() || matches!(state, IntentState::Cancelled { .. } | IntentState::Observed { .. })
}

/// A comment was written, published, unpublished or edited.
pub(super) fn take_comment(
    shared: &Shared,
    held: &Held,
    contact: &Contact,
    row: &Value,
) -> Result<(), StoreError> {
    let actions = held.mapping.actions();
    let Some(case_mapping) = held.mapping.case_mappings().first() else { return Ok(()) };
    let (Some(comment), Some(case)) = (id_of(row, "Id"), id_of(row, &actions.comments.parent)) else {
        return Ok(());
    };
    let relation = actions.comments.parent.trim_end_matches("Id");
    let parent = row.get(relation).cloned().unwrap_or(Value::Null);
    let Some(own) = key_of(&parent, &case_mapping.key_field) else { return Ok(()) };
    loop {
        let mut tx = Tx::default();
        let (rkey, unsure) = whose(&shared.store, &case, &own, &comment)?;
        let before = shared.store.guard_link(&mut tx, rkey)?;
        let answered = before.as_ref().and_then(|l| l.answer(&comment)).map(|a| a.intent);
        let intent = answered.map_or(Ok(None), |seq| shared.store.guard_intent(&mut tx, seq))?;
        let news = comment_row(
            row,
            &parent,
            before.as_ref(),
            intent.as_ref(),
            &held.desk(),
            &since(shared, contact),
        );
        let mut link = before.clone().unwrap_or_else(|| Link::unread(own.clone()));
        link.case.get_or_insert(CaseRef { id: case.clone(), number: None });
        let wants = !matches!(news, CommentNews::Ignore | CommentNews::Problem(_));
        apply(shared, &mut tx, rkey, &mut link, intent, news, row, &comment, unsure)?;
        if wants && before.as_ref() != Some(&link) {
            put_link(&mut tx, rkey, before.as_ref(), &link);
        }
        if commit(shared, &tx, rkey)? {
            return Ok(());
        }
    }
}

/// The response that a comment belongs to, and whether that is only a guess.
fn whose(
    store: &Store,
    case: &RecordId,
    own: &ResponseId,
    comment: &RecordId,
) -> Result<(RKey, bool), StoreError> {
    let mut rkeys = store.responses_of_case(case)?;
    if !rkeys.contains(&RKey::of(own)) {
        rkeys.push(RKey::of(own));
    }
    let mut links = Vec::new();
    for rkey in rkeys {
        links.extend(store.link(rkey)?);
    }
    if let Some(link) = links.iter().find(|l| l.answer(comment).is_some()) {
        return Ok((RKey::of(&link.response_id), false));
    }
    if links.is_empty() {
        return Ok((RKey::of(own), false));
    }
    Ok(addressee(&links).map_or((RKey::of(own), true), |l| (RKey::of(&l.response_id), false)))
}

#[expect(clippy::too_many_arguments, reason = "one row's facts")]
fn apply(
    shared: &Shared,
    tx: &mut Tx,
    rkey: RKey,
    link: &mut Link,
    intent: Option<Intent>,
    news: CommentNews,
    row: &Value,
    comment: &RecordId,
    unsure: bool,
) -> Result<(), StoreError> {
    let now_ms = shared.clock.now_ms();
    let case = link.case.as_ref().map(|c| c.id.clone());
    match news {
        CommentNews::Ignore => {}
        CommentNews::Problem(problem) => {
            warn!(response = %link.response_id, %problem, "a comment rule cannot be evaluated");
        }
        CommentNews::Answer(wish) => {
            let mapping = shared.mapping();
            let author = path(row, mapping.actions().comments.author_email.as_deref());
            let created =
                row.get("CreatedDate").and_then(Value::as_str).and_then(crate::plan::observe::millis);
            let text = match &wish {
                Wish::Answer { content, .. } => hash64(&normalised(content)),
                _ => 0,
            };
            let Some(case) = case else { return Ok(()) };
            let response = link.response_id.clone();
            let acted_ms = created.unwrap_or(now_ms);
            let fired = fire(shared, tx, rkey, &response, &case, wish, author, acted_ms)?;
            if let Some(seq) = fired {
                link.answers.retain(|a| a.comment != *comment);
                link.answers.push(Answered { comment: comment.clone(), intent: seq, text, told: false });
                if unsure {
                    park_unsure(shared, tx, rkey, seq, now_ms);
                }
            }
        }
        CommentNews::TakeBack(_) => {
            if let Some(mut intent) = intent {
                info!(response = %link.response_id, "an answer was unpublished before it was sent");
                intent.state = IntentState::Cancelled {
                    at_ms: now_ms,
                    why: "unpublished before it was sent".to_owned(),
                };
                put_intent(tx, rkey, &intent);
            }
        }
        CommentNews::Retext(_, text) => {
            if let Some(mut intent) = intent {
                let hash = hash64(&normalised(&text));
                if let Wish::Answer { content, .. } = &mut intent.wish {
                    *content = text;
                }
                intent.read_ms = now_ms;
                put_intent(tx, rkey, &intent);
                link.answers.iter_mut().filter(|a| a.comment == *comment).for_each(|a| a.text = hash);
            }
        }
        CommentNews::Edited(note) => {
            link.answers.iter_mut().filter(|a| a.comment == *comment).for_each(|a| a.told = true);
            put_note(tx, rkey, shared.store.next_seq(), now_ms, &note);
        }
    }
    Ok(())
}

/// Several responses share the Case and none, or more than one, waits for us: a human says whose it is.
fn park_unsure(shared: &Shared, tx: &mut Tx, rkey: RKey, seq: u64, now_ms: i64) {
    let why =
        "This Case holds several feedbacks (merged), and it cannot be told which one the comment answers.";
    let put = tx.writes.iter().rev().find(|(k, _)| *k == crate::store::keys::intent(seq));
    let intent = put.and_then(|(_, v)| v.as_deref()).and_then(|v| crate::store::decode::<Intent>(v).ok());
    let Some(mut intent) = intent else { return };
    intent.state = IntentState::Parked { since_ms: now_ms, code: "merged".to_owned(), why: why.to_owned() };
    put_intent(tx, rkey, &intent);
    let note = Note { told: Told::Failed, action: "answer".to_owned(), reason: why.to_owned(), view: None };
    put_note(tx, rkey, shared.store.next_seq(), now_ms, &note);
}

/// A Case was merged away: its response follows the survivor.
pub(super) fn take_merged(shared: &Shared, held: &Held, row: &Value) -> Result<(), StoreError> {
    let Some(case) = held.mapping.case_mappings().first() else { return Ok(()) };
    let (Some(master), Some(response)) = (id_of(row, "MasterRecordId"), key_of(row, &case.key_field)) else {
        return Ok(());
    };
    let rkey = RKey::of(&response);
    let loser = id_of(row, "Id");
    loop {
        let mut tx = Tx::default();
        let Some(before) = shared.store.guard_link(&mut tx, rkey)? else { return Ok(()) };
        let Some(mut survivor) = read_row(row, &case.marker_field) else { return Ok(()) };
        if before.case.as_ref().map(|c| &c.id) != loser.as_ref() {
            return Ok(());
        }
        survivor.case = CaseRef { id: master.clone(), number: None };
        survivor.fields.clear();
        let mut after = adopt(Some(before.clone()), &response, &survivor, &held.desk());
        after.held = before.held;
        after.row.clone_from(&before.row);
        put_link(&mut tx, rkey, Some(&before), &after);
        if shared.store.try_transact(&tx)? {
            info!(%response, "its Case was merged; it follows the survivor");
            return Ok(());
        }
        debug!(%response, "the link changed meanwhile");
    }
}

/// A value at a path such as `CreatedBy.Email`.
pub(super) fn path(row: &Value, path: Option<&str>) -> Option<String> {
    let found = path?.split('.').try_fold(row, |at, name| at.get(name))?;
    found.as_str().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}
