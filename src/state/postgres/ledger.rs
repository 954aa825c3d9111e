//! Links between responses and Cases, cursors, and other values by name.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use tokio_postgres::Row;

use crate::decide::Link;
use crate::salesforce::RecordId;
use crate::state::postgres::rows::{self, decode, encode, first15, limit, signed, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::sent::SENT;
use crate::state::{Counters, Figures, LANES, LinkPage, Outbox, RKey, SentMinutes, StoreError};
use crate::time::GoodaysTime;

/// Links of one customer that are looked at.
const OF_CUSTOMER: i64 = 100;
/// Links that one read gives.
const PAGE: usize = 400;

impl Postgres {
    pub async fn link(&self, rkey: RKey) -> Result<Option<Link>, StoreError> {
        Ok(self.links(&[rkey]).await?.pop().flatten())
    }

    /// Links of these responses, in their order.
    pub async fn links(&self, rkeys: &[RKey]) -> Result<Vec<Option<Link>>, StoreError> {
        const SQL: &str = "
            select a.place, c.link::text from unnest($1::bytea[]) with ordinality as a(rkey, place)
            join conversations c on c.rkey = a.rkey where c.link is not null";
        let keys: Vec<&[u8]> = rkeys.iter().map(|rkey| rkey.0.as_slice()).collect();
        let rows = self.read(SQL, &[&keys]).await?;
        let mut found: HashMap<i64, Link> = HashMap::new();
        for row in &rows {
            let link = self.or_damaged("link", 0, decode(row.get(1)))?;
            found.extend(link.map(|link| (row.get(0), link)));
        }
        Ok((1..).zip(rkeys).map(|(place, _)| found.remove(&place)).collect())
    }

    /// The links of each of these Cases, in their order; several after a merge.
    pub async fn links_of_cases(&self, cases: &[RecordId]) -> Result<Vec<Vec<Link>>, StoreError> {
        const SQL: &str = "
            select a.place, c.link::text from unnest($1::text[]) with ordinality as a(case_id, place)
            join conversations c on c.case_id = a.case_id order by a.place, c.rkey";
        let ids: Vec<&str> = cases.iter().map(|case| first15(case.as_str())).collect();
        let rows = self.read(SQL, &[&ids]).await?;
        let mut links: Vec<Vec<Link>> = cases.iter().map(|_| Vec::new()).collect();
        for row in &rows {
            let link = self.or_damaged("link", 0, decode(row.get(1)))?;
            let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            if let Some(of_case) = place.checked_sub(1).and_then(|place| links.get_mut(place)) {
                of_case.extend(link);
            }
        }
        Ok(links)
    }

    /// The links of the responses of this Case.
    pub async fn links_of_case(&self, case: &RecordId) -> Result<Vec<Link>, StoreError> {
        Ok(self.links_of_cases(std::slice::from_ref(case)).await?.pop().unwrap_or_default())
    }

    /// Links of one customer's responses, at most a hundred.
    pub async fn links_of_customer(&self, hash: u64) -> Result<Vec<Link>, StoreError> {
        const SQL: &str = "
            select c.link::text from customers u join conversations c on c.rkey = u.rkey
            where u.hash = $1 and c.link is not null order by u.rkey limit $2";
        let rows = self.read(SQL, &[&signed(hash), &OF_CUSTOMER]).await?;
        self.links_in(&rows, 0)
    }

    fn links_in(&self, rows: &[Row], column: usize) -> Result<Vec<Link>, StoreError> {
        let mut links = Vec::with_capacity(rows.len());
        for row in rows {
            links.extend(self.or_damaged("link", 0, decode(row.get(column)))?);
        }
        Ok(links)
    }

    /// Whether the ledger knows any response.
    pub async fn has_links(&self) -> Result<bool, StoreError> {
        let row =
            self.read_row("select exists (select from conversations where link is not null)", &[]).await?;
        Ok(row.get(0))
    }

    /// Links in the order of their keys, from `from` on, without damaged ones. A page may be empty and not the last.
    pub async fn links_from(&self, from: RKey) -> Result<LinkPage, StoreError> {
        const SQL: &str = "
            select rkey, link::text from conversations where rkey >= $1 and link is not null order by rkey limit $2";
        let rows = self.read(SQL, &[&from.0.as_slice(), &limit(PAGE)]).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE).and_then(|row| rows::rkey(row.get(0)));
        Ok(LinkPage { links: self.links_in(&rows, 1)?, next: last.and_then(RKey::next) })
    }

    pub async fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let kept = self.meta_text(name).await?;
        self.or_damaged("meta", 0, kept.map(|kept| decode(&kept)).transpose()).map(Option::flatten)
    }

    /// The values of these names, in their order, in one request.
    pub async fn metas<T: DeserializeOwned>(&self, names: &[String]) -> Result<Vec<Option<T>>, StoreError> {
        const SQL: &str = "
            select m.value::text from unnest($1::text[]) with ordinality as a(name, place)
            left join meta m on m.name = a.name order by a.place";
        let rows = self.read(SQL, &[&names]).await?;
        let value = |row: &Row| {
            let kept: Option<&str> = row.get(0);
            self.or_damaged("meta", 0, kept.map(decode).transpose()).map(Option::flatten)
        };
        rows.iter().map(value).collect()
    }

    pub(super) async fn meta_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let rows = self.read("select value::text from meta where name = $1", &[&name]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    pub async fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "written as (
                insert into meta (name, value) select $2, $3::text::json where exists (select from may)
                on conflict (name) do update set value = excluded.value)
             select exists (select from may)"
        );
        self.write(SQL, &[&name, &encode(value)]).await.map(drop)
    }

    /// Adds to a number that several instances count in.
    pub async fn add_to_number(&self, name: &str, count: u64) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "written as (
                insert into meta (name, value) select $2, to_json($3::bigint) where exists (select from may)
                on conflict (name) do update
                    set value = to_json(coalesce(meta.value::text::bigint, 0) + $3::bigint))
             select exists (select from may)"
        );
        self.write(SQL, &[&name, &signed(count)]).await.map(drop)
    }

    /// That number; it begins at zero again.
    pub async fn take_number(&self, name: &str) -> Result<u64, StoreError> {
        const SQL: &str = fenced!(
            "before as materialized (
                select value::text::bigint as number from meta where name = $2 and exists (select from may) for update),
             written as (update meta set value = to_json(0) from before where name = $2 and number > 0)
             select exists (select from may), coalesce((select number from before), 0)"
        );
        Ok(rows::unsigned(self.write(SQL, &[&name]).await?.get(1)))
    }

    /// How many actions were sent within the last hour: for [`crate::state::Loaded::count_sending`].
    pub async fn sent(&self) -> Result<SentMinutes, StoreError> {
        let kept = self.meta_text(SENT).await?;
        let minutes = kept.as_deref().map(decode).transpose();
        let minutes = self.or_damaged("meta", 0, minutes)?.flatten();
        Ok(SentMinutes::new(kept.map(String::into_bytes), minutes))
    }

    /// The responses whose write to Salesforce may have been in flight when the process ended.
    pub async fn attempt(&self, lane: u8) -> Result<Vec<RKey>, StoreError> {
        let rows = self.read("select rkeys from attempts where lane = $1", &[&i16::from(lane)]).await?;
        let rkeys: Vec<Vec<u8>> = rows.first().map(|row| row.get(0)).unwrap_or_default();
        Ok(rkeys.iter().filter_map(|rkey| rows::rkey(rkey)).collect())
    }

    /// Stores, in one transaction, which responses each of these lanes is about to write.
    pub async fn set_attempts(&self, lanes: &[(u8, Vec<RKey>)]) -> Result<(), StoreError> {
        const SQL: &str = fenced!(
            "gone as (delete from attempts where lane = any($2::smallint[]) and exists (select from may)
                and not lane = any($3::smallint[])),
             listed as (
                select x.lane, array_agg(x.rkey order by x.place) as rkeys
                from unnest($3::smallint[], $4::bytea[]) with ordinality as x(lane, rkey, place) group by x.lane),
             written as (
                insert into attempts (lane, rkeys) select lane, rkeys from listed where exists (select from may)
                on conflict (lane) do update set rkeys = excluded.rkeys)
             select exists (select from may)"
        );
        let named: Vec<i16> = lanes.iter().map(|(lane, _)| i16::from(*lane)).collect();
        let each = lanes
            .iter()
            .flat_map(|(lane, rkeys)| rkeys.iter().map(|rkey| (i16::from(*lane), rkey.0.as_slice())));
        let (of, rkeys): (Vec<i16>, Vec<&[u8]>) = each.unzip();
        self.write(SQL, &[&named, &of, &rkeys]).await.map(drop)
    }

    /// Totals since the state began, and how many events wait.
    pub async fn counters(&self) -> Result<Counters, StoreError> {
        const SQL: &str = "
            select (select count(*) from events where state = 'waiting'),
                   (select array_agg(coalesce((select value::text::bigint from meta where name = 'done ' || l), 0) order by l)
                    from generate_series(0, $1::int - 1) l),
                   coalesce((select value::text::bigint from meta where name = 'delivered'), 0)";
        let row = self.read_row(SQL, &[&i32::from(LANES)]).await?;
        let mut counters = Counters { pending: unsigned(row.get(0)), ..Counters::default() };
        let done: Vec<i64> = row.get(1);
        counters.done.iter_mut().zip(done).for_each(|(of, done)| *of = unsigned(done));
        counters.delivered = unsigned(row.get(2));
        Ok(counters)
    }

    /// What is counted for `status`, each up to `limit`.
    pub async fn figures(&self, limit: usize) -> Result<Figures, StoreError> {
        Ok(Figures {
            unprocessed: self.unprocessed(limit).await?,
            parked_events: self.count_parked_events(limit).await?,
            oldest_waiting_ms: self.oldest_waiting_ms().await?,
            outbox: self.outbox(limit).await?,
        })
    }

    /// Unprocessed responses: their number (counted up to `limit`), and the time of the oldest.
    pub async fn unprocessed(&self, limit: usize) -> Result<(usize, Option<GoodaysTime>), StoreError> {
        const SQL: &str = "
            select count(*), min(waiting_ms) from (
                select waiting_ms from conversations where waiting_ms is not null order by waiting_ms limit $1) w";
        let row = self.read_row(SQL, &[&rows::limit(limit)]).await?;
        Ok((rows::count(&row, 0), row.get::<_, Option<i64>>(1).map(GoodaysTime::from_millis)))
    }

    /// Counts the waiting actions, at most `limit` of each kind.
    pub async fn outbox(&self, limit: usize) -> Result<Outbox, StoreError> {
        const SQL: &str = "
            with open as (select seq from actions where is_open order by rkey, seq limit $1),
                 human as (select seq, is_open from actions where for_human order by seq limit $1)
            select (select count(*) from open), (select count(*) from human),
                   (select count(*) from human where is_open)";
        let row = self.read_row(SQL, &[&rows::limit(limit)]).await?;
        let (open, human, unclear) = (rows::count(&row, 0), rows::count(&row, 1), rows::count(&row, 2));
        Ok(Outbox { pending: open.saturating_sub(unclear), unclear, parked: human - unclear })
    }
}
