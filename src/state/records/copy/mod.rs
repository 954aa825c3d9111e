//! The embedded store's side of a copy.

mod read;
mod write;

pub use read::Reader;

use crate::state::copy::Counts;
use crate::state::embedded::Tx;
use crate::state::mark::{MARK, Mark};
use crate::state::records::pages::Pages;
use crate::state::records::{Records, encode, keys};
use crate::state::{LANES, StoreError};

impl Records {
    /// Why no daemon may use it.
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let kept = self.engine.get(&keys::meta(MARK))?;
        Ok(kept.map(|kept| Mark::read(kept.get(1..).unwrap_or_default())))
    }

    /// Sets the mark, or takes it away, for good.
    pub async fn set_mark(&self, mark: Option<&Mark>) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        match mark {
            Some(mark) => tx.set(keys::meta(MARK), encode(mark)),
            None => tx.remove(keys::meta(MARK)),
        };
        self.try_transact(&tx)?;
        self.engine.durable().await
    }

    /// How many records there are.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let all = |_: &[u8]| true;
        let in_room = |room: u8| self.count_keys(keys::room(room), all);
        let mut counts = Counts {
            events: in_room(b'E')?,
            bodies: in_room(b'P')?,
            notes: in_room(b'N')?,
            customers: in_room(b'U')?,
            actions: in_room(b'O')?,
            values: self.count_keys(keys::room(b'M'), |key| key != keys::meta(MARK))?,
            ..Counts::default()
        };
        for lane in 0..LANES {
            counts.attempts += u64::from(!self.attempt(lane)?.is_empty());
        }
        let mut room = Pages::new(keys::room(b'L'));
        while let Some(found) = room.keys(self)? {
            counts.responses += found.iter().filter(|key| keys::is_link(key)).count() as u64;
            counts.receipts += found.iter().filter(|key| keys::receipt_parts(key).is_some()).count() as u64;
        }
        Ok(counts)
    }

    fn count_keys(
        &self,
        range: (Vec<u8>, Vec<u8>),
        counts: impl Fn(&[u8]) -> bool,
    ) -> Result<u64, StoreError> {
        let mut pages = Pages::new(range);
        let mut count = 0;
        while let Some(found) = pages.keys(self)? {
            count += found.iter().filter(|key| counts(key)).count() as u64;
        }
        Ok(count)
    }
}
