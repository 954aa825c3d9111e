//! Texts that stand where a secret belongs, and are surely none: a variable without its braces, a line of an
//! environment file, a text that says what is to be written there.

use super::secrets::Slot;

/// Why this is no secret, and what to do. The text itself is never shown.
pub fn problem(text: &str, slot: Slot) -> Option<(&'static str, &'static str)> {
    if text.strip_prefix('$').is_some_and(is_variable) {
        return Some(("is a variable without its braces", "write `${NAME}`, with the variable's name"));
    }
    if within(text, "%", "%").is_some_and(is_variable) {
        return Some(("is a variable as Windows writes it", "write `${NAME}`, with the variable's name"));
    }
    if within(text, "${", "}").is_some_and(|name| is_variable(name.split(":-").next().unwrap_or(name))) {
        return Some(("is a variable, which only connector.yaml knows", "write the value alone"));
    }
    if within(text, "{{", "}}").is_some() {
        return Some(("is a placeholder in braces", "write `${NAME}` for a variable, or the value alone"));
    }
    if within(text, "<", ">").is_some_and(is_words) {
        return Some(("is a placeholder in angle brackets", "write the value alone, without `<` and `>`"));
    }
    if is_assignment(text) {
        return Some(("holds the name of a variable, too", "write the value alone, without `NAME=`"));
    }
    let is_token = matches!(slot, Slot::GoodaysToken | Slot::AdminToken);
    let scheme = text.split_once(' ').map(|(scheme, _)| scheme).unwrap_or_default();
    let is_header =
        is_token && (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"));
    is_header.then_some(("begins with a word of the header", "write the token alone, without `Bearer`"))
}

fn within<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.strip_prefix(open)?.strip_suffix(close).filter(|inner| !inner.is_empty())
}

/// A name in capitals, as environment variables have. A random text hardly looks like it: it has digits, and no `_`.
fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let letters = name.chars().all(|c| c.is_ascii_uppercase());
    name.len() > 2
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(fits)
        && (letters || name.contains('_'))
}

/// Words that say what is to be written.
fn is_words(inner: &str) -> bool {
    inner.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '_' | '.' | '\''))
}

/// `NAME=value`, as it stands in an environment file. A secret in Base64 ends with its `=`.
fn is_assignment(text: &str) -> bool {
    const KINDS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "GOODAYS", "SALESFORCE"];
    let line = text.strip_prefix("export ").unwrap_or(text);
    line.split_once('=').is_some_and(|(name, value)| {
        is_variable(name)
            && !value.trim_matches('=').is_empty()
            && KINDS.iter().any(|kind| name.contains(kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_from_secrets() {
        for text in [
            "$GOODAYS_WEBHOOK_SECRET",
            "$TOKEN",
            "%GOODAYS_TOKEN%",
            "${GOODAYS_TOKEN}",
            "${TOKEN:-x}",
            "{{ secret }}",
            "{{token}}",
            "<secret>",
            "<your token here>",
            "GOODAYS_WEBHOOK_SECRET=abc",
            "export GOODAYS_TOKEN=abc",
            "CLIENT_SECRET=YWJj==",
        ] {
            assert!(problem(text, Slot::Webhook(0)).is_some(), "{text}");
        }
        for text in ["Bearer xyz", "bearer abc.def", "Token abc"] {
            assert!(problem(text, Slot::GoodaysToken).is_some(), "{text}");
            assert_eq!(problem(text, Slot::Webhook(0)), None, "{text}: a passphrase may have a blank");
        }
        for text in [
            "s3cret",
            "$2b$12$abcdefghijklmnop",
            "$ecret",
            "$A9",
            "$X7QK2P9",
            "%4F%2A",
            "100%",
            "<3f9a8>",
            "<",
            "{abc}",
            "QUJD_TOKEN==",
            "ABC_DEF=",
            "a=b",
            "XK_3D=9f",
            "Bearer",
            "token",
            "TOKEN",
        ] {
            assert_eq!(problem(text, Slot::GoodaysToken), None, "{text}");
        }
    }
}
