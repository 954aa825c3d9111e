//! `map:`: a table from texts, numbers and ranges to values.

use std::ops::Range;

use serde_json::Value as Json;

use crate::document::diagnostic::Page;
use crate::document::yaml::{Kind, Node, WRONG_KIND};
use crate::mapping::files::read_rules::{EMPTY_VALUE, fixed};
use crate::mapping::files::{ranges, suspect};
use crate::mapping::language::documented::{self, Documented};
use crate::mapping::language::mistake::NEVER_EQUAL;

/// How the answers to a kind of question look that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scores {
    /// For messages: `nps`.
    pub kind: &'static str,
    /// The lowest and the highest, if Goodays documents them.
    ends: Option<(i64, i64)>,
}

/// The kinds of questions that are answered with numbers.
pub const SCORES: [Scores; 3] = [
    Scores { kind: "nps", ends: Some((0, 10)) },
    Scores { kind: "stars", ends: None },
    Scores { kind: "csat", ends: None },
];

/// What the keys of a table stand for, as far as its source tells.
#[derive(Debug, Clone)]
pub enum Keys {
    /// A name of Goodays, and what it documents for it.
    Words(String, Documented),
    Scores(Scores),
}

pub const OVERLAP: &str = "M014";
pub const GAP: &str = "M015";
pub const BAD_RANGE: &str = "M016";

#[derive(Debug)]
pub struct MapTable {
    texts: Vec<(String, Option<Json>)>,
    spans: Vec<(Bounds, Option<Json>)>,
}

/// A range, where it stands, and how it is written.
type Place = (Bounds, Range<usize>, String);

/// Both ends belong to the range. A single number is a range with equal ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    low: f64,
    high: f64,
    /// The ends have no decimals, so 6 and 7 are neighbours.
    whole: bool,
}

impl Bounds {
    /// A range takes digits as what they count, with or without zeros before them. A single number does not.
    fn is_open_to_codes(&self) -> bool {
        self.low < self.high
    }
}

impl MapTable {
    /// `keys`: what the keys stand for, as far as the table's source tells.
    pub fn read(node: &Node, page: &mut Page, has_default: bool, keys: Option<&Keys>) -> MapTable {
        let mut table = MapTable { texts: Vec::new(), spans: Vec::new() };
        let mut places: Vec<Place> = Vec::new();
        let (mut texts, mut unread) = (Vec::new(), false);
        if matches!(&node.kind, Kind::Map(entries) if entries.is_empty()) {
            page.error(EMPTY_VALUE, &node.span, "`map` is empty: nothing has a value")
                .help("write what each value becomes, or remove `map`");
        }
        for (key, value) in node.map(page, "`map`") {
            if value.scalar().is_none() {
                page.error(WRONG_KIND, &value.span, "`map` leads to texts, numbers, true or false").help(
                    "write one value for each key; a condition on more than one thing is a rule with `when`",
                );
                continue;
            }
            let value = fixed(value, page, "a value of `map`");
            match read_key(key, page) {
                Some(Key::Text(name)) => {
                    texts.push((name.clone(), key.span.clone()));
                    table.texts.push((name, value));
                }
                Some(Key::Meant(name)) => table.texts.push((name, value)),
                Some(Key::Range(bounds, name)) => {
                    table.spans.push((bounds, value));
                    places.push((bounds, key.span.clone(), name));
                }
                None => unread = true,
            }
        }
        let scores = match keys {
            Some(Keys::Scores(scores)) => Some(*scores),
            _ => None,
        };
        for (name, span) in &texts {
            check_text(page, span, name, (scores, !places.is_empty(), has_default));
        }
        if let Some(Keys::Words(name, known)) = keys {
            check_words(node, page, (name, *known), has_default);
        }
        if !(has_default || unread || places.is_empty()) {
            check_ends(page, &places, scores);
        }
        check_ranges(page, places, has_default || unread);
        table
    }
    /// The value for `key`. The outer `None`: no key fits.
    pub fn get(&self, key: &Json) -> Option<&Option<Json>> {
        let text = match key {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let exact = self.texts.iter().find(|(name, _)| *name == text).map(|(_, value)| value);
        exact.or_else(|| {
            let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
            // `12E3` is a number only if Goodays sent it as one, and `0075` is not the number 75.
            let is_name = key.is_string() && text.contains(|c: char| c.is_alphabetic());
            let is_code = key.is_string() && is_code(text.trim());
            self.spans
                .iter()
                .filter(|(span, _)| !is_name && (span.is_open_to_codes() || !is_code))
                .find(|(span, _)| span.low <= number && number <= span.high)
                .map(|(_, value)| value)
        })
    }

    /// Every value that the table can give.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        let texts = self.texts.iter().map(|(_, value)| value);
        texts.chain(self.spans.iter().map(|(_, value)| value)).flatten()
    }
}

/// Warns about keys that are none of the words that Goodays documents for `name`.
fn check_words(node: &Node, page: &mut Page, (name, known): (&str, Documented), has_default: bool) {
    let Kind::Map(entries) = &node.kind else { return };
    for (key, _) in entries {
        let Some(text) = key.scalar().map(|scalar| scalar.text.trim()) else { continue };
        let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let strange = documented::stranger(name, known, quoted.unwrap_or(text));
        let told = EVERYTHING_ELSE.contains(&text) || (PERHAPS_ELSE.contains(&text) && !has_default);
        if let Some((message, help)) = strange.filter(|_| !told) {
            page.warn(NEVER_EQUAL, &key.span, message).help(help);
        }
    }
}

/// Keys that can only mean everything else.
const EVERYTHING_ELSE: &[&str] =
    &["default", "else", "otherwise", "*", "_", "?", "", ".*", "...", "sonst", "sinon"];
/// Keys that mean everything else, unless they are an answer.
const PERHAPS_ELSE: &[&str] = &[
    "other", "others", "rest", "any", "all", "none", "absent", "missing", "empty", "autre", "autres",
    "andere",
];

/// A key that is a text. `scores`: the source gives numbers; `numbers`: other keys are numbers or ranges.
fn check_text(
    page: &mut Page,
    span: &Range<usize>,
    name: &str,
    (scores, numbers, has_default): (Option<Scores>, bool, bool),
) {
    let lower = name.to_lowercase();
    let perhaps = PERHAPS_ELSE.contains(&lower.as_str());
    let beside = "write `default: ...` beside `map`, not in it";
    let quoted = format!("; if the text is meant, put it in quotes of its own: \"'{name}'\"");
    if EVERYTHING_ELSE.contains(&lower.as_str()) || (perhaps && (numbers || scores.is_some())) {
        let message = format!("`{name}` is a text here: it does not stand for everything else");
        page.error(NEVER_EQUAL, span, message).help(format!("{beside}{quoted}"));
    } else if let Some(help) = ranges::among_numbers(name).filter(|_| numbers && !is_code(name)) {
        page.error(BAD_RANGE, span, format!("`{name}` is neither a number nor a range")).help(help);
    } else if let Some(Scores { kind, .. }) = scores {
        let message =
            format!("`{name}` is neither a number nor a range, and answers to `{kind}` are numbers");
        page.warn(NEVER_EQUAL, span, message).help(format!("{}{quoted}", ranges::SPELLING));
    } else if PERHAPS_ELSE.contains(&name) && !has_default {
        let message = format!("`{name}` is a text here: it does not stand for everything else");
        page.warn(NEVER_EQUAL, span, message).help(format!("{beside}{quoted}"));
    }
}

/// Warns about scores below the lowest range, or above the highest.
fn check_ends(page: &mut Page, places: &[Place], scores: Option<Scores>) {
    let Some(Scores { kind, ends: Some((lowest, highest)) }) = scores else { return };
    let covered = |score: i64| {
        #[expect(clippy::cast_precision_loss, reason = "scores are small")]
        let score = score as f64;
        places.iter().any(|(bounds, ..)| bounds.low <= score && score <= bounds.high)
    };
    let lower = |a: &&Place, b: &&Place| a.0.low.total_cmp(&b.0.low);
    let nearest = if !covered(lowest) {
        places.iter().min_by(lower).map(|place| (lowest, place))
    } else if !covered(highest) {
        places.iter().max_by(lower).map(|place| (highest, place))
    } else {
        None
    };
    let Some((missing, (_, span, _))) = nearest else { return };
    let message = format!("nothing stands for the score {missing}: `{kind}` goes from {lowest} to {highest}");
    page.warn(GAP, span, message)
        .help("add a range, or say with `default:` what the others become (`null`: nothing)");
}

enum Key {
    Text(String),
    /// A text in its own quotes. It is never read as a range.
    Meant(String),
    Range(Bounds, String),
}

/// One key. A key that only looks like a range is a finding: as a text it would hardly ever fit.
fn read_key(key: &Node, page: &mut Page) -> Option<Key> {
    if let Kind::List(ends) = &key.kind
        && let [Some(low), Some(high)] = ends.iter().map(Node::scalar).collect::<Vec<_>>().as_slice()
    {
        let help = format!("write \"{}..{}\"", low.text, high.text);
        page.error(BAD_RANGE, &key.span, "brackets make no range").help(help);
        return None;
    }
    let name = key.text(page, "a key of `map`")?.text.trim().to_owned();
    if suspect::curly(page, key) {
        return None;
    }
    if let Some(text) = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(Key::Meant(text.to_owned()));
    }
    let odd = ["...", "..=", "..<"].iter().any(|sign| name.contains(sign));
    match bounds(&name).filter(|_| !odd) {
        Some(Ok(bounds)) => return Some(Key::Range(bounds, name)),
        Some(Err(wrong)) => {
            page.error(BAD_RANGE, &key.span, format!("`{name}` is no range: {wrong}")).help(ranges::SPELLING);
        }
        None => match ranges::meant(&name) {
            Some(help) => {
                page.error(BAD_RANGE, &key.span, format!("`{name}` is no range; as a text it would not fit"))
                    .help(help);
            }
            None => return Some(Key::Text(name)),
        },
    }
    None
}

/// `None`: the key is a text, not a range.
fn bounds(name: &str) -> Option<Result<Bounds, String>> {
    let Some((low, high)) = name.split_once("..") else {
        let number = parse(name).filter(|_| !is_code(name))?;
        return Some(Ok(Bounds { low: number, high: number, whole: !name.contains('.') }));
    };
    let (low, high) = (low.trim(), high.trim());
    let numeric = |end: &str| end.is_empty() || parse(end).is_some();
    if !numeric(low) && !numeric(high) {
        return None; // a text with two dots in it
    }
    let end = |text: &str, open: f64| if text.is_empty() { Some(open) } else { parse(text) };
    let (Some(from), Some(to)) = (end(low, f64::NEG_INFINITY), end(high, f64::INFINITY)) else {
        return Some(Err("one of its ends is no number".to_owned()));
    };
    if low.is_empty() && high.is_empty() {
        return Some(Err("it has no end at all".to_owned()));
    }
    if from > to {
        return Some(Err(format!("{low} is above {high}")));
    }
    Some(Ok(Bounds { low: from, high: to, whole: !low.contains('.') && !high.contains('.') }))
}

/// The digits that a number is sure to hold.
const DIGITS_OF_NUMBERS: usize = 15;

/// Digits that are a name, such as a shop's `0075`: as a number they would be another text, or another name's number.
fn is_code(text: &str) -> bool {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    let padded = plain.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    parse(text).is_some() && (padded || digits > DIGITS_OF_NUMBERS)
}

fn parse(text: &str) -> Option<f64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let digits =
        plain.chars().all(|c| c.is_ascii_digit() || c == '.') && plain.chars().any(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn check_ranges(page: &mut Page, mut places: Vec<Place>, has_default: bool) {
    places.sort_by(|a, b| a.0.low.total_cmp(&b.0.low));
    for pair in places.windows(2) {
        let [(before, _, before_name), (after, span, name)] = pair else { continue };
        let step = if before.whole && after.whole { 1.0 } else { 0.0 };
        if after.low <= before.high {
            page.error(OVERLAP, span, format!("`{name}` and `{before_name}` overlap"))
                .label("both ends belong to a range")
                .help(format!(
                    "a value in both would be {before_name}'s or {name}'s by chance; move one end"
                ));
        } else if after.low > before.high + step && !has_default {
            page.warn(GAP, span, format!("nothing stands for values between `{before_name}` and `{name}`"))
                .help("close the gap, or say with `default:` what they become");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let of = |text: &str| bounds(text).and_then(Result::ok).map(|b| (b.low, b.high));
        assert_eq!(of("0..6"), Some((0.0, 6.0)));
        assert_eq!(of("0.5..6.25"), Some((0.5, 6.25)));
        assert_eq!(of("..6"), Some((f64::NEG_INFINITY, 6.0)));
        assert_eq!(of("9.."), Some((9.0, f64::INFINITY)));
        assert_eq!(of("-3..-1"), Some((-3.0, -1.0)));
        assert_eq!(of("7"), Some((7.0, 7.0)));
        assert!(matches!(bounds("6..0"), Some(Err(_))));
        assert!(matches!(bounds(".."), Some(Err(_))));
        assert!(matches!(bounds("0..a"), Some(Err(_))));
        assert!(bounds("Wait..what").is_none());
        assert_eq!(of("0"), Some((0.0, 0.0)));
        assert_eq!(of("0.5"), Some((0.5, 0.5)));
        assert_eq!(of("999999999999999"), Some((999_999_999_999_999.0, 999_999_999_999_999.0)));
        for name in ["0075", "00", "-07", "3014260000001234", "12E3"] {
            assert!(bounds(name).is_none(), "{name} is a text");
        }
        assert!(bounds("Problem").is_none());
    }
}
