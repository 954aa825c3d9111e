//! Expressions and templates, compiled once. Evaluation never reveals what a customer wrote.

use std::fmt;
use std::sync::LazyLock;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior};
use serde_json::Value as Json;

use crate::document::diagnostic::Place;
use crate::mapping::language::documented::{self, Documented};
use crate::mapping::language::{filters, jinja, names};

/// Far above what fifteen ordinary fields need. It stops a nested loop over a conversation.
const FUEL: u64 = 200_000;
const RECURSION: usize = 64;

/// One environment for everything: it holds filters and limits, no data.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_debug(false); // a debug dump holds all variables, which are customers' words
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(RECURSION);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine.set_formatter(|out, _, value| {
        use minijinja::value::ValueKind;
        match value.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(()),
            ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
                let text = to_json(value).map_err(filters::fail)?;
                out.write_str(text.as_ref().and_then(Json::as_str).unwrap_or_default()).map_err(Error::from)
            }
            _ => std::fmt::Write::write_fmt(out, format_args!("{value}")).map_err(Error::from),
        }
    });
    filters::add_all(&mut engine);
    engine
});

/// Why a value could not be made: the kind and the place, never a customer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalProblem {
    pub at: Place,
    pub reason: &'static str,
}

impl fmt::Display for EvalProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.reason)
    }
}

impl std::error::Error for EvalProblem {}

/// An expression, for example `response.place.name`.
pub struct Expr {
    compiled: Expression<'static, 'static>,
    pub source: String,
    pub at: Place,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expr").field("source", &self.source).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Expr {
    /// Compiles the source as written first, so that errors point into the admin's text.
    pub fn new(source: &str, at: Place) -> Result<Expr, Error> {
        ENGINE.compile_expression_owned(source.to_owned())?;
        let compared = jinja::with_comparisons(source, &jinja::expression(source));
        let compiled = ENGINE.compile_expression_owned(compared)?;
        Ok(Expr { compiled, source: source.to_owned(), at })
    }

    /// The value in a form that a Salesforce field accepts. Null, absent and blank are `None`.
    pub fn json(&self, scope: &Value) -> Result<Option<Json>, EvalProblem> {
        let value = self.eval(scope)?;
        to_json(&value).map_err(|reason| self.problem(reason))
    }

    /// The paths below `root` (for example `case`) that the expression reads.
    pub fn paths(&self, root: &str) -> Vec<String> {
        names::paths(&jinja::expression(&self.source), root)
    }

    /// Whether the expression reads anything of `root`, in whatever way.
    pub fn reads(&self, root: &str) -> bool {
        let used = names::uses(&jinja::expression(&self.source));
        used.iter().any(|used| matches!(used, names::Use::Path(path) if path.root == root))
    }

    /// The type of question whose answer the expression is: `nps` of `answer(type='nps')`.
    pub fn answer_kind(&self) -> Option<String> {
        let tokens = jinja::expression(&self.source);
        let is_answer = tokens.first().is_some_and(|first| first.is("answer"));
        let arguments = is_answer.then(|| names::path(&tokens, 0).0.call).flatten()?;
        let whole = arguments.end + 1 == tokens.len();
        let mut named = tokens[arguments].windows(3).filter(|_| whole);
        let kind = named.find(|three| three[0].is("type") && three[1].is("="))?;
        Some(kind[2].text.trim_matches(['"', '\'']).to_owned())
    }

    /// The name that the expression is, if Goodays documents what it sends there.
    pub fn documented(&self) -> Option<(String, Documented)> {
        documented::whole(&jinja::expression(&self.source))
    }

    /// A condition. What is absent or blank does not hold. A value other than true and false is a problem.
    pub fn holds(&self, scope: &Value) -> Result<bool, EvalProblem> {
        let value = self.eval(scope)?;
        match value.kind() {
            minijinja::value::ValueKind::Bool => Ok(value.is_true()),
            _ if filters::blank(&value) => Ok(false),
            _ => Err(self.problem(NOT_BOOLEAN)),
        }
    }

    fn eval(&self, scope: &Value) -> Result<Value, EvalProblem> {
        self.compiled.eval(scope.clone()).map_err(|error| self.problem(reason(&error)))
    }

    fn problem(&self, reason: &'static str) -> EvalProblem {
        EvalProblem { at: self.at.clone(), reason }
    }
}

/// A text with `{{ expressions }}` in it.
pub struct Template {
    /// An engine with only this text: the engine keeps a compiled text only under a name. Filters and limits are
    /// shared with all others.
    engine: Environment<'static>,
    compared: String,
    pub at: Place,
}

/// The name of the only text in a template's engine.
const TEXT: &str = "text";

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("compared", &self.compared)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// Compiles the source as written first, so that errors point into the admin's text.
    pub fn new(source: &str, at: Place) -> Result<Template, Error> {
        ENGINE.template_from_str(source)?;
        let compared = jinja::with_comparisons(source, &jinja::template(source));
        let mut engine = ENGINE.clone();
        engine.add_template_owned(TEXT, compared.clone())?;
        Ok(Template { engine, compared, at })
    }

    /// Whether the text is blank. Such a text empties a field.
    pub fn is_blank(&self) -> bool {
        self.compared.trim().is_empty()
    }

    /// The paths below `root` that the template reads.
    pub fn paths(&self, root: &str) -> Vec<String> {
        names::paths(&jinja::template(&self.compared), root)
    }

    /// The text, without blanks around it. `None` when it is blank.
    pub fn render(&self, scope: &Value) -> Result<Option<String>, EvalProblem> {
        let rendered = self.engine.get_template(TEXT).and_then(|text| text.render(scope.clone()));
        let text = rendered.map_err(|error| EvalProblem { at: self.at.clone(), reason: reason(&error) })?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

pub const NOT_BOOLEAN: &str = "`when` must give true or false";
pub const NOT_A_VALUE: &str = "a field needs one value, this gives an object";

/// Our own errors have these texts. An engine's detail may quote data and is never passed on.
fn reason(error: &Error) -> &'static str {
    let own = error
        .detail()
        .and_then(|detail| filters::REASONS.iter().chain(&[NOT_A_VALUE]).find(|own| **own == detail));
    match (own, error.kind()) {
        (Some(own), _) => own,
        (None, ErrorKind::SyntaxError) => "it is no expression",
        (None, ErrorKind::OutOfFuel) => "it takes too many steps",
        (None, ErrorKind::UnknownFilter) => "unknown filter",
        (None, ErrorKind::UnknownTest) => "unknown test",
        (None, ErrorKind::UnknownFunction) => "unknown function",
        (None, ErrorKind::UnknownMethod) => "unknown method",
        (None, ErrorKind::TemplateNotFound | ErrorKind::BadInclude) => "templates cannot include others",
        (None, ErrorKind::MissingArgument) => "an argument is missing",
        (None, ErrorKind::TooManyArguments) => "too many arguments",
        (None, _) => "it cannot be computed from these values",
    }
}

fn to_json(value: &Value) -> Result<Option<Json>, &'static str> {
    use minijinja::value::ValueKind;
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(None),
        ValueKind::Bool => Ok(Some(Json::Bool(value.is_true()))),
        ValueKind::Number => Ok(serde_json::to_value(value).ok().filter(|json| !json.is_null())),
        ValueKind::Seq | ValueKind::Iterable => list(value),
        ValueKind::String => Ok(blank_is_none(value.as_str().unwrap_or_default())),
        _ => Err(NOT_A_VALUE),
    }
}

/// Joins several values as a multi-select picklist expects them.
fn list(value: &Value) -> Result<Option<Json>, &'static str> {
    let mut parts = Vec::new();
    for item in value.try_iter().map_err(|_| NOT_A_VALUE)? {
        match to_json(&item)? {
            Some(Json::String(text)) => parts.push(text),
            Some(other) => parts.push(other.to_string()),
            None => {}
        }
    }
    Ok(blank_is_none(&parts.join(";")))
}

pub fn blank_is_none(text: &str) -> Option<Json> {
    (!text.trim().is_empty()).then(|| Json::String(text.to_owned()))
}
