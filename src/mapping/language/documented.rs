//! Words that Goodays documents, and comparisons with others. They are likely mistakes, and no more than that: Goodays
//! may send what it does not document.

use crate::document::diagnostic::{nearest, one_of};
use crate::mapping::language::jinja::{Kind, Token};
use crate::mapping::language::mistake::{Mistake, NEVER_EQUAL};
use crate::mapping::language::operands::{Comparison, Literal, Subject, comparisons, subject};
use crate::mapping::language::shape::is_leaf;

/// What Goodays sends under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documented {
    Words(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A text of any kind.
    Text,
}

/// What an answer, a close or a message takes as `remark_type`.
pub const REMARK_TYPES: &[&str] = &["Praise", "Question", "Idea", "Problem", "Message"];

const EVENTS: &[&str] = &["response", "message", "delegated", "reply"];
const MESSAGE_TYPES: &[&str] = &["Praise", "Question", "Idea", "Problem", "Message", "NoType"];
const STATES: &[&str] = &["open", "closed", "pending", "spam"];

fn documented(root: &str, path: &str) -> Option<Documented> {
    match (root, path) {
        ("event", "") => Some(Documented::Words(EVENTS)),
        ("response", "message.type" | "reply.type") | ("message", "type") => {
            Some(Documented::Words(MESSAGE_TYPES))
        }
        ("response", "state") => Some(Documented::Words(STATES)),
        (
            "response",
            "alert_triggered"
            | "user.opt_in.newsletter"
            | "user.opt_in.email"
            | "user.opt_in.sms"
            | "place.enabled"
            | "delegated_to.enabled"
            | "survey.enabled",
        ) => Some(Documented::Flag),
        _ => is_leaf(root, path).then_some(Documented::Text),
    }
}

fn named(subject: &Subject<'_>) -> Option<(String, Documented)> {
    let Subject::Path(root, path) = subject else { return None };
    let name = if path.is_empty() { (*root).to_owned() } else { format!("{root}.{path}") };
    documented(root, path).map(|known| (name, known))
}

/// Whether it is a text in every event that has it.
pub fn is_text(root: &str, path: &str) -> bool {
    matches!(documented(root, path), Some(Documented::Text | Documented::Words(_)))
}

/// The name that the whole expression is, if Goodays documents its words.
pub fn whole(tokens: &[Token<'_>]) -> Option<(String, Documented)> {
    named(&subject(tokens)?)
}

/// Comparisons with what Goodays does not send.
pub fn compared(tokens: &[Token<'_>]) -> Vec<Mistake> {
    let all = comparisons(tokens);
    // Who writes `x == '7' or x == 7` knows that one of them never holds.
    let both = |one: &Comparison<'_>| {
        let same = || all.iter().filter(|other| other.subject == one.subject).flat_map(|other| &other.with);
        same().any(|with| !with.is_text) && same().any(|with| with.is_text)
    };
    let equal = all.iter().filter(|one| one.asks_equality() && !both(one));
    equal.flat_map(|one| one.with.iter().filter_map(|with| one_comparison(one, with))).collect()
}

fn one_comparison(one: &Comparison<'_>, with: &Literal<'_>) -> Option<Mistake> {
    if with.is_blank() {
        return None;
    }
    if let Subject::Answer(kind) = one.subject {
        return answer(kind, with).filter(|_| with.is_text);
    }
    let (name, known) = named(&one.subject)?;
    if !with.is_text {
        return (known != Documented::Flag).then(|| number(&name, with));
    }
    let (message, help) = match known {
        Documented::Words(_) => stranger(&name, known, with.text)?,
        Documented::Flag => (
            format!("`{name}` is true or false, so it never equals the text '{}'", with.text),
            format!("write `{name}` alone, or `not {name}`"),
        ),
        Documented::Text => return None,
    };
    Some(Mistake::warning(NEVER_EQUAL, with.span.clone(), message, help))
}

/// A text of Goodays beside a number, or beside true or false.
fn number(name: &str, with: &Literal<'_>) -> Mistake {
    let message = format!("`{name}` is a text, so it never equals {}", with.shown());
    let help = if with.is_truth() {
        format!("ask whether it is there: `{name} is not none`")
    } else {
        format!("write it in quotes: '{}'", with.text)
    };
    // What stands under `context` comes from the shop's own link, and Goodays documents no kind.
    if name.starts_with("response.context.") {
        return Mistake::warning(NEVER_EQUAL, with.span.clone(), message, help);
    }
    Mistake::error(NEVER_EQUAL, with.span.clone(), message, help)
}

/// A text that is a number arrives as a number, whatever the kind of the question.
fn answer(kind: Option<&str>, with: &Literal<'_>) -> Option<Mistake> {
    let number = with.text.trim();
    if serde_json::from_str::<serde_json::Number>(number).is_ok() {
        let message =
            format!("an answer that reads {number} is a number, so it never equals the text '{}'", with.text);
        let help = format!("write it without quotes: {number}");
        return Some(Mistake::error(NEVER_EQUAL, with.span.clone(), message, help));
    }
    let kind = kind.filter(|kind| matches!(*kind, "nps" | "stars"))?;
    let message = format!("answers to `{kind}` are numbers, so none equals the text '{}'", with.text);
    Some(Mistake::warning(NEVER_EQUAL, with.span.clone(), message, "compare with a number, such as `>= 9`"))
}

/// Message and help for a word that is not among the documented ones. `None`: it is.
pub fn stranger(name: &str, known: Documented, word: &str) -> Option<(String, String)> {
    match known {
        Documented::Words(words) => (!words.contains(&word)).then(|| undocumented(name, words, word)),
        Documented::Text => None,
        Documented::Flag if matches!(word, "true" | "false") => None,
        Documented::Flag => Some((
            format!("`{name}` is true or false, never `{word}`"),
            "the keys are `true` and `false`".to_owned(),
        )),
    }
}

fn undocumented(name: &str, known: &[&str], word: &str) -> (String, String) {
    let message = format!("Goodays documents no `{word}` for `{name}`");
    let help = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it documents {}", one_of(known)),
    };
    (message, help)
}

/// Fixed texts that `remark_type` can be, and that Goodays does not document.
pub fn remark_types(tokens: &[Token<'_>]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let after = tokens.get(at + 1);
        let is_result = before.is_none_or(|token| token.is("or") || token.is("else"))
            && after.is_none_or(|token| token.is("or") || token.is("if"));
        let text = token.text.get(1..token.text.len().saturating_sub(1)).unwrap_or_default();
        if token.kind == Kind::Text && is_result && !text.trim().is_empty() && !REMARK_TYPES.contains(&text) {
            let (message, help) = undocumented("remark_type", REMARK_TYPES, text);
            found.push(Mistake::warning(NEVER_EQUAL, token.span(), message, help));
        }
    }
    found
}
