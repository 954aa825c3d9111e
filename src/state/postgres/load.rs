//! Loading conversations, all in one statement: each as it stood at one moment.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;

use crate::decide::{ActionKind, Conversation, Intent, Link, Note};
use crate::goodays::ResponseId;
use crate::messages::Words;
use crate::state::conversation;
use crate::state::postgres::Postgres;
use crate::state::postgres::rows::{decode, entry, hash, signed, unsigned};
use crate::state::{Due, Entry, EntryState, Loaded, RKey, StoreError, Waiting, WaitingNote};

/// What was loaded: a change holds only if it still stands.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// Of the conversation; 0 if it was never changed.
    pub(super) number: i64,
    /// Actions of other responses of the same Case, with their revisions.
    pub(super) foreign: Vec<(i64, i64)>,
}

/// At most 400 events and notes of a conversation: `inbox::AT_ONCE`.
const LOAD: &str = "
    with asked as materialized (
        select rkey, place from unnest($1::bytea[]) with ordinality as a(rkey, place)),
    known as materialized (
        select a.place, c.rkey, c.version, c.asked, c.wishes, c.link
        from asked a join conversations c on c.rkey = a.rkey)
    select place, 0 as kind, version as seq, 0::bigint as due_ms, 0 as attempts, true as own, null::bytea as identity,
           link::text as record
    from known
    union all
    select a.place, w.kind, w.seq, w.due_ms, w.attempts, true, null, w.record
    from asked a cross join lateral (
        select 1 as kind, e.seq, e.due_ms, 0 as attempts, e.record::text as record
        from events e where e.rkey = a.rkey and e.state = 'waiting'
        union all
        select 2, n.seq, n.due_ms, n.attempts, n.record::text from notes n where n.rkey = a.rkey
        order by 2 limit 400) w
    union all
    select k.place, 3, x.seq, x.revision, 0, x.rkey = k.rkey, x.identity, x.record
    from known k cross join lateral (
        select o.seq, o.revision, o.rkey, o.identity, o.record::text from actions o where o.rkey = k.rkey and o.is_open
        union all
        select o.seq, o.revision, o.rkey, o.identity, o.record::text from actions o where o.seq = any(k.asked)
        union all
        select o.seq, o.revision, o.rkey, o.identity, o.record::text from actions o where o.seq = $2 and o.rkey = k.rkey
        union all
        select o.seq, o.revision, o.rkey, o.identity, o.record::text
        from unnest(k.wishes) as w(identity) cross join lateral (
            select * from actions o where o.identity = w.identity order by o.seq desc limit 1) o) x
    order by 1, 2, 3";

/// The rows of one conversation.
#[derive(Default)]
struct Rows<'a> {
    conversation: Option<&'a Row>,
    events: Vec<&'a Row>,
    notes: Vec<&'a Row>,
    actions: BTreeMap<u64, &'a Row>,
}

impl Postgres {
    /// Loads the conversations of these responses, known or not, in their order.
    pub async fn load_many(&self, ids: &[ResponseId]) -> Result<Vec<Loaded>, StoreError> {
        let rkeys: Vec<RKey> = ids.iter().map(RKey::of).collect();
        let due = self.load_all(&rkeys, None, |place| Some(&ids[place])).await?;
        Ok(due.into_iter().filter_map(named).collect())
    }

    /// The same of one, with this action of it.
    pub async fn load_with(&self, id: &ResponseId, action: u64) -> Result<Loaded, StoreError> {
        let mut due = self.load_all(&[RKey::of(id)], Some(action), |_| Some(id)).await?;
        let one = due.pop().and_then(named);
        one.ok_or_else(|| StoreError::Unreadable("a conversation is missing".to_owned()))
    }

    /// Loads conversations that are due, in their order.
    pub async fn load_due(&self, rkeys: &[RKey]) -> Result<Vec<Due>, StoreError> {
        self.load_all(rkeys, None, |_| None).await
    }

    async fn load_all<'a>(
        &self,
        rkeys: &[RKey],
        action: Option<u64>,
        name: impl Fn(usize) -> Option<&'a ResponseId>,
    ) -> Result<Vec<Due>, StoreError> {
        let keys: Vec<&[u8]> = rkeys.iter().map(|rkey| rkey.0.as_slice()).collect();
        let rows =
            if keys.is_empty() { Vec::new() } else { self.read(LOAD, &[&keys, &action.map(signed)]).await? };
        let mut by_place: HashMap<i64, Rows<'_>> = HashMap::new();
        for row in &rows {
            let one = by_place.entry(row.get(0)).or_default();
            match row.get(1) {
                0 => one.conversation = Some(row),
                1 => one.events.push(row),
                2 => one.notes.push(row),
                _ => drop(one.actions.insert(unsigned(row.get(2)), row)),
            }
        }
        let places = (1..).zip(rkeys).enumerate();
        places
            .map(|(place, (number, rkey))| {
                let rows = by_place.remove(&number).unwrap_or_default();
                self.assemble(*rkey, name(place), &rows)
            })
            .collect()
    }

    fn assemble(&self, rkey: RKey, id: Option<&ResponseId>, rows: &Rows<'_>) -> Result<Due, StoreError> {
        let waiting = self.assemble_waiting(rkey, rows)?;
        let link = match rows.conversation.and_then(|row| row.get::<_, Option<&str>>(7)) {
            Some(record) => self.or_damaged("link", 0, decode::<Link>(record))?,
            None => None,
        };
        let of_event = || waiting.entries.iter().find_map(|entry| entry.response_id.clone());
        let known = link.as_ref().map(|link| link.response_id.clone());
        let Some(name) = known.or_else(|| id.cloned()).or_else(of_event) else {
            return Ok(Due::Nameless(waiting));
        };
        let mut now = Conversation { link, ..Conversation::new(name) };
        let mut version =
            Version { number: rows.conversation.map_or(0, |row| row.get(2)), foreign: Vec::new() };
        self.assemble_actions(rows, &mut now, &mut version)?;
        Ok(Due::Known(Box::new(Loaded::new(rkey, now, waiting, conversation::Version::Postgres(version)))))
    }

    fn assemble_waiting(&self, rkey: RKey, rows: &Rows<'_>) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::new(rkey);
        for row in &rows.events {
            let seq = unsigned(row.get(2));
            let read = entry(seq, row.get(7));
            match self.or_damaged::<Entry>("event", seq, read)? {
                Some(entry) if matches!(entry.state, EntryState::Waiting { .. }) => {
                    waiting.entries.push(entry);
                }
                _ => waiting.lost.push(seq),
            }
        }
        for row in &rows.notes {
            let seq = unsigned(row.get(2));
            match self.or_damaged::<Note>("note", seq, decode(row.get(7)))? {
                Some(note) => {
                    let attempts = u32::try_from(row.get::<_, i32>(4)).unwrap_or(0);
                    waiting.notes.push(WaitingNote { seq, due_ms: row.get(3), attempts, note });
                }
                None => waiting.lost.push(seq),
            }
        }
        Ok(waiting)
    }

    fn assemble_actions(
        &self,
        rows: &Rows<'_>,
        now: &mut Conversation,
        version: &mut Version,
    ) -> Result<(), StoreError> {
        let mut damaged: Vec<&[u8]> = Vec::new();
        for (seq, row) in &rows.actions {
            match self.or_damaged::<Intent>("action", *seq, decode(row.get(7)))? {
                Some(intent) => now.put(intent),
                None => damaged.push(row.get(6)),
            }
            if !row.get::<_, bool>(5) {
                version.foreign.push((row.get(2), row.get(3)));
            }
        }
        for wish in now.link.as_ref().map(identities).unwrap_or_default() {
            if damaged.contains(&hash(wish.as_bytes()).as_slice()) {
                now.unreadable.push(wish);
            }
        }
        Ok(())
    }
}

fn named(due: Due) -> Option<Loaded> {
    match due {
        Due::Known(loaded) => Some(*loaded),
        Due::Nameless(_) => None,
    }
}

/// Identities of the actions that the Case's state could request now.
pub(super) fn identities(link: &Link) -> Vec<String> {
    let Some(case) = &link.case else { return Vec::new() };
    let after = link.last_customer.clone();
    let wishes = [
        ActionKind::Call { rating: None, note: None, left_out: Words::default(), after: after.clone() },
        ActionKind::Close { remark_type: None, after: after.clone() },
        ActionKind::Spam { after },
    ];
    wishes.iter().map(|wish| wish.identity(&case.id)).collect()
}
