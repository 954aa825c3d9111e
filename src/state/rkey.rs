//! A response's key in the store, and the lane that it belongs to.

use sha2::{Digest, Sha256};

use crate::goodays::ResponseId;

/// Number of inbound lanes. A response always belongs to the same one.
pub const LANES: u8 = 2;

/// A response's key: 16 bytes of the SHA-256 of its id, so that unusual ids are no problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RKey(pub [u8; 16]);

impl RKey {
    /// The first key in order.
    pub const FIRST: Self = Self([0; 16]);

    pub fn of(id: &ResponseId) -> Self {
        let digest = Sha256::digest(id.as_str().as_bytes());
        Self(digest[..16].try_into().expect("a digest has 32 bytes"))
    }

    pub fn lane(self) -> u8 {
        self.0[0] % LANES
    }

    /// The key that follows in order; none after the last.
    pub(super) fn next(self) -> Option<Self> {
        u128::from_be_bytes(self.0).checked_add(1).map(|next| Self(next.to_be_bytes()))
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.get(..16)?.try_into().ok().map(Self)
    }
}
