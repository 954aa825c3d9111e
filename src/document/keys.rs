//! Mappings with known keys, and words from fixed lists.

use std::ops::Range;

use crate::document::diagnostic::{Page, nearest, one_of, suggest};
use crate::document::yaml::{Kind, MISSING_KEY, Node, UNKNOWN_KEY};

/// A mapping whose keys are taken one by one. The keys that remain at the end are unknown.
pub struct Keys<'n> {
    pub span: Range<usize>,
    entries: &'n [(Node, Node)],
    known: Vec<&'static str>,
}

impl<'n> Keys<'n> {
    pub fn of(node: &'n Node, page: &mut Page, what: &str) -> Keys<'n> {
        Keys { span: node.span.clone(), entries: node.map(page, what), known: Vec::new() }
    }

    /// An absent mapping: every key is absent.
    pub fn none() -> Keys<'n> {
        Keys { span: 0..0, entries: &[], known: Vec::new() }
    }

    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.value(name)
    }

    /// The key's value, which is not taken by that.
    pub fn value(&self, name: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.scalar().is_some_and(|scalar| scalar.text == name))
            .map(|(_, value)| value)
    }

    /// The place of a key's name.
    pub fn key_span(&self, name: &str) -> Range<usize> {
        self.entries
            .iter()
            .find(|(key, _)| key.scalar().is_some_and(|scalar| scalar.text == name))
            .map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }

    pub fn need(&mut self, page: &mut Page, name: &'static str, what: &str) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            page.error(MISSING_KEY, &self.span, format!("{what} needs the key `{name}`"))
                .help(format!("add `{name}: ...`; the shipped files and docs show how it looks"));
        }
        found
    }

    /// Whether an unknown key resembles one of these. The key is reported as unknown, so they are not missing.
    pub fn nearly(&self, names: &[&str]) -> bool {
        let unknown =
            self.entries.iter().filter_map(|(key, _)| key.scalar().map(|scalar| scalar.text.as_str()));
        let mut unknown = unknown.filter(|name| !self.known.contains(name));
        unknown.any(|name| nearest(name, names.iter().copied()).is_some())
    }

    /// Reports every key that was not taken as unknown.
    pub fn finish(self, page: &mut Page, what: &str) {
        self.finish_with(page, what, &|_| None);
    }

    /// The same. `elsewhere`: what to do about a key that belongs to another place.
    pub fn finish_with(self, page: &mut Page, what: &str, elsewhere: &dyn Fn(&str) -> Option<String>) {
        for (key, value) in self.entries {
            let Some(name) = key.scalar() else {
                key.wrong_kind(page, "a key", "a text");
                continue;
            };
            if !self.known.contains(&name.text.as_str()) {
                let message = format!("unknown key {} in {what}", page.named(&name.text));
                let help = if self.known.contains(&"fields") && is_rule(value) {
                    format!("if `{}` is a field, indent it like the others under `fields`", name.text)
                } else {
                    elsewhere(&name.text).unwrap_or_else(|| suggest(&name.text, &self.known))
                };
                page.error(UNKNOWN_KEY, &key.span, message).help(help);
            }
        }
    }
}

/// Whether the value is a field's rules.
fn is_rule(value: &Node) -> bool {
    let is_source =
        |key: &Node| key.scalar().is_some_and(|key| matches!(&*key.text, "from" | "template" | "value"));
    match &value.kind {
        Kind::Map(entries) => entries.iter().any(|(key, _)| is_source(key)),
        Kind::List(items) => items.iter().any(is_rule),
        Kind::Scalar(_) => false,
    }
}

/// A word from a fixed list.
pub fn choice<T: Copy>(
    node: &Node,
    page: &mut Page,
    code: &'static str,
    what: &str,
    choices: &[(&'static str, T)],
) -> Option<T> {
    let word = node.text(page, what)?;
    let found = choices.iter().find(|(name, _)| *name == word.text);
    if found.is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let shown = !page.is_secret() || nearest(&word.text, names.iter().copied()).is_some();
        let not = if shown { format!(", not `{}`", word.text) } else { String::new() };
        page.error(code, &node.span, format!("{what} can be {}{not}", one_of(&names)))
            .help(suggest(&word.text, &names));
    }
    found.map(|(_, value)| *value)
}
