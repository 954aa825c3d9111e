//! Intended actions and their state.

use std::collections::HashMap;

use tokio_postgres::Row;

use crate::decide::Intent;
use crate::goodays::ResponseId;
use crate::state::postgres::rows::{self, ActionColumns, decode, hash, signed, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::{Page, StoreError, Wipe};

impl Postgres {
    pub async fn intent(&self, seq: u64) -> Result<Option<Intent>, StoreError> {
        let record = self.intent_record(seq).await?;
        self.or_damaged("action", seq, record.map(|record| decode(&record)).transpose()).map(Option::flatten)
    }

    async fn intent_record(&self, seq: u64) -> Result<Option<String>, StoreError> {
        let rows = self.read("select record::text from actions where seq = $1", &[&signed(seq)]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// The intents with these identities, in their order. A damaged one is an error: it may have been sent.
    pub async fn intents_by_identity(
        &self,
        identities: &[String],
    ) -> Result<Vec<Result<Option<Intent>, StoreError>>, StoreError> {
        const SQL: &str = "
            select a.place, x.record from unnest($1::bytea[]) with ordinality as a(identity, place)
            cross join lateral (
                select o.record::text from actions o where o.identity = a.identity order by o.seq desc limit 1) x";
        let hashes: Vec<[u8; 16]> = identities.iter().map(|identity| hash(identity.as_bytes())).collect();
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 16]>::as_slice).collect();
        let rows = self.read(SQL, &[&hashes]).await?;
        let mut found: HashMap<i64, Result<Intent, StoreError>> =
            rows.iter().map(|row| (row.get(0), decode(row.get(1)))).collect();
        Ok((1..).zip(identities).map(|(place, _)| found.remove(&place).transpose()).collect())
    }

    /// All actions by number, from `from` on; damaged ones are left out.
    pub async fn intents_from(&self, from: u64, limit: usize) -> Result<Page<Intent>, StoreError> {
        const SQL: &str = "select seq, record::text from actions where seq >= $1 order by seq limit $2";
        let rows = self.read(SQL, &[&signed(from), &rows::limit(limit)]).await?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| unsigned(row.get(0)) + 1);
        Ok(Page { records: self.intents_in(&rows)?, next })
    }

    pub async fn all_open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        const SQL: &str = "select seq, record::text from actions where is_open order by rkey, seq";
        self.intents_in(&self.read(SQL, &[]).await?)
    }

    /// The responses that have open actions, with the versions of their conversations.
    pub async fn open_responses(&self) -> Result<Vec<(ResponseId, i64)>, StoreError> {
        const SQL: &str = "
            select c.response_id, c.version from conversations c
            where exists (select from actions a where a.rkey = c.rkey and a.is_open) order by c.rkey";
        let rows = self.read(SQL, &[]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some((ResponseId::new(row.get::<_, &str>(0)).ok()?, row.get(1))))
            .collect())
    }

    /// Open intents, at most `limit`.
    pub async fn some_open_intents(&self, limit: usize) -> Result<Vec<Intent>, StoreError> {
        const SQL: &str = "select seq, record::text from actions where is_open order by rkey, seq limit $1";
        self.intents_in(&self.read(SQL, &[&rows::limit(limit)]).await?)
    }

    /// Parked and unclear actions by number, starting with `from`.
    pub async fn parked_intents(&self, from: u64, limit: usize) -> Result<Vec<Intent>, StoreError> {
        const SQL: &str = "
            select seq, record::text from actions where for_human and seq >= $1 order by seq limit $2";
        self.intents_in(&self.read(SQL, &[&signed(from), &rows::limit(limit)]).await?)
    }

    /// Actions in rows of number and record, without damaged ones.
    pub(super) fn intents_in(&self, rows: &[Row]) -> Result<Vec<Intent>, StoreError> {
        let mut intents = Vec::with_capacity(rows.len());
        for row in rows {
            intents.extend(self.or_damaged("action", unsigned(row.get(0)), decode(row.get(1)))?);
        }
        Ok(intents)
    }

    /// Rewrites one action in any state, also one that its conversation does not load any more. Returns it as it was and
    /// as it is; none if it does not exist. `change` may run several times.
    pub async fn rewrite_intent(
        &self,
        seq: u64,
        change: impl Fn(&mut Intent) + Send + Sync,
        _wipe: Wipe,
    ) -> Result<Option<(Intent, Intent)>, StoreError> {
        loop {
            let Some(record) = self.intent_record(seq).await? else { return Ok(None) };
            let Some(before) = self.or_damaged("action", seq, decode::<Intent>(&record))? else {
                return Ok(None);
            };
            let mut after = before.clone();
            change(&mut after);
            if after == before || self.replace_intent(&record, &after).await? {
                return Ok(Some((before, after)));
            }
        }
    }

    /// Replaces an action if its record still is this text. Its conversation gets a new version.
    async fn replace_intent(&self, before: &str, after: &Intent) -> Result<bool, StoreError> {
        const SQL: &str = fenced!(
            "written as (
                update actions set revision = revision + 1, case_id = $4, kind = $5, state = $6, is_open = $7,
                    for_human = $8, seen_ms = $9, record = $10::text::json
                where seq = $2 and record::text = $3 and exists (select from may)
                returning rkey, response_id),
             raised as (
                insert into conversations as c (rkey, version, response_id) select rkey, 1, response_id from written
                on conflict (rkey) do update set version = c.version + 1)
             select exists (select from may), exists (select from written)"
        );
        let a = ActionColumns::of(after);
        let row = self
            .write(
                SQL,
                &[
                    &a.seq,
                    &before,
                    &a.case_id,
                    &a.kind,
                    &a.state,
                    &a.is_open,
                    &a.for_human,
                    &a.seen_ms,
                    &a.record,
                ],
            )
            .await?;
        Ok(row.get(1))
    }
}
