//! Explains mistakes in the layout of a YAML file to somebody who sees only blanks.

use std::ops::Range;

use crate::document::diagnostic::Page;
use crate::document::yaml::{INVISIBLE, Kind, Node, SYNTAX};

/// Letters that look like a blank or are invisible, and that YAML reads as text.
fn is_unseen(letter: char) -> bool {
    is_odd_blank(letter)
        || is_direction(letter)
        || matches!(letter, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}')
        || matches!(letter, '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{feff}')
}

/// Blanks other than the ordinary one.
fn is_odd_blank(letter: char) -> bool {
    matches!(letter, '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Marks that say in which direction letters are written.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether an unseen letter belongs to the text: a no-break space before a French `!`, what joins the parts of an
/// emoji or of Persian words, a mark of direction beside Hebrew.
fn belongs(text: &str, at: usize, letter: char) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + letter.len_utf8()..].chars().next();
    let (Some(before), Some(after)) = (before, after) else { return false };
    if is_direction(letter) {
        return text.chars().any(|c| ('\u{590}'..='\u{8ff}').contains(&c));
    }
    match letter {
        '\u{200c}' | '\u{200d}' => !before.is_ascii() && !after.is_ascii(),
        '\u{3000}' => before >= '\u{2e80}' || after >= '\u{2e80}',
        _ if is_odd_blank(letter) => {
            "!?:;»%€$£–—".contains(after)
                || "«–—°".contains(before)
                || (before.is_ascii_digit() && after.is_alphanumeric())
        }
        _ => false,
    }
}

/// Warns of letters that nobody sees, wherever in a key or a value they stand. Those at the ends of a plain text are
/// errors already.
pub fn check_texts(page: &mut Page, node: &Node) {
    match &node.kind {
        Kind::Scalar(_) => check_text(page, node),
        Kind::List(items) => items.iter().for_each(|item| check_texts(page, item)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                check_texts(page, key);
                check_texts(page, value);
            }
        }
    }
}

/// The source is looked at, not the value: who writes `\u200B` means it.
fn check_text(page: &mut Page, node: &Node) {
    let raw = page.text[node.span.clone()].to_owned();
    let unseen = raw.char_indices().find(|(at, letter)| is_unseen(*letter) && !belongs(&raw, *at, *letter));
    let Some((at, letter)) = unseen else { return };
    let number = u32::from(letter);
    let message = format!("{} (U+{number:04X}) stands in this text", what(letter));
    let help = format!("{TEXTS_HELP}; if it is meant, write `\\u{number:04X}` in double quotes");
    let at = node.span.start + at;
    page.warn(INVISIBLE, &(at..at + letter.len_utf8()), message).help(help);
}

const TEXTS_HELP: &str = "delete it, or type an ordinary blank: such letters come with texts that were copied, and make equal words unequal";
const BLANKS_HELP: &str =
    "delete it and type an ordinary blank: it came with a text that was copied from a web page or a document";

/// Reports a syntax error that the parser met at `at`. The line before is checked too: it is often the cause.
pub fn syntax(page: &mut Page, at: usize, detail: &str) {
    let text = std::sync::Arc::clone(&page.text);
    let at = floor(&text, at);
    let line = line_at(&text, at);
    let before = if line.start == 0 { 0..0 } else { line_at(&text, line.start - 1) };
    for near in [&line, &before] {
        let indent = indentation(&text[near.clone()]);
        if let Some(tab) = indent.find('\t') {
            let tab = near.start + tab;
            page.error(SYNTAX, &(tab..tab + 1), "this is not YAML: a tab stands in the indentation")
                .help("indent with blanks, two for each step");
            return;
        }
        let blank = text[near.clone()].char_indices().find(|(_, letter)| is_unseen(*letter));
        if let Some((offset, letter)) = blank {
            invisible(page, near.start + offset, letter);
            return;
        }
    }
    if detail.contains("recursion limit exceeded") {
        page.error(SYNTAX, &(at..at + 1), "lists or mappings stand too deep in each other here")
            .help("a rule needs three or four levels: look for brackets that are not closed");
        return;
    }
    let help = indented_otherwise(&text, &line).unwrap_or_else(|| usual_help(&text[line.clone()]).to_owned());
    page.error(SYNTAX, &(at..at + 1), format!("this is not YAML: {detail}")).help(help);
}

fn usual_help(line: &str) -> &'static str {
    let after_key = line.split_once(": ").map_or(line, |(_, value)| value);
    let comparison =
        ['{', ',', ' '].iter().any(|c| line.contains(&format!("{c}>=")) || line.contains(&format!("{c}>")));
    if line.contains(['“', '”', '‘', '’', '„']) {
        "curly quotes are no quotes in YAML: use straight ones, \"...\""
    } else if line.contains("{{") || line.contains("{%") {
        "put the template in double quotes: \"{{ ... }}\""
    } else if comparison || line.trim_start().starts_with('>') {
        "keys of `map` that are ranges stand in quotes: \"9..\""
    } else if after_key.trim_start().starts_with(['%', '@', '`', '!', '&', '*']) {
        "a text that begins with such a sign needs double quotes"
    } else if line.matches(": ").count() > 1 && !line.contains('{') {
        "a text with `: ` in it needs quotes"
    } else {
        "look for a bracket or a quote that is not closed, or a line that is indented otherwise than its neighbours"
    }
}

/// Reports an invisible letter at either end of a plain text, or after its `:`.
pub fn check_plain(page: &mut Page, span: &Range<usize>, text: &str) {
    let raw = page.text[span.clone()].to_owned();
    let trimmed = text.trim_matches(is_unseen);
    let behind_colon = |at: usize| raw[at + 1..].chars().next().filter(|letter| is_unseen(*letter));
    let inside = raw.match_indices(':').find_map(|(at, _)| Some((at + 1, behind_colon(at)?)));
    let first = raw.chars().next().filter(|letter| is_unseen(*letter)).map(|letter| (0, letter));
    let last = raw.char_indices().next_back().filter(|(_, letter)| is_unseen(*letter));
    if trimmed == text && inside.is_none() {
        return;
    }
    if let Some((at, letter)) = first.or(inside).or(last) {
        invisible(page, span.start + at, letter);
    }
}

fn what(letter: char) -> &'static str {
    match letter {
        '\u{a0}' | '\u{202f}' | '\u{2007}' => "a no-break space",
        '\u{3000}' => "a wide space",
        '\u{feff}' => "a byte order mark",
        letter if is_odd_blank(letter) => "a blank of another width",
        _ => "a letter that nobody sees",
    }
}

fn invisible(page: &mut Page, at: usize, letter: char) {
    let message = format!(
        "{} (U+{:04X}) stands where YAML wants an ordinary blank, or nothing",
        what(letter),
        u32::from(letter)
    );
    page.error(INVISIBLE, &(at..at + letter.len_utf8()), message).help(BLANKS_HELP);
}

/// Help for a line whose indentation matches no line before it.
fn indented_otherwise(text: &str, line: &Range<usize>) -> Option<String> {
    let mut steps: Vec<usize> = Vec::new();
    let mut opens = false;
    for before in text[..line.start].lines().filter(|line| is_code(line)) {
        let depth = depth(before);
        steps.retain(|step| *step < depth);
        steps.push(depth);
        opens = before.split(" #").next().unwrap_or(before).trim_end().ends_with([':', '-', '|', '>']);
    }
    let own = depth(&text[line.clone()]);
    let last = *steps.last()?;
    if steps.contains(&own) || (own > last && opens) {
        return None;
    }
    let blanks = |count: usize| if count == 1 { "1 blank".to_owned() } else { format!("{count} blanks") };
    if own > last {
        // One of the two is wrong, and only the author knows which.
        let (own, last) = (blanks(own), blanks(last));
        return Some(format!(
            "this line is indented by {own}, the one before it by {last}: give lines that belong together the same"
        ));
    }
    let right = steps.iter().rev().find(|step| **step > own).unwrap_or(&last);
    Some(format!(
        "this line is indented by {}, its neighbours by {}: give it the same",
        blanks(own),
        blanks(*right)
    ))
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |start| start + 1);
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    start..end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
