//! From format 4 to format 5: everything that must not be lost is copied into journals, and sled is copied without its
//! dead parts, which hold people's words.
//!
//! The copy of sled gets the number of the new format, so its rename ends the migration. After a kill before that, the
//! next start begins the migration again. A version that knows only format 4 refuses the folder from the first step on.

use crate::state::embedded::errors::StoreError;
use crate::state::embedded::journal::{Journal, Record};
use crate::state::embedded::open::{self, FORMAT, Places, Tables, Trouble};
use crate::state::embedded::segments::is_ledger;
use crate::state::embedded::{SEQ_KEY, checkpointer, compact, format4};

/// Bytes after which a journal is written.
const FULL: usize = 2 << 20;

/// Copies what must not be lost into journals, and sled. False if nothing is to migrate.
pub(super) fn migrate(places: &Places, tables: &Tables, next: u64) -> Result<bool, Trouble> {
    if open::noted_format(&places.live) != Some(FORMAT - 1) {
        return Ok(false);
    }
    tracing::info!(from = FORMAT - 1, to = FORMAT, "the state gets its new format");
    tables.set_format(FORMAT)?;
    tables.db.flush()?;
    let mut copy = Copy { places, tables, next, record: Record::default() };
    if let Some(reserved) = tables.own_value(SEQ_KEY)? {
        copy.record.add(SEQ_KEY, Some(&reserved));
    }
    let mut from = vec![1];
    while let Some(keys) = copy.page(&from)? {
        from = [keys.as_slice(), &[0]].concat();
    }
    copy.write()?;
    compact::copy(tables, places)?;
    for number in places.numbered(open::DAMAGED)? {
        tracing::warn!(number, "a damaged database of the format before is removed: it holds people's words");
        open::remove(&places.damaged(number))?;
    }
    tracing::info!(format = FORMAT, "the state has its new format: the copy takes its place now");
    Ok(true)
}

/// Removes what format 4 kept elsewhere, once the copy, which ends the migration, was opened.
pub(super) fn remove_leftovers(places: &Places) -> std::io::Result<()> {
    if open::noted_format(&places.live) == Some(FORMAT) { format4::remove_files(&places.dir) } else { Ok(()) }
}

struct Copy<'m> {
    places: &'m Places,
    tables: &'m Tables,
    next: u64,
    record: Record,
}

impl Copy<'_> {
    /// Copies the next keys, as many as a journal holds. Returns the last of them; none at the end.
    fn page(&mut self, from: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let mut last = None;
        for row in self.tables.rows(from, &[u8::MAX]) {
            let key = row?.0.into_owned();
            if !is_ledger(&key) && self.tables.pointer(&key)?.is_none() {
                // A value that cannot be read stays as it is: its reader parks it or goes on without it.
                match self.tables.value(&key) {
                    Ok(value) => drop(self.record.add(&key, value.as_deref())),
                    Err(StoreError::Damaged(reason) | StoreError::Rebuild(reason)) => {
                        tracing::error!(key = hex::encode(&key), reason, "a record is damaged");
                    }
                    // It may be readable later, so the migration does not end without it.
                    Err(other) => return Err(other.into()),
                }
            }
            last = Some(key);
            if self.record.len() >= FULL {
                self.write()?;
                break;
            }
        }
        Ok(last)
    }

    fn write(&mut self) -> Result<(), Trouble> {
        if self.record.is_empty() {
            return Ok(());
        }
        let mut journal = Journal::create(self.places, self.next)?;
        journal.append(&mut self.record)?;
        journal.sync()?;
        self.record = Record::default();
        self.next = checkpointer::replay(self.tables, self.places)?;
        Ok(())
    }
}
