//! Checks the names that expressions and templates use, and how they use them.

use std::collections::HashMap;
use std::ops::Range;

use super::{
    BAD_ANSWER, Checker, FAILS_ON_SAMPLE, NOT_IN_SCOPE, NULL_SPELT, UNKNOWN_FILTER, UNKNOWN_FUNCTION,
    UNKNOWN_NAME, UNKNOWN_QUESTION, UNKNOWN_TEST, way_out,
};
use crate::document::diagnostic::{nearest, one_of, suggest};
use crate::document::yaml::Node;
use crate::mapping::files::suspect;
use crate::mapping::language::behind::Before;
use crate::mapping::language::expr::NOT_A_VALUE;
use crate::mapping::language::filters::OWN_FILTERS;
use crate::mapping::language::formats::formats;
use crate::mapping::language::jinja::{Kind, Token};
use crate::mapping::language::known::{EVERYWHERE, FILTERS, FUNCTIONS, Names, TESTS};
use crate::mapping::language::methods::methods;
use crate::mapping::language::names::{Path, Use, uses};
use crate::mapping::language::resolve::{Unknown, walk};
use crate::mapping::language::shape::{QUESTION_TYPES, Shape};
use crate::mapping::language::{behind, documented, lists, names};

/// Filters that make a text of what they are given.
const TEXT_FILTERS: &[&str] = &[
    "capitalize",
    "date",
    "e",
    "escape",
    "indent",
    "lower",
    "place",
    "replace",
    "string",
    "strip_html",
    "strip_markdown",
    "title",
    "trim",
    "upper",
];

impl Checker<'_> {
    /// True when all names are known.
    pub(super) fn check_names(&mut self, node: &Node, tokens: &[Token<'_>]) -> bool {
        let before = self.page.found.iter().filter(|found| found.is_error()).count();
        let mut locals: HashMap<&str, Shape> = HashMap::new();
        for used in uses(tokens) {
            match used {
                Use::Filter(name, span) => self.known(node, UNKNOWN_FILTER, "filter", name, &span),
                Use::Test(name, span) => self.known(node, UNKNOWN_TEST, "test", name, &span),
                Use::Local(name, of) => {
                    let shape = of.map_or(Shape::Any, |path| match self.resolve(node, &path, &locals) {
                        Some(Shape::List(item)) => *item,
                        _ => Shape::Any,
                    });
                    locals.insert(name, shape);
                }
                Use::Alias(name, path) => {
                    let shape = match &path.call {
                        Some(_) if path.root == "answer" => Some(Shape::Leaf),
                        Some(_) => None,
                        None => self.shape(&path, &locals),
                    };
                    // Set again, perhaps in another branch: it may be either.
                    let shape = shape.filter(|_| !locals.contains_key(name)).unwrap_or(Shape::Any);
                    locals.insert(name, shape);
                }
                Use::Path(path) => {
                    if let Some(arguments) = &path.call {
                        self.check_call(node, &path, &tokens[arguments.clone()], &locals);
                    } else if let Some(shape) = self.resolve(node, &path, &locals) {
                        self.check_joined(node, &path, shape, tokens);
                    }
                }
            }
        }
        self.check_behind(node, tokens, &locals);
        let seen = methods(tokens).into_iter().chain(formats(tokens));
        let seen = seen.chain(suspect::quoted(tokens, self.names)).chain(lists::wrong(tokens));
        let strangers = if self.names.is_goodays() { documented::compared(tokens) } else { Vec::new() };
        for mistake in seen.chain(strangers) {
            self.report(node, mistake);
        }
        self.page.found.iter().filter(|found| found.is_error()).count() == before
    }

    /// Names behind a bracket: `answer(...).value`, `(a or b).name`.
    fn check_behind(&mut self, node: &Node, tokens: &[Token<'_>], locals: &HashMap<&str, Shape>) {
        for behind in behind::names(tokens) {
            let (message, help) = match behind.before {
                Before::Answer => (
                    format!("`answer(...)` is the answer's value and has no `{}`", behind.name),
                    "write `answer(...)` alone".to_owned(),
                ),
                Before::Group(paths) => {
                    let shapes = paths.iter().map(|one| {
                        let shape = self.shape(&one.path, locals)?;
                        match shape {
                            Shape::List(item) if one.item => Some(*item),
                            Shape::Object(_) if !one.item => Some(shape),
                            _ => None,
                        }
                    });
                    let Some(shapes) = shapes.collect::<Option<Vec<_>>>() else { continue };
                    let entries: Vec<&str> = shapes.iter().flat_map(|shape| shape.names()).collect();
                    let all_objects = shapes.iter().all(|shape| matches!(shape, Shape::Object(_)));
                    if !all_objects || entries.contains(&behind.name) {
                        continue;
                    }
                    (
                        format!("what stands in the brackets has no `{}`", behind.name),
                        suggest(behind.name, &entries),
                    )
                }
            };
            let span = self.at(node, &behind.span);
            self.page.error(UNKNOWN_NAME, &span, message).help(help);
        }
    }

    /// A whole object that becomes a part of a text by `~` or a filter.
    fn check_joined(&mut self, node: &Node, path: &Path<'_>, shape: Shape, tokens: &[Token<'_>]) {
        let is_list = matches!(shape, Shape::List(Shape::Object(_)));
        if !(is_list || matches!(shape, Shape::Object(_))) {
            return;
        }
        let Some(first) = tokens.iter().position(|token| token.at == path.root_span.start) else { return };
        let (_, next) = names::path(tokens, first);
        let is = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| token.is(sign));
        let joined = is(next, "~") || (first > 0 && is(first - 1, "~") && !is(next, "|"));
        let text_filter = |name: &str| TEXT_FILTERS.contains(&name) || (is_list && name == "join");
        let filtered = is(next, "|") && tokens.get(next + 1).is_some_and(|token| text_filter(token.text));
        if joined || filtered {
            let span = self.at(node, &(path.root_span.start..tokens[next - 1].span().end));
            let message = format!("fails on each event: {NOT_A_VALUE}");
            self.page.error(FAILS_ON_SAMPLE, &span, message).help(way_out(NOT_A_VALUE));
        }
    }

    fn known(&mut self, node: &Node, code: &'static str, what: &str, name: &str, span: &Range<usize>) {
        let known: Vec<&str> = match code {
            UNKNOWN_FILTER => FILTERS.iter().chain(OWN_FILTERS).copied().collect(),
            _ => TESTS.to_vec(),
        };
        if known.contains(&name) {
            return;
        }
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if code == UNKNOWN_FILTER => format!("filters for Goodays texts: {}", one_of(OWN_FILTERS)),
            None => "ask for example `is defined`, `is none` or `is number`".to_owned(),
        };
        self.page.error(code, &self.at(node, span), format!("there is no {what} `{name}`")).help(help);
    }

    /// The shape of a path. What is unknown of it is reported.
    fn resolve(&mut self, node: &Node, path: &Path<'_>, locals: &HashMap<&str, Shape>) -> Option<Shape> {
        match walk(self.names.roots(), locals, path) {
            Ok(shape) => return Some(shape),
            Err(Unknown::Root) => self.unknown_root(node, path),
            Err(Unknown::Entry { so_far, name, span, entries }) => {
                self.unknown_entry(node, &so_far, name, span, entries);
            }
            Err(Unknown::NotAnObject { so_far, is_list, name, span }) => {
                self.not_an_object(node, &so_far, is_list, name, span);
            }
        }
        None
    }

    /// The shape of a path, without a word about what is unknown.
    pub(super) fn shape(&self, path: &Path<'_>, locals: &HashMap<&str, Shape>) -> Option<Shape> {
        walk(self.names.roots(), locals, path).ok()
    }

    fn unknown_entry(
        &mut self,
        node: &Node,
        so_far: &str,
        name: &str,
        span: &Range<usize>,
        entries: &[(&'static str, Shape)],
    ) {
        let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        let help = match so_far {
            "response" if name == "token" => {
                "whoever has this token may open the conversation; it is not handed on".to_owned()
            }
            "response.context" => {
                format!("{}; a customer's own keys are under `response.context.extra`", suggest(name, &names))
            }
            _ => suggest(name, &names),
        };
        let span = self.at(node, span);
        self.page.error(UNKNOWN_NAME, &span, format!("`{so_far}` has no `{name}`")).help(help);
    }

    fn not_an_object(&mut self, node: &Node, so_far: &str, is_list: bool, name: &str, span: &Range<usize>) {
        let is = if is_list { "a list" } else { "a single value" };
        let help = if so_far == "response.answers" {
            "one answer by its question: answer(type='nps') or answer(id='12AB34')".to_owned()
        } else {
            format!("write `{so_far}` alone")
        };
        let span = self.at(node, span);
        self.page.error(UNKNOWN_NAME, &span, format!("`{so_far}` is {is} and has no `{name}`")).help(help);
    }

    fn unknown_root(&mut self, node: &Node, path: &Path<'_>) {
        let span = self.at(node, &path.root_span);
        let roots: Vec<&str> = self.names.roots().iter().map(|(name, _)| *name).collect();
        if matches!(path.root, "null" | "nil" | "NULL" | "Null" | "undefined" | "NONE") {
            self.page
                .error(NULL_SPELT, &span, format!("`{}` is no word here", path.root))
                .help("the word is `none`: `x is none`, `x is not none`");
        } else if path.root == "answer" {
            self.page
                .error(BAD_ANSWER, &span, "`answer` is a function")
                .help("write answer(type='nps') or answer(id='12AB34')");
        } else if EVERYWHERE.contains(&path.root) {
            self.page
                .error(NOT_IN_SCOPE, &span, format!("`{}` is not known in this place", path.root))
                .help(format!("use {}", one_of(&roots)));
        } else {
            let help = if matches!(path.root, "True" | "False" | "TRUE" | "FALSE" | "yes" | "no") {
                "the words are `true` and `false`".to_owned()
            } else if let Some(near) = nearest(path.root, roots.iter().copied()) {
                format!("did you mean `{near}`?")
            } else if node.scalar().is_some_and(|scalar| scalar.text.trim() == path.root) {
                format!("for the fixed text use `value: {}`; for a value use {}", path.root, one_of(&roots))
            } else {
                format!("texts need quotes: '{}'; for a value use {}", path.root, one_of(&roots))
            };
            self.page.error(UNKNOWN_NAME, &span, format!("there is no `{}`", path.root)).help(help);
        }
    }

    fn check_call(
        &mut self,
        node: &Node,
        path: &Path<'_>,
        tokens: &[Token<'_>],
        locals: &HashMap<&str, Shape>,
    ) {
        if path.root == "answer" && matches!(self.names, Names::Case | Names::Comment) {
            self.check_answer(node, path, tokens);
        } else if !FUNCTIONS.contains(&path.root) && !locals.contains_key(path.root) {
            let span = self.at(node, &path.root_span);
            self.page
                .error(UNKNOWN_FUNCTION, &span, format!("there is no function `{}`", path.root))
                .help(suggest(path.root, FUNCTIONS));
        } else if path.root == "answer" {
            let span = self.at(node, &path.root_span);
            self.page.error(NOT_IN_SCOPE, &span, "answers are not known in this place").help(
                "only case.yaml and comment.yaml see the survey; write the score to a field of the Case and ask for that",
            );
        }
    }

    fn check_answer(&mut self, node: &Node, path: &Path<'_>, tokens: &[Token<'_>]) {
        let named: Vec<&Token<'_>> = tokens
            .windows(2)
            .filter(|pair| pair[0].kind == Kind::Name && pair[1].is("="))
            .map(|pair| &pair[0])
            .collect();
        if named.is_empty() {
            let span = self.at(node, &path.root_span);
            self.page
                .error(BAD_ANSWER, &span, "`answer` wants to know by what: `type` or `id`")
                .help("write answer(type='nps') or answer(id='12AB34')");
        }
        for name in named.iter().filter(|name| !matches!(name.text, "type" | "id")) {
            let span = self.at(node, &name.span());
            self.page
                .error(BAD_ANSWER, &span, format!("`answer` finds by `type` or `id`, not by `{}`", name.text))
                .help(suggest(name.text, &["type", "id"]));
        }
        let kind = tokens.windows(3).find(|three| three[0].is("type") && three[1].is("="));
        let Some(kind) = kind.map(|three| &three[2]).filter(|kind| kind.kind == Kind::Text) else { return };
        let word = kind.text.trim_matches(['"', '\'']);
        if !QUESTION_TYPES.contains(&word) {
            let span = self.at(node, &kind.span());
            self.page
                .warn(UNKNOWN_QUESTION, &span, format!("Goodays documents no question type `{word}`"))
                .help(suggest(word, QUESTION_TYPES));
        }
    }
}
