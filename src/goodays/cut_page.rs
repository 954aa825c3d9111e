//! Reads what the beginning of a page shows: the address of the next page, and the id of the first item.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::json;

/// What stands in the part that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CutPage {
    /// As it stands there, null included; none if it stands behind that part.
    pub next: Option<Value>,
    pub id: Option<String>,
}

pub(super) fn read(bytes: &[u8]) -> CutPage {
    let mended = json::mended(bytes);
    let mut found = CutPage::default();
    let mut reader = serde_json::Deserializer::from_slice(mended.as_deref().unwrap_or(bytes));
    // It fails where the text is cut. What was found before stays.
    let _ = Page(&mut found).deserialize(&mut reader);
    found
}

/// Makes a seed of a visitor that reads one kind of value.
macro_rules! seed {
    ($name:ident, $reads:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.$reads(self)
            }
        }
    };
}

struct Page<'f>(&'f mut CutPage);
seed!(Page, deserialize_map);

impl<'de> Visitor<'de> for Page<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "next" => self.0.next = Some(map.next_value()?),
                "results" => map.next_value_seed(Items(&mut *self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Items<'f>(&'f mut CutPage);
seed!(Items, deserialize_seq);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Item(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

struct Item<'f>(&'f mut CutPage);
seed!(Item, deserialize_map);

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "id" && self.0.id.is_none() {
                let id = map.next_value::<Value>()?;
                self.0.id =
                    id.as_str().map_or_else(|| id.as_u64().map(|n| n.to_string()), |id| Some(id.into()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_cut_is_found() {
        let page = |next: Option<Value>, id: Option<&str>| CutPage { next, id: id.map(str::to_owned) };
        let a = || Some(Value::from("a"));
        let table = [
            (r#"{"next":"a","results":[{"id":"1","text":"xx"#, page(a(), Some("1"))),
            (
                r#"{"next":null,"previous":"b","results":[{"text":"xx","id":7,"more":["#,
                page(Some(Value::Null), Some("7")),
            ),
            (r#"{"next":"a","results":[{"text":"xx"#, page(a(), None)),
            (r#"{"results":[{"id":"1","texts":["\ud83d"]}],"next":"a"}"#, page(a(), Some("1"))),
            (r#"{"results":[{"id":"1","text":"xx"#, page(None, Some("1"))),
            (r#"[{"id":"1""#, page(None, None)),
        ];
        for (text, expected) in table {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }
}
