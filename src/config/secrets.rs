//! Secrets, given in the file or in separate files. They are never shown.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::document::diagnostic::Diagnostic;
use crate::document::keys::Keys;
use crate::document::yaml::{Kind, MISSING_KEY, Node};

use super::private_key;
use super::reader::Reader;
use super::{Auth, Config, Secrets};

pub const EMPTY_SECRET: &str = "C003";
pub const GIVEN_TWICE: &str = "C004";
pub const NO_SECRET_FILE: &str = "C005";
pub const BAD_SECRET: &str = "C011";

/// A secret in a separate file, which may change while we run.
#[derive(Debug, Clone)]
pub struct SecretFile {
    pub slot: Slot,
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    AdminToken,
    GoodaysToken,
    Webhook(usize),
    ClientSecret,
    PrivateKey,
    Postgres,
    /// The address of an alert's destination, by its place in the list.
    Alert(usize),
}

impl Reader<'_> {
    /// The secret under `name`, or in the file under `name_file`.
    pub fn secret(
        &mut self,
        keys: &mut Keys<'_>,
        names: (&'static str, &'static str),
        slot: Slot,
    ) -> Option<SecretString> {
        let (name, name_file) = names;
        match (keys.take(name), keys.take(name_file)) {
            (Some(_), Some(file)) => {
                self.page
                    .error(GIVEN_TWICE, &file.span, format!("`{name}` and `{name_file}` are both given"))
                    .help("keep one of them");
                None
            }
            (Some(node), None) => self.secret_text(node, name),
            (None, Some(file)) => self.secret_file(file, name_file, slot),
            (None, None) => {
                if self.secrets == Secrets::Required && slot != Slot::AdminToken {
                    self.page
                        .error(MISSING_KEY, &keys.span, format!("`{name}` is missing"))
                        .help(format!("give `{name}: ${{A_VARIABLE}}`, or `{name_file}` with a path"));
                }
                None
            }
        }
    }

    /// The webhook's `secrets:`: a list of texts or `{ file: path }`.
    pub fn secret_list(&mut self, node: &Node) -> Vec<SecretString> {
        let mut found = Vec::new();
        for item in node.list(&mut self.page, "`secrets`") {
            if matches!(item.kind, Kind::Map(_)) {
                let mut keys = Keys::of(item, &mut self.page, "a secret");
                let file = keys.need(&mut self.page, "file", "a secret");
                found.extend(
                    file.and_then(|file| self.secret_file(file, "secrets", Slot::Webhook(found.len()))),
                );
                keys.finish(&mut self.page, "a secret");
            } else {
                found.extend(self.secret_text(item, "secrets"));
            }
        }
        found
    }

    fn secret_text(&mut self, node: &Node, name: &str) -> Option<SecretString> {
        let unset = self.unset.contains(&node.span.start);
        if unset {
            return None; // said already, where it matters
        }
        let text = node.scalar().map(|scalar| bare(&scalar.text).to_owned());
        match text {
            None => {
                node.wrong_kind(&mut self.page, &format!("`{name}`"), "a text");
                None
            }
            // The admin listener on loopback needs no token, so the token's variable may be empty.
            Some(text) if text.is_empty() && name == "token" && self.in_admin => None,
            Some(text) if text.is_empty() && self.secrets == Secrets::Optional => None,
            Some(text) if text.is_empty() => {
                self.page
                    .error(EMPTY_SECRET, &node.span, format!("`{name}` is empty"))
                    .help("an empty secret would let everybody in; set its variable");
                None
            }
            Some(text) => Some(self.secret_value(text, node, name)),
        }
    }

    fn secret_file(&mut self, node: &Node, name: &str, slot: Slot) -> Option<SecretString> {
        let path = self.path(node, name)?;
        match std::fs::read_to_string(&path) {
            Ok(text) if bare(&text).is_empty() => {
                self.page
                    .error(EMPTY_SECRET, &node.span, format!("the file of `{name}` is empty"))
                    .help("an empty secret would let everybody in");
                None
            }
            Ok(text) => {
                self.secret_files.push(SecretFile { slot, path });
                Some(self.secret_value(bare(&text).to_owned(), node, name))
            }
            Err(error) => {
                if self.secrets == Secrets::Required {
                    self.page
                        .error(
                            NO_SECRET_FILE,
                            &node.span,
                            format!("the file of `{name}` cannot be read: {}", unreadable(&error)),
                        )
                        .help("mend the path, which belongs to this file's folder, or who may read the file");
                }
                None
            }
        }
    }

    fn secret_value(&mut self, text: String, node: &Node, name: &str) -> SecretString {
        if let Some((why, help)) = doubtful(&text, name.starts_with("private_key")) {
            self.page.error(BAD_SECRET, &node.span, format!("`{name}` {why}")).help(help);
        }
        SecretString::from(text)
    }
}

/// Reads the secret files again. If a file is missing or empty, all secrets stay, and the problem is returned.
pub fn reload(config: &Config) -> Result<Config, Vec<Diagnostic>> {
    let mut fresh = config.clone();
    let mut problems = Vec::new();
    for file in &config.secret_files {
        let shown = file.path.display().to_string();
        match std::fs::read_to_string(&file.path) {
            Ok(text) => match (bare(&text), doubtful(bare(&text), file.slot == Slot::PrivateKey)) {
                ("", _) => problems.push(Diagnostic::of_file(EMPTY_SECRET, shown, "the secret is empty")),
                (_, Some((why, _))) => {
                    problems.push(Diagnostic::of_file(BAD_SECRET, shown, format!("the secret {why}")));
                }
                (secret, None) => put(&mut fresh, file.slot, SecretString::from(secret.to_owned())),
            },
            Err(error) => {
                let message = format!("cannot be read: {}", unreadable(&error));
                problems.push(Diagnostic::of_file(NO_SECRET_FILE, shown, message));
            }
        }
    }
    if problems.is_empty() { Ok(fresh) } else { Err(problems) }
}

/// Strips characters that are surely not part of the secret: whitespace, a byte order mark, and zero-width characters,
/// which come along when a text is copied from a web page.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Characters that are invisible: zero width, joiners, byte order mark, direction marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}')
}

/// Why this is probably not the intended secret, and what to do. A token is sent in a header, so it is one line. A
/// private key has many lines and names its kind.
fn doubtful(text: &str, is_key: bool) -> Option<(&'static str, &'static str)> {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let quoted = QUOTES
        .iter()
        .any(|(open, close)| text.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close)));
    if quoted {
        return Some(("stands in quotes", "write the secret alone, without quotes"));
    }
    if is_key {
        return private_key::problem(text);
    }
    if text.chars().any(is_invisible) {
        return Some(("has a character in it that nobody sees", "type or paste it again"));
    }
    let broken = text.chars().any(char::is_control);
    broken.then_some((
        "has a line break or a control character in it",
        "it was probably pasted with a line end",
    ))
}

/// The reason without the path, which the diagnostic shows anyway.
fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::InvalidData => "it is not UTF-8 (was it saved as UTF-16?)".to_owned(),
        kind => kind.to_string(),
    }
}

fn put(config: &mut Config, slot: Slot, secret: SecretString) {
    match (slot, &mut config.salesforce.auth) {
        (Slot::AdminToken, _) => config.admin.token = Some(secret),
        (Slot::GoodaysToken, _) => config.goodays.token = secret,
        (Slot::Webhook(index), _) => {
            if let Some(place) = config.goodays.webhook.secrets.get_mut(index) {
                *place = secret;
            }
        }
        (Slot::Postgres, _) => {
            if let Some(postgres) = &mut config.state.postgres {
                postgres.url = secret;
            }
        }
        (Slot::Alert(index), _) => {
            if let Some(alert) = config.alerts.get_mut(index) {
                alert.url = secret;
            }
        }
        (Slot::ClientSecret, Auth::ClientCredentials { client_secret, .. }) => *client_secret = secret,
        (Slot::PrivateKey, Auth::JwtBearer { private_key, .. }) => *private_key = secret,
        (Slot::ClientSecret | Slot::PrivateKey, _) => {}
    }
}

/// An empty secret, for use where secrets are optional.
pub fn none() -> SecretString {
    SecretString::from(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d07_what_surrounds_a_secret_is_stripped_and_what_is_doubtful_is_refused() {
        for text in
            ["s3cret", "\u{feff}s3cret\r\n", "\u{200b} s3cret\u{2060}\n\n", "\t\u{feff}\u{200b}s3cret\u{a0}"]
        {
            assert_eq!((bare(text), doubtful(bare(text), false)), ("s3cret", None), "{text:?}");
        }
        for text in ["", "\n", "\u{feff}", "\u{feff}\u{200b} \r\n"] {
            assert_eq!(bare(text), "", "{text:?}");
        }
        for text in ["\"s3cret\"", "'s3cret'", "“s3cret”", "`s3cret`", "a\u{200b}b", "a\nb", "\"\""] {
            assert!(doubtful(text, false).is_some(), "{text:?}");
        }
        for text in ["it's", "\"", "a\"b", "a b", "é", "'a"] {
            assert_eq!(doubtful(text, false), None, "{text:?}");
        }
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
        assert_eq!(doubtful(bare(&format!("\u{feff}{key}\r\n")), true), None);
        assert!(doubtful(&format!("\"{key}\""), true).is_some());
        assert!(doubtful("-----BEGIN CERTIFICATE-----", true).is_some());
    }
}
