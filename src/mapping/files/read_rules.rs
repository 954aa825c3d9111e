//! Reads the rules of fields, and finds rules that can never apply.

use std::ops::Range;

use serde_json::{Number, Value as Json};

use crate::document::diagnostic::Page;
use crate::document::keys::{Keys, choice};
use crate::document::yaml::{Kind, Node, Scalar, WRONG_KIND};
use crate::mapping::files::map_table::{self, MapTable};
use crate::mapping::files::rules::{FieldRules, On, Rule, Source};
use crate::mapping::files::suspect;
use crate::mapping::language::check::Checker;
use crate::mapping::language::conditions::Condition;
use crate::mapping::language::expr::Expr;
use crate::mapping::language::known::Names;

pub const NOT_ONE_SOURCE: &str = "M017";
pub const UNREACHABLE: &str = "M018";
pub const SAME_RULE: &str = "M019";
pub const UNKNOWN_WORD: &str = "M006";
pub const BAD_FIELD_NAME: &str = "M028";
pub const FIELD_TAKEN: &str = "M029";
pub const MAP_ON_FIXED: &str = "M025";
pub const EMPTY_VALUE: &str = "M039";

/// The rules of all fields under `fields:`.
pub fn read_fields(
    node: &Node,
    page: &mut Page,
    names: Names,
    reserved: &[(&str, &str)],
    timed: bool,
) -> Vec<FieldRules> {
    let mut fields: Vec<FieldRules> = Vec::new();
    for (key, value) in node.map(page, "`fields`") {
        let Some(name) = key.text(page, "a field's name").map(|key| key.text.clone()) else { continue };
        let Some((field, by)) = field_name(page, &key.span, &name) else { continue };
        if let Some((_, role)) = reserved.iter().find(|(taken, _)| taken.eq_ignore_ascii_case(&field)) {
            page.error(
                FIELD_TAKEN,
                &key.span,
                format!("`{field}` is {role}; the connector writes it itself"),
            )
            .help("remove it from `fields`");
        }
        // The YAML reader already reports the same key twice.
        let taken =
            fields.iter().find(|other| other.field.eq_ignore_ascii_case(&field) && other.full_name() != name);
        if let Some(other) = taken {
            page.error(FIELD_TAKEN, &key.span, format!("`{}` is mapped already", other.full_name())).help(
                "Salesforce takes one value for a field and one external id for a relation; keep one of them",
            );
        }
        let rules = read_rules(value, page, names, timed);
        fields.push(FieldRules { field, by, rules });
    }
    fields
}

/// `Subject`, or `Store__r.Partner_Id__c` in two parts.
pub fn field_name(page: &mut Page, span: &Range<usize>, name: &str) -> Option<(String, Option<String>)> {
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = name.split('.').collect();
    if !parts.iter().all(|part| good(part)) || parts.len() > 2 {
        page.error(BAD_FIELD_NAME, span, format!("`{name}` is no Salesforce field name"))
            .help("use the API name, such as `Subject` or `Goodays_Score__c`, not the label");
        return None;
    }
    if let [relation, _] = parts.as_slice()
        && relation.ends_with("__c")
    {
        page.error(BAD_FIELD_NAME, span, format!("`{relation}` is a field; a relation's name ends in __r"))
            .help(format!("did you mean `{}`?", name.replacen("__c.", "__r.", 1)));
        return None;
    }
    // These two are not relations by external id: the connector looks the names up in the org.
    let wanted: &[&str] = match parts[0] {
        "RecordType" => &["DeveloperName"],
        "Owner" => &["DeveloperName", "Username"],
        _ => &[],
    };
    if let (Some(by), false) = (parts.get(1), wanted.is_empty())
        && !wanted.contains(by)
    {
        page.error(BAD_FIELD_NAME, span, format!("`{}` is not found by `{by}`", parts[0]))
            .help(format!("by {}", crate::document::diagnostic::one_of(wanted)));
        return None;
    }
    Some((parts[0].to_owned(), parts.get(1).map(|by| (*by).to_owned())))
}

fn read_rules(node: &Node, page: &mut Page, names: Names, timed: bool) -> Vec<Rule> {
    let items: Vec<&Node> = match &node.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    if items.is_empty() {
        page.error(NOT_ONE_SOURCE, &node.span, "this field has no rule, so it is never written")
            .help("give it a rule, such as `{ from: response.place.name }`, or remove the field");
    }
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen: Vec<(String, Range<usize>)> = Vec::new();
    for item in items {
        let before = page.found.len();
        let Some(rule) = read_rule(item, page, names, timed) else { continue };
        if page.found.len() == before {
            check_order(page, item, &rule, &rules, &mut seen);
        }
        rules.push(rule);
    }
    rules
}

/// Reports a rule that can never apply: one after a rule that holds whenever it does, or after an equal rule.
fn check_order(
    page: &mut Page,
    item: &Node,
    rule: &Rule,
    before: &[Rule],
    seen: &mut Vec<(String, Range<usize>)>,
) {
    let written = canonical(item);
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == written) {
        let (line, _) = page.position(first.start);
        page.error(SAME_RULE, &item.span, format!("the same rule stands on line {line}"))
            .help("remove one of them");
        return;
    }
    let covers = |other: &&Rule| {
        let at_its_time = other.on == On::Always || other.on == rule.on;
        at_its_time && never_reached(other.condition.as_ref(), rule.condition.as_ref())
    };
    if let Some(first) = before.iter().find(covers) {
        report_unreachable(page, &item.span, first.condition.as_ref(), first.at.line);
    }
    seen.push((written, item.span.clone()));
}

/// Whether a rule with the second condition never gets its turn after one with the first. `None`: it cannot be read.
pub fn never_reached(first: Option<&Condition>, later: Option<&Condition>) -> bool {
    first.zip(later).is_some_and(|(first, later)| first.covers(later))
}

pub fn report_unreachable(page: &mut Page, span: &Range<usize>, first: Option<&Condition>, line: usize) {
    let (holds, help) = if first.is_some_and(Condition::always) {
        (
            "always holds",
            "the first rule that holds wins: put the one without `when` last, or give it a `when`",
        )
    } else {
        ("holds whenever this one does", "the first rule that holds wins: put the narrower one first")
    };
    let message = format!("this rule is never reached: the one on line {line} {holds}");
    page.error(UNREACHABLE, span, message).help(help);
}

/// The node's meaning as text, independent of its notation.
pub fn canonical(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(scalar) => format!("{:?}", scalar.text),
        Kind::List(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Kind::Map(entries) => {
            let mut parts: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", canonical(key), canonical(value)))
                .collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
    }
}

fn read_rule(node: &Node, page: &mut Page, names: Names, timed: bool) -> Option<Rule> {
    if !matches!(node.kind, Kind::Map(_)) {
        let given = node.scalar().filter(|scalar| !scalar.is_null()).map(|scalar| scalar.text.clone());
        let example = match given {
            Some(text) if text.contains("{{") => format!("{{ template: \"{text}\" }}"),
            Some(text) => format!("{{ value: \"{text}\" }}"),
            None => "{ value: ... } for a fixed value".to_owned(),
        };
        node.wrong_kind(page, "a rule", "a mapping");
        if let Some(found) = page.found.last_mut().filter(|_| node.scalar().is_some()) {
            found.help(format!("write {example}, or {{ from: ... }} for an expression"));
        }
        return None;
    }
    let at = page.place(&node.span);
    let mut keys = Keys::of(node, page, "a rule");
    let sources = (keys.take("from"), keys.take("template"), keys.take("value"));
    let (when, map, default) = (keys.take("when"), keys.take("map"), keys.take("default"));
    let on = if timed { keys.take("on") } else { None };
    let clear = keys.take("clear");
    let span = keys.span.clone();
    let value_span = keys.key_span("value");
    let unconditional = when.is_none();
    let mut checker = Checker::new(page, names);
    let when = when.and_then(|node| checker.condition(node));
    let condition = when.as_ref().map(|when| Condition::of(&when.source));
    let condition = condition.or_else(|| unconditional.then(Condition::none));
    let source = match sources {
        (Some(from), None, None) => checker.expression(from, "`from`").map(Source::Expr),
        (None, Some(text), None) => checker.template(text, "`template`").map(Source::Template),
        (None, None, Some(value)) => {
            blank_text(value, page, clear.is_some());
            Some(Source::Fixed(fixed(value, page, "`value`")))
        }
        (None, None, None) if keys.nearly(&["from", "template", "value"]) => None,
        (None, None, None) => {
            page.error(NOT_ONE_SOURCE, &span, "this rule has no value")
                .help("give it `from:` (an expression), `template:` (a text) or `value:` (fixed)");
            None
        }
        _ => {
            page.error(
                NOT_ONE_SOURCE,
                &span,
                "this rule has more than one of `from`, `template` and `value`",
            )
            .help("keep one of them; several rules for one field are a list");
            None
        }
    };
    if map.is_some() && matches!(source, Some(Source::Fixed(_))) {
        page.error(MAP_ON_FIXED, &value_span, "`map` on a fixed `value` always gives the same")
            .help("use `from:` with an expression, or drop `map`");
    }
    let stands_for = match &source {
        Some(Source::Expr(from)) => stands_for(from),
        _ => None,
    };
    let has_default = default.is_some();
    let rule = Rule {
        map: map.map(|node| MapTable::read(node, page, has_default, stands_for.as_ref())),
        default: default.and_then(|node| fixed(node, page, "`default`")),
        on: on.and_then(|node| moment(node, page)).unwrap_or(On::Always),
        clear: clear.and_then(|node| node.boolean(page, "`clear`")).unwrap_or(false),
        source: source.unwrap_or(Source::Fixed(None)),
        when,
        condition,
        at,
    };
    keys.finish(page, "a rule");
    Some(rule)
}

/// What the keys of a table with this source stand for.
fn stands_for(from: &Expr) -> Option<map_table::Keys> {
    if let Some((name, known)) = from.documented() {
        return Some(map_table::Keys::Words(name, known));
    }
    let kind = from.answer_kind()?;
    map_table::SCORES.iter().find(|scores| scores.kind == kind).copied().map(map_table::Keys::Scores)
}

fn moment(node: &Node, page: &mut Page) -> Option<On> {
    choice(node, page, UNKNOWN_WORD, "`on`", &[("create", On::Create), ("message", On::Message)])
}

/// A fixed value. `null` must be written out: a key without a value counts as forgotten.
pub fn fixed(node: &Node, page: &mut Page, what: &str) -> Option<Json> {
    let Some(scalar) = node.scalar() else {
        node.wrong_kind(page, what, "a text, a number, true or false");
        return None;
    };
    if page.text[node.span.clone()].trim().is_empty() {
        page.error(EMPTY_VALUE, &node.span, format!("{what} is empty"))
            .help("write what is wanted, or `null` if nothing is to be written");
    } else if scalar.text.contains("{{") || scalar.text.contains("{%") {
        page.error(WRONG_KIND, &node.span, format!("{what} is taken as it stands, `{{{{` included"))
            .help("use `template:` for a text with expressions in it");
    } else {
        suspect::value(page, node, &scalar.text, Names::Comment);
    }
    if !scalar.quoted && matches!(scalar.text.as_str(), "None" | "none" | "nil" | "undefined") {
        page.error(
            crate::mapping::language::check::NULL_SPELT,
            &node.span,
            format!("{what} would be the text `{}`", scalar.text),
        )
        .help("leave the rule out to write nothing, or put the word in quotes if the text is meant");
    }
    literal(scalar)
}

/// `value: ""` without `clear` does nothing, but looks as if it emptied the field.
fn blank_text(node: &Node, page: &mut Page, clears: bool) {
    let blank = node.scalar().is_some_and(|scalar| scalar.quoted && scalar.text.trim().is_empty());
    if blank && !clears {
        page.warn(EMPTY_VALUE, &node.span, "an empty `value` writes nothing: blanks do not overwrite")
            .help("add `clear: true` to empty the field, or write `null` if nothing is to be written");
    }
}

/// A scalar as a value. Only text that reads back the same becomes a number: `No` and `007` stay texts.
pub fn literal(scalar: &Scalar) -> Option<Json> {
    if scalar.is_null() || scalar.text.trim().is_empty() {
        return None;
    }
    if scalar.quoted {
        return Some(Json::String(scalar.text.clone()));
    }
    match scalar.text.as_str() {
        "true" => Some(Json::Bool(true)),
        "false" => Some(Json::Bool(false)),
        text => {
            let number =
                serde_json::from_str::<Number>(text).ok().filter(|number| number.to_string() == text);
            Some(number.map_or_else(|| Json::String(text.to_owned()), Json::Number))
        }
    }
}
