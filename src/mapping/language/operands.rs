//! What an expression compares with what, as far as both sides can be read without computing anything.

use std::ops::Range;

use crate::mapping::language::jinja::{
    Kind, Token, closes, is_boundary, is_comparison, opens, operand_start, operands,
};
use crate::mapping::language::names::{Step, path};

/// `case.Status == 'Spam'`, also the other way round, or `case.Status in ['Spam', 'New']`.
#[derive(Debug)]
pub struct Comparison<'s> {
    pub subject: Subject<'s>,
    /// One of `<`, `<=`, `>`, `>=`, `==`, `!=` and `in`.
    pub operator: &'s str,
    pub with: Vec<Literal<'s>>,
}

impl Comparison<'_> {
    pub fn asks_equality(&self) -> bool {
        matches!(self.operator, "==" | "!=" | "in")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'s> {
    /// `case.Status`: the root, and the names behind it.
    Path(&'s str, String),
    /// `answer(type='nps')`: the type if it is named so.
    Answer(Option<&'s str>),
}

/// A text, a number, or true or false, that stands in the expression.
#[derive(Debug, Clone)]
pub struct Literal<'s> {
    pub text: &'s str,
    pub is_text: bool,
    pub span: Range<usize>,
}

impl<'s> Literal<'s> {
    fn of(token: &Token<'s>) -> Option<Self> {
        match token.kind {
            Kind::Text => Some(Self {
                text: token.text.get(1..token.text.len() - 1)?,
                is_text: true,
                span: token.at + 1..token.span().end - 1,
            }),
            Kind::Number => Some(Self { text: token.text, is_text: false, span: token.span() }),
            Kind::Name if is_truth(token.text) => {
                Some(Self { text: token.text, is_text: false, span: token.span() })
            }
            _ => None,
        }
    }

    /// True or false.
    pub fn is_truth(&self) -> bool {
        !self.is_text && is_truth(self.text)
    }

    /// For messages.
    pub fn shown(&self) -> String {
        if self.is_text {
            format!("the text '{}'", self.text)
        } else if self.is_truth() {
            format!("`{}`", self.text)
        } else {
            format!("the number {}", self.text)
        }
    }

    /// Nothing is equal to nothing, whatever the kind of the other side.
    pub fn is_blank(&self) -> bool {
        self.is_text && self.text.trim().is_empty()
    }
}

fn is_truth(word: &str) -> bool {
    matches!(word, "true" | "false" | "True" | "False")
}

pub fn comparisons<'s>(tokens: &[Token<'s>]) -> Vec<Comparison<'s>> {
    (0..tokens.len()).filter_map(|at| compared(tokens, at).or_else(|| listed(tokens, at))).collect()
}

fn compared<'s>(tokens: &[Token<'s>], at: usize) -> Option<Comparison<'s>> {
    if !is_comparison(tokens.get(at)?) {
        return None;
    }
    let (first, last) = operands(tokens, at)?;
    let (left, right) = (&tokens[first..at], &tokens[at + 1..=last]);
    let operator = tokens[at].text;
    let (subject, literal, operator) = match (subject(left), subject(right)) {
        (Some(subject), None) => (subject, single(right)?, operator),
        (None, Some(subject)) => (subject, single(left)?, operator),
        _ => return None,
    };
    Some(Comparison { subject, operator, with: vec![literal] })
}

/// `x in ['a', 'b']` and `x not in ['a', 'b']`
fn listed<'s>(tokens: &[Token<'s>], at: usize) -> Option<Comparison<'s>> {
    let token = tokens.get(at).filter(|token| token.kind == Kind::Name && token.text == "in")?;
    let end = if at > 0 && tokens[at - 1].is("not") { at - 1 } else { at };
    let subject = subject(&tokens[operand_start(tokens, end)?..end])?;
    tokens.get(at + 1).filter(|open| open.is("[") || open.is("("))?;
    let mut with = Vec::new();
    let mut next = at + 2;
    while let Some(literal) = tokens.get(next).and_then(Literal::of) {
        with.push(literal);
        next += 1;
        if tokens.get(next).is_some_and(|token| token.is(",")) {
            next += 1;
        }
    }
    tokens.get(next).filter(|close| close.is("]") || close.is(")"))?;
    // `('a')` is no list, but the text in brackets.
    let is_list = tokens[at + 1].is("[") || tokens[at + 2..next].iter().any(|token| token.is(","));
    let ends = tokens.get(next + 1).is_none_or(|after| is_boundary(after) || after.is(")"));
    (ends && is_list && !with.is_empty()).then_some(Comparison { subject, operator: token.text, with })
}

/// What stands before an operator, if it is a path or an answer and nothing more.
pub fn subject_before<'s>(tokens: &[Token<'s>], operator: usize) -> Option<Subject<'s>> {
    subject(&tokens[operand_start(tokens, operator)?..operator])
}

fn single<'s>(tokens: &[Token<'s>]) -> Option<Literal<'s>> {
    match tokens {
        [one] => Literal::of(one),
        _ => None,
    }
}

/// The path or the answer that these tokens are, and nothing more.
pub fn subject<'s>(tokens: &[Token<'s>]) -> Option<Subject<'s>> {
    let first = tokens.first().filter(|token| token.kind == Kind::Name && !is_truth(token.text))?;
    let (path, next) = path(tokens, 0);
    if first.text == "answer" {
        return answer(tokens);
    }
    if next != tokens.len() || path.call.is_some() {
        return None;
    }
    let names: Option<Vec<&str>> = path
        .steps
        .iter()
        .map(|step| match step {
            Step::Name(name, _) => Some(*name),
            Step::Item | Step::Computed => None,
        })
        .collect();
    Some(Subject::Path(path.root, names?.join(".")))
}

fn answer<'s>(tokens: &[Token<'s>]) -> Option<Subject<'s>> {
    match tokens {
        [_, open, name, equals, value, close]
            if open.is("(") && equals.is("=") && close.is(")") && value.kind == Kind::Text =>
        {
            let kind = value.text.get(1..value.text.len() - 1)?;
            Some(Subject::Answer(name.is("type").then_some(kind)))
        }
        _ => None,
    }
}

/// The parts whose own value the whole expression can give: `a` and `c` in `a or b and c`.
pub fn results<'t, 's>(tokens: &'t [Token<'s>]) -> Vec<&'t [Token<'s>]> {
    if tokens.iter().any(|token| token.is("if")) {
        return Vec::new();
    }
    let joints = joints(tokens);
    let starts = std::iter::once(0).chain(joints.iter().map(|at| at + 1));
    let ends = joints.iter().copied().chain([tokens.len()]);
    starts
        .zip(ends)
        // What stands before `and` is the result only if it counts as false.
        .filter(|(_, end)| tokens.get(*end).is_none_or(|joint| joint.is("or")))
        .filter_map(|(start, end)| tokens.get(start..end).filter(|part| !part.is_empty()))
        .collect()
}

/// The tokens outside of all brackets, brackets included.
pub fn outside<'t, 's>(tokens: &'t [Token<'s>]) -> Vec<&'t Token<'s>> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for token in tokens {
        depth -= usize::from(closes(token)).min(depth);
        if depth == 0 {
            found.push(token);
        }
        depth += usize::from(opens(token));
    }
    found
}

/// The places of `or` and `and` outside of all brackets.
fn joints(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if opens(token) {
            depth += 1;
        } else if closes(token) {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && (token.is("or") || token.is("and")) {
            found.push(at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::language::jinja::expression;

    fn compared(source: &str) -> Vec<String> {
        let found = comparisons(&expression(source));
        found
            .iter()
            .map(|one| {
                let with: Vec<&str> = one.with.iter().map(|literal| &source[literal.span.clone()]).collect();
                let subject = match &one.subject {
                    Subject::Path(root, path) => format!("{root}.{path}"),
                    Subject::Answer(kind) => format!("answer {}", kind.unwrap_or("?")),
                };
                format!("{subject} {} {}", one.operator, with.join(","))
            })
            .collect()
    }

    #[test]
    fn what_is_compared_is_found_on_either_side() {
        for (source, found) in [
            ("case.Status == 'Spam' or case.Status=='X' ", vec!["case.Status == Spam", "case.Status == X"]),
            ("'Spam' == case.Status and case.IsClosed", vec!["case.Status == Spam"]),
            (
                "case.Status in ['A', \"B\"] and case['Origin'] != 'C'",
                vec!["case.Status in A,B", "case.Origin != C"],
            ),
            ("case.Status not in ('A','B')", vec!["case.Status in A,B"]),
            ("not case.Level__c > 5", vec!["case.Level__c > 5"]),
            ("(case.Contact.Email == 'a')", vec!["case.Contact.Email == a"]),
            ("answer(type='nps') == '7' or answer(id='q') != 8", vec!["answer nps == 7", "answer ? != 8"]),
            ("'x' if event == 'mesage' else 'y'", vec!["event. == mesage"]),
        ] {
            assert_eq!(compared(source), found, "{source}");
        }
    }

    #[test]
    fn what_is_computed_first_is_left_alone() {
        for source in [
            "case.Status | upper == 'SPAM'",
            "'spam' == case.Status | lower",
            "case.Status == 'Spam' | upper",
            "case.Status == 'Sp' ~ 'am'",
            "'x' ~ case.Status == 'xSpam'",
            "case.Status == case.Origin",
            "case.Status[0] == 'S'",
            "case[name] == 'S'",
            "case.Amount__c + 1 == '5'",
            "'a' < case.Name < 'b'",
            "case.Status in ['a' ~ 'b']",
            "case.Status in ['a'] ~ 'b'",
            "case.Status in ('a')",
            "case.Status in case.Names__c",
            "'Spam' in case.Subject",
            "case.Status.lower() == 'spam'",
            "range(case.X) == '5'",
        ] {
            assert_eq!(compared(source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn results_are_what_the_whole_can_be() {
        let of = |source: &str| -> Vec<String> {
            let tokens = expression(source);
            let found = results(&tokens);
            let span = |part: &[Token<'_>]| part[0].at..part[part.len() - 1].span().end;
            found.into_iter().map(|part| source[span(part)].to_owned()).collect()
        };
        assert_eq!(of("case.Status"), ["case.Status"]);
        assert_eq!(of("case.A or case.B and not case.C"), ["case.A", "not case.C"]);
        assert_eq!(of("(x or case.A or y) == 'a' and f(b or c)"), ["f(b or c)"]);
        for source in ["true if case.A or case.B else false", "", "or"] {
            assert_eq!(of(source), Vec::<String>::new(), "{source}");
        }
    }
}
