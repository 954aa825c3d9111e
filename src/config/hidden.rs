//! The file's text as diagnostics may quote it: keys, and values that cannot be secrets. The rest is masked.
//!
//! Masking does not depend on known secret keys: a secret may be under a misspelt key, in a default, in an address, in
//! a comment, or in a line that is not YAML.

use crate::document::diagnostic::{is_key, nearest};

use super::key::{self, Kind, LEVELS};
use super::vars;

/// A name of this machine that may stand in `listen`.
const LOCALHOST: &str = "localhost";

/// The text with all possible secrets masked. Byte positions do not change, because diagnostics point into it.
pub fn hidden(text: &str) -> String {
    let mut painter = Painter { out: String::with_capacity(text.len()), quote: None, depth: 0 };
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        painter.line(body);
        painter.out.push_str(&line[body.len()..]);
    }
    debug_assert_eq!(painter.out.len(), text.len(), "spans would point elsewhere");
    painter.out
}

struct Painter {
    out: String,
    /// The open quote; it may span lines.
    quote: Option<char>,
    /// Number of open brackets.
    depth: usize,
}

impl Painter {
    fn line(&mut self, body: &str) {
        let (mut at, mut key, mut may_be_key) = (0, "", true);
        while let Some(letter) = body[at..].chars().next() {
            let rest = &body[at..];
            let token_starts =
                body[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "{[,".contains(c));
            let length = if let Some(quote) = self.quote {
                self.quoted(rest, quote, key)
            } else if letter.is_whitespace() {
                self.keep(&rest[..letter.len_utf8()])
            } else if letter == '#' && token_starts {
                self.paint(rest)
            } else if token_starts && matches!(letter, '"' | '\'') {
                (self.quote, may_be_key) = (Some(letter), false);
                self.keep(&rest[..1])
            } else if matches!(letter, '{' | '[') && token_starts {
                self.depth += 1;
                may_be_key = letter == '{';
                self.keep(&rest[..1])
            } else if self.depth > 0 && matches!(letter, '}' | ']' | ',') {
                self.depth -= usize::from(letter != ',');
                (may_be_key, key) = (letter == ',', "");
                self.keep(&rest[..1])
            } else if may_be_key && letter == '-' && rest[1..].chars().next().is_none_or(char::is_whitespace)
            {
                self.keep(&rest[..1])
            } else {
                let word = &rest[..word_end(rest, self.depth > 0)];
                let name = word.strip_suffix(':').filter(|name| may_be_key && is_key(name));
                may_be_key = false;
                match name {
                    Some(name) => {
                        key = name;
                        self.keep(word)
                    }
                    None => self.value(key, word),
                }
            };
            at += length;
        }
    }

    /// The text in quotes, up to the closing quote or the end of the line.
    fn quoted(&mut self, rest: &str, quote: char, key: &str) -> usize {
        let end = rest.find(quote).unwrap_or(rest.len());
        self.value(key, &rest[..end]);
        if end < rest.len() {
            self.quote = None;
            self.out.push(quote);
            return end + 1;
        }
        end
    }

    /// A value or a part of one.
    fn value(&mut self, key: &str, text: &str) -> usize {
        if is_open(key, text) {
            return self.keep(text);
        }
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            self.paint(&rest[..start]);
            let inner = &rest[start + 2..];
            let end = inner.find('}').unwrap_or(inner.len());
            self.out.push_str("${");
            self.variable(&inner[..end]);
            rest = &inner[end..];
            if let Some(behind) = rest.strip_prefix('}') {
                self.out.push('}');
                rest = behind;
            }
        }
        self.paint(rest);
        text.len()
    }

    /// Keeps `NAME`, and masks what follows `:-`.
    fn variable(&mut self, inner: &str) {
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, text)| (name, Some(text)));
        if vars::is_shown(name) {
            self.keep(name)
        } else {
            self.paint(name)
        };
        if let Some(default) = default {
            self.out.push_str(":-");
            self.paint(default);
        }
    }

    fn keep(&mut self, text: &str) -> usize {
        self.out.push_str(text);
        text.len()
    }

    fn paint(&mut self, text: &str) -> usize {
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.out.push(letter);
            } else {
                self.out.extend(std::iter::repeat_n('*', letter.len_utf8()));
            }
        }
        text.len()
    }
}

/// The end of a word. `${...}` is part of the word, blanks included.
fn word_end(rest: &str, in_brackets: bool) -> usize {
    let mut at = 0;
    while let Some(letter) = rest[at..].chars().next() {
        if let Some(inner) = rest[at..].strip_prefix("${") {
            at += 2 + inner.find('}').map_or(inner.len(), |end| end + 1);
        } else if letter.is_whitespace() || (in_brackets && ",{}[]".contains(letter)) {
            break;
        } else {
            at += letter.len_utf8();
        }
    }
    at.max(rest.chars().next().map_or(0, char::len_utf8))
}

/// Whether this value cannot be a secret. `name` is the key's name, whatever section it stands in.
fn is_open(name: &str, text: &str) -> bool {
    let keys = || key::ALL.iter().filter(|key| key.name() == name);
    if keys().any(|key| matches!(key.kind, Kind::Url)) {
        return is_plain_address(text);
    }
    let number = |c: char| c.is_ascii_digit() || ".:_smhd".contains(c);
    let is_number =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= 21 && text.chars().all(number);
    keys().any(|key| key.is_no_secret()) && (is_number || nearest(text, known_words()).is_some())
}

/// The words of all short lists.
fn known_words() -> impl Iterator<Item = &'static str> {
    let words = key::ALL.iter().flat_map(|key| match key.kind {
        Kind::Choice(words) => words,
        _ => &[],
    });
    words.copied().chain(LEVELS).chain([LOCALHOST])
}

/// Host and port, with at most a path of the form `/v2`.
fn is_plain_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let version = |path: &str| {
        path.strip_prefix('v').is_some_and(|v| v.len() < 3 && v.chars().all(|c| c.is_ascii_digit()))
    };
    host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c)) && (path.is_empty() || version(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e08_no_value_is_shown_that_could_be_a_secret() {
        let cases = [
            ("  api_key: hunter2", "  api_key: *******"),
            ("token: ${A:-hunter2}", "token: ${A:-*******}"),
            ("token: ${A:-hunter2 more}x # hunter2", "token: ${A:-******* ****}* * *******"),
            ("token: ${hunter-2}", "token: ${********}"),
            ("login_url: https://me:hunter2@acme.example", "login_url: *******************************"),
            (
                "base_url: https://api.goodays.co/v2?k=hunter2",
                "base_url: ***********************************",
            ),
            ("base_url: https://api.goodays.co/v2", "base_url: https://api.goodays.co/v2"),
            (
                "goodays: { token: \"hun ter: 2\", places: [a], actions: sent }",
                "goodays: { token: \"*** **** *\", places: [*], actions: sent }",
            ),
            ("token: correct horse: staple", "token: ******* ****** ******"),
            ("{ token:hunter2, x: y }", "{ *************, x: * }"),
            ("  - hunter2: x", "  - ******** *"),
            ("poll: { interval: 10, overlap: 2d }", "poll: { interval: 10, overlap: 2d }"),
            ("listen: hunter2", "listen: *******"),
            ("level: hunter2", "level: *******"),
            ("webhook_path: /hooks/hunter2", "webhook_path: **************"),
            ("token_file: hunter2", "token_file: *******"),
        ];
        for (text, shown) in cases {
            assert_eq!(hidden(text), shown, "{text}");
        }
    }

    #[test]
    fn e08_an_open_quote_hides_the_lines_behind_it() {
        let shown = hidden("token: \"hunter2\nmore: hunter3\nkey: |\n  hunter4\n");
        assert_eq!(shown, "token: \"*******\n***** *******\n**** *\n  *******\n");
        assert_eq!(
            hidden("key: |\n  aGVs+bG8=\nlog: { level: info }\n"),
            "key: *\n  *********\nlog: { level: **** }\n"
        );
    }
}
