//! Removes what is kept about a person. What is personal in a record is decided by the caller.
//!
//! The database keeps removed rows until it vacuums, and in its own log and backups as long as its owner keeps those.

use crate::decide::Link;
use crate::goodays::ResponseId;
use crate::state::postgres::rows::{LinkColumns, count, decode, signed, text};
use crate::state::postgres::{Postgres, fenced, rows};
use crate::state::{Entry, ForgottenConversation, RKey, StoreError};

impl Postgres {
    /// The responses whose customer has or had the address with this hash.
    pub async fn responses_of_customer(&self, hash: u64) -> Result<Vec<RKey>, StoreError> {
        let rows =
            self.read("select rkey from customers where hash = $1 order by rkey", &[&signed(hash)]).await?;
        Ok(rows.iter().filter_map(|row| rows::rkey(row.get(0))).collect())
    }

    /// Removes the address's hash as a way to find this response, unless an event that just arrived has the address
    /// again.
    pub async fn forget_customer(&self, hash: u64, rkey: RKey) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "kept as materialized (
                select 1 from conversations where rkey = $3 and customer = $2 for update),
             gone as (
                delete from customers where hash = $2 and rkey = $3
                  and exists (select from may) and not exists (select from kept))
             select exists (select from may)"
        );
        self.write(SQL, &[&signed(hash), &rkey.0.as_slice()]).await.map(drop)
    }

    /// Removes a parked event that names no response. False if it changed since it was read.
    pub async fn forget_nameless_event(&self, read: &Entry) -> Result<bool, StoreError> {
        const SQL: &str = fenced!(
            "gone as (
                delete from events where seq = $2 and record::text = $3 and exists (select from may) returning 1)
             select exists (select from may), exists (select from gone)"
        );
        let Some(record) = self.event_as_read(read).await? else { return Ok(false) };
        Ok(self.write(SQL, &[&signed(read.seq), &record]).await?.get(1))
    }

    /// Removes all events and notes of a response, and the index entry of its customer; `clean` removes what is personal
    /// in its link, and may run several times. The actions stay.
    pub async fn forget_conversation(
        &self,
        rkey: RKey,
        clean: impl Fn(&mut Link) + Send + Sync,
    ) -> Result<ForgottenConversation, StoreError> {
        const READ: &str = "select version, link::text from conversations where rkey = $1";
        loop {
            let rows = self.read(READ, &[&rkey.0.as_slice()]).await?;
            let version: i64 = rows.first().map_or(0, |row| row.get(0));
            let record: Option<String> = rows.first().and_then(|row| row.get(1));
            let before = match record {
                Some(record) => self.or_damaged::<Link>("link", 0, decode(&record))?,
                None => None,
            };
            let after = before.clone().map(|mut link| {
                clean(&mut link);
                link
            });
            let customer = before.as_ref().and_then(|link| link.customer);
            let lost = customer.filter(|_| after.as_ref().is_some_and(|link| link.customer.is_none()));
            let found = self.without_person(rkey, version, after.as_ref(), lost).await?;
            if let Some(found) = found {
                return Ok(ForgottenConversation { known: before.is_some(), ..found });
            }
        }
    }

    /// None if the conversation changed since that version.
    async fn without_person(
        &self,
        rkey: RKey,
        version: i64,
        link: Option<&Link>,
        customer: Option<u64>,
    ) -> Result<Option<ForgottenConversation>, StoreError> {
        const SQL: &str = fenced!(
            "made as (
                insert into conversations (rkey, version, response_id) select $2, 1, ''
                where $3::bigint = 0 and exists (select from may) on conflict (rkey) do nothing returning 1),
             moved as (
                update conversations set version = version + 1, link = coalesce($4::text::json, link),
                    customer = case when $4 is null then customer else $5 end,
                    asked = coalesce($6::text::bigint[], asked), wishes = coalesce($7::text::bytea[], wishes),
                    waiting_ms = case when $4 is null then waiting_ms else $8 end,
                    case_id = case when $4 is null then case_id else $9 end,
                    case_number = case when $4 is null then case_number else $10 end
                where rkey = $2 and $3 > 0 and version = $3 and exists (select from may) returning 1),
             ok as materialized (select 1 from made union all select 1 from moved),
             unlisted as (delete from customers where hash = $11 and rkey = $2 and exists (select from ok)),
             notes_gone as (delete from notes where rkey = $2 and exists (select from ok)),
             gone as (delete from events where rkey = $2 and exists (select from ok) returning state)
             select exists (select from may), exists (select from ok), (select count(*) from gone),
                    (select count(*) from gone where state = 'waiting')"
        );
        let columns = link.map(LinkColumns::of);
        let of = columns.as_ref();
        let row = self
            .write(
                SQL,
                &[
                    &rkey.0.as_slice(),
                    &version,
                    &of.map(|link| link.link.as_str()),
                    &of.and_then(|link| link.customer),
                    &of.map(|link| link.asked.as_str()),
                    &of.map(|link| link.wishes.as_str()),
                    &of.and_then(|link| link.waiting_ms),
                    &of.and_then(|link| link.case_id.as_deref()),
                    &of.and_then(|link| link.case_number.as_deref()),
                    &customer.map(signed),
                ],
            )
            .await?;
        let found = ForgottenConversation { events: count(&row, 2), pending: row.get(3), known: false };
        Ok(row.get::<_, bool>(1).then_some(found))
    }

    /// Gives a conversation a new version: whoever loaded it before decides anew.
    pub(super) async fn raise_version(&self, rkey: RKey, id: &ResponseId) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "raised as (
                insert into conversations as c (rkey, version, response_id)
                select $2, 1, $3 where exists (select from may)
                on conflict (rkey) do update set version = c.version + 1)
             select exists (select from may)"
        );
        self.write(SQL, &[&rkey.0.as_slice(), &text(id.as_str())]).await.map(drop)
    }
}
