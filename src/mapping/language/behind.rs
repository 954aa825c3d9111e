//! Names behind a bracket, which no path reaches: `answer(type='nps').value`, `(response.message or response.reply).type`.

use std::ops::Range;

use crate::mapping::language::jinja::{Kind, Token, closes, opens};
use crate::mapping::language::names::{Path, path};

/// A name behind a bracket.
pub struct Behind<'s> {
    pub name: &'s str,
    pub span: Range<usize>,
    pub before: Before<'s>,
}

pub enum Before<'s> {
    Answer,
    /// The alternatives in the brackets.
    Group(Vec<Inside<'s>>),
}

/// A path in brackets. `item`: with `| first` or `| last`, so one item of it.
pub struct Inside<'s> {
    pub path: Path<'s>,
    pub item: bool,
}

pub fn names<'s>(tokens: &[Token<'s>]) -> Vec<Behind<'s>> {
    let closing = (0..tokens.len()).filter(|at| tokens[*at].is(")"));
    closing.filter_map(|close| behind(tokens, close)).collect()
}

fn behind<'s>(tokens: &[Token<'s>], close: usize) -> Option<Behind<'s>> {
    let (name, span) = match tokens.get(close + 1..)? {
        [dot, name, open, ..] if dot.is(".") && name.kind == Kind::Name && open.is("(") => return None,
        [dot, name, ..] if dot.is(".") && name.kind == Kind::Name => (name.text, name.span()),
        [open, key, end, ..] if open.is("[") && key.kind == Kind::Text && end.is("]") => {
            (key.text.get(1..key.text.len() - 1)?, key.at + 1..key.span().end - 1)
        }
        _ => return None,
    };
    let open = opening(tokens, close)?;
    let opener = open.checked_sub(1).map(|at| &tokens[at]);
    let further = open.checked_sub(2).map(|at| &tokens[at]);
    let before = match opener {
        Some(answer)
            if answer.is("answer") && !further.is_some_and(|token| token.is(".") || token.is("|")) =>
        {
            Before::Answer
        }
        Some(called) if is_called(called) => return None,
        _ => Before::Group(alternatives(&tokens[open + 1..close])?),
    };
    Some(Behind { name, span, before })
}

/// Whether a bracket after it holds arguments.
fn is_called(token: &Token<'_>) -> bool {
    let word = ["and", "or", "not", "in", "is", "if", "else", "elif"].iter().any(|word| token.is(word));
    (token.kind == Kind::Name && !word) || closes(token)
}

fn opening(tokens: &[Token<'_>], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..close).rev() {
        if closes(&tokens[at]) {
            depth += 1;
        } else if opens(&tokens[at]) {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

/// `None`: something in the brackets is computed.
fn alternatives<'s>(tokens: &[Token<'s>]) -> Option<Vec<Inside<'s>>> {
    tokens.split(|token| token.is("or")).map(inside).collect()
}

fn inside<'s>(tokens: &[Token<'s>]) -> Option<Inside<'s>> {
    tokens.first().filter(|first| first.kind == Kind::Name)?;
    let (path, next) = path(tokens, 0);
    let item = match &tokens[next..] {
        [] => false,
        [pipe, filter] if pipe.is("|") && (filter.is("first") || filter.is("last")) => true,
        _ => return None,
    };
    path.call.is_none().then_some(Inside { path, item })
}
