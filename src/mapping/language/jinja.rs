//! The tokens of an expression or a template, with their places. They serve to check names, and to make `<` and `==`
//! mean what an admin expects.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Name,
    Text,
    Number,
    Op,
    /// `{{` or `{%`: code begins.
    Open,
    /// `}}` or `%}`: code ends.
    Close,
}

#[derive(Debug, Clone)]
pub struct Token<'s> {
    pub kind: Kind,
    pub text: &'s str,
    pub at: usize,
}

impl Token<'_> {
    pub fn span(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Op | Kind::Name) && self.text == text
    }
}

/// The tokens of an expression.
pub fn expression(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    code(source, 0, None, &mut tokens);
    tokens
}

/// The tokens of all code in a template; its texts and comments are skipped.
pub fn template(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('{').map(|offset| at + offset) {
        let rest = &source[found..];
        let close = match rest.get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => {
                at = rest.find("#}").map_or(source.len(), |end| found + end + 2);
                continue;
            }
            _ => {
                at = found + 1;
                continue;
            }
        };
        // `{{-` and `{%+` control the blanks around the code. The sign is not an operator.
        let length = if rest[2..].starts_with(['-', '+']) { 3 } else { 2 };
        let first = tokens.len();
        tokens.push(Token { kind: Kind::Open, text: &rest[..length], at: found });
        at = code(source, found + length, Some(close), &mut tokens);
        if tokens.get(first + 1).is_some_and(|word| word.is("raw")) {
            at = source[at..]
                .find("endraw")
                .and_then(|end| source[..at + end].rfind("{%"))
                .unwrap_or(source.len());
        }
    }
    tokens
}

/// Reads code up to `close`. Returns the offset where reading continues.
fn code<'s>(source: &'s str, from: usize, close: Option<&str>, tokens: &mut Vec<Token<'s>>) -> usize {
    let mut at = from;
    let mut open = 0_usize;
    while let Some(letter) = source[at..].chars().next() {
        let rest = &source[at..];
        if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        }
        if let Some(close) = close
            && open == 0
            && (rest.starts_with(close) || (rest.starts_with('-') && rest[1..].starts_with(close)))
        {
            let length = if rest.starts_with('-') { 3 } else { 2 };
            tokens.push(Token { kind: Kind::Close, text: &rest[..length], at });
            return at + length;
        }
        let (kind, length) = token(rest, letter);
        match letter {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    source.len()
}

fn token(rest: &str, letter: char) -> (Kind, usize) {
    if letter.is_alphabetic() || letter == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (Kind::Name, end)
    } else if letter.is_ascii_digit() {
        (Kind::Number, number(rest))
    } else if letter == '"' || letter == '\'' {
        (Kind::Text, text(rest, letter))
    } else {
        let two = ["==", "!=", "<=", ">=", "**", "//"];
        let length = if two.iter().any(|op| rest.starts_with(op)) { 2 } else { letter.len_utf8() };
        (Kind::Op, length)
    }
}

fn number(rest: &str) -> usize {
    let mut end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let fraction = rest[end..].strip_prefix('.').unwrap_or_default();
    let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    if digits > 0 {
        end += 1 + digits;
    }
    end
}

fn text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// The function that replaces comparisons.
pub const COMPARE: &str = "_compare";

/// The source with each comparison written as a call of [`COMPARE`]: `a < b` becomes `_compare(a, "<", b)`.
///
/// The engine's own `<` silently orders a text against a number by kind, and its `==` distinguishes null from blank.
/// Both would decide wrongly about customers without anybody noticing.
pub fn with_comparisons(source: &str, tokens: &[Token<'_>]) -> String {
    let mut edits: Vec<(usize, Edit)> = Vec::new();
    let mut chained = vec![false; tokens.len()];
    for (index, token) in tokens.iter().enumerate() {
        if chained[index] || !is_comparison(token) {
            continue;
        }
        let Some((first, last)) = operands(tokens, index) else {
            continue; // an operand or a bracket is missing: the engine will say so
        };
        edits.push((tokens[first].at, Edit::Open));
        for at in first..=last {
            if is_comparison(&tokens[at]) && depth_between(tokens, first, at) == 0 {
                chained[at] = true;
                edits.push((tokens[at].at, Edit::Operator(tokens[at].text.to_owned())));
            }
        }
        edits.push((tokens[last].span().end, Edit::Close));
    }
    apply(source, edits)
}

/// The order of edits at the same place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Edit {
    Close,
    Operator(String),
    Open,
}

fn apply(source: &str, mut edits: Vec<(usize, Edit)>) -> String {
    edits.sort();
    let mut out = String::with_capacity(source.len() + edits.len() * 12);
    let mut from = 0;
    for (at, edit) in edits {
        out.push_str(&source[from..at]);
        from = at;
        match edit {
            Edit::Close => out.push(')'),
            Edit::Open => {
                out.push_str(COMPARE);
                out.push('(');
            }
            Edit::Operator(text) => {
                out.push_str(", \"");
                out.push_str(&text);
                out.push_str("\", ");
                from += text.len();
            }
        }
    }
    out.push_str(&source[from..]);
    out
}

pub fn is_comparison(token: &Token<'_>) -> bool {
    token.kind == Kind::Op && matches!(token.text, "<" | "<=" | ">" | ">=" | "==" | "!=")
}

/// Tokens that end a comparison's operand.
pub fn is_boundary(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Open | Kind::Close => true,
        Kind::Name => {
            matches!(token.text, "and" | "or" | "not" | "if" | "else" | "elif" | "in" | "set" | "for")
        }
        Kind::Op => matches!(token.text, "," | "=" | ":"),
        Kind::Text | Kind::Number => false,
    }
}

pub fn opens(token: &Token<'_>) -> bool {
    token.kind == Kind::Op && matches!(token.text, "(" | "[" | "{")
}

pub fn closes(token: &Token<'_>) -> bool {
    token.kind == Kind::Op && matches!(token.text, ")" | "]" | "}")
}

/// The first and the last token of what an operator compares.
pub fn operands(tokens: &[Token<'_>], operator: usize) -> Option<(usize, usize)> {
    let (first, last) = (operand_start(tokens, operator)?, operand_end(tokens, operator)?);
    let both = first < operator && operator < last;
    (both && !is_comparison(&tokens[first]) && !is_comparison(&tokens[last])).then_some((first, last))
}

/// `None` if a bracket on the way has no other half: two operators could then claim the same tokens.
pub fn operand_start(tokens: &[Token<'_>], operator: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..operator).rev() {
        let token = &tokens[at];
        if closes(token) {
            depth += 1;
        } else if opens(token) && depth > 0 {
            depth -= 1;
        } else if depth == 0 && (opens(token) || is_boundary(token)) {
            return Some(at + 1);
        }
    }
    (depth == 0).then_some(0)
}

/// As [`operand_start`], on the other side.
fn operand_end(tokens: &[Token<'_>], operator: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(operator + 1) {
        if opens(token) {
            depth += 1;
        } else if closes(token) && depth > 0 {
            depth -= 1;
        } else if depth == 0 && (closes(token) || is_boundary(token)) {
            return Some(at - 1);
        }
    }
    (depth == 0).then_some(tokens.len() - 1)
}

fn depth_between(tokens: &[Token<'_>], first: usize, at: usize) -> usize {
    tokens[first..at].iter().fold(0_usize, |depth, token| {
        if opens(token) {
            depth + 1
        } else if closes(token) {
            depth.saturating_sub(1)
        } else {
            depth
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> String {
        with_comparisons(source, &expression(source))
    }

    #[test]
    fn comparisons_become_calls() {
        assert_eq!(rewritten("a < 5"), r#"_compare(a , "<",  5)"#);
        assert_eq!(rewritten("x and a|d(0) >= 5 or b"), r#"x and _compare(a|d(0) , ">=",  5) or b"#);
        assert_eq!(rewritten("0 <= a <= 6"), r#"_compare(0 , "<=",  a , "<=",  6)"#);
        assert_eq!(rewritten("(a < 1) == b"), r#"_compare((_compare(a , "<",  1)) , "==",  b)"#);
        assert_eq!(rewritten("a == (b < 1)"), r#"_compare(a , "==",  (_compare(b , "<",  1)))"#);
        assert_eq!(rewritten("f(x='<', y=a < 1)"), r#"f(x='<', y=_compare(a , "<",  1))"#);
        assert_eq!(rewritten("'a < b'"), "'a < b'");
    }

    #[test]
    fn signs_and_raw_parts_are_no_code() {
        let rewritten = |source: &str| with_comparisons(source, &template(source));
        assert_eq!(rewritten("{{- a < b -}}"), r#"{{- _compare(a , "<",  b) -}}"#);
        assert_eq!(
            rewritten("{%- if a < b %}x{% endif %}"),
            r#"{%- if _compare(a , "<",  b) %}x{% endif %}"#
        );
        assert_eq!(rewritten("{% raw %}{{ a < b }}{% endraw %}"), "{% raw %}{{ a < b }}{% endraw %}");
    }

    #[test]
    fn templates_are_code_and_text() {
        let source = "a < b {{ c < 1 }} {# d < 1 #} {% if e == '%}' %}x{% endif %}";
        assert_eq!(
            with_comparisons(source, &template(source)),
            r#"a < b {{ _compare(c , "<",  1) }} {# d < 1 #} {% if _compare(e , "==",  '%}') %}x{% endif %}"#
        );
    }

    /// Each text of up to six parts, brackets without their other half among them: what was typed stays as it is
    /// between what is added.
    #[test]
    fn any_order_of_parts_keeps_what_was_typed() {
        const PARTS: [&str; 7] = ["a", "<", "==", "(", "]", ",", "and"];
        for count in 0..=6 {
            for number in 0..PARTS.len().pow(count) {
                let parts = (0..count).map(|at| PARTS[number / PARTS.len().pow(at) % PARTS.len()]);
                let source = parts.collect::<Vec<_>>().join(" ");
                let kept = rewritten(&source)
                    .replace("_compare(", "")
                    .replace(", \"<\", ", "<")
                    .replace(", \"==\", ", "==")
                    .replace(')', "");
                assert_eq!(kept, source);
            }
        }
    }
}
