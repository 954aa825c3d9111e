//! What expressions can call: `answer(...)`, and filters for what Goodays texts need.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::cmp::Ordering;

use jiff::fmt::strtime;
use jiff::{Timestamp, civil, tz::TimeZone};
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::jinja::COMPARE;

pub const MIXED_ORDER: &str = "a text is ordered against a number";
pub const NO_ORDER: &str = "values that have no order are ordered";
pub const ANSWER_NEEDS: &str = "answer() needs `type` or `id`, such as answer(type='nps')";
pub const NOT_A_DATE: &str = "what should be a date is not one";
pub const BAD_FORMAT: &str = "this date cannot be written in that format";
pub const NO_SUCH_ZONE: &str = "there is no such time zone";
pub const NO_ZONES: &str = "this machine has no time zone data";

/// The only error texts that leave this room.
pub const REASONS: &[&str] =
    &[MIXED_ORDER, NO_ORDER, ANSWER_NEEDS, NOT_A_DATE, BAD_FORMAT, NO_SUCH_ZONE, NO_ZONES];

pub const OWN_FILTERS: &[&str] = &["date", "strip_markdown", "strip_html", "place", "answers_text"];

pub fn add_all(engine: &mut Environment<'static>) {
    engine.add_function(COMPARE, compare);
    engine.add_function("answer", answer);
    engine.add_filter("date", date);
    engine.add_filter("strip_markdown", |text: Value| strip_markdown(&shown(&text)));
    engine.add_filter("strip_html", |text: Value| strip_html(&shown(&text)));
    engine.add_filter("place", place);
    engine.add_filter("answers_text", answers_text);
    engine.add_test("none", |value: &Value| blank(value));
    for loose in ["lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">="] {
        engine.remove_test(loose); // they would order a text against a number
    }
    for useless in ["debug", "namespace", "dict"] {
        engine.remove_global(useless);
    }
}

fn fail(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

fn blank(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `a < b <= c`, as [`super::jinja::with_comparisons`] writes it: values with operators between them.
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

/// Nothing is ordered against what is absent.
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
    Ok(last.map_or(Value::UNDEFINED, |one| numeric(&attr(&one, "value"))))
}

/// A text that is a number, as a number. `007` and telephone numbers are none.
fn numeric(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match serde_json::from_str::<serde_json::Number>(text.trim()) {
        Ok(number) => super::scope::number(&number),
        Err(_) => value.clone(),
    }
}

pub fn attr(value: &Value, name: &str) -> Value {
    value.get_attr(name).unwrap_or_default()
}

fn shown(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// `2020-02-06T09:20:39.81+01:00` as `2020-02-06 09:20`, by its own offset or in a named time zone.
fn date(value: Value, zone: Option<String>, named: Kwargs) -> Result<Value, Error> {
    let format: Option<String> = named.get("format")?;
    let zone = zone.or(named.get("tz")?);
    named.assert_all_used()?;
    if blank(&value) {
        return Ok(Value::UNDEFINED);
    }
    let zone = zone.map(|name| zone_of(&name)).transpose()?;
    let moment = Moment::read(&shown(&value)).ok_or_else(|| fail(NOT_A_DATE))?;
    let format = format.as_deref().unwrap_or(moment.usual_format());
    let written = match moment {
        Moment::Exact(at, offset) => strtime::format(format, &at.to_zoned(zone.unwrap_or(offset))),
        Moment::Local(at) => strtime::format(format, at),
        Moment::Day(day) => strtime::format(format, day),
    };
    written.map(Value::from).map_err(|_| fail(BAD_FORMAT))
}

/// A machine without time zone data, or with a part of it, does not know the best known zone: then the name is not to
/// blame.
fn zone_of(name: &str) -> Result<TimeZone, Error> {
    let reason = || if TimeZone::get("Europe/Paris").is_ok() { NO_SUCH_ZONE } else { NO_ZONES };
    TimeZone::get(name).map_err(|_| fail(reason()))
}

/// What Goodays and shops write for a date.
enum Moment {
    /// With an offset, which is the second part.
    Exact(Timestamp, TimeZone),
    /// A day and a time without an offset, such as a shop's own: the same in every zone.
    Local(civil::DateTime),
    /// A day alone is the same in every zone, too.
    Day(civil::Date),
}

impl Moment {
    fn read(text: &str) -> Option<Moment> {
        let text = text.trim();
        // `09:20:00 +0200`: the offset stands apart.
        let joined = text.rsplit_once(' ').filter(|(_, last)| last.starts_with(['+', '-', 'Z', 'z']));
        let joined = joined.map(|(time, offset)| format!("{}{offset}", time.trim_end()));
        let text = joined.as_deref().unwrap_or(text);
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(Moment::Exact(at, own_offset(text)));
        }
        if !text.contains([':', 'T', 't', ' ']) {
            return text.parse().ok().map(Moment::Day);
        }
        text.parse().ok().map(Moment::Local)
    }

    fn usual_format(&self) -> &'static str {
        match self {
            Moment::Exact(..) | Moment::Local(_) => "%Y-%m-%d %H:%M",
            Moment::Day(_) => "%Y-%m-%d",
        }
    }
}

fn own_offset(text: &str) -> TimeZone {
    let pieces = jiff::fmt::temporal::Pieces::parse(text.trim()).ok();
    let offset = pieces.and_then(|pieces| pieces.to_numeric_offset());
    offset.map_or(TimeZone::UTC, jiff::tz::Offset::to_time_zone)
}

/// Question titles come with `**bold**`, `_emphasis_`, headings and links.
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

/// Rich text as plain text: line breaks stay, tags go, entities are read. Each letter is looked at a fixed number of
/// times: what is no tag is known by what follows its `<`.
pub fn strip_html(text: &str) -> String {
    // Where no end can follow, none is searched for again and again.
    let last = |end: &str| text.rfind(end).map_or(0, |at| text.len() - at);
    let shortest = Ends { tag: last(">"), comment: last("-->") };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(length) = tag_length(rest, &shortest) else {
            out.push('<'); // a heart or a comparison, not a tag
            rest = &rest[1..];
            continue;
        };
        if breaks_line(&rest[1..length]) {
            out.push('\n');
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    htmlize::unescape(out.as_str()).trim().to_owned()
}

/// How much of the text is left at its last end of a tag, and of a comment; 0: there is none.
struct Ends {
    tag: usize,
    comment: usize,
}

/// The length of the tag or comment that a text begins with.
fn tag_length(text: &str, shortest: &Ends) -> Option<usize> {
    let name = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let (end, left) = if text.starts_with("<!--") {
        ("-->", shortest.comment)
    } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        (">", shortest.tag)
    } else {
        return None;
    };
    if left == 0 || text.len() < left {
        return None;
    }
    text.find(end).map(|at| at + end.len())
}

/// Whether a tag, given without its brackets' first, begins a new line of the text.
fn breaks_line(tag: &str) -> bool {
    let closing = tag.starts_with('/');
    let name = tag.trim_start_matches('/');
    let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
    let is = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    is(&["br"]) || (closing && is(&["p", "div", "li", "tr"]))
}

/// Replaces `/PLACE/`, which stands for the shop in question titles, by its name.
fn place(state: &State, text: Value) -> Result<String, Error> {
    let name = shown(&attr(&attr(&state.lookup("response").unwrap_or_default(), "place"), "name"));
    let text = shown(&text);
    // A long name in place of many words is paid for before it is made.
    state.consume_fuel((text.matches(PLACE).count() * name.len() / BYTES_FOR_ONE_FUEL) as u64)?;
    Ok(text.replace(PLACE, &name))
}

const PLACE: &str = "/PLACE/";
/// What the engine charges for texts that its own filters make.
const BYTES_FOR_ONE_FUEL: usize = 64;

/// All answers as a block of text, a line each: `response.answers | answers_text`.
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
    use super::*;

    #[test]
    fn html_becomes_plain_text() {
        assert_eq!(strip_html("<p>Hello,</p><p>you &amp; <b>me</b></p>"), "Hello,\nyou & me");
        assert_eq!(strip_html("a<br>b<BR/>c<br />d"), "a\nb\nc\nd");
        assert_eq!(strip_html("<ul><li>x</li ><li class=\"y\">z</li></ul>"), "x\nz");
        assert_eq!(strip_html("I <3 it, 3 < 5 > 4, a<=b"), "I <3 it, 3 < 5 > 4, a<=b");
        assert_eq!(strip_html("a <!-- <b>no</b> --> c"), "a  c");
        assert_eq!(strip_html("3 < 5"), "3 < 5");
        assert_eq!(strip_html("a <"), "a <");
        assert_eq!(strip_html("break<blockquote>it"), "breakit");
    }

    /// Each letter is looked at once: the length alone would be quadratic in what is looked at before.
    #[test]
    fn d15_html_without_ends_is_read_in_one_go() {
        let started = std::time::Instant::now();
        let many = |text: &str| text.repeat(1_000_000 / text.len());
        for text in [
            many("<") + ">",
            many("<"),
            many("<a"),
            many("</"),
            many("<!--"),
            many("<!--") + "-->",
            many("&lt;"),
        ] {
            strip_html(&text);
        }
        assert_eq!(strip_html(&(many("<") + ">")).len(), 1_000_001);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    /// What a filter reads and makes is paid for with the engine's fuel.
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
            let template = crate::mapping::expr::Template::new(&text, at.clone()).unwrap();
            let reason = template.render(&facts.scope).unwrap_err().reason;
            assert_eq!(reason, "it takes too many steps", "{what}");
        }
    }

    fn dated(text: &str) -> Option<String> {
        date(Value::from(text), None, std::iter::empty::<(&str, Value)>().collect())
            .ok()
            .map(|v| v.to_string())
    }

    #[test]
    fn e07_a_time_is_never_dropped() {
        for (text, shown) in [
            ("2026-10-28 09:20:00", "2026-10-28 09:20"),
            ("2026-10-28T09:20", "2026-10-28 09:20"),
            ("2026-10-28 09:20", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00.123456", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00.123456Z", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00+0200", "2026-10-28 09:20"),
            ("2026-10-28 09:20:00 +02:00", "2026-10-28 09:20"),
            ("2026-10-28 09:20:00 Z", "2026-10-28 09:20"),
            ("2026-10-28T09:20+02", "2026-10-28 09:20"),
            (" 2026-10-28 ", "2026-10-28"),
        ] {
            assert_eq!(dated(text).as_deref(), Some(shown), "{text}");
        }
        for text in
            ["2026-10-28 9h20", "28/10/2026 09:20", "09:20", "2026-10-28 soon", "2026-10-28T", "tomorrow"]
        {
            assert_eq!(dated(text), None, "{text}");
        }
    }
}
