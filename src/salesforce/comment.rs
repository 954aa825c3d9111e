//! Length limits of texts: comments (Salesforce reference, 6.2) and text fields.

/// Maximum length of a comment's text, as counted by [`comment_bytes`].
pub const MAX_COMMENT_BYTES: usize = 4_000;

/// Length of a comment's text: UTF-8 bytes; escaped characters count in their escaped form, a line end counts two
/// (Salesforce reference, 6.2).
pub fn comment_bytes(text: &str) -> usize {
    let mut before = None;
    let weigh = |c: char| {
        let weight = match c {
            '\n' if before == Some('\r') => 0,
            c => char_bytes(c),
        };
        before = Some(c);
        weight
    };
    text.chars().map(weigh).sum()
}

fn char_bytes(c: char) -> usize {
    match c {
        '&' | '\'' => 5,
        '<' | '>' => 4,
        '"' => 6,
        '\n' | '\r' => 2,
        c => c.len_utf8(),
    }
}

/// Length of a text field as Salesforce counts it: UTF-16 units, so an emoji counts two.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Byte index of a cut that keeps at most `max` UTF-16 units. It is between characters, and not inside a sequence that
/// is shown as one character, where that is easy to detect.
pub fn cut_at_units(text: &str, max: usize) -> usize {
    let mut used = 0;
    let Some((end, next)) = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > max
    }) else {
        return text.len();
    };
    let (mut end, mut next) = (end, next);
    while continues(next) || text[..end].ends_with(JOINER) {
        let Some((at, c)) = text[..end].char_indices().next_back() else { return 0 };
        (end, next) = (at, c);
    }
    end
}

const JOINER: char = '\u{200d}';

/// Whether this character continues the one before it: combining mark, variation selector, skin tone, joiner.
fn continues(c: char) -> bool {
    matches!(c, JOINER | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Removes control characters, which Salesforce refuses. All kinds of line ends become `\n`.
pub fn clean_text(text: &str) -> String {
    // 0xC2 begins the control characters above ASCII, among others. Nearly all texts have none of these bytes.
    let is_suspect = |b: u8| b == 0xc2 || b == 0x7f || (b < b' ' && b != b'\n' && b != b'\t');
    if !text.bytes().any(is_suspect) {
        return text.to_owned();
    }
    let unix = text.replace("\r\n", "\n").replace(['\r', '\u{b}', '\u{c}', '\u{85}'], "\n");
    unix.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// Splits the text into parts of at most `limit` bytes (as [`comment_bytes`] counts). Several parts are numbered
/// `(1/3) `. The parts without their numbers are the whole text.
pub fn split_comment(text: &str, limit: usize) -> Vec<String> {
    if comment_bytes(text) <= limit {
        return vec![text.to_owned()];
    }
    let mut digits = 1;
    loop {
        // "(1/3) " with the required digits; a part has at least one character.
        let parts = cut(text, limit.saturating_sub(4 + 2 * digits));
        let total = parts.len();
        if total.to_string().len() <= digits {
            return parts.iter().enumerate().map(|(i, part)| format!("({}/{total}) {part}", i + 1)).collect();
        }
        digits = total.to_string().len();
    }
}

/// Cuts between characters: after white space if there is some in the last third, and never inside CRLF.
fn cut(text: &str, room: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = cut_at(rest, room);
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    parts
}

fn cut_at(text: &str, room: usize) -> usize {
    let (mut used, mut end, mut space, mut before) = (0, 0, 0, '\0');
    for (start, c) in text.char_indices() {
        let weight = if c == '\n' && before == '\r' { 0 } else { char_bytes(c) };
        if used + weight > room && end > 0 {
            let late = space > end - end / 3;
            return if late { space } else { end };
        }
        used += weight;
        before = c;
        end = start + c.len_utf8();
        if c.is_whitespace() {
            space = end;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c07_cuts_are_between_signs_and_count_utf16_units() {
        let table = [
            ("abc", 2, "ab"),
            ("abc", 3, "abc"),
            ("a😊b", 2, "a"),
            ("a😊b", 3, "a😊"),
            ("ae\u{301}b", 2, "a"),
            ("x👩\u{200d}🚀y", 4, "x"),
            ("x👍\u{1f3fd}y", 3, "x"),
            ("\u{301}\u{301}", 1, ""),
        ];
        for (text, max, kept) in table {
            assert_eq!(&text[..cut_at_units(text, max)], kept, "{text} {max}");
        }
        let text = "a".repeat(15_000) + &"😊".repeat(10_000);
        assert_eq!(units(&text[..cut_at_units(&text, 32_000)]), 32_000);
    }

    #[test]
    fn comments_weigh_what_salesforce_stores() {
        let table =
            [("", 0), ("abc", 3), ("&<>\"'", 24), ("a\nb", 4), ("a\r\nb", 4), ("é😊", 6), ("\n\n", 4)];
        for (text, bytes) in table {
            assert_eq!(comment_bytes(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn texts_are_cleaned_and_split_without_loss() {
        assert_eq!(clean_text("a\r\nb\rc\0\u{7}\td\u{85}"), "a\nb\nc\td\n");
        assert_eq!(split_comment("short", 100), ["short"]);
        let texts =
            ["word ".repeat(500), "&".repeat(900), "😊".repeat(700), "a\r\n".repeat(400), "x".repeat(9000)];
        for text in texts {
            for limit in [20, 37, 300] {
                let parts = split_comment(&text, limit);
                let total = parts.len();
                let mut whole = String::new();
                for (i, part) in parts.iter().enumerate() {
                    assert!(comment_bytes(part) <= limit, "{} > {limit}", comment_bytes(part));
                    whole.push_str(part.strip_prefix(&format!("({}/{total}) ", i + 1)).unwrap());
                }
                assert_eq!(whole, text);
            }
        }
        assert_eq!(split_comment("one two three four", 16), ["(1/2) one two ", "(2/2) three four"]);
    }
}
