//! Where words stand in the mapping files. Online findings point there, as compilers do.

use std::ops::Range;

use crate::document::diagnostic::Page;
use crate::document::yaml::{self, Kind, Node};
use crate::mapping::{Diagnostic, FieldKind, Mapping, Misuse, Severity, compared_texts, misused};

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
            let compared = compared_texts(&text).into_iter();
            found.extend(compared.map(|(field, word, part)| (field, word, location.within(source, &part))));
        }
        found
    }

    /// What a file's expressions misuse. `kind` tells what a field holds, by its root and its path.
    pub fn misused(
        &self,
        file: &str,
        kind: impl Fn(&str, &str) -> Option<FieldKind>,
    ) -> Vec<(Misuse, Location)> {
        let Some(index) = self.files.iter().position(|one| one.name == file) else { return Vec::new() };
        let file = &self.files[index];
        let mut expressions = Vec::new();
        if let Some(root) = &file.root {
            expressions_of(root, &mut expressions);
        }
        let mut found = Vec::new();
        for (node, is_condition) in expressions {
            let location = Location { file: index, span: node.span.clone() };
            let misuses = misused(text(node).unwrap_or_default(), is_condition, &kind).into_iter();
            found.extend(misuses.map(|one| {
                let place = location.within((&file.text, node), &one.part);
                (one, place)
            }));
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

/// All expressions of actions.yaml, and whether each is a condition.
fn expressions_of<'n>(node: &'n Node, found: &mut Vec<(&'n Node, bool)>) {
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => items.iter().for_each(|item| expressions_of(item, found)),
        Kind::Map(entries) => entries.iter().for_each(|(key, value)| match text(key) {
            Some("when") => found.push((value, true)),
            Some("content" | "remark_type" | "note" | "rating") => found.push((value, false)),
            _ => expressions_of(value, found),
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

/// A quoted text at this place, and its span without the quotes.
fn literal(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    let quote = text[at..].chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = &text[at + 1..];
    let end = inner.find(quote)?;
    Some((inner[..end].to_owned(), at + 1..at + 1 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_behind_a_name() {
        let of = |text: &str| step(text, 1).map(|(name, _)| name);
        assert_eq!(of("x.name | upper").as_deref(), Some("name"));
        assert_eq!(of("x['na me']").as_deref(), Some("na me"));
        assert_eq!(of("x[0]"), None);
        assert_eq!(of("x"), None);
    }
}
