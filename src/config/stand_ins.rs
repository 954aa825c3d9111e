//! Texts that stand where a secret belongs, and are surely none: a variable without its braces, a line of an
//! environment file, the place where a secret is kept, a text that says what is to be written there.
//!
//! What remotes issue is long and random, so each of these says something that no random text says.

/// What a text is used for. It decides what can stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A token that is sent in a header.
    Header,
    /// An address, for example of a database.
    Address,
    Other,
}

type Problem = (&'static str, &'static str);

/// The last words of names of variables with something secret.
const KINDS: [&str; 8] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "ID", "USERNAME", "USER", "URL"];

const VALUE_ALONE: &str = "write the value alone";
const USE_VARIABLE: &str = "write `${NAME}`, with the variable's name";

/// Why this is no secret, and what to do. The text itself is never shown.
pub fn problem(text: &str, used: Use) -> Option<Problem> {
    variable(text)
        .or_else(|| placeholder(text))
        .or_else(|| if used == Use::Address { None } else { elsewhere(text) })
        .or_else(|| if used == Use::Header { header(text) } else { None })
}

fn variable(text: &str) -> Option<Problem> {
    if text.strip_prefix('$').is_some_and(is_variable) {
        return Some(("is a variable without its braces", USE_VARIABLE));
    }
    if within(text, "%", "%").is_some_and(is_variable) {
        return Some(("is a variable as Windows writes it", USE_VARIABLE));
    }
    if within(text, "${", "}").is_some_and(|name| is_variable(name.split(":-").next().unwrap_or(name))) {
        return Some(("is a variable, which only connector.yaml knows", VALUE_ALONE));
    }
    if within(text, "$(", ")").is_some() {
        return Some((
            "is a command of a shell, which is not run",
            "write its result, or name a file: `token_file` and the like",
        ));
    }
    if is_variable(text) && text.rsplit_once('_').is_some_and(|(_, last)| KINDS.contains(&last)) {
        return Some(("is the name of a variable", USE_VARIABLE));
    }
    is_assignment(text)
        .then_some(("holds the name of a variable, too", "write the value alone, without `NAME=`"))
}

fn placeholder(text: &str) -> Option<Problem> {
    if within(text, "{{", "}}").is_some() {
        return Some(("is a placeholder in braces", "write `${NAME}` for a variable, or the value alone"));
    }
    if within(text, "<", ">").is_some_and(is_words) {
        return Some(("is a placeholder in angle brackets", "write the value alone, without `<` and `>`"));
    }
    is_stand_in(text).then_some(("is a placeholder", VALUE_ALONE))
}

/// The place where a secret is kept.
fn elsewhere(text: &str) -> Option<Problem> {
    /// Where files of secrets stand. What is issued in Base64 may begin with `/`, so that alone says nothing.
    const FOLDERS: [&str; 11] =
        ["./", "../", "~/", "/run/", "/etc/", "/var/", "/home/", "/opt/", "/mnt/", "/srv/", "secrets/"];
    const STORES: [&str; 7] = ["env:", "$env:", "file:", "vault:", "ssm:", "keyring:", "arn:aws:"];
    let is_path = text.chars().all(|c| c.is_alphanumeric() || "/._-~".contains(c));
    if is_path && FOLDERS.iter().any(|folder| text.starts_with(folder)) {
        return Some((
            "is a path",
            "name the file under the key that ends with `_file`, or as `{ file: PATH }` in a list",
        ));
    }
    let lower = text.to_ascii_lowercase();
    let is_named = STORES.iter().any(|store| lower.starts_with(store)) || text.contains("://");
    is_named.then_some((
        "says where it is kept, which is not looked up",
        "write `${NAME}` for a variable, or name a file under the key that ends with `_file`",
    ))
}

fn header(text: &str) -> Option<Problem> {
    let scheme = text.split_once(' ').map(|(scheme, _)| scheme).unwrap_or_default();
    let is_scheme = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    is_scheme.then_some(("begins with a word of the header", "write the token alone, without `Bearer`"))
}

fn within<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.strip_prefix(open)?.strip_suffix(close).filter(|inner| !inner.is_empty())
}

/// A name in capitals, as environment variables have. A random text hardly looks like it: it has digits, and no `_`.
fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let letters = name.chars().all(|c| c.is_ascii_uppercase());
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(fits)
        && (letters || name.contains('_'))
}

/// Words that say what is to be written.
fn is_words(inner: &str) -> bool {
    inner.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '_' | '.' | '\''))
}

/// Signs without a letter or digit (`...`, `***`), `xxx`, or words for what is still to come.
fn is_stand_in(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "changeme",
        "changethis",
        "changeit",
        "replaceme",
        "replacethis",
        "fillme",
        "todo",
        "tbd",
        "null",
        "none",
        "undefined",
        "placeholder",
        "novalue",
    ];
    let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let is_marked = plain.len() > 2 && plain.chars().all(|c| c == 'x');
    plain.is_empty() || is_marked || WORDS.contains(&plain.as_str()) || is_advice(text, &plain)
}

/// `your-token`, `the client secret goes here`.
fn is_advice(text: &str, plain: &str) -> bool {
    const KINDS: [&str; 6] = ["token", "secret", "password", "apikey", "clientid", "username"];
    let named = plain.trim_end_matches("here").trim_end_matches("goes");
    let is_addressed = plain.starts_with("your") || plain.ends_with("here");
    is_addressed && is_words(text) && KINDS.iter().any(|kind| named.ends_with(kind))
}

/// `NAME=value`, as it stands in an environment file. A secret in Base64 ends with its `=`.
fn is_assignment(text: &str) -> bool {
    const PARTS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "GOODAYS", "SALESFORCE"];
    let line = text.strip_prefix("export ").unwrap_or(text);
    line.split_once('=').is_some_and(|(name, value)| {
        is_variable(name)
            && !value.trim_matches('=').is_empty()
            && PARTS.iter().any(|part| name.contains(part))
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
            "$ID",
            "%GOODAYS_TOKEN%",
            "${GOODAYS_TOKEN}",
            "${TOKEN:-x}",
            "$(cat /run/secrets/token)",
            "{{ secret }}",
            "{{token}}",
            "<secret>",
            "<your token here>",
            "<client id>",
            "GOODAYS_WEBHOOK_SECRET=abc",
            "export GOODAYS_TOKEN=abc",
            "CLIENT_SECRET=YWJj==",
            "GOODAYS_TOKEN",
            "YOUR_TOKEN",
            "your-token",
            "Your secret here",
            "paste-the-token-here",
            "SALESFORCE_CLIENT_ID",
            "changeme",
            "CHANGE_ME",
            "xxxxxxxx",
            "XXX-XXX",
            "...",
            "…",
            "***",
            "~",
            "null",
            "<no value>",
            "env:GOODAYS_TOKEN",
            "$env:GOODAYS_TOKEN",
            "op://vault/goodays/token",
            "/run/secrets/goodays_token",
            "./token",
            "secrets/goodays_token",
        ] {
            assert!(problem(text, Use::Other).is_some(), "{text}");
        }
        for text in ["Bearer xyz", "bearer abc.def", "Token abc"] {
            assert!(problem(text, Use::Header).is_some(), "{text}");
            assert_eq!(problem(text, Use::Other), None, "{text}: a passphrase may have a blank");
        }
        for text in ["postgres://connector:s3cret@db/goodays", "https://hooks.example/T/B/x"] {
            assert_eq!(problem(text, Use::Address), None, "{text}");
        }
    }

    /// Short ones are of simulators and rehearsals; the others have the forms in which remotes issue secrets.
    #[test]
    fn secrets_are_not_told_as_stand_ins() {
        for text in [
            "s",
            "s3cret",
            "sim-token",
            "client",
            "$2b$12$abcdefghijklmnop",
            "$ecret",
            "$A9",
            "$X7QK2P9",
            "%4F%2A",
            "100%",
            "<3f9a8>",
            "{abc}",
            "QUJD_TOKEN==",
            "ABC_DEF=",
            "ABC_DEF",
            "a=b",
            "XK_3D=9f",
            "Bearer",
            "token",
            "TOKEN",
            "/x9/AbC+d==",
            "/etcAbC0",
            "xX7",
            "3MVG9pRzvMkjMb6lZ.kaxPpmK0dA0fQ8cCF_bY2J4hUTF.SY7V4dXJ_3s2JqEC1XPo2xLQ1GfyzDXfvTJdzNv",
            "1E1E8A7C4F5B9D2E3A6C8B7D5F4E3A2B1C9D8E7F6A5B4C3D2E1F0A9B8C7D6E5F",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "correct horse battery staple",
            "your holiday",
            "the monkey sleeps here",
            "connector@shop.example",
        ] {
            assert_eq!(problem(text, Use::Header), None, "{text}");
        }
    }
}
