//! `${VAR}` and `${VAR:-default}` in values, never in keys. `$${` is a literal `${`.

use std::collections::HashSet;
use std::ops::Range;

use crate::document::diagnostic::Page;
use crate::document::yaml::{Kind, Node};

use super::Secrets;

pub const UNSET: &str = "C001";
pub const BAD_VARIABLE: &str = "C002";

/// Whether the name looks like a variable. If not, it may be the secret itself, so it is not shown.
pub fn is_shown(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

pub struct Variables<'v> {
    pub secrets: Secrets,
    pub lookup: &'v dyn Fn(&str) -> Option<String>,
    /// Start positions of values with a variable that is not set.
    pub unset: HashSet<usize>,
    /// Start positions of values with any variable.
    pub varying: HashSet<usize>,
}

impl Variables<'_> {
    /// Replaces the variables in all values, and reports each one that is not set.
    pub fn replace(&mut self, node: &mut Node, page: &mut Page) {
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.replace(item, page)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.replace(value, page)),
            Kind::Scalar(scalar) if scalar.text.contains("${") => {
                let text = scalar.text.clone();
                let replaced = self.text(&text, node, page);
                self.varying.insert(node.span.start);
                if let Kind::Scalar(scalar) = &mut node.kind {
                    scalar.quoted = true; // what a variable holds is a text, also when it is `null`
                    scalar.text = replaced;
                }
            }
            Kind::Scalar(_) => {}
        }
    }

    fn text(&mut self, text: &str, node: &Node, page: &mut Page) -> String {
        let mut out = String::new();
        let mut at = 0;
        while let Some(start) = text[at..].find("${").map(|found| at + found) {
            if text[at..start].ends_with('$') {
                out.push_str(&text[at..start - 1]);
                out.push_str("${");
                at = start + 2;
                continue;
            }
            out.push_str(&text[at..start]);
            let Some(end) = text[start..].find('}').map(|found| start + found) else {
                let span = node.inner(&page.text.clone(), &(start..text.len()));
                page.error(BAD_VARIABLE, &span, "`${` without `}`").help("a plain `${` is written `$${`");
                return out;
            };
            out.push_str(&self.variable(&text[start + 2..end], node, &(start..end + 1), page));
            at = end + 1;
        }
        out.push_str(&text[at..]);
        out
    }

    fn variable(&mut self, inner: &str, node: &Node, part: &Range<usize>, page: &mut Page) -> String {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            self.unset.insert(node.span.start);
            let span = node.inner(&page.text.clone(), part);
            page.error(BAD_VARIABLE, &span, "what stands between `${` and `}` is no name of a variable")
                .help("write ${NAME} or ${NAME:-default}; a plain `${` is written `$${`");
            return String::new();
        }
        // As in a shell: a variable that is set but empty counts as unset if there is a default.
        let value = (self.lookup)(name).filter(|value| default.is_none() || !value.is_empty());
        if let Some(value) = value.or_else(|| default.map(str::to_owned)) {
            return value;
        }
        self.unset.insert(node.span.start);
        if self.secrets == Secrets::Required {
            let span = node.inner(&page.text.clone(), part);
            let shown = if is_shown(name) { name } else { "NAME" };
            let which =
                if is_shown(name) { format!("the variable `{name}`") } else { "this variable".to_owned() };
            page.error(UNSET, &span, format!("{which} is not set"))
                .help(format!("set it in the environment, or give a default: ${{{shown}:-...}}"));
        }
        String::new()
    }
}
