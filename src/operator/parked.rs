//! What waits for a human, and what the human can do: retry or drop it.

use serde::Serialize;
use tracing::warn;

use crate::decide::{CaseRef, DAMAGED, Intent, IntentState};
use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::json;
use crate::messages::Words;
use crate::state::{Entry, EntryState, Parked, RKey, StoreError};
use crate::workers::{Fatal, Shared};

/// How many parked items are looked through for overdue ones.
const OVERDUE_AT_ONCE: usize = 10_000;

/// One parked or unclear item, as the admin server shows it. `reason` is for people who may see it; the log has only
/// `reason_code`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParkedItem {
    pub id: String,
    /// `event` or `action`.
    pub kind: &'static str,
    pub response_id: Option<String>,
    /// `None` also until a poll reads a new Case: an insert does not return the number.
    pub case_number: Option<String>,
    pub case_id: Option<String>,
    pub action: Option<String>,
    /// `parked` or `unclear`.
    pub state: &'static str,
    pub reason_code: String,
    pub reason: String,
    /// The reason without a language, for the console.
    #[serde(skip)]
    pub words: Words,
    /// RFC 3339.
    pub since: String,
    pub attempts: u32,
}

/// The result of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryOutcome {
    /// It is retried.
    Again,
    /// A read back showed that it had arrived.
    Arrived,
    /// A read back does not show it: sending it again needs a confirmation.
    Confirm,
    Unknown,
    /// The item does not wait for a human; its state.
    WrongState(String),
    /// Goodays could not be read back now.
    NotNow(String),
}

/// An id as people see it: `e12` is an event, `a7` an action.
fn parse(id: &str) -> Option<(u8, u64)> {
    let kind = *id.as_bytes().first()?;
    let seq = id.get(1..)?.parse().ok()?;
    matches!(kind, b'e' | b'a').then_some((kind, seq))
}

fn when(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string()).unwrap_or_default()
}

fn id_and_number(case: Option<CaseRef>) -> (Option<String>, Option<String>) {
    case.map_or((None, None), |case| (Some(case.id.to_string()), case.number))
}

impl Shared {
    /// Everything parked or unclear, at most `limit` items, oldest first.
    pub async fn parked(&self, limit: usize) -> Result<Vec<ParkedItem>, StoreError> {
        let mut items = Vec::new();
        for parked in self.store.parked(limit).await? {
            items.extend(match parked {
                Parked::Event(entry) => self.parked_event(entry).await?,
                Parked::Intent(intent) => self.parked_action(&intent).await?,
                Parked::DamagedIntent(seq) => Some(damaged_action(seq)),
            });
        }
        items.sort_by(|a, b| a.since.cmp(&b.since));
        Ok(items)
    }

    /// The reason codes of what is parked, at most `limit`; what is unclear is left out.
    pub(crate) async fn parked_codes(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let code = |parked| match parked {
            Parked::Event(Entry { state: EntryState::Parked { code, .. }, .. }) => Some(code),
            Parked::Intent(intent) => match intent.state {
                IntentState::Parked { code, .. } => Some(code),
                _ => None,
            },
            Parked::DamagedIntent(_) => Some(DAMAGED.to_owned()),
            Parked::Event(_) => None,
        };
        Ok(self.store.parked(limit).await?.into_iter().filter_map(code).collect())
    }

    async fn parked_event(&self, entry: Entry) -> Result<Option<ParkedItem>, StoreError> {
        let EntryState::Parked { since_ms, code, why } = entry.state else { return Ok(None) };
        let case = match &entry.response_id {
            Some(id) => self.case_of(id).await?,
            None => None,
        };
        let (case_id, case_number) = id_and_number(case);
        Ok(Some(ParkedItem {
            id: format!("e{}", entry.seq),
            kind: "event",
            response_id: entry.response_id.map(|id| id.to_string()),
            case_number,
            case_id,
            action: None,
            state: "parked",
            reason_code: code,
            words: Words::plain(why.as_str()),
            reason: why,
            since: when(since_ms),
            attempts: entry.attempts,
        }))
    }

    async fn parked_action(&self, intent: &Intent) -> Result<Option<ParkedItem>, StoreError> {
        let (state, since_ms, code, why) = match &intent.state {
            IntentState::Parked { since_ms, code, why } => ("parked", *since_ms, code.clone(), why),
            IntentState::Unclear { since_ms, why, .. } => ("unclear", *since_ms, "unclear".into(), why),
            _ => return Ok(None),
        };
        let (case_id, case_number) = id_and_number(self.case_of(&intent.response_id).await?);
        Ok(Some(ParkedItem {
            id: format!("a{}", intent.seq),
            kind: "action",
            response_id: Some(intent.response_id.to_string()),
            case_number,
            case_id,
            action: Some(intent.kind.name().to_owned()),
            state,
            reason_code: code,
            reason: why.to_string(),
            words: why.clone(),
            since: when(since_ms),
            attempts: intent.attempts,
        }))
    }

    async fn case_of(&self, response: &ResponseId) -> Result<Option<CaseRef>, StoreError> {
        Ok(self.store.link(RKey::of(response)).await?.and_then(|link| link.case))
    }

    /// Retries a parked item with the current mapping. An unclear action is read back first, and sent again only with
    /// `again`.
    pub async fn retry(&self, id: &str, again: bool) -> Result<RetryOutcome, Fatal> {
        match parse(id) {
            Some((b'e', seq)) => self.retry_event(seq).await,
            Some((_, seq)) => self.retry_action(seq, again).await,
            None => Ok(RetryOutcome::Unknown),
        }
    }

    async fn retry_event(&self, seq: u64) -> Result<RetryOutcome, Fatal> {
        let Some(entry) = self.store.entry(seq).await? else { return Ok(RetryOutcome::Unknown) };
        match &entry.state {
            EntryState::Parked { .. } | EntryState::Dropped { .. } => {}
            other => return Ok(RetryOutcome::WrongState(state_name(other).to_owned())),
        }
        let Some(response) = self.response_of(&entry).await? else {
            return Ok(RetryOutcome::WrongState("unreadable: the event has no response id".to_owned()));
        };
        if !self.store.retry_event(&entry, &response, self.clock.now_ms()).await? {
            return Ok(RetryOutcome::WrongState("pending".to_owned()));
        }
        self.counts.pending.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.wake_lane(RKey::of(&response).lane());
        Ok(RetryOutcome::Again)
    }

    /// A later version may read an id that the version that accepted the event could not.
    async fn response_of(&self, entry: &Entry) -> Result<Option<ResponseId>, StoreError> {
        if entry.response_id.is_some() {
            return Ok(entry.response_id.clone());
        }
        let body = self.store.body(entry.seq).await?.and_then(|bytes| json::read(&bytes).ok());
        Ok(body.and_then(|body| peek_response_id(&body).ok()))
    }

    async fn retry_action(&self, seq: u64, again: bool) -> Result<RetryOutcome, Fatal> {
        if self.store.is_damaged_intent(seq).await? {
            return Ok(RetryOutcome::WrongState("damaged: it can only be dropped".to_owned()));
        }
        let Some(intent) = self.store.intent(seq).await? else { return Ok(RetryOutcome::Unknown) };
        if matches!(intent.state, IntentState::Unclear { .. }) {
            if let Some(there) = self.works_elsewhere() {
                return Ok(RetryOutcome::NotNow(there));
            }
            match self.look_for(&intent).await {
                Ok(true) => return Ok(RetryOutcome::Arrived),
                Ok(false) if again => {}
                Ok(false) => return Ok(RetryOutcome::Confirm),
                Err(stop) => return Ok(RetryOutcome::NotNow(stop.remote()?.to_string())),
            }
        } else if !intent.state.is_parked() {
            return Ok(RetryOutcome::WrongState(intent.state.name().to_owned()));
        }
        let now_ms = self.clock.now_ms();
        self.change_with(&intent.response_id, seq, |loaded| {
            let now = loaded.now.intent(seq).map(|now| &now.state);
            if now != Some(&intent.state) {
                return RetryOutcome::WrongState(now.map_or("unknown", IntentState::name).to_owned());
            }
            self.changes.retried(seq);
            loaded.now.try_again(seq, now_ms);
            RetryOutcome::Again
        })
        .await
    }

    /// Drops a parked item. Its record stays until it is pruned; a repeat of the event is accepted again.
    pub async fn drop_parked(&self, id: &str) -> Result<RetryOutcome, Fatal> {
        self.end_parked(id, "dropped by an operator").await
    }

    /// Drops what has been parked or unclear since `oldest_ms` or before. Returns when the oldest of the others began to
    /// wait (milliseconds).
    pub(crate) async fn drop_overdue(&self, oldest_ms: i64) -> Result<Option<i64>, Fatal> {
        let mut oldest_left = None;
        for parked in self.store.parked(OVERDUE_AT_ONCE).await? {
            let (id, since_ms, code) = match &parked {
                Parked::Event(Entry { seq, state: EntryState::Parked { since_ms, code, .. }, .. }) => {
                    (format!("e{seq}"), *since_ms, code.as_str())
                }
                Parked::Intent(intent) => match &intent.state {
                    IntentState::Parked { since_ms, code, .. } => {
                        (format!("a{}", intent.seq), *since_ms, code.as_str())
                    }
                    IntentState::Unclear { since_ms, .. } => {
                        (format!("a{}", intent.seq), *since_ms, "unclear")
                    }
                    _ => continue,
                },
                _ => continue,
            };
            if since_ms <= oldest_ms {
                warn!(id, code, "nobody decided within state.keep_parked: dropped");
                self.end_parked(&id, "nobody decided within state.keep_parked").await?;
            } else {
                oldest_left = Some(oldest_left.map_or(since_ms, |left: i64| left.min(since_ms)));
            }
        }
        Ok(oldest_left)
    }

    async fn end_parked(&self, id: &str, why: &str) -> Result<RetryOutcome, Fatal> {
        let now_ms = self.clock.now_ms();
        match parse(id) {
            Some((b'e', seq)) => self.drop_event(seq, now_ms).await,
            Some((_, seq)) if self.store.is_damaged_intent(seq).await? => {
                self.store.drop_damaged_intent(seq).await?;
                self.deliver.notify_one();
                Ok(RetryOutcome::Again)
            }
            Some((_, seq)) => self.drop_action(seq, now_ms, why).await,
            None => Ok(RetryOutcome::Unknown),
        }
    }

    async fn drop_event(&self, seq: u64, now_ms: i64) -> Result<RetryOutcome, Fatal> {
        let Some(entry) = self.store.entry(seq).await? else { return Ok(RetryOutcome::Unknown) };
        if !matches!(entry.state, EntryState::Parked { .. }) {
            return Ok(RetryOutcome::WrongState(state_name(&entry.state).to_owned()));
        }
        if !self.store.drop_event(&entry, now_ms).await? {
            return Ok(RetryOutcome::WrongState("it changed just now".to_owned()));
        }
        self.deliver.notify_one();
        Ok(RetryOutcome::Again)
    }
}

fn damaged_action(seq: u64) -> ParkedItem {
    let words = Words::new("action-damaged");
    ParkedItem {
        id: format!("a{seq}"),
        kind: "action",
        response_id: None,
        case_number: None,
        case_id: None,
        action: None,
        state: "parked",
        reason_code: DAMAGED.to_owned(),
        reason: words.to_string(),
        words,
        since: when(0),
        attempts: 0,
    }
}

impl Shared {
    async fn drop_action(&self, seq: u64, now_ms: i64, why: &str) -> Result<RetryOutcome, Fatal> {
        let Some(intent) = self.store.intent(seq).await? else { return Ok(RetryOutcome::Unknown) };
        self.change_with(&intent.response_id, seq, |loaded| match loaded.now.intent(seq) {
            None => RetryOutcome::Unknown,
            Some(now) if now.waits_for_a_human() => {
                loaded.now.drop_action(seq, why, now_ms);
                RetryOutcome::Again
            }
            Some(now) => RetryOutcome::WrongState(now.state.name().to_owned()),
        })
        .await
    }
}

fn state_name(state: &EntryState) -> &'static str {
    match state {
        EntryState::Waiting { .. } => "pending",
        EntryState::Done { .. } => "done",
        EntryState::Parked { .. } => "parked",
        EntryState::Dropped { .. } => "dropped",
    }
}
