//! Finds the names that code uses: paths (for example `response.place.name`), functions, filters, tests.
//!
//! The engine's `undeclared_variables` does not serve for this: it has no places, no filters and no tests, stops at
//! `case['Status']`, and counts the method of `case.Subject.lower()` as a field. Where both can answer, the tests hold
//! them against each other.

use std::ops::Range;

use crate::mapping::language::jinja::{Kind, Token};

/// One use of a name.
#[derive(Debug)]
pub struct Path<'s> {
    pub root: &'s str,
    pub root_span: Range<usize>,
    pub steps: Vec<Step<'s>>,
    /// When the root is called: the arguments' tokens, by index.
    pub call: Option<Range<usize>>,
}

#[derive(Debug)]
pub enum Step<'s> {
    Name(&'s str, Range<usize>),
    /// `[0]`
    Item,
    /// `[expression]`: the rest of the path is unknown.
    Computed,
}

#[derive(Debug)]
pub enum Use<'s> {
    Path(Path<'s>),
    Filter(&'s str, Range<usize>),
    Test(&'s str, Range<usize>),
    /// `for local in path`, `set local = ...`: after this the name is the template's own.
    Local(&'s str, Option<Path<'s>>),
    /// `set local = path`: another name for what the path leads to.
    Alias(&'s str, Path<'s>),
}

const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "loop",
    "recursive",
    "self",
    "super",
];
const BLOCKS: &[&str] = &[
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "with",
    "endwith",
    "filter",
    "endfilter",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "do",
    "raw",
    "endraw",
    "autoescape",
    "endautoescape",
    "include",
    "import",
    "from",
    "extends",
    "block",
    "endblock",
    "break",
    "continue",
];

/// The paths that the code reads below `root`: `case.Contact.Email` gives `Contact.Email` for the root `case`.
pub fn paths(tokens: &[Token<'_>], root: &str) -> Vec<String> {
    let found = uses(tokens).into_iter().filter_map(|used| match used {
        Use::Path(path) | Use::Local(_, Some(path)) if path.root == root => Some(path),
        _ => None,
    });
    let names = found.map(|path| {
        let names = path.steps.iter().map_while(|step| match step {
            Step::Name(name, _) => Some(*name),
            _ => None,
        });
        names.collect::<Vec<_>>().join(".")
    });
    names.filter(|path| !path.is_empty()).collect()
}

pub fn uses<'s>(tokens: &[Token<'s>]) -> Vec<Use<'s>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.kind == Kind::Open && token.text.starts_with("{%") {
            at = block(tokens, at + 1, &mut found);
            continue;
        }
        if token.kind != Kind::Name {
            at += 1;
            continue;
        }
        at = name(tokens, at, &mut found);
    }
    found
}

/// The head of `{% ... %}`. The rest is read as ordinary code.
fn block<'s>(tokens: &[Token<'s>], at: usize, found: &mut Vec<Use<'s>>) -> usize {
    let Some(word) = tokens.get(at).filter(|token| BLOCKS.contains(&token.text)) else { return at };
    match word.text {
        "for" => {
            let close =
                tokens[at..].iter().position(|token| token.is("in")).map_or(tokens.len(), |to| at + to);
            let names: Vec<&Token<'s>> =
                tokens[at + 1..close].iter().filter(|token| token.kind == Kind::Name).collect();
            let items = tokens.get(close + 1).filter(|token| token.kind == Kind::Name);
            let items = items.map(|_| path(tokens, close + 1).0);
            let filtered = items.is_some() && names.len() == 1;
            for (index, local) in names.iter().enumerate() {
                let of = if filtered && index == 0 { items.as_ref().map(copy) } else { None };
                found.push(Use::Local(local.text, of));
            }
            close + 1
        }
        "set" | "with" if alias(tokens, at + 1).is_some() => {
            let (value, next) = path(tokens, at + 3);
            let local = tokens[at + 1].text;
            // The value is read before the name changes its meaning.
            let (first, _) = path(tokens, at + 3);
            found.push(Use::Path(first));
            found.push(Use::Alias(local, value));
            next
        }
        "set" | "macro" | "call" | "with" => {
            let mut next = at + 1;
            for token in tokens[at + 1..].iter().take_while(|token| token.kind != Kind::Close) {
                let own = token.kind == Kind::Name && !WORDS.contains(&token.text);
                if word.text != "macro" && token.is("=") {
                    break;
                }
                if own {
                    found.push(Use::Local(token.text, None));
                }
                next += 1;
            }
            next
        }
        "filter" => match tokens.get(at + 1) {
            Some(filter) => {
                found.push(Use::Filter(filter.text, filter.span()));
                at + 2
            }
            None => at + 1,
        },
        _ => at + 1,
    }
}

/// `name = path` up to the end of the block.
fn alias(tokens: &[Token<'_>], at: usize) -> Option<()> {
    let [name, equals, value] = tokens.get(at..at + 3)? else { return None };
    let named = name.kind == Kind::Name && equals.is("=") && value.kind == Kind::Name;
    let own = named && !WORDS.contains(&value.text);
    let (read, next) = own.then(|| path(tokens, at + 2))?;
    let end = read.call.as_ref().map_or(next, |arguments| arguments.end + 1);
    tokens.get(end).filter(|token| token.kind == Kind::Close).map(|_| ())
}

fn copy<'s>(path: &Path<'s>) -> Path<'s> {
    let steps = path.steps.iter().map(|step| match step {
        Step::Name(name, span) => Step::Name(name, span.clone()),
        Step::Item => Step::Item,
        Step::Computed => Step::Computed,
    });
    Path {
        root: path.root,
        root_span: path.root_span.clone(),
        steps: steps.collect(),
        call: path.call.clone(),
    }
}

fn name<'s>(tokens: &[Token<'s>], at: usize, found: &mut Vec<Use<'s>>) -> usize {
    let token = &tokens[at];
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let after = tokens.get(at + 1);
    if before.is_some_and(|before| before.is("|")) {
        found.push(Use::Filter(token.text, token.span()));
        return at + 1;
    }
    if before.is_some_and(|before| before.is("is")) && !token.is("not") {
        found.push(Use::Test(token.text, token.span()));
        return at + 1;
    }
    if before.is_some_and(|before| before.is("not")) && at >= 2 && tokens[at - 2].is("is") {
        found.push(Use::Test(token.text, token.span()));
        return at + 1;
    }
    if before.is_some_and(|before| before.is(".")) || after.is_some_and(|after| after.is("=")) {
        return at + 1; // an attribute of something computed, or an argument's name
    }
    if WORDS.contains(&token.text) {
        return at + 1;
    }
    let (path, next) = path(tokens, at);
    found.push(Use::Path(path));
    next
}

/// The path that begins at a name, and the index where reading continues.
pub fn path<'s>(tokens: &[Token<'s>], from: usize) -> (Path<'s>, usize) {
    let token = &tokens[from];
    let mut path = Path { root: token.text, root_span: token.span(), steps: Vec::new(), call: None };
    let mut at = from + 1;
    if tokens.get(at).is_some_and(|next| next.is("(")) {
        path.call = Some(at + 1..closing(tokens, at));
        return (path, at + 1);
    }
    loop {
        match (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2)) {
            (Some(dot), Some(name), after) if dot.is(".") && name.kind == Kind::Name => {
                if after.is_some_and(|after| after.is("(")) {
                    path.steps.push(Step::Computed); // a method
                    return (path, at + 2);
                }
                path.steps.push(Step::Name(name.text, name.span()));
                at += 2;
            }
            (Some(open), Some(minus), Some(key))
                if open.is("[")
                    && minus.is("-")
                    && key.kind == Kind::Number
                    && tokens.get(at + 3).is_some_and(|close| close.is("]")) =>
            {
                path.steps.push(Step::Item);
                at += 4;
            }
            (Some(open), Some(key), Some(close)) if open.is("[") && close.is("]") => {
                path.steps.push(match key.kind {
                    Kind::Text => {
                        Step::Name(key.text.trim_matches(['"', '\'']), key.at + 1..key.span().end - 1)
                    }
                    Kind::Number => Step::Item,
                    _ => Step::Computed,
                });
                // A computed key contains names itself.
                at += if matches!(path.steps.last(), Some(Step::Computed)) { 1 } else { 3 };
                if matches!(path.steps.last(), Some(Step::Computed)) {
                    return (path, at);
                }
            }
            (Some(open), _, _) if open.is("[") => {
                path.steps.push(Step::Computed);
                return (path, at + 1);
            }
            _ => return (path, at),
        }
    }
}

fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use minijinja::Environment;

    use super::*;
    use crate::mapping::language::jinja::{expression, template};

    fn sorted(paths: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        paths.into_iter().collect()
    }

    #[test]
    fn plain_paths_are_those_that_the_engine_finds() {
        let engine = Environment::new();
        let own =
            |tokens: &[Token<'_>]| sorted(paths(tokens, "case").iter().map(|path| format!("case.{path}")));
        for source in [
            "case.Status == 'Spam' and not case.IsClosed",
            "case.Owner.Name if case.Priority in ['High', case.Level__c] else none",
            "case.Contact.Email | default(case.SuppliedEmail) | lower",
            "-case.Amount__c > 3 or (case.Origin ~ case.Reason) is defined",
        ] {
            let theirs = engine.compile_expression(source).unwrap().undeclared_variables(true);
            assert_eq!(own(&expression(source)), sorted(theirs), "{source}");
        }
        for source in [
            "{{ case.Subject }}{% if case.IsClosed %}{{ case.ClosedDate }}{% else %}-{% endif %}",
            "{% for name in case.Names__c %}{{ name }}{% endfor %}{% set own = case.Status %}{{ own }}",
        ] {
            let theirs = engine.template_from_str(source).unwrap().undeclared_variables(true);
            assert_eq!(own(&template(source)), sorted(theirs), "{source}");
        }
    }

    #[test]
    fn a_field_in_brackets_counts_and_a_method_does_not() {
        let of = |source: &str| paths(&expression(source), "case");
        assert_eq!(of("case['Status'] == 'New'"), ["Status"]);
        assert_eq!(of("case.Subject.lower() == 'x'"), ["Subject"]);
        assert_eq!(of("case.Items[0].Name"), ["Items"]);
    }
}
