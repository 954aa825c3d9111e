//! Checks expressions and templates when files are loaded, so that evaluation can be lenient.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::value::Value;

use crate::document::diagnostic::{Page, Severity};
use crate::document::yaml::{CUT_BY_YAML, Node};
use crate::mapping::files::suspect;
use crate::mapping::language::expr::{EvalProblem, Expr, NOT_A_VALUE, NOT_BOOLEAN, Template};
use crate::mapping::language::filters::{
    BAD_FORMAT, MIXED_ORDER, NO_ORDER, NO_SUCH_ZONE, NO_ZONES, NOT_A_DATE,
};
use crate::mapping::language::jinja::Token;
use crate::mapping::language::known::Names;
use crate::mapping::language::mistake::{Mistake, NEVER_EQUAL};
use crate::mapping::language::operands::{Subject, results, subject};
use crate::mapping::language::shape::{Filled, Shape};
use crate::mapping::language::{documented, jinja, kinds, names, nesting, plain};

mod used_names;

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
}

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
