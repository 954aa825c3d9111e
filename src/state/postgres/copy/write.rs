//! Takes in what another store gave.

use super::LIMIT;
use crate::decide::Intent;
use crate::state::copy::{ActionCopy, Batch, EventCopy};
use crate::state::postgres::Postgres;
use crate::state::postgres::connection::Params;
use crate::state::postgres::rows::{ActionColumns, EventColumns, LinkColumns, encode, lane, signed, text};
use crate::state::{RKey, StoreError};

/// Actions that a process takes numbers for come from blocks of this many numbers (`numbers.rs`): each has two of them.
const BLOCK_BITS: u32 = 33;

impl Postgres {
    /// Removes everything but the mark.
    pub async fn clear(&self) -> Result<(), StoreError> {
        const SQL: &str = "
            truncate receipts, events, notes, conversations, customers, actions, attempts;
            delete from meta where name <> 'state copy'";
        self.shared.records.batch(SQL, LIMIT).await
    }

    /// Writes records that are not there yet.
    pub async fn put(&self, batch: &Batch) -> Result<(), StoreError> {
        self.put_events(&batch.events).await?;
        self.put_links(batch).await?;
        self.put_owners(&batch.owners).await?;
        self.put_receipts(batch).await?;
        self.put_notes(batch).await?;
        self.put_customers(batch).await?;
        self.put_actions(&batch.actions).await?;
        self.put_identities(&batch.identities).await?;
        self.put_attempts(batch).await?;
        self.put_values(&batch.values).await
    }

    /// The end of a copy: later numbers are greater than `last`, later terms than `epoch`, and the planner knows the tables.
    pub async fn end_of_copy(&self, last: u64, epoch: i64) -> Result<(), StoreError> {
        const EPOCH: &str = "update lease set epoch = greatest(epoch, $1)";
        const NUMBERS: &str = "select setval('numbers', $1, false), setval('blocks', $2, false)";
        const KNOW: &str =
            "analyze receipts; analyze events; analyze notes; analyze conversations; analyze actions";
        let (even, block) = ((last / 2 + 1) * 2, (last >> BLOCK_BITS) + 1);
        self.run(NUMBERS, &[&signed(even), &signed(block)]).await?;
        self.run(EPOCH, &[&epoch]).await?;
        self.shared.records.batch(KNOW, LIMIT).await
    }

    async fn run(&self, sql: &'static str, params: Params<'_>) -> Result<(), StoreError> {
        self.shared.records.rows(sql, params, LIMIT).await.map(drop)
    }

    async fn put_events(&self, events: &[EventCopy]) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into events (seq, rkey, lane, response_id, event, received_ms, state, due_ms, code, record, body)
            select seq, rkey, lane, response_id, event, received_ms, state, due_ms, code, record::json, body
            from unnest($1::bigint[], $2::bytea[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::text[],
                        $8::bigint[], $9::text[], $10::text[], $11::bytea[])
                as x(seq, rkey, lane, response_id, event, received_ms, state, due_ms, code, record, body)";
        if events.is_empty() {
            return Ok(());
        }
        let columns: Vec<EventColumns> = events.iter().map(|one| EventColumns::of(&one.entry)).collect();
        let seqs: Vec<i64> = events.iter().map(|one| signed(one.entry.seq)).collect();
        let rkeys: Vec<Option<&[u8]>> =
            events.iter().map(|one| one.rkey.as_ref().map(|rkey| rkey.0.as_slice())).collect();
        let lanes: Vec<Option<i16>> = events.iter().map(|one| one.rkey.map(lane)).collect();
        let ids: Vec<Option<String>> =
            events.iter().map(|one| one.entry.response_id.as_ref().map(|id| text(id.as_str()))).collect();
        let names: Vec<String> = events.iter().map(|one| text(&one.entry.event)).collect();
        let received: Vec<i64> = events.iter().map(|one| one.entry.received_ms).collect();
        let states: Vec<&str> = columns.iter().map(|one| one.state).collect();
        let due: Vec<Option<i64>> = columns.iter().map(|one| one.due_ms).collect();
        let codes: Vec<Option<&str>> = columns.iter().map(|one| one.code.as_deref()).collect();
        let records: Vec<&str> = columns.iter().map(|one| one.record.as_str()).collect();
        let bodies: Vec<Option<&[u8]>> = events.iter().map(|one| one.body.as_deref()).collect();
        self.run(
            SQL,
            &[&seqs, &rkeys, &lanes, &ids, &names, &received, &states, &due, &codes, &records, &bodies],
        )
        .await
    }

    async fn put_owners(&self, owners: &[(u64, RKey)]) -> Result<(), StoreError> {
        const SQL: &str = "
            update events e set rkey = x.rkey, lane = x.lane
            from unnest($1::bigint[], $2::bytea[], $3::smallint[]) as x(seq, rkey, lane) where e.seq = x.seq";
        if owners.is_empty() {
            return Ok(());
        }
        let seqs: Vec<i64> = owners.iter().map(|(seq, _)| signed(*seq)).collect();
        let rkeys: Vec<&[u8]> = owners.iter().map(|(_, rkey)| rkey.0.as_slice()).collect();
        let lanes: Vec<i16> = owners.iter().map(|(_, rkey)| lane(*rkey)).collect();
        self.run(SQL, &[&seqs, &rkeys, &lanes]).await
    }

    async fn put_receipts(&self, batch: &Batch) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into receipts (owner, hash, seq) select * from unnest($1::bytea[], $2::bytea[], $3::bigint[])";
        if batch.receipts.is_empty() {
            return Ok(());
        }
        let owners: Vec<&[u8]> = batch.receipts.iter().map(|one| one.owner.as_slice()).collect();
        let hashes: Vec<&[u8]> = batch.receipts.iter().map(|one| one.hash.as_slice()).collect();
        let seqs: Vec<i64> = batch.receipts.iter().map(|one| signed(one.seq)).collect();
        self.run(SQL, &[&owners, &hashes, &seqs]).await
    }

    async fn put_notes(&self, batch: &Batch) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into notes (seq, rkey, lane, response_id, due_ms, attempts, record)
            select x.seq, x.rkey, x.lane,
                   coalesce((select c.response_id from conversations c where c.rkey = x.rkey), ''),
                   x.due_ms, x.attempts, x.record::json
            from unnest($1::bigint[], $2::bytea[], $3::smallint[], $4::bigint[], $5::int[], $6::text[])
                as x(seq, rkey, lane, due_ms, attempts, record)";
        let notes = &batch.notes;
        if notes.is_empty() {
            return Ok(());
        }
        let seqs: Vec<i64> = notes.iter().map(|one| signed(one.seq)).collect();
        let rkeys: Vec<&[u8]> = notes.iter().map(|one| one.rkey.0.as_slice()).collect();
        let lanes: Vec<i16> = notes.iter().map(|one| lane(one.rkey)).collect();
        let due: Vec<i64> = notes.iter().map(|one| one.due_ms).collect();
        let tries: Vec<i32> =
            notes.iter().map(|one| i32::try_from(one.attempts).unwrap_or(i32::MAX)).collect();
        let records: Vec<String> = notes.iter().map(|one| encode(&one.note)).collect();
        self.run(SQL, &[&seqs, &rkeys, &lanes, &due, &tries, &records]).await
    }

    async fn put_links(&self, batch: &Batch) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into conversations (rkey, version, response_id, case_id, case_number, waiting_ms, customer, asked,
                wishes, link)
            select rkey, 1, response_id, case_id, case_number, waiting_ms, customer, asked::bigint[], wishes::bytea[],
                   link::json
            from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
                        $8::text[], $9::text[])
                as x(rkey, response_id, case_id, case_number, waiting_ms, customer, asked, wishes, link)";
        let links = &batch.links;
        if links.is_empty() {
            return Ok(());
        }
        let columns: Vec<LinkColumns> = links.iter().map(|(_, link)| LinkColumns::of(link)).collect();
        let rkeys: Vec<&[u8]> = links.iter().map(|(rkey, _)| rkey.0.as_slice()).collect();
        let ids: Vec<String> = links.iter().map(|(_, link)| text(link.response_id.as_str())).collect();
        let cases: Vec<Option<&str>> = columns.iter().map(|one| one.case_id.as_deref()).collect();
        let numbers: Vec<Option<&str>> = columns.iter().map(|one| one.case_number.as_deref()).collect();
        let waiting: Vec<Option<i64>> = columns.iter().map(|one| one.waiting_ms).collect();
        let customers: Vec<Option<i64>> = columns.iter().map(|one| one.customer).collect();
        let asked: Vec<&str> = columns.iter().map(|one| one.asked.as_str()).collect();
        let wishes: Vec<&str> = columns.iter().map(|one| one.wishes.as_str()).collect();
        let texts: Vec<&str> = columns.iter().map(|one| one.link.as_str()).collect();
        self.run(SQL, &[&rkeys, &ids, &cases, &numbers, &waiting, &customers, &asked, &wishes, &texts]).await
    }

    async fn put_customers(&self, batch: &Batch) -> Result<(), StoreError> {
        const SQL: &str =
            "insert into customers (hash, rkey) select * from unnest($1::bigint[], $2::bytea[])";
        if batch.customers.is_empty() {
            return Ok(());
        }
        let hashes: Vec<i64> = batch.customers.iter().map(|(hash, _)| signed(*hash)).collect();
        let rkeys: Vec<&[u8]> = batch.customers.iter().map(|(_, rkey)| rkey.0.as_slice()).collect();
        self.run(SQL, &[&hashes, &rkeys]).await
    }

    async fn put_actions(&self, actions: &[ActionCopy]) -> Result<(), StoreError> {
        for action in actions {
            if let ActionCopy::Damaged { seq, for_human, text } = action {
                self.put_damaged(*seq, *for_human, text).await?;
            }
        }
        let intents: Vec<&Intent> = actions.iter().filter_map(ActionCopy::whole).collect();
        if intents.is_empty() { Ok(()) } else { self.put_intents(&intents).await }
    }

    /// The actions of a response are loaded by its row, so there is one.
    async fn put_intents(&self, intents: &[&Intent]) -> Result<(), StoreError> {
        const SQL: &str = "
            with input as materialized (
                select * from unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[],
                                     $7::boolean[], $8::boolean[], $9::bigint[], $10::bytea[], $11::text[])
                    as x(seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity, record)),
            named as (
                insert into conversations (rkey, version, response_id)
                select distinct on (rkey) rkey, 1, response_id from input on conflict (rkey) do nothing)
            insert into actions (seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity,
                record)
            select seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity, record::json
            from input";
        let columns: Vec<ActionColumns> = intents.iter().map(|one| ActionColumns::of(one)).collect();
        let rkeys: Vec<RKey> = intents.iter().map(|one| RKey::of(&one.response_id)).collect();
        let seqs: Vec<i64> = columns.iter().map(|one| one.seq).collect();
        let rkeys: Vec<&[u8]> = rkeys.iter().map(|rkey| rkey.0.as_slice()).collect();
        let ids: Vec<String> = intents.iter().map(|one| text(one.response_id.as_str())).collect();
        let cases: Vec<&str> = columns.iter().map(|one| one.case_id.as_str()).collect();
        let kinds: Vec<&str> = columns.iter().map(|one| one.kind).collect();
        let states: Vec<&str> = columns.iter().map(|one| one.state).collect();
        let open: Vec<bool> = columns.iter().map(|one| one.is_open).collect();
        let for_human: Vec<bool> = columns.iter().map(|one| one.for_human).collect();
        let seen: Vec<i64> = columns.iter().map(|one| one.seen_ms).collect();
        let identities: Vec<&[u8]> = columns.iter().map(|one| one.identity.as_slice()).collect();
        let records: Vec<&str> = columns.iter().map(|one| one.record.as_str()).collect();
        self.run(
            SQL,
            &[&seqs, &rkeys, &ids, &cases, &kinds, &states, &open, &for_human, &seen, &identities, &records],
        )
        .await
    }

    async fn put_damaged(&self, seq: u64, for_human: bool, record: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into actions (seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity,
                record)
            values ($1, ''::bytea, '', '', 'damaged', 'damaged', false, $2, 0, ''::bytea, $3::text::json)";
        self.run(SQL, &[&signed(seq), &for_human, &record]).await
    }

    /// An action has its own identity already. A damaged one gets the one that it had.
    async fn put_identities(&self, identities: &[([u8; 16], u64)]) -> Result<(), StoreError> {
        const SQL: &str = "
            update actions a set identity = x.identity
            from unnest($1::bytea[], $2::bigint[]) as x(identity, seq)
            where a.seq = x.seq and a.identity <> x.identity";
        if identities.is_empty() {
            return Ok(());
        }
        let hashes: Vec<&[u8]> = identities.iter().map(|(hash, _)| hash.as_slice()).collect();
        let seqs: Vec<i64> = identities.iter().map(|(_, seq)| signed(*seq)).collect();
        self.run(SQL, &[&hashes, &seqs]).await
    }

    async fn put_attempts(&self, batch: &Batch) -> Result<(), StoreError> {
        const SQL: &str = "insert into attempts (lane, rkeys) values ($1, $2::bytea[])";
        for (lane, rkeys) in &batch.attempts {
            let rkeys: Vec<&[u8]> = rkeys.iter().map(|rkey| rkey.0.as_slice()).collect();
            self.run(SQL, &[&i16::from(*lane), &rkeys]).await?;
        }
        Ok(())
    }

    async fn put_values(&self, values: &[(String, String)]) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into meta (name, value) select name, value::json from unnest($1::text[], $2::text[]) as x(name, value)";
        if values.is_empty() {
            return Ok(());
        }
        let (names, texts): (Vec<&str>, Vec<&str>) =
            values.iter().map(|(name, json)| (name.as_str(), json.as_str())).unzip();
        self.run(SQL, &[&names, &texts]).await
    }
}
