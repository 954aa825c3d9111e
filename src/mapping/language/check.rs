//! Checks expressions and templates when files are loaded, so that evaluation can be lenient.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::value::Value;

use crate::document::diagnostic::{Page, Severity, nearest, one_of, suggest};
use crate::document::yaml::{CUT_BY_YAML, Node};
use crate::mapping::files::suspect;
use crate::mapping::language::behind::{self, Before};
use crate::mapping::language::expr::{EvalProblem, Expr, NOT_A_VALUE, NOT_BOOLEAN, Template};
use crate::mapping::language::filters::{
    BAD_FORMAT, MIXED_ORDER, NO_ORDER, NO_SUCH_ZONE, NO_ZONES, NOT_A_DATE, OWN_FILTERS,
};
use crate::mapping::language::formats::formats;
use crate::mapping::language::jinja::{self, Kind, Token};
use crate::mapping::language::known::{EVERYWHERE, FILTERS, FUNCTIONS, Names, TESTS};
use crate::mapping::language::methods::methods;
use crate::mapping::language::mistake::{Mistake, NEVER_EQUAL};
use crate::mapping::language::names::{Path, Use, uses};
use crate::mapping::language::operands::{Subject, results, subject};
use crate::mapping::language::resolve::{Unknown, walk};
use crate::mapping::language::shape::{Filled, QUESTION_TYPES, Shape};
use crate::mapping::language::{documented, kinds, lists, names, nesting, plain};

pub const BAD_EXPRESSION: &str = "M007";
pub const BAD_TEMPLATE: &str = "M008";
pub const UNKNOWN_NAME: &str = "M009";
pub const UNKNOWN_FILTER: &str = "M010";
pub const UNKNOWN_FUNCTION: &str = "M011";
pub const UNKNOWN_TEST: &str = "M012";
pub const NOT_IN_SCOPE: &str = "M013";
pub const NULL_SPELT: &str = "M020";
pub const BAD_ANSWER: &str = "M021";
pub const UNKNOWN_QUESTION: &str = "M022";
pub const FAILS_ON_SAMPLE: &str = "M023";
pub const NOT_CONDITION: &str = "M024";
pub const TOO_LONG: &str = "M049";

const NO_CONDITION_HELP: &str = "compare it with something, or ask whether it is there: `... is not none`";

/// Compiles the expressions and templates of a page, and notes the mistakes in them.
pub struct Checker<'p> {
    page: &'p mut Page,
    names: Names,
}

impl Checker<'_> {
    pub fn new(page: &mut Page, names: Names) -> Checker<'_> {
        Checker { page, names }
    }

    /// A condition: an expression that gives true or false.
    pub fn condition(&mut self, node: &Node) -> Option<Expr> {
        let expr = self.compile(node, "`when`")?;
        self.check_kinds(node, true)?;
        let before = self.page.found.len();
        self.try_out(node, |scope| expr.holds(scope).map(|_| ()));
        if self.page.found.len() == before {
            self.check_results(node);
        }
        Some(expr)
    }

    pub fn expression(&mut self, node: &Node, what: &str) -> Option<Expr> {
        let expr = self.compile(node, what)?;
        self.check_kinds(node, false)?;
        self.not_a_record(node)?;
        self.try_out(node, |scope| expr.json(scope).map(|_| ()));
        Some(expr)
    }

    /// A whole record of Salesforce is no value.
    fn not_a_record(&mut self, node: &Node) -> Option<()> {
        let name = node.scalar().map(|scalar| scalar.text.trim().to_owned()).unwrap_or_default();
        if !self.names.is_record(&name) {
            return Some(());
        }
        let message = format!("`{name}` is a whole record: {NOT_A_VALUE}");
        self.page
            .error(FAILS_ON_SAMPLE, &node.span, message)
            .help(format!("name one field of it, as in `{name}.Id`"));
        None
    }

    pub fn template(&mut self, node: &Node, what: &str) -> Option<Template> {
        let text = node.text(self.page, what)?.text.clone();
        self.short_enough(node, "template", &jinja::template(&text))?;
        match Template::new(&text, self.page.place(&node.span)) {
            Ok(template) => {
                let before = self.page.found.len();
                suspect::template(self.page, node, &text, self.names);
                let clean = self.page.found.len() == before;
                if self.check_names(node, &jinja::template(&text)) && clean {
                    self.try_out(node, |scope| template.render(scope).map(|_| ()));
                }
                Some(template)
            }
            Err(error) => {
                self.syntax(node, BAD_TEMPLATE, "template", &error);
                None
            }
        }
    }

    fn compile(&mut self, node: &Node, what: &str) -> Option<Expr> {
        let text = node.text(self.page, what)?.text.clone();
        if text.trim_start().starts_with("{{") {
            self.page
                .error(BAD_EXPRESSION, &node.span, format!("{what} is an expression already"))
                .help("leave out the `{{ }}`, or use `template:` for a text");
            return None;
        }
        self.short_enough(node, "expression", &jinja::expression(&text))?;
        match Expr::new(&text, self.page.place(&node.span)) {
            Ok(expr) => {
                suspect::cut(self.page, node);
                self.check_names(node, &jinja::expression(&text)).then_some(expr)
            }
            Err(error) => {
                self.syntax(node, BAD_EXPRESSION, "expression", &error);
                None
            }
        }
    }

    /// What nests too deep is refused before the engine reads it: it would end the process.
    fn short_enough(&mut self, node: &Node, what: &str, tokens: &[Token<'_>]) -> Option<()> {
        if nesting::depth(tokens) <= nesting::DEEPEST {
            return Some(());
        }
        let message =
            format!("this {what} is too long: too many operators, branches or brackets in each other");
        self.page.error(TOO_LONG, &node.span, message).help(
            "for one of many texts write `x in ['a', 'b']`; for a table use `map`; else make several rules with `when`",
        );
        None
    }

    fn syntax(&mut self, node: &Node, code: &'static str, what: &str, error: &minijinja::Error) {
        if self.cut_at_comma(node) {
            self.page
                .error(CUT_BY_YAML, &node.span, format!("YAML ends this {what} at the comma"))
                .help("a comma inside of { } or [ ] needs double quotes around the whole text");
            return;
        }
        if let Some(rest) = suspect::cut_text(self.page, node) {
            self.page
                .error(
                    CUT_BY_YAML,
                    &node.span,
                    format!("YAML takes `{rest}` for a comment, so this {what} is cut"),
                )
                .help(format!("put the whole {what} in double quotes"));
            return;
        }
        let text = node.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
        let range = error.range().unwrap_or(0..text.len());
        let (message, help) = plain::words(what, text, range.start, error.detail().unwrap_or_default());
        let span = self.at(node, &range);
        self.page.error(code, &span, message).help(help);
    }

    /// An unquoted text that ends at a comma with a bracket still open.
    fn cut_at_comma(&self, node: &Node) -> bool {
        let Some(scalar) = node.scalar().filter(|scalar| !scalar.quoted) else { return false };
        let count = |brackets: [char; 3]| scalar.text.matches(brackets).count();
        let open = count(['(', '[', '{']) > count([')', ']', '}']);
        open && self.page.text[node.span.end..].trim_start().starts_with(',')
    }

    fn try_out(&mut self, node: &Node, run: impl Fn(&Value) -> Result<(), EvalProblem>) {
        for (filled, scope) in self.names.scopes() {
            let Err(EvalProblem { reason, .. }) = run(&scope) else { continue };
            if reason == NOT_BOOLEAN {
                self.page.error(NOT_CONDITION, &node.span, reason).help(NO_CONDITION_HELP);
                return;
            }
            // A value of one's own may be such that this does not fail; of a wrong kind it is always.
            let surely = matches!(reason, NOT_A_VALUE | MIXED_ORDER | NO_ORDER);
            let (on, help) = match filled {
                Filled::Everyday => ("a sample event", way_out(reason)),
                Filled::Wholly => ("an event in which nothing is absent", way_out(reason)),
                Filled::Barely => (
                    "an event with a rating only",
                    "what may be absent can get a value with `| default(...)`",
                ),
            };
            let message = format!("fails on {on}: {reason}");
            let found = match filled {
                Filled::Everyday => self.page.error(FAILS_ON_SAMPLE, &node.span, message),
                Filled::Wholly if surely => self.page.error(FAILS_ON_SAMPLE, &node.span, message),
                _ => self.page.warn(FAILS_ON_SAMPLE, &node.span, message),
            };
            found.help(help);
            return;
        }
    }

    /// Names of Goodays that the whole condition can be, and that are neither true nor false on any event.
    fn check_results(&mut self, node: &Node) {
        if !self.names.is_goodays() {
            return;
        }
        let text = node.scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
        let tokens = jinja::expression(&text);
        for part in results(&tokens) {
            let (Some(Subject::Path(root, path)), Some(first), Some(last)) =
                (subject(part), part.first(), part.last())
            else {
                continue;
            };
            let shape = self.shape(&names::path(part, 0).0, &HashMap::new());
            let is = match shape {
                Some(Shape::Object(_)) => "an object",
                Some(Shape::List(_)) => "a list",
                Some(Shape::Leaf) if documented::is_text(root, &path) => "a text",
                _ => continue,
            };
            let name = &text[first.at..last.span().end];
            let message = format!("`{name}` is {is}, and `when` must give true or false");
            let span = self.at(node, &(first.at..last.span().end));
            self.page.error(NOT_CONDITION, &span, message).help(NO_CONDITION_HELP);
        }
    }

    /// True when all names are known.
    fn check_names(&mut self, node: &Node, tokens: &[Token<'_>]) -> bool {
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

    /// Fixed texts of `remark_type`.
    pub fn remark_types(&mut self, node: &Node) {
        let Some(text) = node.scalar().map(|scalar| scalar.text.clone()) else { return };
        for mistake in documented::remark_types(&jinja::expression(&text)) {
            self.report(node, mistake);
        }
    }

    /// Standard fields of a record are asked for what they can be.
    fn check_kinds(&mut self, node: &Node, is_condition: bool) -> Option<()> {
        if self.names.is_goodays() {
            return Some(());
        }
        let text = node.scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
        let found = kinds::misused(&text, is_condition, kinds::standard);
        let good = found.is_empty();
        for one in found {
            let code = if one.is_condition { NOT_CONDITION } else { NEVER_EQUAL };
            self.report(node, Mistake::error(code, one.part, one.message, one.help));
        }
        good.then_some(())
    }

    fn report(&mut self, node: &Node, mistake: Mistake) {
        let span = self.at(node, &mistake.part);
        let found = match mistake.severity {
            Severity::Error => self.page.error(mistake.code, &span, mistake.message),
            Severity::Warning => self.page.warn(mistake.code, &span, mistake.message),
        };
        found.help(mistake.help);
    }

    fn at(&self, node: &Node, part: &Range<usize>) -> Range<usize> {
        let text = std::sync::Arc::clone(&self.page.text);
        node.inner(&text, part)
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
    fn shape(&self, path: &Path<'_>, locals: &HashMap<&str, Shape>) -> Option<Shape> {
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

/// What to do on a machine without time zone data.
pub const INSTALL_ZONES: &str =
    "install the system's time zone data (the package `tzdata`), or mount /usr/share/zoneinfo";

/// How to fix a rule that fails.
fn way_out(reason: &str) -> &'static str {
    match reason {
        MIXED_ORDER => "a text becomes a number with `| int` or `| float`; for times take `| date`",
        NO_ORDER => "only numbers can be above or below each other, or texts",
        NOT_A_DATE => "`date` takes times such as `response.created_date`",
        BAD_FORMAT => "formats are like `%d.%m.%Y %H:%M`; a day alone has no hours",
        NO_ZONES => INSTALL_ZONES,
        NO_SUCH_ZONE => "zones are named like `Europe/Paris`",
        NOT_A_VALUE => "name one part of it, as in `response.place.name`",
        _ => "try it on an event of your own: goodays-salesforce plan EVENT.json",
    }
}
