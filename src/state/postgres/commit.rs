//! Writing the changes of conversations: a batch is one statement, each conversation guarded by the version that was
//! loaded.

use std::collections::{BTreeMap, HashSet};

use crate::decide::Intent;
use crate::state::conversation::{self, EventChange};
use crate::state::postgres::load::Version;
use crate::state::postgres::rows::{
    ActionColumns, EventColumns, LinkColumns, encode, lane, limit, signed, text,
};
use crate::state::postgres::{Postgres, fenced};
use crate::state::sent::MetaSwap;
use crate::state::{Changed, Commit, Ended, Entry, EntryState, Loaded, RKey, StoreError};

/// Rows that one statement writes.
const MAX_ROWS: usize = 4096;

/// One conversation's part of a statement.
struct Draft {
    rkey: RKey,
    response_id: String,
    version: Version,
    link: Option<LinkColumns>,
    actions: Vec<ActionColumns>,
    events: BTreeMap<i64, EventColumns>,
    /// Events that end as done.
    done: i64,
    new_notes: Vec<String>,
    /// The time and the attempts with which a note waits on; none: it goes.
    notes: BTreeMap<i64, Option<(i64, i32)>>,
    swap: Option<MetaSwap>,
    changed: Changed,
}

impl Draft {
    fn of(loaded: Loaded) -> Self {
        let Loaded { rkey, now, before, version, events, notes, swap, waiting: _ } = loaded;
        let conversation::Version::Postgres(version) = version else {
            unreachable!("it was loaded from this store")
        };
        let actions: Vec<&Intent> =
            now.intents.iter().filter(|intent| before.intent(intent.seq) != Some(*intent)).collect();
        let ended: Vec<Ended> = actions.iter().filter_map(|intent| Ended::of(&before, intent)).collect();
        let changed = Changed { actions: !actions.is_empty(), notes: !now.notes.is_empty(), ended };
        let mut link = now.link.clone();
        if changed.actions
            && let Some(link) = &mut link
        {
            link.version += 1;
        }
        let link = link.filter(|link| before.link.as_ref() != Some(link));
        let event = |change: EventChange| {
            let entry = Entry { state: change.state, ..change.entry };
            (signed(entry.seq), EventColumns::of(&entry))
        };
        let later = |(due_ms, attempts): (i64, u32)| (due_ms, i32::try_from(attempts).unwrap_or(i32::MAX));
        let done = events.iter().filter(|change| matches!(change.state, EntryState::Done { .. })).count();
        Self {
            rkey,
            response_id: text(now.response_id.as_str()),
            version,
            link: link.as_ref().map(LinkColumns::of),
            actions: actions.iter().map(|intent| ActionColumns::of(intent)).collect(),
            done: limit(done),
            events: events.into_iter().map(event).collect(),
            new_notes: now.notes.iter().map(encode).collect(),
            notes: notes.into_iter().map(|note| (signed(note.seq), note.later.map(later))).collect(),
            swap,
            changed,
        }
    }

    fn rows(&self) -> usize {
        let link = usize::from(self.link.is_some()) + usize::from(self.swap.is_some());
        link + self.actions.len() + self.events.len() + self.new_notes.len() + self.notes.len()
    }
}

impl Postgres {
    /// Writes the changes of conversations in one statement, and says of each, in their order, whether it was applied or
    /// had changed since it was loaded. Many rows take several statements; one conversation never does.
    pub async fn commit_many(&self, loaded: Vec<Loaded>, now_ms: i64) -> Result<Vec<Commit>, StoreError> {
        let drafts: Vec<Draft> = loaded.into_iter().map(Draft::of).collect();
        let mut commits = Vec::with_capacity(drafts.len());
        let mut left = drafts.as_slice();
        while !left.is_empty() {
            let (group, rest) = left.split_at(group_len(left));
            let applied = self.commit_group(group, now_ms).await?;
            commits.extend(group.iter().enumerate().map(|(place, draft)| {
                let nothing = draft.rows() == 0;
                if nothing || applied.contains(&place) {
                    Commit::Applied(draft.changed.clone())
                } else {
                    Commit::Outdated
                }
            }));
            left = rest;
        }
        Ok(commits)
    }

    /// The places of the drafts that were applied.
    async fn commit_group(&self, group: &[Draft], now_ms: i64) -> Result<HashSet<usize>, StoreError> {
        let mut columns = Columns::default();
        for (place, draft) in (0..).zip(group).filter(|(_, draft)| draft.rows() > 0) {
            columns.add(place, draft, now_ms);
        }
        if columns.place.is_empty() {
            return Ok(HashSet::new());
        }
        if let Some(swap) = group.iter().find_map(|draft| draft.swap.as_ref()) {
            columns.swap(swap);
            // A row that is missing could not be locked.
            self.read("insert into meta (name) values ($1) on conflict do nothing", &[&swap.name]).await?;
        }
        let row = self.write(COMMIT, &columns.params()).await?;
        let places: Vec<i32> = row.get(1);
        Ok(places.into_iter().filter_map(|place| usize::try_from(place).ok()).collect())
    }
}

/// How many of these drafts fit into one statement: at least one, and no conversation twice. A draft that swaps a value
/// goes alone.
fn group_len(drafts: &[Draft]) -> usize {
    let (mut rows, mut seen) = (0, HashSet::new());
    let fits = |place: &usize| {
        let draft = &drafts[*place];
        rows += draft.rows();
        let alone = draft.swap.is_some() || drafts[0].swap.is_some();
        seen.insert(draft.rkey) && (*place == 0 || (rows <= MAX_ROWS && !alone))
    };
    (0..drafts.len()).take_while(fits).count()
}

/// A value as text. It was read from the database, or made as JSON.
fn json(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The lists of a statement's parameters.
#[derive(Default)]
struct Columns<'a> {
    place: Vec<i32>,
    rkey: Vec<&'a [u8]>,
    version: Vec<i64>,
    response_id: Vec<&'a str>,
    foreign: Vec<i64>,
    done: Vec<i64>,
    lane: Vec<i16>,
    delivered: Vec<i64>,
    link: Vec<Option<&'a str>>,
    case_id: Vec<Option<&'a str>>,
    case_number: Vec<Option<&'a str>>,
    waiting_ms: Vec<Option<i64>>,
    customer: Vec<Option<i64>>,
    asked: Vec<Option<&'a str>>,
    wishes: Vec<Option<&'a str>>,
    events: Events<'a>,
    actions: Actions<'a>,
    notes: Notes<'a>,
    guard_place: Vec<i32>,
    guard_seq: Vec<i64>,
    guard_revision: Vec<i64>,
    swap_name: Option<&'static str>,
    swap_before: Option<&'a str>,
    swap_after: Option<&'a str>,
}

#[derive(Default)]
struct Events<'a> {
    place: Vec<i32>,
    seq: Vec<i64>,
    state: Vec<&'a str>,
    due_ms: Vec<Option<i64>>,
    code: Vec<Option<&'a str>>,
    record: Vec<&'a str>,
}

#[derive(Default)]
struct Actions<'a> {
    place: Vec<i32>,
    seq: Vec<i64>,
    case_id: Vec<&'a str>,
    kind: Vec<&'a str>,
    state: Vec<&'a str>,
    is_open: Vec<bool>,
    for_human: Vec<bool>,
    seen_ms: Vec<i64>,
    identity: Vec<&'a [u8]>,
    record: Vec<&'a str>,
}

/// New notes (without a number, with a record), those that wait on, and those that go (without a time).
#[derive(Default)]
struct Notes<'a> {
    place: Vec<i32>,
    seq: Vec<Option<i64>>,
    due_ms: Vec<Option<i64>>,
    attempts: Vec<i32>,
    record: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, place: i32, draft: &'a Draft, now_ms: i64) {
        self.place.push(place);
        self.rkey.push(&draft.rkey.0);
        self.version.push(draft.version.number);
        self.response_id.push(&draft.response_id);
        self.foreign.push(limit(draft.version.foreign.len()));
        self.done.push(draft.done);
        self.lane.push(lane(draft.rkey));
        self.delivered
            .push(limit(draft.changed.ended.iter().filter(|one| one.outcome == "delivered").count()));
        self.add_link(draft.link.as_ref());
        for (seq, event) in &draft.events {
            self.events.add(place, *seq, event);
        }
        for action in &draft.actions {
            self.actions.add(place, action);
        }
        self.notes.add(place, draft, now_ms);
        for (seq, revision) in &draft.version.foreign {
            self.guard_place.push(place);
            self.guard_seq.push(*seq);
            self.guard_revision.push(*revision);
        }
    }

    fn add_link(&mut self, link: Option<&'a LinkColumns>) {
        self.link.push(link.map(|link| link.link.as_str()));
        self.case_id.push(link.and_then(|link| link.case_id.as_deref()));
        self.case_number.push(link.and_then(|link| link.case_number.as_deref()));
        self.waiting_ms.push(link.and_then(|link| link.waiting_ms));
        self.customer.push(link.and_then(|link| link.customer));
        self.asked.push(link.map(|link| link.asked.as_str()));
        self.wishes.push(link.map(|link| link.wishes.as_str()));
    }

    fn swap(&mut self, swap: &'a MetaSwap) {
        self.swap_name = Some(swap.name);
        self.swap_before = swap.before.as_deref().map(json);
        self.swap_after = Some(json(&swap.after));
    }

    /// In the order of [`COMMIT`], from `$2` on.
    fn params(&self) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
        let Self { events: e, actions: a, notes: n, .. } = self;
        vec![
            &self.place,
            &self.rkey,
            &self.version,
            &self.response_id,
            &self.foreign,
            &self.done,
            &self.lane,
            &self.delivered,
            &self.link,
            &self.case_id,
            &self.case_number,
            &self.waiting_ms,
            &self.customer,
            &self.asked,
            &self.wishes,
            &e.place,
            &e.seq,
            &e.state,
            &e.due_ms,
            &e.code,
            &e.record,
            &a.place,
            &a.seq,
            &a.case_id,
            &a.kind,
            &a.state,
            &a.is_open,
            &a.for_human,
            &a.seen_ms,
            &a.identity,
            &a.record,
            &n.place,
            &n.seq,
            &n.due_ms,
            &n.attempts,
            &n.record,
            &self.guard_place,
            &self.guard_seq,
            &self.guard_revision,
            &self.swap_name,
            &self.swap_before,
            &self.swap_after,
        ]
    }
}

impl<'a> Events<'a> {
    fn add(&mut self, place: i32, seq: i64, event: &'a EventColumns) {
        self.place.push(place);
        self.seq.push(seq);
        self.state.push(event.state);
        self.due_ms.push(event.due_ms);
        self.code.push(event.code.as_deref());
        self.record.push(&event.record);
    }
}

impl<'a> Actions<'a> {
    fn add(&mut self, place: i32, action: &'a ActionColumns) {
        self.place.push(place);
        self.seq.push(action.seq);
        self.case_id.push(&action.case_id);
        self.kind.push(action.kind);
        self.state.push(action.state);
        self.is_open.push(action.is_open);
        self.for_human.push(action.for_human);
        self.seen_ms.push(action.seen_ms);
        self.identity.push(&action.identity);
        self.record.push(&action.record);
    }
}

impl<'a> Notes<'a> {
    fn add(&mut self, place: i32, draft: &'a Draft, now_ms: i64) {
        for record in &draft.new_notes {
            self.push(place, None, Some(now_ms), 0, Some(record));
        }
        for (seq, later) in &draft.notes {
            self.push(place, Some(*seq), later.map(|(due_ms, _)| due_ms), later.map_or(0, |(_, n)| n), None);
        }
    }

    fn push(
        &mut self,
        place: i32,
        seq: Option<i64>,
        due_ms: Option<i64>,
        attempts: i32,
        record: Option<&'a str>,
    ) {
        self.place.push(place);
        self.seq.push(seq);
        self.due_ms.push(due_ms);
        self.attempts.push(attempts);
        self.record.push(record);
    }
}

/// The version is compared under the row's lock: an update that waited for another one looks at the row again. Everything
/// else is written only for the places that passed (`ok`).
const COMMIT: &str = fenced!(
    "foreign_held as materialized (
        select g.place from unnest($38::int[], $39::bigint[], $40::bigint[]) as g(place, seq, revision)
        join actions a on a.seq = g.seq and a.revision = g.revision for share of a),
     swapped as materialized (select value::text as value from meta where name = $41 for update),
     input as materialized (
        select i.*
        from unnest($2::int[], $3::bytea[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::smallint[],
                    $9::bigint[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[],
                    $16::text[])
            as i(place, rkey, version, response_id, guards, done, lane, delivered, link, case_id, case_number, waiting_ms,
                 customer, asked, wishes)
        where exists (select from may)
          and (select count(*) from foreign_held f where f.place = i.place) = i.guards
          and ($41::text is null or exists (select from swapped s where s.value is not distinct from $42::text))),
     made as (
        insert into conversations as c (rkey, version, response_id, case_id, case_number, waiting_ms, customer, asked,
            wishes, link)
        select rkey, 1, response_id, case_id, case_number, waiting_ms, customer, coalesce(asked, '{}')::bigint[],
            coalesce(wishes, '{}')::bytea[], link::json
        from input where version = 0 order by rkey
        on conflict (rkey) do nothing returning rkey),
     moved as (
        update conversations c set version = c.version + 1,
            case_id = case when i.link is null then c.case_id else i.case_id end,
            case_number = case when i.link is null then c.case_number else i.case_number end,
            waiting_ms = case when i.link is null then c.waiting_ms else i.waiting_ms end,
            customer = case when i.link is null then c.customer else i.customer end,
            asked = coalesce(i.asked::bigint[], c.asked), wishes = coalesce(i.wishes::bytea[], c.wishes),
            link = coalesce(i.link::json, c.link)
        from input i where i.version > 0 and c.rkey = i.rkey and c.version = i.version
        returning c.rkey),
     ok as materialized (
        select i.* from input i where i.rkey in (select rkey from made union all select rkey from moved)),
     ok_places as materialized (select array(select place from ok) as places),
     customers_written as (
        insert into customers (hash, rkey) select customer, rkey from ok where customer is not null
        on conflict do nothing),
     events_written as (
        update events e set state = x.state, due_ms = x.due_ms, code = x.code, record = x.record::json
        from unnest($17::int[], $18::bigint[], $19::text[], $20::bigint[], $21::text[], $22::text[])
            as x(place, seq, state, due_ms, code, record)
        where e.seq = x.seq and x.place = any((select places from ok_places)::int[])),
     actions_written as (
        insert into actions as a (seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity,
            record)
        select x.seq, ok.rkey, ok.response_id, x.case_id, x.kind, x.state, x.is_open, x.for_human, x.seen_ms, x.identity,
            x.record::json
        from unnest($23::int[], $24::bigint[], $25::text[], $26::text[], $27::text[], $28::boolean[], $29::boolean[],
                    $30::bigint[], $31::bytea[], $32::text[])
            as x(place, seq, case_id, kind, state, is_open, for_human, seen_ms, identity, record)
        join ok on ok.place = x.place
        on conflict (seq) do update set revision = a.revision + 1, case_id = excluded.case_id, kind = excluded.kind,
            state = excluded.state, is_open = excluded.is_open, for_human = excluded.for_human,
            seen_ms = excluded.seen_ms, identity = excluded.identity, record = excluded.record),
     note_changes as materialized (
        select ok.rkey, ok.lane, ok.response_id, x.*
        from unnest($33::int[], $34::bigint[], $35::bigint[], $36::int[], $37::text[]) with ordinality
            as x(place, seq, due_ms, attempts, record, nth)
        join ok on ok.place = x.place),
     notes_made as (
        insert into notes (seq, rkey, lane, response_id, due_ms, record)
        select nextval('numbers'), n.rkey, n.lane, n.response_id, n.due_ms, n.record::json
        from (select * from note_changes where seq is null order by nth) n),
     notes_moved as (
        update notes n set due_ms = x.due_ms, attempts = x.attempts
        from note_changes x where n.seq = x.seq and x.due_ms is not null),
     notes_gone as (
        delete from notes n using note_changes x where n.seq = x.seq and x.due_ms is null),
     counted as (
        insert into meta as m (name, value)
        select name, to_json(sum(more))
        from (select 'done ' || lane as name, done as more from ok union all select 'delivered', delivered from ok) c
        where more > 0 group by name order by name
        on conflict (name) do update
            set value = to_json(coalesce(m.value::text::bigint, 0) + excluded.value::text::bigint)),
     value_written as (
        update meta set value = $43::text::json where name = $41 and exists (select from ok))
     select exists (select from may), (select places from ok_places)"
);
