//! Syntax errors of the engine, explained for somebody who never wrote a program.

/// The message and its help. `text` is the whole expression or template, `at` the offset where the engine stopped.
pub fn words(what: &str, text: &str, at: usize, detail: &str) -> Said {
    let (wrong, help) = habit(what, inside(what, text, at))
        .or_else(|| statement(text, detail))
        .or_else(|| unfinished(what, detail))
        .or_else(|| surprise(text, at, detail))
        .unwrap_or_else(|| (detail.to_owned(), "see docs/mappings.md for what can stand here".to_owned()));
    (format!("this {what} cannot be read: {wrong}"), help)
}

/// The mistake, and how to fix it.
type Said = (String, String);

fn said(wrong: impl Into<String>, help: impl Into<String>) -> Said {
    (wrong.into(), help.into())
}

/// In a template, the part between braces in which the engine stopped.
fn inside<'t>(what: &str, text: &'t str, at: usize) -> &'t str {
    if what != "template" {
        return text;
    }
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind("{{").max(before.rfind("{%")).map_or(0, |start| start + 2);
    let rest = &text[start..];
    let end = [rest.find("}}"), rest.find("%}")].into_iter().flatten().min().unwrap_or(rest.len());
    &rest[..end]
}

/// Notations of other languages.
fn habit(what: &str, text: &str) -> Option<Said> {
    let outside = without_quoted(text);
    for (sign, word) in [("&&", "and"), ("||", "or"), (" AND ", "and"), (" OR ", "or")] {
        if outside.contains(sign) {
            return Some(said(format!("`{}` is no word here", sign.trim()), format!("write `{word}`")));
        }
    }
    for (sign, help) in [
        ("?.", "write `.`: what is absent has no parts, and that is no mistake"),
        ("??", "write `a or b`"),
        ("?", "write `b if a else c`"),
    ] {
        if outside.contains(sign) {
            return Some(said(format!("`{sign}` is no word here"), help));
        }
    }
    if what != "template" && outside.trim_start().starts_with("if ") {
        return Some(said("`if` comes after the value", "write `'x' if response.alert_triggered else 'y'`"));
    }
    if outside.contains("else if") {
        return Some(said("`else if` is one word here", "write `{% elif ... %}`"));
    }
    if !outside.trim_start().starts_with("set ") && single_equals(&outside) {
        return Some(said("`=` compares nothing", "to compare, write `==`"));
    }
    if outside.contains(['“', '”', '‘', '’', '„']) {
        return Some(said("curly quotes are no quotes here", "use straight ones: ' or \""));
    }
    None
}

fn statement(text: &str, detail: &str) -> Option<Said> {
    if let Some(word) = detail.strip_prefix("unknown statement ") {
        return if matches!(word, "endif" | "endfor" | "else" | "elif") {
            Some(said(
                format!("`{{% {word} %}}` ends nothing"),
                "take it away, or begin before it with `{% if ... %}`",
            ))
        } else {
            Some(said(
                format!("there is no `{{% {word} %}}`"),
                "use `{% if ... %}`, `{% for ... %}` or `{% set ... %}`",
            ))
        };
    }
    let closing =
        detail.contains("expected end of block") || detail.contains("expected end of variable block");
    if closing && detail.starts_with("unexpected `}`") {
        return Some(said("a bracket is missing", "`{{` ends with `}}`, `{%` ends with `%}`"));
    }
    if detail == "unexpected end of variable block" && !text.is_empty() {
        return Some(said(
            "nothing stands between `{{` and `}}`",
            "write there what is wanted: `{{ response.place.name }}`",
        ));
    }
    None
}

/// The text ends too early.
fn unfinished(what: &str, detail: &str) -> Option<Said> {
    if detail == "unexpected end of string" {
        return Some(said("a quote is not closed", "end the text with the quote that it began with"));
    }
    match detail.strip_prefix("unexpected end of input, expected ")? {
        "end of variable block" => Some(said("`{{` is not closed", "end it with `}}`")),
        "end of block" => Some(said(
            "`{%` or its block is not closed",
            "`{% if ... %}` ends with `{% endif %}`, `{% for ... %}` with `{% endfor %}`",
        )),
        "`)`" | "`,`" => Some(said("a bracket is not closed", "end it with `)`")),
        "`]`" => Some(said("a bracket is not closed", "end it with `]`")),
        "identifier or integer" => {
            Some(said("a name is missing after the dot", "write the name, or take the dot away"))
        }
        _ => Some(said(
            format!("something is missing at the end of the {what}"),
            "finish it, or take its last sign away",
        )),
    }
}

/// An unexpected word or sign.
fn surprise(text: &str, at: usize, detail: &str) -> Option<Said> {
    let word: String =
        text.get(at..)?.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_')).collect();
    let shown = if word.is_empty() { text.get(at..)?.chars().next()?.to_string() } else { word };
    match detail {
        "unexpected character" if shown == "!" => Some(said("`!` is no word here", "write `not`")),
        "unexpected character" if shown == "&" => {
            Some(said("`&` is no word here", "write `and`, or `~` to join texts"))
        }
        _ if detail.starts_with("unexpected") => Some(said(
            format!("`{shown}` is not expected here"),
            "texts need quotes and are joined with `~`; conditions are joined with `and` or `or`",
        )),
        _ => None,
    }
}

/// The text without its quoted parts.
fn without_quoted(text: &str) -> String {
    let mut open: Option<char> = None;
    let mut kept = String::new();
    for letter in text.chars() {
        match open {
            Some(quote) if letter == quote => open = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => open = Some(letter),
            None => kept.push(letter),
        }
    }
    kept
}

/// A single `=` outside of brackets is a comparison with a sign missing.
fn single_equals(text: &str) -> bool {
    let mut depth = 0_i32;
    crate::mapping::language::jinja::expression(text).iter().any(|token| {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        depth == 0 && token.is("=")
    })
}
