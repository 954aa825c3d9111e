//! Reads JSON of the remotes, which sometimes contains lone surrogates.
//!
//! JSON's grammar allows half an emoji: an escape like `\ud83d` without its second half. It comes from texts that were
//! cut by their UTF-16 length. A Rust string cannot hold it, so serde_json refuses the whole body. To keep the rest of
//! the customer's text, each half is replaced with U+FFFD, the replacement character.

use serde::de::Error as _;
use serde_json::Value;

/// Maximum number of values in a body. A value takes some 70 bytes in memory, or 360 in a list of its own, so a few
/// megabytes of `[0],[0]` would take a gigabyte. No response of a remote is near this: the largest is a page of 2,000
/// records, or the description of an object.
pub const MAX_VALUES: usize = 250_000;

/// Some programs put it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a body. Lone surrogates are replaced only if the body cannot be read otherwise. A body with more than
/// [`MAX_VALUES`] values is refused; serde_json itself refuses a depth above 127. A byte order mark is skipped, as RFC
/// 8259 allows.
pub fn read(bytes: &[u8]) -> serde_json::Result<Value> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if bytes.len() > MAX_VALUES && values(bytes) > MAX_VALUES {
        return Err(serde_json::Error::custom(format_args!("more than {MAX_VALUES} values")));
    }
    serde_json::from_slice(bytes).or_else(|error| match mended(bytes) {
        Some(mended) => serde_json::from_slice(&mended),
        None => Err(error),
    })
}

/// Number of values in a JSON text, lists and objects included. It is an upper bound, and exact if no list or object is
/// empty. It reads the text once and allocates nothing.
pub fn values(bytes: &[u8]) -> usize {
    let (mut count, mut at) = (1, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at + 1),
            b'[' | b'{' | b',' => count += 1,
            _ => {}
        }
        at += 1;
    }
    count
}

/// The position of the string's closing quote, or the end of the bytes.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// The same bytes with `\ufffd` for each lone surrogate; none if there is none. Positions do not change.
pub(crate) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut mended = None;
    let mut at = 0;
    // In JSON a backslash is only inside strings, and it forms an escape with what follows.
    while let Some(step) = bytes.get(at..)?.iter().position(|byte| *byte == b'\\') {
        at += step;
        at += match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.get_or_insert_with(|| bytes.to_vec())[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
    }
    mended
}

/// The UTF-16 unit of the `\uXXXX` at this position.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    digits.try_fold(0, |unit, digit| u16::try_from(digit?).ok().map(|digit| unit << 4 | digit))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(read("\u{feff} {\"a\": \"\u{feff}\"}".as_bytes()).unwrap(), json!({"a": "\u{feff}"}));
        assert!(read("\u{feff}\u{feff}1".as_bytes()).is_err());
    }

    #[test]
    fn lone_halves_are_replaced_and_nothing_else() {
        let table = [
            (r#"["cut \ud83d"]"#, json!(["cut \u{fffd}"])),
            (r#"["\uDE00 cut"]"#, json!(["\u{fffd} cut"])),
            (r#"["\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}😀"])),
            (r#"["\ude00\ud83d"]"#, json!(["\u{fffd}\u{fffd}"])),
            (r#"["\ud83d\n\u0041"]"#, json!(["\u{fffd}\nA"])),
            (r#"["\ud83d\\ude00"]"#, json!(["\u{fffd}\\ude00"])),
            (r#"{"\ud83d": "key"}"#, json!({"\u{fffd}": "key"})),
            // Only the lone surrogate is replaced.
            (
                r#"["\\ud83d", "\ud83d\ude00", "\\\ud83d", "\\\\ud83d"]"#,
                json!(["\\ud83d", "😀", "\\\u{fffd}", "\\\\ud83d"]),
            ),
        ];
        for (body, read_as) in table {
            assert!(serde_json::from_str::<Value>(body).is_err(), "{body}");
            assert_eq!(read(body.as_bytes()).unwrap(), read_as, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_for_another_reason_stays_wrong() {
        for body in [
            r#"["\ud8"#,
            r#"["\ud83"]"#,
            r#"["\ud83d""#,
            r#"["\x"]"#,
            "[1e999]",
            "",
            "\\",
            r"\ud83d",
            r#"["\ud83d", 1e999]"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        // The error's position is that of the original bytes.
        let error = read(br#"["\ud83d", x]"#).unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 12));
    }

    fn counted(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(counted).sum::<usize>(),
            Value::Object(members) => 1 + members.values().map(counted).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn values_are_counted_without_reading_them() {
        for (body, count) in [
            ("1", 1),
            ("[0,[0],{\"a\":0}]", 6),
            (r#"["a,b", "[{", "\\", "\",["]"#, 5),
            (r#"{"a,[": "x", "b": {"c": [1, 2]}}"#, 6),
        ] {
            assert_eq!(values(body.as_bytes()), count, "{body}");
            assert_eq!(counted(&serde_json::from_str(body).unwrap()), count, "{body}");
        }
        for body in ["", "\"", "\"\\", "[[[[", "]]]]"] {
            assert!(values(body.as_bytes()) <= body.len() + 1, "{body}");
        }
    }

    /// Eight megabytes of small lists are refused before memory is allocated for them.
    #[test]
    fn c10_too_many_values_are_not_read() {
        let many = |piece: &str, count: usize| format!("[{}0]", piece.repeat(count));
        let bombs =
            [many("[0],", 2_000_000), many("0,", 300_000), many("{\"\":0},", 300_000), "[".repeat(8 << 20)];
        for bomb in bombs {
            let error = read(bomb.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, "more than 250000 values", "{bomb:.20}");
        }
        assert!(read(many("0,", MAX_VALUES - 2).as_bytes()).is_ok());
        let text = format!("[\"{}\"]", ",".repeat(MAX_VALUES * 2));
        assert!(read(text.as_bytes()).is_ok(), "commas in a text are no values");
        assert!(read("[".repeat(1000).as_bytes()).is_err());
    }

    /// Pieces of a JSON text: characters, escapes, surrogate pairs, escaped backslashes before a look-alike escape.
    fn pieces() -> impl Strategy<Value = Vec<(String, String)>> {
        let piece = prop_oneof![
            Just((r"\ud83d\ude00".to_owned(), "😀".to_owned())),
            Just((r"\\ud83d".to_owned(), r"\ud83d".to_owned())),
            Just((r"\\".to_owned(), r"\".to_owned())),
            Just((r#"\""#.to_owned(), "\"".to_owned())),
            Just((r"\u0041".to_owned(), "A".to_owned())),
            Just(("u".to_owned(), "u".to_owned())),
            Just(("de00".to_owned(), "de00".to_owned())),
            Just((r"\ud83d".to_owned(), "\u{fffd}".to_owned())),
            Just((r"\ude00".to_owned(), "\u{fffd}".to_owned())),
            "[a-zéß😀]".prop_map(|text| (text.clone(), text)),
        ];
        proptest::collection::vec(piece, 0..12)
    }

    /// With all other characters escaped, as some senders do.
    fn in_ascii(body: &str) -> String {
        let mut escaped = String::new();
        for unit in body.encode_utf16() {
            match u8::try_from(unit).ok().filter(u8::is_ascii) {
                Some(ascii) => escaped.push(char::from(ascii)),
                None => write!(escaped, "\\u{unit:04x}").unwrap(),
            }
        }
        escaped
    }

    proptest! {
        #[test]
        fn any_text_is_read_piece_by_piece(pieces in pieces()) {
            let (written, meant): (Vec<String>, Vec<String>) = pieces.into_iter().unzip();
            // Two adjacent halves form a pair.
            let meets = written.windows(2).any(|two| two[0] == r"\ud83d" && two[1] == r"\ude00");
            prop_assume!(!meets);
            let body = format!("{{\"words\": \"{}\"}}", written.concat());
            prop_assert_eq!(read(body.as_bytes()).unwrap(), json!({ "words": meant.concat() }));
        }

        #[test]
        fn valid_json_is_read_as_ever(text in any::<String>(), ascii in any::<bool>()) {
            let mut body = json!({ text.clone(): [&text, 1, null] }).to_string();
            if ascii {
                body = in_ascii(&body);
            }
            prop_assert_eq!(mended(body.as_bytes()), None, "{}", body);
            prop_assert_eq!(read(body.as_bytes()).unwrap(), json!({ text.clone(): [&text, 1, null] }));
        }

        #[test]
        fn what_is_valid_is_never_touched(body in r#"\["[\\ud8e0]{0,24}"\]"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&body) {
                prop_assert_eq!(mended(body.as_bytes()), None, "{}", body);
                prop_assert_eq!(read(body.as_bytes()).unwrap(), value);
            } else if let Ok(value) = read(body.as_bytes()) {
                prop_assert!(value.to_string().contains('\u{fffd}'), "{}", body);
            }
        }
    }
}
