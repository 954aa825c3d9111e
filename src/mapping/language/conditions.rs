//! Whether a condition holds whenever another one does, as far as that is seen without evaluating: a rule behind such a
//! condition is never reached.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::diagnostic::Place;
use crate::mapping::language::expr::Expr;
use crate::mapping::language::jinja::{Kind, Token, closes, expression, is_comparison, opens};
use crate::mapping::language::names::{Use, uses};
use crate::mapping::language::scope::scope;

/// A condition in a form in which differences of spelling are gone: alternatives, each of parts that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    alternatives: Vec<BTreeSet<String>>,
}

/// Above it, a condition is taken as one part. Long lists would take long to compare.
const MOST: usize = 60;

impl Condition {
    pub fn of(source: &str) -> Self {
        Self { alternatives: alternatives(&expression(source)) }
    }

    /// The condition of a rule that has none.
    pub fn none() -> Self {
        Self { alternatives: vec![BTreeSet::new()] }
    }

    /// Whether it holds whatever is asked, as `true` and `1 == 1` do.
    pub fn always(&self) -> bool {
        self.alternatives.iter().any(BTreeSet::is_empty)
    }

    /// Whether it holds whenever the other one does. False also where that is not seen.
    pub fn covers(&self, other: &Self) -> bool {
        let covered = |theirs: &BTreeSet<String>| self.alternatives.iter().any(|ours| ours.is_subset(theirs));
        other.alternatives.iter().all(covered)
    }
}

fn alternatives(tokens: &[Token<'_>]) -> Vec<BTreeSet<String>> {
    let tokens = without_brackets(tokens);
    let has = |word: &str| places(tokens, word).next().is_some();
    let one = || vec![part(tokens)];
    if has("if") {
        return one();
    }
    if has("or") {
        let all: Vec<_> = split(tokens, "or").into_iter().flat_map(alternatives).collect();
        return if all.len() > MOST { one() } else { all };
    }
    if has("and") {
        let mut all = vec![BTreeSet::new()];
        for factor in split(tokens, "and") {
            let theirs = alternatives(factor);
            if all.len() * theirs.len() > MOST {
                return one();
            }
            let joined = |ours: &BTreeSet<String>| {
                theirs.iter().map(|theirs| ours.union(theirs).cloned().collect()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(joined).collect();
        }
        return all;
    }
    listed(tokens).unwrap_or_else(one)
}

/// `x in ['a', 'b']` holds where `x == 'a'` or `x == 'b'` does.
fn listed(tokens: &[Token<'_>]) -> Option<Vec<BTreeSet<String>>> {
    let at = places(tokens, "in").next()?;
    let (before, after) = (&tokens[..at], &tokens[at + 1..]);
    let [open, inside @ .., close] = after else { return None };
    let computed = before.iter().any(|token| token.is("not") || is_comparison(token));
    if computed || !open.is("[") || !close.is("]") {
        return None;
    }
    let items: Vec<_> = inside.split(|token| token.is(",")).filter(|item| !item.is_empty()).collect();
    let literal = |item: &&[Token<'_>]| matches!(item, [one] if is_literal(one));
    (!items.is_empty() && items.len() <= MOST && items.iter().all(literal)).then(|| {
        let equal = |item: &[Token<'_>]| BTreeSet::from([format!("{} == {}", words(before), words(item))]);
        items.into_iter().map(equal).collect()
    })
}

/// A part that is not taken apart any more; none if it always holds.
fn part(tokens: &[Token<'_>]) -> BTreeSet<String> {
    if is_constant(tokens) && holds(tokens) {
        return BTreeSet::new();
    }
    BTreeSet::from([turned(tokens).unwrap_or_else(|| words(tokens))])
}

fn is_constant(tokens: &[Token<'_>]) -> bool {
    let reads = |used: &Use<'_>| matches!(used, Use::Path(_) | Use::Local(..));
    !tokens.is_empty() && !uses(tokens).iter().any(reads)
}

fn holds(tokens: &[Token<'_>]) -> bool {
    let at = Place { file: Arc::from(""), line: 0, column: 0 };
    let source = tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
    Expr::new(&source, at).is_ok_and(|expr| expr.holds(&scope([])) == Ok(true))
}

/// `'a' == x` as `x == 'a'`.
fn turned(tokens: &[Token<'_>]) -> Option<String> {
    let [literal, sign, rest @ ..] = tokens else { return None };
    let simple = is_literal(literal) && is_comparison(sign) && !rest.iter().any(is_comparison);
    let alone = !matches!(rest, [one] if is_literal(one)) && !rest.is_empty();
    let plain = rest.iter().all(|token| token.kind == Kind::Name || token.is("."));
    let mirrored = match sign.text {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    };
    (simple && alone && plain).then(|| format!("{} {mirrored} {}", words(rest), word(literal)))
}

fn is_literal(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Text | Kind::Number)
}

/// The tokens with one blank between them, and one kind of quotes.
fn words(tokens: &[Token<'_>]) -> String {
    let mut out = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        // `case['Status']` is `case.Status`.
        match after {
            [name, close, ..] if first.is("[") && !out.is_empty() && close.is("]") && is_field(name) => {
                out.push(".".to_owned());
                out.push(name.text[1..name.text.len() - 1].to_owned());
                rest = &after[2..];
            }
            _ => {
                out.push(word(first));
                rest = after;
            }
        }
    }
    out.join(" ")
}

fn is_field(token: &Token<'_>) -> bool {
    let name = token.text.get(1..token.text.len().saturating_sub(1)).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    token.kind == Kind::Text && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits)
}

fn word(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Text if !token.text.contains('\'') => token.text.replace('"', "'"),
        _ => token.text.to_owned(),
    }
}

/// The tokens without brackets around all of them.
fn without_brackets<'t, 's>(tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
    let mut inner = tokens;
    while let [open, middle @ .., close] = inner
        && open.is("(")
        && close.is(")")
        && balanced(middle)
        && places(middle, ",").next().is_none()
    {
        inner = middle;
    }
    inner
}

/// Whether no bracket closes that did not open here.
fn balanced(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        if opens(token) {
            depth += 1;
        } else if closes(token) {
            let Some(less) = depth.checked_sub(1) else { return false };
            depth = less;
        }
    }
    depth == 0
}

/// The places of a word outside of all brackets.
fn places<'t>(tokens: &'t [Token<'_>], word: &'t str) -> impl Iterator<Item = usize> + 't {
    let mut depth = 0_usize;
    tokens.iter().enumerate().filter_map(move |(at, token)| {
        if opens(token) {
            depth += 1;
        } else if closes(token) {
            depth = depth.saturating_sub(1);
        }
        (depth == 0 && token.is(word)).then_some(at)
    })
}

fn split<'t, 's>(tokens: &'t [Token<'s>], word: &str) -> Vec<&'t [Token<'s>]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for at in places(tokens, word) {
        parts.push(&tokens[from..at]);
        from = at + 1;
    }
    parts.push(&tokens[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mapping::language::scope::to_value;

    /// Whether each condition holds for records with every mixture of some values.
    fn outcomes(source: &str) -> Vec<bool> {
        let at = Place { file: Arc::from("actions.yaml"), line: 1, column: 1 };
        let expr = Expr::new(source, at).unwrap();
        let mut all = Vec::new();
        for status in [json!("New"), json!("Spam"), json!("Closed"), json!("")] {
            for closed in [json!(true), json!(false), json!(null)] {
                for level in [json!(1), json!(5), json!(null)] {
                    let record = json!({"Status": status, "IsClosed": closed, "Level": level});
                    all.push(expr.holds(&scope([("case", to_value(&record))])).unwrap());
                }
            }
        }
        all
    }

    /// The first covers the second: it does so for each record, too.
    #[test]
    fn what_covers_another_holds_whenever_it_does() {
        for (first, second) in [
            ("case.IsClosed", "case.IsClosed"),
            ("case.IsClosed", "case.IsClosed and case.Status == 'Spam'"),
            ("case.IsClosed", "(case.Status == 'Spam' and (case.IsClosed))"),
            ("case.Status == 'Spam'", "'Spam' == case.Status"),
            ("case.Status == 'Spam'", "case['Status']==\"Spam\""),
            ("case.Status in ['Spam', 'New']", "case.Status == 'New' and case.Level > 3"),
            ("case.Status == 'Spam'", "case.Status in ['Spam']"),
            ("case.Status == 'Spam' or case.IsClosed", "case.IsClosed"),
            ("case.IsClosed or case.Status == 'Spam'", "case.Status == 'Spam' or case.IsClosed"),
            ("case.IsClosed", "case.IsClosed and (case.Status == 'New' or case.Level == 1)"),
            ("case.Level > 3", "3 < case.Level"),
            ("not case.IsClosed", "not case.IsClosed and case.Level == 5"),
            ("True", "case.IsClosed"),
            ("1 == 1", "true"),
            ("not false", "case.Level == 1"),
            ("case.IsClosed or true", "case.Level == 1"),
        ] {
            assert!(Condition::of(first).covers(&Condition::of(second)), "{first} covers {second}");
            let both = outcomes(first).into_iter().zip(outcomes(second));
            assert!(both.into_iter().all(|(first, second)| first || !second), "{first}: {second}");
        }
    }

    #[test]
    fn what_is_not_seen_to_cover_is_left_alone() {
        for (first, second) in [
            ("case.IsClosed and case.Status == 'Spam'", "case.IsClosed"),
            ("case.IsClosed", "case.Status == 'Spam'"),
            ("case.IsClosed", "not case.IsClosed"),
            ("case.IsClosed", "case.IsClosed or case.Status == 'Spam'"),
            ("case.Status == 'Spam'", "case.Status in ['Spam', 'New']"),
            ("case.Status == 'Spam'", "case.Status != 'Spam'"),
            ("case.IsClosed", "true if case.IsClosed else case.Level == 1"),
            ("case.Level > 3", "3 > case.Level"),
            ("case.Level == 1", "case.Level == 15"),
            ("false", "case.IsClosed"),
            ("(case.IsClosed) and (case.Level == 1)", "case.IsClosed"),
            ("case.Status not in ['Spam']", "case.Status == 'Spam'"),
        ] {
            assert!(!Condition::of(first).covers(&Condition::of(second)), "{first} does not cover {second}");
        }
        for source in ["true", "True", "1 == 1", "not false", "(true)", "case.IsClosed or true"] {
            assert!(Condition::of(source).always(), "{source}");
        }
        for source in ["false", "case.IsClosed", "", "(", "true and case.IsClosed", "case.A or"] {
            assert!(!Condition::of(source).always(), "{source}");
        }
    }
}
