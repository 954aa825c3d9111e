//! Received events and their state.

use crate::goodays::ResponseId;
use crate::state::postgres::receive::{self, Incoming, Taken};
use crate::state::postgres::rows::{self, EventColumns, entry, hash, lane, limit, signed, text, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::{
    AT_ONCE, Entry, EntryState, Item, LANES, LOOKED_AT, Page, RKey, Receipt, StoreError, Waiting,
};

/// When an event is due that comes in, or that somebody asks to be tried again. The clock of the instance that stores it
/// is not the clock of the one that works: a door's may be an hour ahead. Events that are due at once have the order of
/// their numbers.
pub(super) const DUE_NOW: i64 = 0;

impl Postgres {
    /// Stores an event durably.
    ///
    /// An equal body is a duplicate, unless the stored event is parked or dropped: then it is queued again.
    pub async fn accept(
        &self,
        body: &[u8],
        event: &str,
        read: &Result<ResponseId, String>,
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        let parked = read.as_ref().err().map(|why| ("unreadable", why.as_str()));
        self.take_in(body, event, read.as_ref().ok(), parked, now_ms).await
    }

    /// Stores an event as parked, with its body.
    pub async fn accept_parked(
        &self,
        body: &[u8],
        event: &str,
        id: &ResponseId,
        parked: (&'static str, &str),
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        self.take_in(body, event, Some(id), Some(parked), now_ms).await
    }

    async fn take_in(
        &self,
        body: &[u8],
        event: &str,
        id: Option<&ResponseId>,
        parked: Option<(&'static str, &str)>,
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        loop {
            let (incoming, state) = incoming(body, event, id, parked, now_ms);
            let Taken { seq, fresh, record } = self.take(incoming).await?;
            if fresh {
                return Ok(match (state, id) {
                    (EntryState::Parked { why, .. }, _) => Receipt::Parked { seq, why },
                    (_, Some(id)) => Receipt::Accepted { seq, rkey: RKey::of(id) },
                    (_, None) => unreachable!("an event that names no response is parked"),
                });
            }
            let Some(record) = record else { return Ok(Receipt::Duplicate { seq }) };
            let Some(held) = self.or_damaged("event", seq, entry(seq, &record))? else {
                return Ok(Receipt::Duplicate { seq });
            };
            match (held.state.clone(), held.response_id.clone()) {
                (_, Some(id)) if parked.is_none() => {
                    let again = Entry { state: EntryState::Waiting { due_ms: DUE_NOW }, ..held };
                    if self.rewrite_event(&record, &again, Some(body)).await? {
                        return Ok(Receipt::Accepted { seq, rkey: RKey::of(&id) });
                    }
                }
                (EntryState::Parked { why, .. }, _) => return Ok(Receipt::Parked { seq, why }),
                _ => return Ok(Receipt::Duplicate { seq }),
            }
        }
    }

    /// A worker's event goes over its own connection, under its epoch.
    async fn take(&self, incoming: Incoming) -> Result<Taken, StoreError> {
        if self.epoch.is_none() {
            return self.shared.receivers.take(incoming).await;
        }
        let limit = receive::limit(incoming.body.len());
        let taken = receive::store(&self.shared.records, self.epoch, &[incoming], limit).await;
        let mut taken = self.noted(taken)?;
        taken.pop().ok_or_else(|| StoreError::Unreadable("a statement gave no row".to_owned()))
    }

    /// Gives an event a new state, if its record still is this text. Its body is written again if it is given.
    pub(super) async fn rewrite_event(
        &self,
        before: &str,
        after: &Entry,
        body: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = fenced!(
            "written as (
                update events set rkey = $4, lane = $5, response_id = $6, state = $7, due_ms = $8, code = $9,
                    record = $10::text::json, body = coalesce($11, body)
                where seq = $2 and record::text = $3 and exists (select from may) returning 1)
             select exists (select from may), exists (select from written)"
        );
        let rkey = after.response_id.as_ref().map(RKey::of);
        let columns = EventColumns::of(after);
        let row = self
            .write(
                SQL,
                &[
                    &signed(after.seq),
                    &before,
                    &rkey.as_ref().map(|rkey| rkey.0.as_slice()),
                    &rkey.map(lane),
                    &after.response_id.as_ref().map(|id| text(id.as_str())),
                    &columns.state,
                    &columns.due_ms,
                    &columns.code,
                    &columns.record,
                    &body,
                ],
            )
            .await?;
        Ok(row.get(1))
    }

    /// A stored event, if it has not been removed yet.
    pub async fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreError> {
        let record = self.event_record(seq).await?;
        self.or_damaged("event", seq, record.map(|record| entry(seq, &record)).transpose())
            .map(Option::flatten)
    }

    pub(super) async fn event_record(&self, seq: u64) -> Result<Option<String>, StoreError> {
        let rows = self.read("select record::text from events where seq = $1", &[&signed(seq)]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// The body of a stored event; none if it was removed.
    pub async fn body(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.read("select body from events where seq = $1", &[&signed(seq)]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// The bodies of these events in their order: as many as have `most` bytes together, and at least one.
    pub async fn bodies(&self, seqs: &[u64], most: usize) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        const SQL: &str = "
            select b.body from (
                select a.place, e.body, sum(coalesce(octet_length(e.body), 0)) over (order by a.place) as bytes
                from unnest($1::bigint[]) with ordinality as a(seq, place) left join events e on e.seq = a.seq) b
            where b.bytes <= $2 or b.place = 1 order by b.place";
        let seqs: Vec<i64> = seqs.iter().map(|seq| signed(*seq)).collect();
        Ok(self.read(SQL, &[&seqs, &limit(most)]).await?.iter().map(|row| row.get(0)).collect())
    }

    /// Stored events by number, from `from` on; damaged ones are left out.
    pub async fn events_from(&self, from: u64, limit: usize) -> Result<Page<Entry>, StoreError> {
        const SQL: &str = "select seq, record::text from events where seq >= $1 order by seq limit $2";
        let rows = self.read(SQL, &[&signed(from), &rows::limit(limit)]).await?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| unsigned(row.get(0)) + 1);
        Ok(Page { records: self.entries(&rows)?, next })
    }

    /// Events in rows of number and record, without damaged ones.
    pub(super) fn entries(&self, rows: &[tokio_postgres::Row]) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let seq = unsigned(row.get(0));
            entries.extend(self.or_damaged("event", seq, entry(seq, row.get(1)))?);
        }
        Ok(entries)
    }

    /// A lane's due events and notes, at most `limit`: by turns one that came in, one that was postponed, and a note, each
    /// kind oldest first. Those that came in are due since `DUE_NOW`, so the others would wait for the last of them.
    pub async fn due(&self, lane: u8, now_ms: i64, limit: usize) -> Result<Vec<Item>, StoreError> {
        const SQL: &str = "
            select rkey, due_ms, seq, is_event from (
                (select rkey, due_ms, seq, true as is_event, row_number() over (order by due_ms, seq) as turn
                 from events where state = 'waiting' and lane = $1 and due_ms <= 0 order by due_ms, seq limit $3)
                union all
                (select rkey, due_ms, seq, true, row_number() over (order by due_ms, seq)
                 from events where state = 'waiting' and lane = $1 and due_ms > 0 and due_ms <= $2
                 order by due_ms, seq limit $3)
                union all
                (select rkey, due_ms, seq, false, row_number() over (order by due_ms, seq)
                 from notes where lane = $1 and due_ms <= $2 order by due_ms, seq limit $3)) due
            order by turn, due_ms, seq limit $3";
        let rows = self.read(SQL, &[&i16::from(lane), &now_ms, &rows::limit(limit)]).await?;
        let item = |row: &tokio_postgres::Row| {
            let rkey = rows::rkey(row.get(0))?;
            Some(Item { rkey, due_ms: row.get(1), seq: unsigned(row.get(2)), event: row.get(3) })
        };
        Ok(rows.iter().filter_map(item).collect())
    }

    /// How many events wait.
    pub async fn count_pending(&self) -> Result<u64, StoreError> {
        let row = self.read_row("select count(*) from events where state = 'waiting'", &[]).await?;
        Ok(unsigned(row.get(0)))
    }

    /// When the oldest waiting event was received, of the [`LOOKED_AT`] of each lane that are due first.
    pub async fn oldest_waiting_ms(&self) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "
            select min(oldest.received_ms) from generate_series(0, $1::smallint - 1) as l(lane)
            cross join lateral (
                select received_ms from events where state = 'waiting' and events.lane = l.lane
                order by due_ms, seq limit $2) oldest";
        let row = self.read_row(SQL, &[&i16::from(LANES), &limit(LOOKED_AT)]).await?;
        Ok(row.get(0))
    }

    /// When the lane's next event or note is due, in milliseconds.
    pub async fn next_due(&self, lane: u8) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "
            select least(
                (select due_ms from events where state = 'waiting' and lane = $1 order by due_ms, seq limit 1),
                (select due_ms from notes where lane = $1 order by due_ms, seq limit 1))";
        Ok(self.read_row(SQL, &[&i16::from(lane)]).await?.get(0))
    }

    /// What waits for a response, in order of arrival; at most [`AT_ONCE`] events and notes. The rest stays queued.
    pub async fn waiting(&self, rkey: RKey) -> Result<Waiting, StoreError> {
        let mut due = self.load_due(&[rkey]).await?;
        let one = due.pop().ok_or_else(|| StoreError::Unreadable("a conversation is missing".to_owned()))?;
        Ok(one.waiting().clone())
    }

    /// Stored events of a response, finished ones included: the newest `limit`, in order of arrival.
    pub async fn entries_of(&self, rkey: RKey, limit: usize) -> Result<Vec<Entry>, StoreError> {
        const SQL: &str = "
            select seq, record::text from (
                select seq, record from events where rkey = $1 order by seq desc limit $2) newest
            order by seq";
        let rows = self.read(SQL, &[&rkey.0.as_slice(), &rows::limit(limit)]).await?;
        self.entries(&rows)
    }
}

/// The event as it comes in, and the state that it begins with.
fn incoming(
    body: &[u8],
    event: &str,
    id: Option<&ResponseId>,
    parked: Option<(&'static str, &str)>,
    now_ms: i64,
) -> (Incoming, EntryState) {
    let state = match (id, parked) {
        (Some(_), None) => EntryState::Waiting { due_ms: DUE_NOW },
        (_, parked) => {
            let (code, why) = parked.unwrap_or(("unreadable", "it names no response"));
            EntryState::Parked { since_ms: now_ms, code: code.to_owned(), why: why.to_owned() }
        }
    };
    let record = Entry {
        seq: 0,
        response_id: id.cloned(),
        event: event.to_owned(),
        received_ms: now_ms,
        state: state.clone(),
        attempts: 0,
    };
    let hash = hash(body);
    let incoming = Incoming {
        owner: id.map_or(hash, |id| RKey::of(id).0),
        hash,
        response_id: id.cloned(),
        event: event.to_owned(),
        received_ms: now_ms,
        columns: EventColumns::of(&record),
        body: body.to_vec(),
    };
    (incoming, state)
}

const _: () = assert!(AT_ONCE == 400, "src/state/postgres/load.rs reads as many");
