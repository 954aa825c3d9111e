//! What expressions can call: `answer(...)`, and filters for the texts of Goodays.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::cmp::Ordering;

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use crate::mapping::files::map_table::SCORES;
use crate::mapping::language::jinja::COMPARE;
use crate::mapping::language::{dates, html};

pub const MIXED_ORDER: &str = "a text is ordered against a number";
pub const NO_ORDER: &str = "values that have no order are ordered";
pub const ANSWER_NEEDS: &str = "answer() needs `type` or `id`, such as answer(type='nps')";
pub const NOT_A_DATE: &str = "what should be a date is not one";
pub const BAD_FORMAT: &str = "this date cannot be written in that format";
pub const NO_SUCH_ZONE: &str = "there is no such time zone";
pub const NO_ZONES: &str = "this machine has no time zone data";

/// The only error texts that leave this module.
pub const REASONS: &[&str] =
    &[MIXED_ORDER, NO_ORDER, ANSWER_NEEDS, NOT_A_DATE, BAD_FORMAT, NO_SUCH_ZONE, NO_ZONES];

pub const OWN_FILTERS: &[&str] = &["date", "strip_markdown", "strip_html", "place", "answers_text"];

pub fn add_all(engine: &mut Environment<'static>) {
    engine.add_function(COMPARE, compare);
    engine.add_function("answer", answer);
    engine.add_filter("date", dates::date);
    engine.add_filter("strip_markdown", |text: Value| strip_markdown(&shown(&text)));
    engine.add_filter("strip_html", |text: Value| html::strip_html(&shown(&text)));
    engine.add_filter("place", place);
    engine.add_filter("answers_text", answers_text);
    engine.add_filter("default", default);
    engine.add_filter("d", default);
    engine.add_test("none", |value: &Value| blank(value));
    engine.add_test("undefined", |value: &Value| blank(value));
    engine.add_test("defined", |value: &Value| !blank(value));
    for loose in ["lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">="] {
        engine.remove_test(loose); // they would order a text against a number
    }
    for useless in ["debug", "namespace", "dict"] {
        engine.remove_global(useless);
    }
}

pub fn fail(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

pub fn blank(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The value, or another one where it is absent or blank. A second argument that is true: also where it counts as false.
fn default(value: Value, others: Rest<Value>) -> Result<Value, Error> {
    if others.len() > 2 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let lax = others.get(1).is_some_and(Value::is_true);
    let replaced = blank(&value) || (lax && !value.is_true());
    Ok(if replaced { others.first().cloned().unwrap_or_else(|| Value::from("")) } else { value })
}

/// `a < b <= c`, as [`crate::mapping::language::jinja::with_comparisons`] writes it: values with operators between them.
fn compare(parts: Rest<Value>) -> Result<bool, Error> {
    for step in parts.windows(3).step_by(2) {
        let [left, operator, right] = step else { continue };
        let holds = match operator.as_str() {
            Some("==") => equal(left, right),
            Some("!=") => !equal(left, right),
            Some(operator) => ordered(left, operator, right)?,
            None => false,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal(left: &Value, right: &Value) -> bool {
    (blank(left) && blank(right)) || left == right
}

/// A comparison with an absent value is false.
fn ordered(left: &Value, operator: &str, right: &Value) -> Result<bool, Error> {
    if blank(left) || blank(right) {
        return Ok(false);
    }
    let order = match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) | (ValueKind::String, ValueKind::String) => left.cmp(right),
        (ValueKind::Number, ValueKind::String) | (ValueKind::String, ValueKind::Number) => {
            return Err(fail(MIXED_ORDER));
        }
        _ => return Err(fail(NO_ORDER)),
    };
    Ok(match operator {
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// The value of the last answer whose question has this type or this id.
fn answer(state: &State, named: Kwargs) -> Result<Value, Error> {
    let kind: Option<String> = named.get("type")?;
    let id: Option<String> = named.get("id")?;
    named.assert_all_used().map_err(|_| fail(ANSWER_NEEDS))?;
    if kind.is_none() && id.is_none() {
        return Err(fail(ANSWER_NEEDS));
    }
    let wanted = |question: &Value| {
        let matches = |name: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| attr(question, name).as_str() == Some(wanted))
        };
        matches("type", &kind) && matches("id", &id)
    };
    let answers = attr(&state.lookup("response").unwrap_or_default(), "answers");
    let last = answers.try_iter().into_iter().flatten().filter(|one| wanted(&attr(one, "question"))).last();
    Ok(last.map_or(Value::UNDEFINED, |one| {
        let kind = attr(&attr(&one, "question"), "type");
        let is_score = SCORES.iter().any(|scores| kind.as_str() == Some(scores.kind));
        numeric(&attr(&one, "value"), is_score)
    }))
}

/// The digits that a number with decimals is sure to hold.
const DECIMAL_DIGITS: usize = 15;

/// A text that is a number, as a number: also `5.10`, so that it can be compared. `007`, telephone numbers, `12E3` and more
/// digits than a number holds stay texts; a score is a number however it is written.
fn numeric(value: &Value, is_score: bool) -> Value {
    let Some(text) = value.as_str().map(str::trim) else { return value.clone() };
    let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else { return value.clone() };
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_held = number.to_string() == text || (text.contains('.') && digits <= DECIMAL_DIGITS);
    if is_score || (is_held && !text.contains(['e', 'E'])) {
        crate::mapping::language::scope::number(&number)
    } else {
        value.clone()
    }
}

pub fn attr(value: &Value, name: &str) -> Value {
    value.get_attr(name).unwrap_or_default()
}

pub fn shown(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// Removes `**bold**`, `_emphasis_`, headings and links, which question titles contain.
pub fn strip_markdown(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim_start_matches('#').trim_start_matches("> ").trim();
        strip_links(line).replace("**", "").replace("__", "").replace(['`', '*'], "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `[text](address)` becomes `text`.
fn strip_links(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        let tail = &rest[start + 1..];
        let found = tail.find("](").and_then(|middle| {
            let end = tail[middle..].find(')')?;
            Some((&tail[..middle], &tail[middle + end + 1..]))
        });
        let Some((label, after)) = found else { break };
        out.push_str(&rest[..start]);
        out.push_str(label);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Replaces `/PLACE/`, the placeholder for the shop in question titles, with the shop's name.
fn place(state: &State, text: Value) -> Result<String, Error> {
    let name = shown(&attr(&attr(&state.lookup("response").unwrap_or_default(), "place"), "name"));
    let text = shown(&text);
    // The fuel is consumed before the text is made: a long name may replace many placeholders.
    state.consume_fuel((text.matches(PLACE).count() * name.len() / BYTES_FOR_ONE_FUEL) as u64)?;
    Ok(text.replace(PLACE, &name))
}

const PLACE: &str = "/PLACE/";
/// The engine's own rate for texts that its filters make.
const BYTES_FOR_ONE_FUEL: usize = 64;

/// All answers as a block of text, one line each: `response.answers | answers_text`.
fn answers_text(state: &State, answers: Value) -> Result<String, Error> {
    let mut lines = Vec::new();
    for one in answers.try_iter().into_iter().flatten() {
        let title = strip_markdown(&shown(&attr(&attr(&one, "question"), "title")));
        let title = place(state, Value::from(title))?;
        let value = attr(&one, "value");
        let value = match value.kind() {
            ValueKind::Seq => {
                value.try_iter().into_iter().flatten().map(|v| shown(&v)).collect::<Vec<_>>().join(", ")
            }
            _ => shown(&value),
        };
        state.consume_fuel((1 + (title.len() + value.len()) / BYTES_FOR_ONE_FUEL) as u64)?;
        if !value.trim().is_empty() {
            lines.push(match title.trim().trim_end_matches(':') {
                "" => value,
                title => format!("{title}: {value}"),
            });
        }
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    /// The engine's fuel limits what a filter reads and makes.
    #[test]
    fn d15_long_texts_in_a_loop_run_out_of_fuel() {
        let place = std::sync::Arc::from("case.yaml");
        let at = crate::mapping::Place { file: place, line: 1, column: 1 };
        let response = serde_json::json!({
            "message": { "content": "<".repeat(160_000) + ">" },
            "place": { "name": "x".repeat(100_000) },
            "answers": (0..100).map(|_| serde_json::json!({ "value": "y".repeat(2000) })).collect::<Vec<_>>(),
        });
        let facts = crate::mapping::Facts::new("response", &response);
        for what in [
            "response.message.content | strip_html",
            "('/PLACE/' * 10000) | place",
            "response.answers | answers_text | length",
            "response.message.content | strip_markdown | length",
        ] {
            let text = format!("{{% for i in range(1000) %}}{{{{ {what} }}}}{{% endfor %}}");
            let template = crate::mapping::language::expr::Template::new(&text, at.clone()).unwrap();
            let reason = template.render(&facts.scope).unwrap_err().reason;
            assert_eq!(reason, "it takes too many steps", "{what}");
        }
    }
}
