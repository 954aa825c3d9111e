//! Converts SOQL text to tokens.

use super::malformed;
use crate::sim::salesforce::problem::Problem;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, possibly with dots.
    Word(String),
    /// A quoted text with its escapes.
    Text(String),
    /// A number, date or moment.
    Literal(String),
    Sign(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub struct Placed {
    pub token: Token,
    /// Byte offset, for error messages.
    pub at: usize,
}

impl Token {
    pub fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Literal(text) => text.clone(),
            Self::Text(text) => format!("'{text}'"),
            Self::Sign(sign) => (*sign).to_owned(),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

const SIGNS: [&str; 11] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ":"];

pub fn tokens(text: &str) -> Result<Vec<Placed>, Problem> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let (token, length) = token(&text[at..], next)?;
        found.push(Placed { token, at });
        at += length;
    }
    found.push(Placed { token: Token::End, at: text.len() });
    Ok(found)
}

fn token(rest: &str, next: char) -> Result<(Token, usize), Problem> {
    let run = |allowed: fn(char) -> bool| rest.find(|c| !allowed(c)).unwrap_or(rest.len());
    if next == '\'' {
        return quoted(rest);
    }
    if next.is_ascii_alphabetic() {
        let length = run(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        return Ok((Token::Word(rest[..length].to_owned()), length));
    }
    if next.is_ascii_digit() || matches!(next, '-' | '+' | '.') {
        let length = run(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | ':' | '.'));
        return Ok((Token::Literal(rest[..length].to_owned()), length));
    }
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    sign.map(|sign| (Token::Sign(sign), sign.len()))
        .ok_or_else(|| malformed(format!("unexpected token: '{next}'")))
}

fn quoted(rest: &str) -> Result<(Token, usize), Problem> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Ok((Token::Text(rest[1..at].to_owned()), at + 1)),
            _ => {}
        }
    }
    Err(malformed("line 1:0 mismatched character '<EOF>' expecting '''"))
}

/// One unit of a quoted text: a character or, in LIKE, a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Char(char),
    AnyOne,
    AnyMany,
}

/// Resolves escapes. `like` makes `_` and `%` wildcards and allows their escapes.
pub fn units(raw: &str, like: bool) -> Result<Vec<Unit>, Problem> {
    let mut units = Vec::new();
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        units.push(match c {
            '\\' => Unit::Char(escape(&mut chars, like)?),
            '_' if like => Unit::AnyOne,
            '%' if like => Unit::AnyMany,
            c => Unit::Char(c),
        });
    }
    Ok(units)
}

fn escape(chars: &mut std::str::Chars<'_>, like: bool) -> Result<char, Problem> {
    Ok(match chars.next() {
        Some('n' | 'N') => '\n',
        Some('r' | 'R') => '\r',
        Some('t' | 'T') => '\t',
        Some('b' | 'B') => '\u{8}',
        Some('f' | 'F') => '\u{c}',
        Some(c @ ('\'' | '"' | '\\')) => c,
        Some(c @ ('_' | '%')) if like => c,
        Some('u') => {
            let code: String = chars.by_ref().take(4).collect();
            let known = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
            known.ok_or_else(|| malformed(format!("Invalid string literal: illegal escape \\u{code}")))?
        }
        other => {
            let shown = other.map(String::from).unwrap_or_default();
            return Err(malformed(format!(
                "Invalid string literal '\\{shown}'. Illegal character sequence '\\{shown}' in string literal."
            )));
        }
    })
}

pub fn plain(raw: &str) -> Result<String, Problem> {
    let letters = units(raw, false)?.into_iter().filter_map(|unit| match unit {
        Unit::Char(c) => Some(c),
        Unit::AnyOne | Unit::AnyMany => None,
    });
    Ok(letters.collect())
}
