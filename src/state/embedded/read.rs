//! Reads from sled: whole values, whether they are inline, in chunks, in a block or in a journal.

use std::borrow::Cow;

use sled::IVec;

use crate::state::embedded::blocks;
use crate::state::embedded::errors::StoreError;
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
                let Some(entry) = self.state.get(&block).map_err(|error| self.unreadable(error))? else {
                    return Ok(None);
                };
                Ok(self.in_block(&block, entry, |block| blocks::member(block, key))?.flatten())
            }
            None => self.own_value(key),
        }
    }

    /// The value of a key that has an entry of its own.
    pub fn own_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let entry = self.state.get(key).map_err(|error| self.unreadable(error))?;
        entry.map(|entry| self.load(key, &entry).map(Cow::into_owned)).transpose()
    }

    pub fn load<'e>(&self, key: &[u8], entry: &'e [u8]) -> Result<Cow<'e, [u8]>, StoreError> {
        match value::parse(entry) {
            None => Err(StoreError::Damaged("its form is unknown".into())),
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
            match self.state.get(key).map_err(|error| self.unreadable(error))? {
                None => return Ok(None),
                Some(now) if now == entry => return Err(self.damaged(error)),
                Some(now) => entry = now,
            }
        }
    }

    fn assemble(&self, key: &[u8], head: Head) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::new();
        for index in 0..head.chunks() {
            match self
                .chunks
                .get(value::chunk_key(key, head.slot, index))
                .map_err(|error| self.unreadable(error))?
            {
                Some(chunk) => value.extend_from_slice(&chunk),
                None => return Err(StoreError::Damaged("a part of it is missing".into())),
            }
        }
        if Head::of(head.slot, &value) != head {
            return Err(StoreError::Damaged("its parts do not have the hash of the whole".into()));
        }
        Ok(value)
    }

    /// All rows of `[from, to)`, in order.
    pub fn rows<'a>(&self, from: &[u8], to: &[u8]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let (tables, from, to) = (self.clone(), from.to_vec(), to.to_vec());
        // To look for one entry costs less than to walk.
        let (one, many) = match blocks::only_block(&from, &to) {
            Some(block) => (Some(self.state.get(&block).map(|entry| Some((block.into(), entry?)))), None),
            None => (None, Some(self.state.range(blocks::start(&from)..to.clone()))),
        };
        let entries = one.and_then(sled::Result::transpose).into_iter().chain(many.into_iter().flatten());
        entries.flat_map(move |entry| match entry.map_err(|error| tables.unreadable(error)) {
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

    fn unreadable(&self, error: sled::Error) -> StoreError {
        match error {
            sled::Error::Corruption { .. } => self.damaged(StoreError::Damaged(error.to_string())),
            other => StoreError::Unreadable(other.to_string()),
        }
    }

    /// What sled holds is damaged: the next start makes it anew from the journals.
    fn damaged(&self, error: StoreError) -> StoreError {
        if let StoreError::Damaged(reason) = &error {
            self.damage.note(reason);
        }
        error
    }
}
