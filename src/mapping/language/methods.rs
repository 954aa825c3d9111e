//! Methods, as other languages have them. Values here have none: a call fails whenever it is evaluated.

use crate::mapping::language::jinja::{Kind, Token};
use crate::mapping::language::mistake::{METHOD, Mistake};

/// Names of methods in lower case, and what to write instead; `{}` is the value.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["startswith", "starts_with", "beginswith"], "{} is startingwith('...')"),
    (&["endswith", "ends_with"], "{} is endingwith('...')"),
    (&["contains", "includes", "include", "indexof", "find", "index", "has", "match"], "'...' in {}"),
    (&["lower", "tolowercase", "tolower", "casefold"], "{} | lower"),
    (&["upper", "touppercase", "toupper"], "{} | upper"),
    (&["title", "capitalize"], "{} | title"),
    (&["strip", "trim", "lstrip", "rstrip"], "{} | trim"),
    (&["replace", "replaceall"], "{} | replace('a', 'b')"),
    (&["split"], "{} | default('') | split(',')"),
    (&["join"], "{} | default([]) | join(', ')"),
    (&["length", "len", "size", "count"], "{} | length"),
    (&["strftime", "format"], "{} | date(format='%d.%m.%Y')"),
    (&["tostring", "str"], "{} | string"),
    (&["equals", "equalsignorecase"], "{} == '...'"),
    (&["isempty", "isblank", "isnull"], "{} is none"),
    (&["get"], "{}.NAME"),
];

/// Names of the engine's own that do have methods.
const OWN: [&str; 3] = ["loop", "self", "super"];

pub fn methods(tokens: &[Token<'_>]) -> Vec<Mistake> {
    let calls = tokens
        .windows(3)
        .enumerate()
        .filter(|(_, three)| three[0].is(".") && three[1].kind == Kind::Name && three[2].is("("));
    calls
        .filter(|(dot, _)| !is_own(&tokens[..*dot]))
        .map(|(dot, three)| {
            let method = three[1].text;
            Mistake::error(
                METHOD,
                three[1].span(),
                format!("values have no methods here, so `.{method}()` fails"),
                instead(method, &value_before(&tokens[..dot])),
            )
        })
        .collect()
}

fn is_own(before: &[Token<'_>]) -> bool {
    match before {
        [.., dot, last] if dot.is(".") && last.kind == Kind::Name => false,
        [.., last] => last.kind == Kind::Name && OWN.contains(&last.text),
        [] => false,
    }
}

/// The path that ends here, as it is written.
fn value_before(before: &[Token<'_>]) -> String {
    let part = |token: &&Token<'_>| token.kind == Kind::Name || token.is(".");
    let count = before.iter().rev().take_while(part).count();
    let path: String = before[before.len() - count..].iter().map(|token| token.text).collect();
    if path.is_empty() || path.starts_with('.') { "x".to_owned() } else { path }
}

fn instead(method: &str, value: &str) -> String {
    let lower = method.to_lowercase();
    match INSTEAD.iter().find(|(names, _)| names.contains(&lower.as_str())) {
        Some((_, form)) => format!("write `{}`", form.replace("{}", value)),
        None => {
            "write a filter, such as `x | lower` or `x | replace('a', 'b')`, or ask `'...' in x`".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::diagnostic::Place;
    use crate::mapping::language::expr::Expr;
    use crate::mapping::language::scope::{scope, to_value};

    /// What is written instead works, also where the field is empty.
    #[test]
    fn each_way_out_can_be_computed() {
        for (names, _) in INSTEAD {
            let help = instead(names[0], "case.Subject");
            let source = help.trim_start_matches("write `").trim_end_matches('`');
            let at = Place { file: std::sync::Arc::from("actions.yaml"), line: 1, column: 1 };
            let expr = Expr::new(source, at).unwrap_or_else(|error| panic!("{source}: {error}"));
            for record in [json!({"Subject": "2020-02-05"}), json!({"Subject": null})] {
                let value = expr.json(&scope([("case", to_value(&record))]));
                assert!(value.is_ok(), "{source} of {record}: {value:?}");
            }
        }
    }
}
