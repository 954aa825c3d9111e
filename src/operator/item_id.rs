//! How people name one stored event or action.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// `e12` is an event, `a7` an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemId {
    Event(u64),
    Action(u64),
}

/// It names neither an event nor an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoItem;

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(seq) => write!(f, "e{seq}"),
            Self::Action(seq) => write!(f, "a{seq}"),
        }
    }
}

impl FromStr for ItemId {
    type Err = NoItem;

    fn from_str(text: &str) -> Result<Self, NoItem> {
        let (of, seq): (fn(u64) -> Self, _) = match text.split_at_checked(1) {
            Some(("e", seq)) => (Self::Event, seq),
            Some(("a", seq)) => (Self::Action, seq),
            _ => return Err(NoItem),
        };
        seq.parse().map(of).map_err(|_| NoItem)
    }
}

impl Serialize for ItemId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        for id in [ItemId::Event(12), ItemId::Action(7)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "e", "12", "b1", "é1", "a-1", "e99999999999999999999"] {
            assert_eq!(text.parse::<ItemId>(), Err(NoItem), "{text}");
        }
    }
}
