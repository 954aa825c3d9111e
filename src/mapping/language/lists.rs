//! Lists that are none: a text behind `in`, and texts in brackets behind `==`.
//!
//! `x in 'Closed'` asks whether the letters of `x` are in the text. It holds for parts of it, and for a blank `x`, which
//! is in every text.

use crate::mapping::language::jinja::{Kind, Token, closes, is_boundary};
use crate::mapping::language::mistake::{IN_A_TEXT, Mistake, NEVER_EQUAL};
use crate::mapping::language::operands::{Subject, subject_before};

pub fn wrong(tokens: &[Token<'_>]) -> Vec<Mistake> {
    (0..tokens.len())
        .filter_map(|at| in_a_text(tokens, at).or_else(|| equal_to_several(tokens, at)))
        .collect()
}

/// `x in 'a'`, `x not in ('a')`, `x in ('a' or 'b')`
fn in_a_text(tokens: &[Token<'_>], at: usize) -> Option<Mistake> {
    tokens.get(at).filter(|token| token.kind == Kind::Name && token.text == "in")?;
    if is_loop(&tokens[..at]) {
        return None;
    }
    let texts = texts(&tokens[at + 1..])?;
    let first = texts.first()?.at;
    let last = texts.last()?.span().end;
    let message = "`in` a text asks for a part of it, and a blank is in every text";
    Some(Mistake::error(
        IN_A_TEXT,
        first..last,
        message,
        format!("for one of several texts write `in {}`", list(&texts)),
    ))
}

/// The texts that stand here alone, in brackets or not, with `or` between them. `None`: a list, or something computed.
fn texts<'t, 's>(tokens: &'t [Token<'s>]) -> Option<Vec<&'t Token<'s>>> {
    let open = tokens.iter().take_while(|token| token.is("(")).count();
    let mut found = Vec::new();
    let mut at = open;
    while let Some(text) = tokens.get(at).filter(|token| token.kind == Kind::Text) {
        found.push(text);
        let more = open > 0 && tokens.get(at + 1).is_some_and(|next| next.is("or"));
        at += if more { 2 } else { 1 };
        if !more {
            break;
        }
    }
    let closed = tokens.iter().skip(at).take(open).filter(|token| token.is(")")).count() == open;
    let ends = tokens.get(at + open).is_none_or(|after| is_boundary(after) || closes(after));
    (closed && ends && !found.is_empty()).then_some(found)
}

/// `{% for x in 'abc' %}` is no question.
fn is_loop(before: &[Token<'_>]) -> bool {
    let since = before.iter().rposition(|token| token.kind == Kind::Open);
    since.is_some_and(|open| before.get(open + 1).is_some_and(|word| word.is("for")))
}

/// The texts as a list. One with commas in it was meant as several.
fn list(texts: &[&Token<'_>]) -> String {
    let words = texts.iter().filter_map(|token| token.text.get(1..token.text.len().saturating_sub(1)));
    let words = words.flat_map(|text| text.split([',', ';'])).map(str::trim).filter(|word| !word.is_empty());
    let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    if quoted.is_empty() { "['...']".to_owned() } else { format!("[{}]", quoted.join(", ")) }
}

/// `x == ['a', 'b']`, which a single value never is, and `x == ('a' or 'b')`, which is `x == 'a'`.
fn equal_to_several(tokens: &[Token<'_>], at: usize) -> Option<Mistake> {
    let sign = tokens.get(at).filter(|token| token.is("==") || token.is("!="))?;
    let after = &tokens[at + 1..];
    let instead = if sign.is("==") { "in" } else { "not in" };
    if let Some(texts) = texts(after).filter(|texts| texts.len() > 1) {
        let span = texts.first()?.at..texts.last()?.span().end;
        let message = format!("`or` between texts gives the first of them: {}", texts[0].text);
        let help = format!("write `{instead} {}`", list(&texts));
        return Some(Mistake::error(NEVER_EQUAL, span, message, help));
    }
    let close = listed(after)?;
    let texts: Vec<_> = after[..close].iter().filter(|token| token.kind == Kind::Text).collect();
    let Subject::Path(root, path) = subject_before(tokens, at)? else { return None };
    let single = !path.is_empty() && !path.starts_with("context.extra") && !path.starts_with("answers");
    let is_known = matches!(root, "case" | "comment" | "response" | "message" | "event");
    (single && is_known && !texts.is_empty()).then(|| {
        let message = format!("`{root}.{path}` is one value, so it never equals a list");
        let span = after[0].at..after[close].span().end;
        Mistake::error(NEVER_EQUAL, span, message, format!("write `{instead} {}`", list(&texts)))
    })
}

/// The end of a list of texts and numbers that begins here, and ends what is compared.
fn listed(tokens: &[Token<'_>]) -> Option<usize> {
    tokens.first().filter(|open| open.is("["))?;
    let inside = |token: &&Token<'_>| matches!(token.kind, Kind::Text | Kind::Number) || token.is(",");
    let close = 1 + tokens[1..].iter().take_while(inside).count();
    tokens.get(close).filter(|token| token.is("]"))?;
    tokens.get(close + 1).is_none_or(|after| is_boundary(after) || closes(after)).then_some(close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::language::jinja::{expression, template};

    fn told(source: &str) -> Vec<String> {
        let tokens = if source.contains('{') { template(source) } else { expression(source) };
        wrong(&tokens).into_iter().map(|one| one.help).collect()
    }

    #[test]
    fn a_text_behind_in_is_told_with_the_list() {
        for (source, list) in [
            ("case.Status in ('Closed')", "in ['Closed']"),
            ("case.Status not in 'Closed' and case.IsClosed", "in ['Closed']"),
            ("(case.Status in (('Closed')))", "in ['Closed']"),
            ("case.Status in 'Closed, Solved'", "in ['Closed', 'Solved']"),
            ("case.Status in ('Closed' or 'Solved')", "in ['Closed', 'Solved']"),
            ("{% if response.source in 'sms' %}x{% endif %}", "in ['sms']"),
        ] {
            let said = told(source);
            assert_eq!(said, [format!("for one of several texts write `{list}`")], "{source}");
        }
    }

    #[test]
    fn lists_behind_a_sign_of_equality_are_told() {
        for (source, help) in [
            ("case.Status == ['a', 'b']", "write `in ['a', 'b']`"),
            ("response.source != ['a']", "write `not in ['a']`"),
            ("case.Status == ('a' or 'b')", "write `in ['a', 'b']`"),
            ("answer(type='nps') == ('a' or 'b')", "write `in ['a', 'b']`"),
        ] {
            assert_eq!(told(source), [help], "{source}");
        }
    }

    #[test]
    fn lists_and_parts_of_texts_are_left_alone() {
        for source in [
            "case.Status in ['a']",
            "case.Status in ('a',)",
            "case.Status in ('a', 'b')",
            "'SPAM' in case.Subject",
            "case.Status in 'a' ~ case.Reason",
            "case.Status in ('a' ~ 'b')",
            "case.Status == ('a')",
            "answer(type='choices') == ['a', 'b']",
            "response.context.extra.sizes == ['a']",
            "response.attached_messages == []",
            "{% for x in 'abc' %}{{ x }}{% endfor %}",
        ] {
            assert_eq!(told(source), Vec::<String>::new(), "{source}");
        }
    }
}
