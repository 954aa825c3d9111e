//! Comparisons and conditions that fail or never hold, because of the kind of the Salesforce field that they ask for.

use std::ops::Range;

use crate::mapping::language::jinja::{self, Kind, Token, is_comparison};
use crate::mapping::language::operands::{
    Comparison, Literal, Subject, comparisons, outside, results, subject,
};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// True or false.
    Flag,
    Number,
    /// Texts, and what Salesforce gives as a text: picklists, dates, ids.
    Text,
}

/// A part of an expression that fails or never holds, whatever the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    /// Where in the expression.
    pub part: Range<usize>,
    pub message: String,
    pub help: String,
    /// A condition that gives something other than true and false.
    pub is_condition: bool,
}

/// The kinds of fields that every org has (Salesforce reference, 6).
pub fn standard(root: &str, field: &str) -> Option<FieldKind> {
    match (root, field) {
        ("case", "IsClosed" | "IsEscalated" | "IsDeleted") | ("comment", "IsPublished") => {
            Some(FieldKind::Flag)
        }
        (
            "case",
            "CaseNumber" | "Description" | "Origin" | "Priority" | "Reason" | "Status" | "Subject"
            | "SuppliedCompany" | "SuppliedEmail" | "SuppliedName" | "SuppliedPhone" | "Type",
        )
        | ("comment", "CommentBody") => Some(FieldKind::Text),
        _ => None,
    }
}

/// What is misused in an expression. `kind` tells what a field holds, by its root (`case` or `comment`) and its path.
pub fn misused(
    source: &str,
    is_condition: bool,
    kind: impl Fn(&str, &str) -> Option<FieldKind>,
) -> Vec<Misuse> {
    let tokens = jinja::expression(source);
    let of = |subject: &Subject<'_>| match subject {
        Subject::Path(root, path) => kind(root, path).map(|kind| (format!("{root}.{path}"), kind)),
        Subject::Answer(_) => None,
    };
    let all = comparisons(&tokens);
    let mut found = Vec::new();
    for one in &all {
        let Some((name, kind)) = of(&one.subject) else { continue };
        // Who writes `x == '5' or x == 5` knows that one of them never holds.
        let both = all.iter().any(|other| {
            let same = other.subject == one.subject && other.asks_equality();
            same && other.with.iter().any(|with| fits(kind, with))
        });
        if !(both && one.asks_equality()) {
            found.extend(one.with.iter().filter_map(|with| never(&name, kind, one, with)));
        }
    }
    if is_condition {
        found.extend(no_condition(&tokens, of));
    }
    found
}

/// The texts that an expression compares with fields of the Case: field, text, place.
pub fn compared_texts(source: &str) -> Vec<(String, String, Range<usize>)> {
    let tokens = jinja::expression(source);
    let mut found = Vec::new();
    for one in comparisons(&tokens) {
        let Subject::Path("case", path) = &one.subject else { continue };
        let texts = one.with.iter().filter(|with| with.is_text && one.asks_equality());
        found.extend(texts.map(|with| (path.clone(), with.text.to_owned(), with.span.clone())));
    }
    found
}

/// Whether a field of this kind can equal it.
fn fits(kind: FieldKind, with: &Literal<'_>) -> bool {
    match kind {
        // For the engine, true is equal to 1.
        FieldKind::Flag | FieldKind::Number => !with.is_text,
        FieldKind::Text => with.is_text,
    }
}

fn never(name: &str, kind: FieldKind, one: &Comparison<'_>, with: &Literal<'_>) -> Option<Misuse> {
    let ordered = !one.asks_equality();
    let is_flag_in_order = ordered && kind == FieldKind::Flag;
    if with.is_blank() || (fits(kind, with) && !is_flag_in_order) {
        return None;
    }
    let other = with.shown();
    let (is, help) = match kind {
        FieldKind::Flag => ("true or false", format!("write `{name}` alone, or `not {name}`")),
        FieldKind::Number => ("a number", format!("write a number without quotes, as in `{name} > 5`")),
        FieldKind::Text if ordered => {
            ("a text", format!("a text of digits becomes a number with `{name} | int`"))
        }
        FieldKind::Text if with.is_truth() => {
            ("a text", format!("ask whether it is there: `{name} is not none`"))
        }
        FieldKind::Text => ("a text", format!("write it in quotes: '{}'", with.text)),
    };
    let verb = if ordered { "cannot be above or below" } else { "never equals" };
    let message = format!("`{name}` is {is}, so it {verb} {other}");
    Some(Misuse { part: with.span.clone(), message, help, is_condition: false })
}

fn no_condition(
    tokens: &[Token<'_>],
    of: impl Fn(&Subject<'_>) -> Option<(String, FieldKind)>,
) -> Vec<Misuse> {
    let misuse = |part: &[Token<'_>]| {
        let field = subject(part).and_then(|subject| of(&subject));
        let (name, kind) = field.or_else(|| computed(part).map(|kind| ("this".to_owned(), kind)))?;
        let is = match kind {
            FieldKind::Flag => return None,
            FieldKind::Number => "a number",
            FieldKind::Text => "a text",
        };
        let quoted = if name == "this" { name.clone() } else { format!("`{name}`") };
        Some(Misuse {
            part: part.first()?.at..part.last()?.span().end,
            message: format!("{quoted} is {is}, and `when` must give true or false"),
            help: if name == "this" {
                "compare it with something, as in `... == 'x'`".to_owned()
            } else {
                format!("compare it with something, or ask whether it is there: `{name} is not none`")
            },
            is_condition: true,
        })
    };
    results(tokens).into_iter().filter_map(misuse).collect()
}

/// What a part gives that is not a name alone, as far as its last step tells.
fn computed(part: &[Token<'_>]) -> Option<FieldKind> {
    let outside = outside(part);
    if outside
        .iter()
        .any(|token| is_comparison(token) || ["in", "is", "not"].iter().any(|word| token.is(word)))
    {
        return None;
    }
    if outside.iter().any(|token| token.is("~")) {
        return Some(FieldKind::Text);
    }
    match (part, outside.as_slice()) {
        ([only], _) if only.kind == Kind::Text => Some(FieldKind::Text),
        ([only], _) if only.kind == Kind::Number => Some(FieldKind::Number),
        (_, [.., pipe, filter]) if pipe.is("|") => given(filter.text),
        (_, [.., pipe, filter, open, _]) if pipe.is("|") && open.is("(") => given(filter.text),
        _ => None,
    }
}

/// What a filter gives.
fn given(filter: &str) -> Option<FieldKind> {
    match filter {
        "lower" | "upper" | "title" | "capitalize" | "trim" | "replace" | "join" | "string"
        | "strip_html" | "strip_markdown" | "tojson" => Some(FieldKind::Text),
        "int" | "float" | "length" | "count" | "abs" | "round" | "sum" => Some(FieldKind::Number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::diagnostic::Place;
    use crate::mapping::language::expr::Expr;
    use crate::mapping::language::scope::{scope, to_value};

    /// Of each kind a field. Each is absent in a second record.
    fn kind(root: &str, path: &str) -> Option<FieldKind> {
        match (root, path) {
            ("case", "Flag") => Some(FieldKind::Flag),
            ("case", "Number") => Some(FieldKind::Number),
            ("case", "Text") => Some(FieldKind::Text),
            _ => None,
        }
    }

    /// Whether the condition holds for one of many records, and whether it fails for one.
    fn outcomes(source: &str) -> (bool, bool) {
        let at = Place { file: std::sync::Arc::from("actions.yaml"), line: 1, column: 1 };
        let expr = Expr::new(source, at).unwrap();
        let records = [
            json!({}),
            json!({"Flag": true, "Number": 5, "Text": "5"}),
            json!({"Flag": false, "Number": 0, "Text": "true"}),
            json!({"Flag": true, "Number": 1.5, "Text": "a"}),
        ];
        let all = records.map(|record| expr.holds(&scope([("case", to_value(&record))])));
        (all.contains(&Ok(true)), all.iter().any(Result::is_err))
    }

    #[test]
    fn what_is_told_never_holds_or_fails() {
        for source in [
            "case.Flag == 'true'",
            "case.Flag in ['true', 'yes']",
            "case.Flag > 0",
            "case.Flag < 'x'",
            "case.Number == '5'",
            "'5' == case.Number",
            "case.Number in ['5', '0']",
            "case.Number >= '5'",
            "case.Text == 5",
            "case.Text in [5]",
            "case.Text > 3",
            "case.Text",
            "case.Number",
            "case.Flag and case.Text",
            "case.Text or case.Flag",
            "case.Text | lower",
            "case.Flag and case.Text | default('') | replace('a', 'b')",
            "case.Text | length",
            "case.Text ~ 'x'",
            "'x'",
            "1",
            "case.Number | int(0)",
        ] {
            assert!(!misused(source, true, kind).is_empty(), "{source}");
            let (holds, fails) = outcomes(source);
            assert!(fails || !holds, "{source} is right");
        }
    }

    #[test]
    fn what_is_right_is_left_alone() {
        for source in [
            "case.Flag",
            "not case.Text",
            "case.Flag == true",
            "case.Flag == 1",
            "case.Flag == ''",
            "case.Number == ''",
            "case.Number == 5",
            "case.Number > 0.5",
            "case.Number in [1, 5]",
            "case.Number == '5' or case.Number == 5",
            "case.Number in ['5', 5]",
            "case.Text == '5'",
            "case.Text > 'A'",
            "case.Text and case.Flag",
            "case.Text | int(0) > 3",
            "case.Text is not none",
            "case.Text | lower == 'a'",
            "'a' == case.Text | lower",
            "case.Text | lower in ['a']",
            "not case.Text | length",
            "case.Text | lower is startingwith('a')",
            "(case.Text | lower) == 'a'",
            "case.Text | bool",
            "case.Flag if case.Text | length else false",
            "'tru' in case.Text",
        ] {
            assert_eq!(misused(source, true, kind), [], "{source}");
            assert!(outcomes(source).0 || source.ends_with("''"), "{source} never holds");
        }
    }
}
