//! Texts that YAML and the engine accept but that were meant otherwise: braces of other languages, curly quotes, `\n`
//! in single quotes, lines that end at a `#`.
//!
//! An error where the text is surely wrong, a warning where it may be intended. Each can be spelled as intended.

use std::ops::Range;
use std::sync::Arc;

use crate::document::diagnostic::Page;
use crate::document::yaml::{CUT_BY_YAML, Node, Style};
use crate::mapping::language::jinja::{self, Kind, Token};
use crate::mapping::language::known::Names;
use crate::mapping::language::mistake::Mistake;
use crate::mapping::language::shape::Shape;

pub const CODE_AS_TEXT: &str = "M031";
pub const NO_EXPRESSION: &str = "M032";
pub const CURLY_QUOTES: &str = "M033";
pub const LITERAL_ESCAPE: &str = "M034";

/// Checks a template that can be read.
pub fn template(page: &mut Page, node: &Node, text: &str, names: Names) {
    if curly(page, node) || cut(page, node) {
        return;
    }
    let (parts, coded) = plain_parts(text);
    if let Some(name) = bare_name(text.trim(), names) {
        let message = format!("`{name}` stands here as a text, not as its value");
        page.error(CODE_AS_TEXT, &node.span, message).help(format!("write \"{{{{ {name} }}}}\""));
        return;
    }
    for part in &parts {
        let inside = &text[part.clone()];
        let found = other_braces(inside, names).map(|found| found.behind(part.start));
        let found = found.or_else(|| bare_path(text, part, names, "{{ ", " }}"));
        if let Some(found) = found.or_else(|| stray(inside).map(|found| found.behind(part.start))) {
            found.report(page, node);
            return;
        }
        if literal_escape(page, node, text, part) {
            return;
        }
    }
    if !coded && names != Names::Feedback {
        let (message, help) = if text.trim().is_empty() {
            (
                "this template is empty: it writes nothing",
                "write a text with {{ expressions }} in it, or remove the rule",
            )
        } else {
            (
                "this template has no {{ expression }}: it gives the same text each time",
                "write `value:` for a fixed text",
            )
        };
        page.warn(NO_EXPRESSION, &node.span, message).help(help);
    }
}

/// Checks a fixed value.
pub fn value(page: &mut Page, node: &Node, text: &str, names: Names) {
    if curly(page, node) || cut(page, node) {
        return;
    }
    let whole = 0..text.len();
    let others = [("{!", "}"), ("${", "}"), ("｛｛", "｝｝")];
    let found = others.iter().find_map(|(open, close)| enclosed(text, open, close));
    let found = found.map(|(part, _)| {
        Suspect::error(
            part,
            "this stands in the field as it is written here",
            "use `template:` and write `{{ ... }}`",
        )
    });
    if let Some(found) = found.or_else(|| bare_path(text, &whole, names, "", "")) {
        found.report(page, node);
        return;
    }
    literal_escape(page, node, text, &whole);
}

/// Quoted texts in code that are the name of a value: customers would receive the name.
pub fn quoted(tokens: &[Token<'_>], names: Names) -> Vec<Mistake> {
    let texts = tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Text);
    texts
        .filter(|(at, _)| !names_an_attribute(&tokens[..*at]))
        .filter_map(|(_, token)| quoted_name(token, names))
        .collect()
}

/// Filters that are told by a text which part of an item they shall take.
const BY_ATTRIBUTE: &[&str] =
    &["attr", "groupby", "map", "rejectattr", "selectattr", "sort", "sum", "unique", "min", "max"];

fn names_an_attribute(before: &[Token<'_>]) -> bool {
    match before {
        [.., name, equals] if equals.is("=") => name.is("attribute"),
        [.., filter, open] if open.is("(") => BY_ATTRIBUTE.iter().any(|name| filter.is(name)),
        _ => false,
    }
}

fn quoted_name(token: &Token<'_>, names: Names) -> Option<Mistake> {
    let text = token.text.get(1..token.text.len().saturating_sub(1))?;
    let whole = text.trim();
    if is_field_path(whole, names) || (names.is_goodays() && is_answer(whole)) {
        let message = format!("`{whole}` stands in quotes, so it is a text and not its value");
        return Some(Mistake::error(
            CODE_AS_TEXT,
            token.span(),
            message,
            format!("write {whole} without quotes"),
        ));
    }
    let found = bare_path(text, &(0..text.len()), names, "", "")?;
    let path = text[found.part.clone()].to_owned();
    let part = found.behind(token.at + 1).part;
    let message = format!("`{path}` stands in quotes, so it is a text and not its value");
    if path == whole {
        return Some(Mistake::error(CODE_AS_TEXT, part, message, format!("write {path} without quotes")));
    }
    let help = format!("to join a text and a value, write `'...' ~ {path}`");
    Some(Mistake::warning(CODE_AS_TEXT, part, message, help))
}

/// `case.Status`: fields of Salesforce begin with a capital letter.
fn is_field_path(text: &str, names: Names) -> bool {
    let Some((root, fields)) = text.split_once('.') else { return false };
    let is_field = |field: &str| {
        field.starts_with(|c: char| c.is_ascii_uppercase())
            && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_record = names.roots().iter().any(|(name, shape)| *name == root && matches!(shape, Shape::Any));
    is_record && fields.split('.').all(is_field)
}

/// `answer(type='nps')`, also with the quotes left out.
fn is_answer(text: &str) -> bool {
    let arguments = text.strip_prefix("answer(").and_then(|rest| rest.strip_suffix(')'));
    arguments.is_some_and(|rest| rest.starts_with("type=") || rest.starts_with("id="))
}

/// Curly quotes around an unquoted text: a text processor replaced the straight quotes that YAML needs.
pub fn curly(page: &mut Page, node: &Node) -> bool {
    let is_curly = |c: char| "“”„‟‘’‚‛«»‹›".contains(c);
    let plain = node.style(&page.text) == Style::Plain;
    let Some(text) = node.scalar().map(|scalar| scalar.text.trim()).filter(|_| plain) else { return false };
    let around = text.chars().count() > 1 && text.starts_with(is_curly) && text.ends_with(is_curly);
    if around {
        page.error(
            CURLY_QUOTES,
            &node.span,
            "curly quotes are no quotes in YAML: they would be a part of the text",
        )
        .help("use straight quotes: \"...\"; if the curly ones are meant, put straight ones around them");
    }
    around
}

/// Reports what YAML cuts off after an unquoted text, from ` #` on. An error where code is cut off, a warning where
/// no blank follows, as in `#1`; otherwise it is an ordinary comment.
pub fn cut(page: &mut Page, node: &Node) -> bool {
    let Some(rest) = cut_text(page, node) else { return false };
    let comment = rest.trim_start_matches('#');
    let message = format!("YAML takes `{rest}` for a comment");
    let help = "put the whole text in double quotes if it belongs to it";
    if rest.contains("{{") || rest.contains("{%") {
        page.error(CUT_BY_YAML, &node.span, message).help("put the whole text in double quotes");
        return true;
    }
    if comment.is_empty() || comment.starts_with(' ') {
        return false;
    }
    page.warn(CUT_BY_YAML, &node.span, message).help(help);
    true
}

/// The rest of the line after an unquoted text, if it is a comment.
pub fn cut_text(page: &Page, node: &Node) -> Option<String> {
    node.scalar().filter(|scalar| !scalar.quoted)?;
    let rest = page.text[node.span.end..].lines().next()?;
    rest.trim_start().starts_with('#').then(|| rest.trim().to_owned())
}

struct Suspect {
    part: Range<usize>,
    is_error: bool,
    message: String,
    help: String,
}

impl Suspect {
    fn error(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Suspect {
        Suspect { part, is_error: true, message: message.into(), help: help.into() }
    }

    fn behind(self, offset: usize) -> Suspect {
        Suspect { part: self.part.start + offset..self.part.end + offset, ..self }
    }

    fn report(self, page: &mut Page, node: &Node) {
        let text = Arc::clone(&page.text);
        let span = node.inner(&text, &self.part);
        if self.is_error {
            page.error(CODE_AS_TEXT, &span, self.message).help(self.help);
        } else {
            page.warn(CODE_AS_TEXT, &span, self.message).help(self.help);
        }
    }
}

/// The parts outside of code and comments, and whether there is any code. `{% raw %}` contents count as intended.
fn plain_parts(text: &str) -> (Vec<Range<usize>>, bool) {
    let tokens = jinja::template(text);
    let (mut parts, mut from, mut raw) = (Vec::new(), 0, false);
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open if !raw => parts.push(from..token.at),
            Kind::Close => {
                from = token.span().end;
                raw = tokens[..index].iter().rev().take(2).any(|word| word.is("raw"));
            }
            _ => {}
        }
        raw = raw && token.kind != Kind::Open;
    }
    parts.push(from..text.len());
    let parts = parts.into_iter().flat_map(|part| without_comments(text, part)).collect();
    (parts, !tokens.is_empty())
}

fn without_comments(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut from) = (Vec::new(), part.start);
    while let Some(open) = text[from..part.end].find("{#").map(|at| from + at) {
        parts.push(from..open);
        from = text[open..part.end].find("#}").map_or(part.end, |at| open + at + 2);
    }
    parts.push(from..part.end);
    parts
}

/// Signs that other template languages put around a name, and a description of each.
const BRACES: [(&str, &str, &str); 9] = [
    ("｛｛", "｝｝", "in wide braces"),
    ("｛", "｝", "in wide braces"),
    ("{!", "}", "a merge field of Salesforce"),
    ("${", "}", "a variable, which only connector.yaml knows"),
    ("<%", "%>", "of another template language"),
    ("[[", "]]", "of another template language"),
    ("<<", ">>", "of another template language"),
    ("{", "}", "in single braces"),
    ("%", "%", "of another template language"),
];

fn other_braces(text: &str, names: Names) -> Option<Suspect> {
    for (open, close, what) in BRACES {
        let Some((part, inner)) = enclosed(text, open, close) else { continue };
        let surely = matches!(open, "{!" | "${" | "<%" | "｛｛") || starts_with_root(inner, names);
        if !surely && !(is_name(inner, open == "%") && (open != "%" || stands_alone(text, &part))) {
            continue;
        }
        let help = format!("write `{{{{ {} }}}}`", if surely { inner } else { "..." });
        let help = if surely { help } else { format!("{help} if a value is meant") };
        let message = format!("`{}` is {what}: here it stays text", &text[part.clone()]);
        return Some(Suspect { part, is_error: surely, message, help });
    }
    None
}

/// An end of code without a beginning.
fn stray(text: &str) -> Option<Suspect> {
    let stray = text.find("}}").or_else(|| text.find("%}"))?;
    let close = &text[stray..stray + 2];
    let open = if close == "}}" { "{{" } else { "{%" };
    Some(Suspect::error(
        stray..stray + 2,
        format!("`{close}` without `{open}` before it"),
        format!("begin it with `{open}`"),
    ))
}

/// The first part between these signs on one line, and its contents.
fn enclosed<'t>(text: &'t str, open: &str, close: &str) -> Option<(Range<usize>, &'t str)> {
    let mut from = 0;
    while let Some(start) = text[from..].find(open).map(|at| from + at) {
        let inner = start + open.len();
        let end = text[inner..].find(close).map(|at| inner + at)?;
        let within = text[inner..end].trim_matches(|c: char| c == '=' || c.is_whitespace());
        if !within.is_empty() && !text[inner..end].contains(['\n', '{']) {
            return Some((start..end + close.len(), within));
        }
        from = inner;
    }
    None
}

/// Whether no letter adjoins the part: `caf%C3%A9` is part of an address, not a name in percent signs.
fn stands_alone(text: &str, part: &Range<usize>) -> bool {
    let joined = |c: char| c.is_alphanumeric();
    !text[..part.start].ends_with(joined) && !text[part.end..].starts_with(joined)
}

/// A name or a path, for example `first_name` or `user.name`. `short`: nothing else is allowed.
fn is_name(inner: &str, short: bool) -> bool {
    let starts = inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c) || (!short && "|()'= ".contains(c));
    starts && inner.len() > 1 && inner.chars().all(fits) && (short || !inner.contains("  "))
}

fn starts_with_root(inner: &str, names: Names) -> bool {
    let word: &str = inner.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let is_root = names.roots().iter().any(|(root, _)| *root == word);
    (is_root && (names == Names::Feedback || inner.len() > word.len()))
        || (word == "answer" && inner.contains('('))
}

/// The name of a value of `feedback` that is the whole text.
fn bare_name(text: &str, names: Names) -> Option<&'static str> {
    let roots = names.roots().iter().filter(|_| names == Names::Feedback);
    roots.map(|(name, _)| *name).find(|name| *name == text)
}

/// A path, for example `response.place.name`, that stands in the text without code around it.
fn bare_path(text: &str, part: &Range<usize>, names: Names, open: &str, close: &str) -> Option<Suspect> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '/' | '-');
    for (root, shape) in names.roots() {
        let Shape::Object(entries) = shape else { continue };
        for (at, _) in text[part.clone()].match_indices(root) {
            let start = part.start + at;
            let rest = &text[start + root.len()..part.end];
            let path = rest
                .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'))
                .map_or(rest, |end| &rest[..end]);
            let path = path.trim_end_matches('.');
            let first = path.strip_prefix('.').and_then(|path| path.split('.').next());
            let known = first.is_some_and(|first| entries.iter().any(|(name, _)| *name == first));
            if !known || text[..start].ends_with(is_word) {
                continue;
            }
            let found = format!("{root}{path}");
            let help = if open.is_empty() {
                format!("write `from: {found}`")
            } else {
                format!("write `{open}{found}{close}`")
            };
            let span = start..start + found.len();
            return Some(Suspect::error(
                span,
                format!("`{found}` stands here as a text, not as its value"),
                help,
            ));
        }
    }
    None
}

/// `\n` where only double quotes make it a line end. In double quotes `\\n` says that the letters are intended.
fn literal_escape(page: &mut Page, node: &Node, text: &str, part: &Range<usize>) -> bool {
    if node.style(&page.text) == Style::Double {
        return false;
    }
    let Some(at) = ["\\n", "\\t", "\\r"].iter().filter_map(|escape| text[part.clone()].find(escape)).min()
    else {
        return false;
    };
    let at = part.start + at;
    let escape = &text[at..at + 2];
    let source = Arc::clone(&page.text);
    let span = node.inner(&source, &(at..at + 2));
    let message =
        format!("`{escape}` stands for itself here: only double quotes make a line end or a tab of it");
    let help = "put the whole text in double quotes; there `\\\\n` says that the two letters are meant";
    // A path, for example C:\new, may be intended.
    if text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase()) && text[..at].ends_with([':', '\\']) {
        page.warn(LITERAL_ESCAPE, &span, message).help(help);
    } else {
        page.error(LITERAL_ESCAPE, &span, message).help(help);
    }
    true
}
