//! What waits for a human, and what the human says of it.

use crate::goodays::ResponseId;
use crate::state::postgres::inbox::DUE_NOW;
use crate::state::postgres::rows::{self, decode, entry, signed, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::{Entry, EntryState, Parked, RKey, StoreError};

impl Postgres {
    /// Everything that waits for a human: at most `limit` actions, then at most `limit` events, each by number.
    pub async fn parked(&self, limit: usize) -> Result<Vec<Parked>, StoreError> {
        const SQL: &str = "
            (select 0 as kind, seq, record::text from actions where for_human order by seq limit $1)
            union all
            (select 1, seq, record::text from events where state = 'parked' order by seq limit $1)
            order by 1, 2";
        let rows = self.read(SQL, &[&rows::limit(limit)]).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let seq = unsigned(row.get(1));
            items.extend(match row.get(0) {
                0 => {
                    let intent = self.or_damaged("action", seq, decode(row.get(2)))?;
                    Some(intent.map_or(Parked::DamagedIntent(seq), |intent| Parked::Intent(Box::new(intent))))
                }
                _ => self.or_damaged("event", seq, entry(seq, row.get(2)))?.map(Parked::Event),
            });
        }
        Ok(items)
    }

    /// How many events are parked, counted up to `limit`.
    pub async fn count_parked_events(&self, limit: usize) -> Result<usize, StoreError> {
        const SQL: &str = "select count(*) from (select from events where state = 'parked' limit $1) p";
        Ok(rows::count(&self.read_row(SQL, &[&rows::limit(limit)]).await?, 0))
    }

    /// Queues a parked or dropped event again, for this response and with no attempts. False if the event changed since
    /// it was read.
    pub async fn retry_event(&self, read: &Entry, id: &ResponseId) -> Result<bool, StoreError> {
        let Some(record) = self.event_as_read(read).await? else { return Ok(false) };
        let state = EntryState::Waiting { due_ms: DUE_NOW };
        let again = Entry { response_id: Some(id.clone()), attempts: 0, state, ..read.clone() };
        self.rewrite_event(&record, &again, None).await
    }

    /// Drops a parked event; its record stays until it is pruned. False if the event changed since it was read.
    pub async fn drop_event(&self, read: &Entry, now_ms: i64) -> Result<bool, StoreError> {
        let Some(record) = self.event_as_read(read).await? else { return Ok(false) };
        let dropped = Entry { state: EntryState::Dropped { at_ms: now_ms }, ..read.clone() };
        let done = self.rewrite_event(&record, &dropped, None).await?;
        if let (true, EntryState::Waiting { .. }, Some(id)) = (done, &read.state, &read.response_id) {
            self.raise_version(RKey::of(id), id).await?;
        }
        Ok(done)
    }

    /// Takes a damaged action off the list. Its record stays: it may have been sent, so it must not begin again.
    pub async fn drop_damaged_intent(&self, seq: u64) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "written as (update actions set for_human = false where seq = $2 and exists (select from may))
             select exists (select from may)"
        );
        self.write(SQL, &[&signed(seq)]).await.map(drop)
    }

    /// The stored text of this event; none if it changed since it was read.
    pub(super) async fn event_as_read(&self, read: &Entry) -> Result<Option<String>, StoreError> {
        let Some(record) = self.event_record(read.seq).await? else { return Ok(None) };
        let now = self.or_damaged("event", read.seq, entry(read.seq, &record))?;
        Ok((now.as_ref() == Some(read)).then_some(record))
    }
}
