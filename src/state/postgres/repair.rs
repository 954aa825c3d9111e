//! Records that cannot be read, and a state that counts as lost.

use crate::decide::{DAMAGED, Intent};
use crate::goodays::ResponseId;
use crate::state::postgres::rows::{EventColumns, decode, entry, signed, text, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::{Entry, EntryState, RKey, StoreError};

/// Rows that one statement removes or changes when a state counts as lost.
const SLICE: i64 = 2000;

impl Postgres {
    /// Parks waiting events of a response whose record cannot be read, and removes such notes. `name` reads the
    /// response's id in an event's body. Returns how many events were parked now.
    pub async fn mend(
        &self,
        rkey: RKey,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        const EVENTS: &str = "
            select seq, record::text, body from events where rkey = $1 and state = 'waiting' order by seq limit 400";
        let mut aside = 0;
        for row in &self.read(EVENTS, &[&rkey.0.as_slice()]).await? {
            let seq = unsigned(row.get(0));
            if entry(seq, row.get(1)).is_err() {
                let body: Option<&[u8]> = row.get(2);
                let id = body.and_then(name).filter(|id| RKey::of(id) == rkey);
                aside += i64::from(self.park_damaged(rkey, seq, row.get(1), id, now_ms).await?);
            }
        }
        self.drop_damaged_notes(rkey).await?;
        Ok(aside)
    }

    async fn park_damaged(
        &self,
        rkey: RKey,
        seq: u64,
        before: &str,
        response_id: Option<ResponseId>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        const SQL: &str = fenced!(
            "written as (
                update events set response_id = $4, state = $5, due_ms = null, code = $6, record = $7::text::json
                where seq = $2 and record::text = $3 and exists (select from may) returning rkey),
             raised as (
                update conversations c set version = c.version + 1 from written w where c.rkey = w.rkey)
             select exists (select from may), exists (select from written)"
        );
        let why =
            "What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.";
        let state = EntryState::Parked { since_ms: now_ms, code: DAMAGED.into(), why: why.into() };
        let event = "unknown".to_owned();
        let parked = Entry { seq, response_id, event, received_ms: now_ms, state, attempts: 0 };
        let columns = EventColumns::of(&parked);
        let id = parked.response_id.as_ref().map(|id| text(id.as_str()));
        debug_assert!(parked.response_id.as_ref().is_none_or(|id| RKey::of(id) == rkey));
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&signed(seq), &before, &id, &columns.state, &columns.code, &columns.record];
        Ok(self.write(SQL, &params).await?.get(1))
    }

    async fn drop_damaged_notes(&self, rkey: RKey) -> Result<(), StoreError> {
        const NOTES: &str = "select seq, record::text from notes where rkey = $1 order by seq limit 400";
        const DROP: &str = fenced!(
            "gone as (delete from notes where seq = any($2) and exists (select from may))
             select exists (select from may)"
        );
        let rows = self.read(NOTES, &[&rkey.0.as_slice()]).await?;
        let damaged = rows.iter().filter(|row| decode::<crate::decide::Note>(row.get(1)).is_err());
        let damaged: Vec<i64> = damaged.map(|row| row.get(0)).collect();
        if damaged.is_empty() { Ok(()) } else { self.write(DROP, &[&damaged]).await.map(drop) }
    }

    pub async fn is_damaged_intent(&self, seq: u64) -> Result<bool, StoreError> {
        let rows = self.read("select record::text from actions where seq = $1", &[&signed(seq)]).await?;
        Ok(rows.first().is_some_and(|row| decode::<Intent>(row.get(0)).is_err()))
    }

    /// Parks open actions with a damaged record. They are never sent, because it is unknown whether they were sent
    /// before. Returns how many were parked now.
    pub async fn set_actions_aside(&self) -> Result<u64, StoreError> {
        const OPEN: &str = "select seq, record::text from actions where is_open order by rkey, seq";
        const ASIDE: &str = fenced!(
            "written as (
                update actions set is_open = false, for_human = true
                where seq = any($2) and is_open and exists (select from may) returning 1)
             select exists (select from may), (select count(*) from written)"
        );
        let rows = self.read(OPEN, &[]).await?;
        let damaged = rows.iter().filter(|row| decode::<Intent>(row.get(1)).is_err());
        let damaged: Vec<i64> = damaged.map(|row| row.get(0)).collect();
        if damaged.is_empty() {
            return Ok(0);
        }
        Ok(unsigned(self.write(ASIDE, &[&damaged]).await?.get(1)))
    }

    /// Removes the ledger, the outbox and all notes; received events stay. The values named `last` are removed last: who finds
    /// them knows that something may be left. Each statement ends soon, because others wait behind it on the connection.
    pub async fn start_over(&self, last: &[&str]) -> Result<(), StoreError> {
        const ACTIONS: &str = fenced!(
            "slice as (select seq from actions order by seq limit $2),
             gone as (
                delete from actions where seq in (select seq from slice) and exists (select from may) returning 1)
             select exists (select from may), (select count(*) from gone)"
        );
        const NOTES: &str = fenced!(
            "slice as (select seq from notes order by seq limit $2),
             gone as (
                delete from notes where seq in (select seq from slice) and exists (select from may) returning 1)
             select exists (select from may), (select count(*) from gone)"
        );
        const CUSTOMERS: &str = fenced!(
            "slice as (select hash, rkey from customers order by hash, rkey limit $2),
             gone as (
                delete from customers where (hash, rkey) in (select hash, rkey from slice)
                    and exists (select from may) returning 1)
             select exists (select from may), (select count(*) from gone)"
        );
        const LAST: &str = fenced!(
            "attempts_gone as (delete from attempts where exists (select from may)),
             meta_gone as (delete from meta where name = any($2) and exists (select from may))
             select exists (select from may)"
        );
        // An interrupted start sends nothing.
        for sql in [ACTIONS, NOTES, CUSTOMERS] {
            while self.write(sql, &[&SLICE]).await?.get::<_, i64>(1) > 0 {}
        }
        self.unlink().await?;
        self.write(LAST, &[&last]).await.map(drop)
    }

    async fn unlink(&self) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "slice as (select rkey from conversations where rkey > $2 order by rkey limit $3),
             unlinked as (
                update conversations c set version = c.version + 1, link = null, case_id = null, case_number = null,
                    waiting_ms = null, customer = null, asked = '{}', wishes = '{}'
                from slice where c.rkey = slice.rkey and exists (select from may))
             select exists (select from may), (select rkey from slice order by rkey desc limit 1)"
        );
        let mut after = Vec::new();
        while let Some(next) = self.write(SQL, &[&after, &SLICE]).await?.get::<_, Option<Vec<u8>>>(1) {
            after = next;
        }
        Ok(())
    }
}
