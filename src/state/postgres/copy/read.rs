//! Walks over all records, a page at a time.

use tokio_postgres::Row;

use super::LIMIT;
use crate::decide::{Intent, Link, Note};
use crate::state::copy::{ActionCopy, Batch, EventCopy, NoteCopy, ReceiptCopy, Unreadable, damaged_event};
use crate::state::mark::MARK;
use crate::state::postgres::Postgres;
use crate::state::postgres::connection::Params;
use crate::state::postgres::rows::{self, decode, entry, unsigned};
use crate::state::{RKey, StoreError};

/// Records that one page has.
const PAGE: i64 = 400;
/// A page has so many bytes of bodies, or one event.
const BYTES: i64 = 4 << 20;

/// What is read one after the other. Responses come before what names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Links,
    Receipts,
    Notes,
    Customers,
    Actions,
    Identities,
    Attempts,
    Values,
}

const KINDS: [Kind; 9] = [
    Kind::Events,
    Kind::Links,
    Kind::Receipts,
    Kind::Notes,
    Kind::Customers,
    Kind::Actions,
    Kind::Identities,
    Kind::Attempts,
    Kind::Values,
];

/// Where a walk stands: the last row's key.
pub struct Reader<'a> {
    store: &'a Postgres,
    kind: usize,
    number: i64,
    first: Vec<u8>,
    second: Vec<u8>,
    name: String,
    now_ms: i64,
    pub unreadable: Unreadable,
}

impl<'a> Reader<'a> {
    pub fn new(store: &'a Postgres, now_ms: i64) -> Self {
        Self {
            store,
            kind: 0,
            number: i64::MIN,
            first: Vec::new(),
            second: Vec::new(),
            name: String::new(),
            now_ms,
            unreadable: Unreadable::default(),
        }
    }

    /// The next records; none at the end.
    pub async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        let Some(kind) = KINDS.get(self.kind) else { return Ok(None) };
        let mut batch = Batch::default();
        let rows = self.page(*kind).await?;
        for row in &rows {
            self.take(*kind, row, &mut batch)?;
        }
        if rows.is_empty() {
            self.kind += 1;
            self.number = i64::MIN;
            (self.first, self.second, self.name) = (Vec::new(), Vec::new(), String::new());
        }
        Ok(Some(batch))
    }

    /// The rows after the last one.
    async fn page(&self, kind: Kind) -> Result<Vec<Row>, StoreError> {
        let Self { number, first, second, name, .. } = self;
        match kind {
            Kind::Events => self.rows(EVENTS, &[number, &PAGE, &BYTES]).await,
            Kind::Links => self.rows(LINKS, &[first, &PAGE]).await,
            Kind::Receipts => self.rows(RECEIPTS, &[first, second, &PAGE]).await,
            Kind::Notes => self.rows(NOTES, &[number, &PAGE]).await,
            Kind::Customers => self.rows(CUSTOMERS, &[number, first, &PAGE]).await,
            Kind::Actions => self.rows(ACTIONS, &[number, &PAGE]).await,
            Kind::Identities => self.rows(IDENTITIES, &[first, &PAGE]).await,
            Kind::Attempts => self.rows(ATTEMPTS, &[number]).await,
            Kind::Values => self.rows(VALUES, &[name, &PAGE, &MARK]).await,
        }
    }

    async fn rows(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.store.shared.records.rows(sql, params, LIMIT).await
    }

    fn take(&mut self, kind: Kind, row: &Row, batch: &mut Batch) -> Result<(), StoreError> {
        match kind {
            Kind::Events => self.event(row, batch),
            Kind::Links => {
                self.first = row.get(0);
                let rkey = read_rkey(&self.first)?;
                match or_none::<Link>(row.get(1)) {
                    Some(link) => batch.links.push((rkey, link)),
                    None => self.unreadable.responses += 1,
                }
            }
            Kind::Receipts => {
                (self.first, self.second) = (row.get(0), row.get(1));
                let (owner, hash) = (read_rkey(&self.first)?.0, read_rkey(&self.second)?.0);
                batch.receipts.push(ReceiptCopy { owner, hash, seq: unsigned(row.get(2)) });
            }
            Kind::Notes => self.note(row, batch)?,
            Kind::Customers => {
                (self.number, self.first) = (row.get(0), row.get(1));
                batch.customers.push((unsigned(self.number), read_rkey(&self.first)?));
            }
            Kind::Actions => self.action(row, batch),
            Kind::Identities => {
                self.first = row.get(0);
                batch.identities.push((read_rkey(&self.first)?.0, unsigned(row.get(1))));
            }
            Kind::Attempts => {
                let lane: i16 = row.get(0);
                self.number = i64::from(lane);
                let rkeys: Vec<Vec<u8>> = row.get(1);
                let rkeys = rkeys.iter().filter_map(|rkey| rows::rkey(rkey)).collect();
                batch.attempts.extend(u8::try_from(lane).ok().map(|lane| (lane, rkeys)));
            }
            Kind::Values => {
                self.name = row.get(0);
                batch.values.push((self.name.clone(), row.get(1)));
            }
        }
        Ok(())
    }

    fn event(&mut self, row: &Row, batch: &mut Batch) {
        self.number = row.get(0);
        let seq = unsigned(self.number);
        let entry = entry(seq, row.get(2)).unwrap_or_else(|_| {
            self.unreadable.events += 1;
            damaged_event(seq, self.now_ms)
        });
        let rkey = row.get::<_, Option<&[u8]>>(1).and_then(rows::rkey);
        batch.events.push(EventCopy { entry, rkey, body: row.get(3) });
    }

    fn note(&mut self, row: &Row, batch: &mut Batch) -> Result<(), StoreError> {
        self.number = row.get(0);
        let Some(note) = or_none::<Note>(row.get(4)) else {
            self.unreadable.notes += 1;
            return Ok(());
        };
        let (rkey, due_ms) = (read_rkey(row.get(1))?, row.get(2));
        let attempts = u32::try_from(row.get::<_, i32>(3)).unwrap_or(0);
        batch.notes.push(NoteCopy { seq: unsigned(self.number), rkey, due_ms, attempts, note });
        Ok(())
    }

    fn action(&mut self, row: &Row, batch: &mut Batch) {
        self.number = row.get(0);
        let text: String = row.get(2);
        if let Some(intent) = or_none::<Intent>(&text) {
            batch.actions.push(ActionCopy::Whole(Box::new(intent)));
        } else {
            self.unreadable.actions += 1;
            let (seq, for_human) = (unsigned(self.number), row.get(1));
            batch.actions.push(ActionCopy::Damaged { seq, for_human, text });
        }
    }
}

fn or_none<T: serde::de::DeserializeOwned>(json: &str) -> Option<T> {
    decode(json).ok()
}

fn read_rkey(bytes: &[u8]) -> Result<RKey, StoreError> {
    rows::rkey(bytes).ok_or_else(|| StoreError::Damaged("a key is too short".to_owned()))
}

const EVENTS: &str = "
    select seq, rkey, record::text, body from (
        select e.*, sum(coalesce(octet_length(body), 0)) over (order by seq) as bytes,
               row_number() over (order by seq) as place
        from (select seq, rkey, record, body from events where seq > $1 order by seq limit $2) e) b
    where bytes <= $3 or place = 1 order by seq";
const LINKS: &str = "
    select rkey, link::text from conversations where rkey > $1 and link is not null order by rkey limit $2";
const RECEIPTS: &str = "
    select owner, hash, seq from receipts where (owner, hash) > ($1, $2) order by owner, hash limit $3";
const NOTES: &str = "
    select seq, rkey, due_ms, attempts, record::text from notes where seq > $1 order by seq limit $2";
const CUSTOMERS: &str = "
    select hash, rkey from customers where (hash, rkey) > ($1, $2) order by hash, rkey limit $3";
const ACTIONS: &str = "
    select seq, for_human, record::text from actions where seq > $1 order by seq limit $2";
const IDENTITIES: &str = "
    select identity, max(seq) from actions where identity > $1 group by identity order by identity limit $2";
const ATTEMPTS: &str = "select lane, rkeys from attempts where lane > $1::bigint order by lane";
const VALUES: &str = "
    select name, value::text from meta where name > $1 and name <> $3 and value is not null order by name limit $2";
