//! Keys of `map` that are meant as ranges and are written as in other languages.
//!
//! Read as texts they would never fit, and a detractor would silently get the default.

use unicode_normalization::UnicodeNormalization;

/// How the mapping language writes a range.
pub const SPELLING: &str = "ranges are written \"0..6\", \"..6\" or \"9..\"; both ends belong to them";

/// The help for a text that looks like a range, for example the answer `18-25`.
const AS_TEXT: &str = "; if the text is meant, put it in quotes of its own: \"'…'\"";

/// The help for a key that is meant as a range. `None`: the key is a text.
pub fn meant(name: &str) -> Option<String> {
    let words = words(name)?;
    let numbers: Vec<&Word> = words.iter().filter(|word| matches!(word, Word::Number(_))).collect();
    if numbers.len() == words.len() || numbers.is_empty() {
        return None;
    }
    let right = match numbers.as_slice() {
        [Word::Number(one)] => one_end(&words, one)?,
        [Word::Number(low), Word::Number(high)] => two_ends(&words, low, high)?,
        [Word::Number(first), .., Word::Number(last)] if listed(&words) => {
            format!("a key for each number, or {} for all between", ordered(first, last))
        }
        _ if words.iter().any(Word::compares) => String::new(),
        _ => return None,
    };
    let help = if right.is_empty() { SPELLING.to_owned() } else { format!("write {right}") };
    Some(help + &as_text(name))
}

/// How a text is written that looks like a range.
fn as_text(name: &str) -> String {
    AS_TEXT.replace('…', &name.replace('"', ""))
}

/// The help for a key without letters, for example `0/6`, in a table of numbers. `None`: it may be a text.
pub fn among_numbers(name: &str) -> Option<String> {
    let odd = name.chars().any(|c| c.is_ascii_digit()) && !name.chars().any(char::is_alphabetic);
    odd.then(|| SPELLING.to_owned() + &as_text(name))
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Number(String),
    /// A word or a sign, in lower case.
    Other(String),
}

impl Word {
    fn compares(&self) -> bool {
        matches!(self, Word::Other(sign) if sign.starts_with(['<', '>', '=']))
    }

    fn shape(&self) -> &str {
        match self {
            Word::Number(_) => "#",
            Word::Other(word) => word,
        }
    }
}

/// `None`: the key has signs that no range has.
fn words(name: &str) -> Option<Vec<Word>> {
    let text: String = name.nfkc().collect::<String>().to_lowercase();
    let letters: Vec<char> = text.chars().collect();
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let after_number = matches!(words.last(), Some(Word::Number(_)));
        let sign_of_number =
            letter == '-' && !after_number && letters.get(at + 1).is_some_and(char::is_ascii_digit);
        let from = at;
        if letter.is_whitespace() {
            at += 1;
        } else if letter.is_ascii_digit() || sign_of_number {
            at = number_end(&letters, at + 1);
            words.push(Word::Number(letters[from..at].iter().collect()));
        } else if letter.is_alphabetic() {
            while at < letters.len() && (letters[at].is_alphabetic() || matches!(letters[at], '\'' | '’')) {
                at += 1;
            }
            let word: String = letters[from..at].iter().collect();
            words.push(Word::Other(word.replace('’', "'")));
        } else {
            let (sign, length) = sign(&letters[at..])?;
            at += length;
            words.push(Word::Other(sign.to_owned()));
        }
    }
    Some(words)
}

fn number_end(letters: &[char], mut at: usize) -> usize {
    while letters.get(at).is_some_and(char::is_ascii_digit) {
        at += 1;
    }
    if letters.get(at) == Some(&'.') && letters.get(at + 1).is_some_and(char::is_ascii_digit) {
        at += 1;
        while letters.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
    }
    at
}

const LONG: [(&str, &str); 9] = [
    ("...", "..."),
    ("..=", "..="),
    ("..<", "..<"),
    ("..", ".."),
    ("<=", "<="),
    ("=<", "<="),
    (">=", ">="),
    ("=>", ">="),
    ("<>", "<>"),
];

/// The sign at the start of these letters, in one spelling, and its length.
fn sign(letters: &[char]) -> Option<(&'static str, usize)> {
    let starts = |text: &str| text.chars().enumerate().all(|(at, letter)| letters.get(at) == Some(&letter));
    if let Some((text, sign)) = LONG.iter().find(|(text, _)| starts(text)) {
        return Some((sign, text.len()));
    }
    let sign = match letters[0] {
        '-' | '–' | '—' | '‐' | '‑' | '‒' | '―' | '−' | '~' | '∼' | '→' => "-",
        '≤' | '⩽' => "<=",
        '≥' | '⩾' => ">=",
        '<' => "<",
        '>' => ">",
        '=' => "=",
        '+' => "+",
        '[' | '(' | '{' => "[",
        ']' | ')' | '}' => "]",
        ',' => ",",
        ';' => ";",
        ':' => ":",
        '&' => "and",
        '|' => "|",
        _ => return None,
    };
    Some((sign, 1))
}

const AT_MOST: &[&str] = &[
    "<= #",
    "up to #",
    "at most #",
    "max #",
    "maximum #",
    "to #",
    "until #",
    "# or less",
    "# or lower",
    "# or below",
    "# or under",
    "# and less",
    "# and lower",
    "# and below",
    "# and under",
    "# and down",
    "... #",
    "..= #",
    "jusqu'à #",
    "au plus #",
    "# ou moins",
    "# et moins",
    "bis #",
    "höchstens #",
    "# oder weniger",
];
const BELOW: &[&str] = &[
    "< #",
    "..< #",
    "under #",
    "below #",
    "less than #",
    "lower than #",
    "smaller than #",
    "fewer than #",
    "moins de #",
    "unter #",
    "weniger als #",
];
const AT_LEAST: &[&str] = &[
    ">= #",
    "at least #",
    "min #",
    "minimum #",
    "from #",
    "# or more",
    "# or higher",
    "# or above",
    "# or over",
    "# or greater",
    "# and more",
    "# and higher",
    "# and above",
    "# and over",
    "# and up",
    "# up",
    "# plus",
    "# +",
    "+ #",
    "# ...",
    "# ..=",
    "# ou plus",
    "# et plus",
    "au moins #",
    "dès #",
    "à partir de #",
    "ab #",
    "mindestens #",
    "# oder mehr",
    "# und mehr",
];
const ABOVE: &[&str] = &[
    "> #",
    "over #",
    "above #",
    "more than #",
    "greater than #",
    "higher than #",
    "plus de #",
    "über #",
    "mehr als #",
];

/// The right spelling for one number with a word or a sign. Empty when the key can be read in two ways.
fn one_end(words: &[Word], number: &str) -> Option<String> {
    let shape = shape(words);
    let is = |list: &[&str]| list.contains(&shape.as_str());
    // `nps <= 6`: the name before the sign is ignored.
    let named = matches!(words, [Word::Other(name), sign, Word::Number(_)]
        if sign.compares() && name.chars().all(char::is_alphabetic));
    let compared = if named { self::shape(&words[1..]) } else { shape.clone() };
    let step = |by: i64| number.parse::<i64>().ok().map(|whole| whole + by);
    if is(AT_MOST) || compared == "<= #" {
        Some(format!("\"..{number}\""))
    } else if is(AT_LEAST) && !(shape == "+ #" && number.len() > 4) || compared == ">= #" {
        Some(format!("\"{number}..\""))
    } else if is(BELOW) || compared == "< #" {
        Some(step(-1).map_or_else(String::new, |below| format!("\"..{below}\"")))
    } else if is(ABOVE) || compared == "> #" {
        Some(step(1).map_or_else(String::new, |above| format!("\"{above}..\"")))
    } else if shape == "# -" {
        Some(format!("\"{number}..\" or \"..{number}\""))
    } else {
        words.iter().any(Word::compares).then(String::new)
    }
}

/// Words and signs between two ends, and around them.
const BETWEEN: &[&str] = &[
    "-", "to", "until", "till", "through", "thru", "à", "bis", "..", "...", "..=", "..<", ":", ";", ",", "|",
    "and", "et", "und",
];
const AROUND: &[&str] = &["[", "]", "from", "between", "de", "von", "entre", "zwischen"];

/// `0,1,2,3`
fn listed(words: &[Word]) -> bool {
    let between = [",", ";", "|", "and", "or", "et", "ou", "und", "oder"];
    words.iter().all(|word| word.shape() == "#" || between.contains(&word.shape()))
}

fn two_ends(words: &[Word], low: &str, high: &str) -> Option<String> {
    if words.iter().any(Word::compares) {
        return Some(ordered(low, high));
    }
    let inner: Vec<&str> = words.iter().map(Word::shape).filter(|word| !AROUND.contains(word)).collect();
    let ["#", between, "#"] = inner.as_slice() else { return None };
    let code = padded(low) || padded(high) || (low.len() == 4 && high.len() <= 2);
    if !BETWEEN.contains(between) || (matches!(*between, "-" | ":") && code) {
        return None; // `2024-05` is a month
    }
    let bracketed = inner.len() < words.len();
    if *between == "," && !bracketed {
        return Some(format!(
            "\"{low}.{high}\" for a number with decimals, {} for a range",
            ordered(low, high)
        ));
    }
    match (*between, high.parse::<i64>()) {
        ("..<", Ok(high)) => Some(format!("\"{low}..{}\"", high - 1)),
        _ => Some(ordered(low, high)),
    }
}

fn ordered(low: &str, high: &str) -> String {
    let above = |a: &str, b: &str| a.parse::<f64>().ok() > b.parse::<f64>().ok();
    if above(low, high) { format!("\"{high}..{low}\"") } else { format!("\"{low}..{high}\"") }
}

/// `05`, `001`: a number of a fixed length, as in codes and dates.
fn padded(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0') && !number.contains('.')
}

fn shape(words: &[Word]) -> String {
    words.iter().map(Word::shape).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e01_other_spellings_of_ranges_are_told_with_the_right_one() {
        let spellings = [
            ("0-6", "\"0..6\""),
            ("0 - 6", "\"0..6\""),
            ("0–6", "\"0..6\""),
            ("0—6", "\"0..6\""),
            ("0 to 6", "\"0..6\""),
            ("0 à 6", "\"0..6\""),
            ("0 bis 6", "\"0..6\""),
            ("from 0 to 6", "\"0..6\""),
            ("between 0 and 6", "\"0..6\""),
            ("[0,6]", "\"0..6\""),
            ("[0, 6)", "\"0..6\""),
            ("0...6", "\"0..6\""),
            ("0…6", "\"0..6\""),
            ("0..=6", "\"0..6\""),
            ("0..<7", "\"0..6\""),
            ("0:6", "\"0..6\""),
            ("0~6", "\"0..6\""),
            ("0\u{a0}–\u{a0}6", "\"0..6\""),
            ("6-0", "\"0..6\""),
            ("0.5-6.5", "\"0.5..6.5\""),
            ("-3 - -1", "\"-3..-1\""),
            ("0 <= x <= 6", "\"0..6\""),
            (">=0 and <=6", "\"0..6\""),
            ("<= 6", "\"..6\""),
            ("≤6", "\"..6\""),
            ("=<6", "\"..6\""),
            ("<7", "\"..6\""),
            ("nps < 7", "\"..6\""),
            ("up to 6", "\"..6\""),
            ("6 or less", "\"..6\""),
            ("jusqu’à 6", "\"..6\""),
            ("..=6", "\"..6\""),
            ("...6", "\"..6\""),
            (">=9", "\"9..\""),
            ("≥ 9", "\"9..\""),
            ("=> 9", "\"9..\""),
            ("> 8", "\"9..\""),
            ("7+", "\"7..\""),
            ("7 +", "\"7..\""),
            ("7 and up", "\"7..\""),
            ("7 & up", "\"7..\""),
            ("at least 9", "\"9..\""),
            ("9 ou plus", "\"9..\""),
            ("9...", "\"9..\""),
            ("６＋", "\"6..\""),
            ("6-", "\"6..\""),
            ("6,5", "\"6.5\""),
            ("18-25", "\"18..25\""),
        ];
        for (name, right) in spellings {
            let help = meant(name).unwrap_or_else(|| panic!("{name} is taken as a text"));
            assert!(help.contains(right), "{name}: {help}");
        }
        for name in
            ["< 6.5", "x <> 6", "0 < x < 6 < y", "= 6", "== 6", "0,1,2,3", "0; 1; 2", "[0..6]", "{0..6}"]
        {
            assert!(meant(name).is_some(), "{name}");
        }
    }

    #[test]
    fn e01_texts_with_numbers_in_them_stay_texts() {
        let texts = [
            "Problem",
            "2020-01-28",
            "2024-05",
            "2026-10",
            "09:30",
            "Level 2",
            "A-1",
            "1st",
            "12 rue",
            "06 12 34 56 78",
            "+33612345678",
            "18-25 ans",
            "v1.2",
            "1/5",
            "n°6",
            "à",
            "to",
            "<b>",
            "a - b",
            "Wait..what",
            "10 12",
            "75-001",
            "1-2-3",
            "(7)",
        ];
        for name in texts {
            assert_eq!(meant(name), None, "{name}");
        }
    }
}
