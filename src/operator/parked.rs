//! What waits for a human, and what the human can do: retry or drop it.

use serde::Serialize;
use tracing::warn;

use crate::decide::{CaseRef, DAMAGED, Intent, IntentState};
use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::json;
use crate::messages::Words;
use crate::operator::ItemId;
use crate::state::{Entry, EntryState, Parked, RKey, StoreError};
use crate::workers::{Fatal, Shared};

/// How many parked actions, and how many parked events, are looked through for overdue ones: the first ones by number.
const OVERDUE_AT_ONCE: usize = 10_000;

/// One parked or unclear item, as the admin server shows it. `reason` is for people who may see it; the log has only
/// `reason_code`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParkedItem {
    pub id: ItemId,
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

/// What came of a retry or a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is retried, or dropped.
    Done,
    /// A read back showed that it had arrived.
    Arrived,
    /// A read back does not show it: sending it again needs a confirmation.
    Confirm,
    Unknown,
    /// The item does not wait for a human; its state.
    WrongState(String),
    /// Nobody can tell whether the action was sent: it can only be dropped.
    Damaged,
    /// Goodays could not be read back now.
    NotNow(String),
}

/// What a retry does with an action that is unclear and that Goodays does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfUnclear {
    /// It asks for a confirmation, because the action may still be on its way.
    Confirm,
    SendAgain,
}

fn when(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string()).unwrap_or_default()
}

fn id_and_number(case: Option<CaseRef>) -> (Option<String>, Option<String>) {
    case.map_or((None, None), |case| (Some(case.id.to_string()), case.number))
}

impl Shared {
    /// Everything parked or unclear, at most `limit` actions and as many events, oldest first.
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

    /// The reason codes of what is parked, of at most `limit` actions and as many events; what is unclear is left out.
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
            id: ItemId::Event(entry.seq),
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
            id: ItemId::Action(intent.seq),
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

    /// Retries a parked item with the current mapping. An unclear action is read back first.
    pub async fn retry(&self, id: ItemId, if_unclear: IfUnclear) -> Result<Outcome, Fatal> {
        match id {
            ItemId::Event(seq) => self.retry_event(seq).await,
            ItemId::Action(seq) => self.retry_action(seq, if_unclear).await,
        }
    }

    async fn retry_event(&self, seq: u64) -> Result<Outcome, Fatal> {
        let Some(entry) = self.store.entry(seq).await? else { return Ok(Outcome::Unknown) };
        match &entry.state {
            EntryState::Parked { .. } | EntryState::Dropped { .. } => {}
            other => return Ok(Outcome::WrongState(state_name(other).to_owned())),
        }
        let Some(response) = self.response_of(&entry).await? else {
            return Ok(Outcome::WrongState("unreadable: the event has no response id".to_owned()));
        };
        if !self.store.retry_event(&entry, &response, self.clock.now_ms()).await? {
            return Ok(Outcome::WrongState("pending".to_owned()));
        }
        self.counts.pending.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.wake_lane(RKey::of(&response).lane());
        Ok(Outcome::Done)
    }

    /// A later version may read an id that the version that accepted the event could not.
    async fn response_of(&self, entry: &Entry) -> Result<Option<ResponseId>, StoreError> {
        if entry.response_id.is_some() {
            return Ok(entry.response_id.clone());
        }
        let body = self.store.body(entry.seq).await?.and_then(|bytes| json::read(&bytes).ok());
        Ok(body.and_then(|body| peek_response_id(&body).ok()))
    }

    async fn retry_action(&self, seq: u64, if_unclear: IfUnclear) -> Result<Outcome, Fatal> {
        if self.store.is_damaged_intent(seq).await? {
            return Ok(Outcome::Damaged);
        }
        let Some(intent) = self.store.intent(seq).await? else { return Ok(Outcome::Unknown) };
        if intent.state.is_damaged() {
            return Ok(Outcome::Damaged);
        }
        if matches!(intent.state, IntentState::Unclear { .. }) {
            if let Some(there) = self.works_elsewhere() {
                return Ok(Outcome::NotNow(there));
            }
            match self.look_for(&intent).await {
                Ok(true) => return Ok(Outcome::Arrived),
                Ok(false) if if_unclear == IfUnclear::SendAgain => {}
                Ok(false) => return Ok(Outcome::Confirm),
                Err(stop) => return Ok(Outcome::NotNow(stop.remote()?.to_string())),
            }
        } else if !intent.state.is_parked() {
            return Ok(Outcome::WrongState(intent.state.name().to_owned()));
        }
        let now_ms = self.clock.now_ms();
        self.change_with(&intent.response_id, seq, |loaded| {
            let now = loaded.now.intent(seq).map(|now| &now.state);
            if now != Some(&intent.state) {
                return Outcome::WrongState(now.map_or("unknown", IntentState::name).to_owned());
            }
            self.changes.retried(seq);
            loaded.now.try_again(seq, now_ms);
            Outcome::Done
        })
        .await
    }

    /// Drops a parked item. Its record stays until it is pruned; a repeat of the event is accepted again.
    pub async fn drop_parked(&self, id: ItemId) -> Result<Outcome, Fatal> {
        self.end_parked(id, "dropped by an operator").await
    }

    /// Drops what has been parked or unclear since `oldest_ms` or before. Returns when the oldest of the others began to
    /// wait (milliseconds).
    pub(crate) async fn drop_overdue(&self, oldest_ms: i64) -> Result<Option<i64>, Fatal> {
        let mut oldest_left = None;
        for parked in self.store.parked(OVERDUE_AT_ONCE).await? {
            let (id, since_ms, code) = match &parked {
                Parked::Event(Entry { seq, state: EntryState::Parked { since_ms, code, .. }, .. }) => {
                    (ItemId::Event(*seq), *since_ms, code.as_str())
                }
                Parked::Intent(intent) => match &intent.state {
                    IntentState::Parked { since_ms, code, .. } => {
                        (ItemId::Action(intent.seq), *since_ms, code.as_str())
                    }
                    IntentState::Unclear { since_ms, .. } => {
                        (ItemId::Action(intent.seq), *since_ms, "unclear")
                    }
                    _ => continue,
                },
                _ => continue,
            };
            if since_ms <= oldest_ms {
                warn!(%id, code, "nobody decided within state.keep_parked: dropped");
                self.end_parked(id, "nobody decided within state.keep_parked").await?;
            } else {
                oldest_left = Some(oldest_left.map_or(since_ms, |left: i64| left.min(since_ms)));
            }
        }
        Ok(oldest_left)
    }

    async fn end_parked(&self, id: ItemId, why: &str) -> Result<Outcome, Fatal> {
        let now_ms = self.clock.now_ms();
        match id {
            ItemId::Event(seq) => self.drop_event(seq, now_ms).await,
            ItemId::Action(seq) if self.store.is_damaged_intent(seq).await? => {
                self.store.drop_damaged_intent(seq).await?;
                self.deliver.notify_one();
                Ok(Outcome::Done)
            }
            ItemId::Action(seq) => self.drop_action(seq, now_ms, why).await,
        }
    }

    async fn drop_event(&self, seq: u64, now_ms: i64) -> Result<Outcome, Fatal> {
        let Some(entry) = self.store.entry(seq).await? else { return Ok(Outcome::Unknown) };
        if !matches!(entry.state, EntryState::Parked { .. }) {
            return Ok(Outcome::WrongState(state_name(&entry.state).to_owned()));
        }
        if !self.store.drop_event(&entry, now_ms).await? {
            return Ok(Outcome::WrongState("it changed just now".to_owned()));
        }
        self.deliver.notify_one();
        Ok(Outcome::Done)
    }
}

fn damaged_action(seq: u64) -> ParkedItem {
    let words = Words::new("action-damaged");
    ParkedItem {
        id: ItemId::Action(seq),
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
    async fn drop_action(&self, seq: u64, now_ms: i64, why: &str) -> Result<Outcome, Fatal> {
        let Some(intent) = self.store.intent(seq).await? else { return Ok(Outcome::Unknown) };
        self.change_with(&intent.response_id, seq, |loaded| match loaded.now.intent(seq) {
            None => Outcome::Unknown,
            Some(now) if now.waits_for_a_human() => {
                loaded.now.drop_action(seq, why, now_ms);
                Outcome::Done
            }
            Some(now) => Outcome::WrongState(now.state.name().to_owned()),
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
