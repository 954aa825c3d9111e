//! Reads from sled: whole values, whether they are inline, in chunks, in a block or in a journal.

use std::borrow::Cow;
use std::iter::from_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sled::IVec;

use crate::state::embedded::blocks;
use crate::state::embedded::errors::{StoreError, is_damage};
use crate::state::embedded::open::Tables;
use crate::state::embedded::segments::{Pointer, is_pointed_to};
use crate::state::embedded::value::{self, Head, Stored};

/// A key and where its value is; `None`: it was deleted.
pub(super) type Row<'a> = Result<(Cow<'a, [u8]>, Option<Piece<'a>>), StoreError>;

/// A value, or that it has to be looked up by its key.
pub(super) enum Piece<'a> {
    Value(Cow<'a, [u8]>),
    InSled,
}

impl Tables {
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(held) = self.held(key)? else { return Ok(None) };
        if is_pointed_to(key) { self.segments.value(key, held).map(Some) } else { Ok(Some(held)) }
    }

    /// Where the value of this key lies; none if sled holds the value itself.
    pub fn pointer(&self, key: &[u8]) -> Result<Option<Pointer>, StoreError> {
        Ok(self.held(key)?.filter(|_| is_pointed_to(key)).and_then(|held| Pointer::read(&held)))
    }

    /// What sled holds for a key: the value or a pointer to it.
    fn held(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match blocks::block_key(key) {
            Some(block) => {
                let Some(entry) = read(|| self.state.get(&block))? else { return Ok(None) };
                Ok(self.in_block(&block, entry, |block| blocks::member(block, key))?.flatten())
            }
            None => self.own_value(key),
        }
    }

    /// The value of a key that has an entry of its own.
    pub fn own_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let entry = read(|| self.state.get(key))?;
        entry.map(|entry| self.load(key, &entry).map(Cow::into_owned)).transpose()
    }

    pub fn load<'e>(&self, key: &[u8], entry: &'e [u8]) -> Result<Cow<'e, [u8]>, StoreError> {
        match value::parse(entry) {
            None => Err(StoreError::Rebuild("its form is unknown".into())),
            Some(Stored::Inline(value)) => Ok(value),
            Some(Stored::Chunked(head)) => self.assemble(key, head).map(Cow::Owned),
        }
    }

    /// Reads from a block; none if the block was removed meanwhile. The checkpointer may replace the block because of
    /// other members, and remove the old chunks while they are read: then it is read again.
    fn in_block<T>(
        &self,
        key: &[u8],
        mut entry: IVec,
        read: impl Fn(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        loop {
            let error = match self.load(key, &entry).and_then(|block| read(&block)) {
                Ok(read) => return Ok(Some(read)),
                Err(error) => error,
            };
            match self::read(|| self.state.get(key))? {
                None => return Ok(None),
                Some(now) if now == entry => return Err(error),
                Some(now) => entry = now,
            }
        }
    }

    fn assemble(&self, key: &[u8], head: Head) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::new();
        for index in 0..head.chunks() {
            match read(|| self.chunks.get(value::chunk_key(key, head.slot, index)))? {
                Some(chunk) => value.extend_from_slice(&chunk),
                None => return Err(StoreError::Rebuild("a part of it is missing".into())),
            }
        }
        if Head::of(head.slot, &value) != head {
            return Err(StoreError::Rebuild("its parts do not have the hash of the whole".into()));
        }
        Ok(value)
    }

    /// All rows of `[from, to)`, in order.
    pub fn rows<'a>(&self, from: &[u8], to: &[u8]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let (tables, from, to) = (self.clone(), from.to_vec(), to.to_vec());
        // To look for one entry costs less than to walk.
        let (one, many) = match blocks::only_block(&from, &to) {
            Some(block) => {
                (Some(read(|| self.state.get(&block)).map(|entry| Some((block.into(), entry?)))), None)
            }
            None => (None, Some(self.state.range(blocks::start(&from)..to.clone()))),
        };
        let many = many
            .into_iter()
            .flat_map(|mut rows| from_fn(move || read(|| rows.next().transpose()).transpose()));
        let entries = one.and_then(Result::transpose).into_iter().chain(many);
        entries.flat_map(move |entry| match entry {
            Ok((key, entry)) if blocks::is_block(&key) => tables.members(&key, entry, &from, &to),
            Ok((key, _)) => vec![Ok((Cow::Owned(key.to_vec()), Some(Piece::InSled)))],
            Err(error) => vec![Err(error)],
        })
    }

    fn members<'a>(&self, key: &[u8], entry: IVec, from: &[u8], to: &[u8]) -> Vec<Row<'a>> {
        let read = self.in_block(key, entry, |block| {
            let within = blocks::members(block)?.into_iter().filter(|(key, _)| from <= *key && *key < to);
            let owned = |bytes: &[u8]| Cow::Owned(bytes.to_vec());
            let piece = |key: &[u8], held: &[u8]| {
                if is_pointed_to(key) { Piece::InSled } else { Piece::Value(owned(held)) }
            };
            Ok(within.map(|(key, held)| Ok((owned(key), Some(piece(key, held))))).collect())
        });
        read.map_or_else(|error| vec![Err(error)], Option::unwrap_or_default)
    }
}

/// What sled reads. It panics on damage that it does not expect.
fn read<T>(read: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Err(error)) if is_damage(&error) => Err(StoreError::Rebuild(error.to_string())),
        Ok(read) => read.map_err(|error| StoreError::Unreadable(error.to_string())),
        Err(_) => Err(StoreError::Rebuild("the database panicked while it was read".into())),
    }
}
