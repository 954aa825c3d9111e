//! Where words stand in the mapping files. Online findings point there, as compilers do.

use std::ops::Range;

use crate::document::diagnostic::Page;
use crate::document::yaml::{self, Kind, Node};
use crate::mapping::{Diagnostic, Mapping, Severity};

/// All mapping files as trees.
pub struct MappingFiles {
    files: Vec<File>,
}

struct File {
    name: String,
    text: String,
    root: Option<Node>,
}

/// Where a word stands.
#[derive(Clone)]
pub struct Location {
    file: usize,
    span: Range<usize>,
}

/// The keys that one rule of a field has.
#[derive(Default, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that stands there or does not")]
pub struct Written {
    pub create_only: bool,
    pub message_only: bool,
    pub fixed: bool,
    pub conditional: bool,
    pub has_default: bool,
}

impl MappingFiles {
    pub fn new(mapping: &Mapping) -> Self {
        let files = mapping.sources().iter().map(|source| {
            let mut page = Page::new(source.name.as_str(), &source.text);
            let root = yaml::parse(&mut page);
            File { name: source.name.clone(), text: source.text.clone(), root }
        });
        Self { files: files.collect() }
    }

    /// The place of the last key of a path of keys.
    pub fn key(&self, file: &str, path: &[&str]) -> Option<Location> {
        let (index, key, _) = self.entry(file, path)?;
        Some(Location { file: index, span: key.span.clone() })
    }

    /// The place of the value under the last key of a path of keys.
    pub fn value(&self, file: &str, path: &[&str]) -> Option<Location> {
        let (index, _, value) = self.entry(file, path)?;
        Some(Location { file: index, span: value.span.clone() })
    }

    /// The place of this fixed value in a field's rules. If they hold it in another notation, the place of the field.
    pub fn value_of(&self, file: &str, field: &str, value: &str) -> Option<Location> {
        let (index, key, node) = self.entry(file, &["fields", field])?;
        let mut under = Vec::new();
        values(node, &mut under);
        let found = under.into_iter().find(|node| text(node) == Some(value)).unwrap_or(key);
        Some(Location { file: index, span: found.span.clone() })
    }

    fn entry(&self, file: &str, path: &[&str]) -> Option<(usize, &Node, &Node)> {
        let index = self.files.iter().position(|one| one.name == file)?;
        let mut node = self.files[index].root.as_ref()?;
        let mut found = None;
        for name in path {
            let Kind::Map(entries) = &node.kind else { return None };
            let (key, value) = entries.iter().find(|(key, _)| text(key) == Some(name))?;
            found = Some((index, key, value));
            node = value;
        }
        found
    }

    /// A field's rules as written.
    pub fn rules(&self, file: &str, field: &str) -> Vec<Written> {
        let Some((_, _, node)) = self.entry(file, &["fields", field]) else { return Vec::new() };
        match &node.kind {
            Kind::List(items) => items.iter().map(written).collect(),
            _ => vec![written(node)],
        }
    }

    /// The first place in a file where the whole word occurs, in a key, a value or an expression.
    pub fn mention(&self, file: &str, word: &str) -> Option<Location> {
        self.texts(file).into_iter().find_map(|(location, text, source)| {
            let at = words(&text, word).next()?;
            Some(location.within(source, &(at..at + word.len())))
        })
    }

    /// Names that follow `prefix` in expressions of all files, each with every place: `transaction_date` for the
    /// prefix `response.context.extra`.
    pub fn names_behind(&self, prefix: &str) -> Vec<(String, Location)> {
        let mut found = Vec::new();
        for file in &self.files {
            for (location, text, source) in self.texts(&file.name) {
                for at in words(&text, prefix) {
                    if let Some((name, part)) = step(&text, at + prefix.len()) {
                        found.push((name, location.within(source, &part)));
                    }
                }
            }
        }
        found
    }

    /// Texts that a file's expressions compare with fields of the Case: `(field, text, place)`.
    pub fn compared(&self, file: &str) -> Vec<(String, String, Location)> {
        let mut found = Vec::new();
        for (location, text, source) in self.texts(file) {
            for at in words(&text, "case") {
                let Some((field, part)) = step(&text, at + "case".len()) else { continue };
                for (literal, part) in literals(&text, at, after_step(&text, &part)) {
                    found.push((field.clone(), literal, location.within(source, &part)));
                }
            }
        }
        found
    }

    /// A finding, with its place.
    pub fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        location: &Location,
        message: impl Into<String>,
    ) -> Diagnostic {
        let (mut page, span) = self.page(location);
        match severity {
            Severity::Error => page.error(code, &span, message),
            Severity::Warning => page.warn(code, &span, message),
        }
        .clone()
    }

    fn page(&self, location: &Location) -> (Page, Range<usize>) {
        let file = &self.files[location.file];
        (Page::new(file.name.as_str(), &file.text), location.span.clone())
    }

    /// All scalars of a file, keys included: place, text, and the node for places inside of it.
    fn texts(&self, file: &str) -> Vec<(Location, String, (&str, &Node))> {
        let Some(index) = self.files.iter().position(|one| one.name == file) else { return Vec::new() };
        let file = &self.files[index];
        let mut nodes = Vec::new();
        if let Some(root) = &file.root {
            scalars(root, &mut nodes);
        }
        let location = |node: &Node| Location { file: index, span: node.span.clone() };
        let found = nodes
            .into_iter()
            .filter_map(|node| Some((location(node), text(node)?.to_owned(), (file.text.as_str(), node))));
        found.collect()
    }
}

impl Location {
    fn within(&self, (source, node): (&str, &Node), part: &Range<usize>) -> Self {
        Self { file: self.file, span: node.inner(source, part) }
    }
}

fn text(node: &Node) -> Option<&str> {
    node.scalar().map(|scalar| scalar.text.as_str())
}

fn scalars<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    match &node.kind {
        Kind::Scalar(_) => found.push(node),
        Kind::List(items) => items.iter().for_each(|item| scalars(item, found)),
        Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
            scalars(key, found);
            scalars(value, found);
        }),
    }
}

/// All scalars under a node except keys.
fn values<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    match &node.kind {
        Kind::Scalar(_) => found.push(node),
        Kind::List(items) => items.iter().for_each(|item| values(item, found)),
        Kind::Map(entries) => entries.iter().for_each(|(_, value)| values(value, found)),
    }
}

fn written(node: &Node) -> Written {
    let Kind::Map(entries) = &node.kind else { return Written::default() };
    let get = |name: &str| entries.iter().find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value);
    let on = get("on").and_then(text);
    Written {
        create_only: on == Some("create"),
        message_only: on == Some("message"),
        fixed: get("value").is_some(),
        conditional: get("when").is_some(),
        has_default: get("default").is_some(),
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the whole word occurs, not as a part of a longer name or path.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word)
    })
}

/// `.name` or `['name']` at this place.
fn step(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    let rest = &text[at..];
    if let Some(name) = rest.strip_prefix('.') {
        let end = name.find(|c| !is_word(c)).unwrap_or(name.len());
        return (end > 0).then(|| (name[..end].to_owned(), at + 1..at + 1 + end));
    }
    let inner = rest.strip_prefix('[')?.trim_start();
    let start = text.len() - inner.len();
    let (name, part) = literal(text, start)?;
    Some((name, part))
}

/// Where a path continues after a step: `['name']` closes its quote and its bracket first.
fn after_step(text: &str, part: &Range<usize>) -> usize {
    let Some(inner) = text[part.end..].strip_prefix(['\'', '"']) else { return part.end };
    inner.trim_start().strip_prefix(']').map_or(part.end, |rest| text.len() - rest.len())
}

/// A quoted text at this place, and its span without the quotes.
fn literal(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    let quote = text[at..].chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = &text[at + 1..];
    let end = inner.find(quote)?;
    Some((inner[..end].to_owned(), at + 1..at + 1 + end))
}

/// The texts with which the part between `start` and `end` is compared, on either side of it.
fn literals(text: &str, start: usize, end: usize) -> Vec<(String, Range<usize>)> {
    let after = text[end..].trim_start();
    let compared = after.strip_prefix("==").or_else(|| after.strip_prefix("!="));
    if let Some(rest) = compared {
        return literal(text, text.len() - rest.trim_start().len()).into_iter().collect();
    }
    let list = after.strip_prefix("not ").map_or(after, str::trim_start);
    if let Some(list) = list.strip_prefix("in").map(str::trim_start).filter(|l| l.starts_with(['[', '('])) {
        return listed(text, text.len() - list.len() + 1);
    }
    reversed(text, start).into_iter().collect()
}

/// `'Spam' == case.Status`
fn reversed(text: &str, start: usize) -> Option<(String, Range<usize>)> {
    let before = text[..start].trim_end();
    let before = before.strip_suffix("==").or_else(|| before.strip_suffix("!="))?.trim_end();
    let quote = before.chars().next_back().filter(|c| matches!(c, '\'' | '"'))?;
    let end = before.len() - 1;
    let open = before[..end].rfind(quote)?;
    Some((before[open + 1..end].to_owned(), open + 1..end))
}

fn listed(text: &str, mut at: usize) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', ',']).len();
        let Some((item, part)) = literal(text, at) else { return found };
        at = part.end + 1;
        found.push((item, part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(text: &str) -> Vec<String> {
        let found = words(text, "case").filter_map(|at| Some((at, step(text, at + 4)?)));
        let found = found.flat_map(|(at, (_, part))| literals(text, at, after_step(text, &part)));
        found
            .map(|(literal, part)| {
                assert_eq!(&text[part], literal);
                literal
            })
            .collect()
    }

    #[test]
    fn compared_texts_are_found_on_either_side() {
        assert_eq!(compared("case.Status == 'Spam' or case.Status=='X' "), ["Spam", "X"]);
        assert_eq!(compared("'Spam' == case.Status and case.IsClosed"), ["Spam"]);
        assert_eq!(compared("case.Status in ['A', \"B\"] and case['Origin'] != 'C'"), ["A", "B", "C"]);
        assert_eq!(compared("case.Status not in ('A','B')"), ["A", "B"]);
        assert_eq!(compared("my.case.Status == 'A' or showcase.Status == 'B'"), Vec::<String>::new());
    }

    #[test]
    fn steps_behind_a_name() {
        let of = |text: &str| step(text, 1).map(|(name, _)| name);
        assert_eq!(of("x.name | upper").as_deref(), Some("name"));
        assert_eq!(of("x['na me']").as_deref(), Some("na me"));
        assert_eq!(of("x[0]"), None);
        assert_eq!(of("x"), None);
    }
}
