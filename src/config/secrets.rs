//! Secrets, given in the file or in separate files. They are never shown.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::document::diagnostic::Diagnostic;
use crate::document::keys::Keys;
use crate::document::yaml::{Kind, MISSING_KEY, Node, Scalar};

use super::reader::Reader;
use super::{Auth, Config, Secrets};
use super::{private_key, stand_ins};

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
            (Some(node), None) => self.secret_text(node, name, slot),
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
                found.extend(self.secret_text(item, "secrets", Slot::Webhook(found.len())));
            }
        }
        found
    }

    fn secret_text(&mut self, node: &Node, name: &str, slot: Slot) -> Option<SecretString> {
        let unset = self.unset.contains(&node.span.start);
        if unset {
            return None; // said already, where it matters
        }
        // The parser has `~` for a value that is left empty. It must not become a secret that everybody knows.
        let text = node.scalar().map(|scalar| if scalar.is_null() { "" } else { bare(&scalar.text) });
        match text.map(str::to_owned) {
            None => {
                node.wrong_kind(&mut self.page, &format!("`{name}`"), "a text");
                None
            }
            // The admin listener on loopback needs no token, so the token's variable may be empty.
            Some(text) if text.is_empty() && name == "token" && self.in_admin => None,
            Some(text) if text.is_empty() && self.may_be_empty(node) => None,
            Some(text) if text.is_empty() => {
                self.page
                    .error(EMPTY_SECRET, &node.span, format!("`{name}` is empty"))
                    .help(empty_help(slot));
                None
            }
            Some(text) => Some(self.secret_value(text, node, (name, slot))),
        }
    }

    /// Whether an empty secret is fine: its variable is set, but to nothing, and secrets are not needed.
    fn may_be_empty(&self, node: &Node) -> bool {
        self.secrets == Secrets::Optional && self.varying.contains(&node.span.start)
    }

    /// Whether the file itself says that there is no secret.
    pub(super) fn is_left_empty(&self, node: &Node) -> bool {
        let is_empty = |scalar: &Scalar| scalar.is_null() || bare(&scalar.text).is_empty();
        node.scalar().is_some_and(is_empty) && !self.varying.contains(&node.span.start)
    }

    fn secret_file(&mut self, node: &Node, name: &str, slot: Slot) -> Option<SecretString> {
        let path = self.path(node, name)?;
        match std::fs::read_to_string(&path) {
            Ok(text) if bare(&text).is_empty() => {
                self.page
                    .error(EMPTY_SECRET, &node.span, format!("the file of `{name}` is empty"))
                    .help(empty_help(slot));
                None
            }
            Ok(text) => {
                self.secret_files.push(SecretFile { slot, path });
                Some(self.secret_value(bare(&text).to_owned(), node, (name, slot)))
            }
            Err(error) => {
                if self.secrets == Secrets::Required {
                    let written = node.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
                    self.page
                        .error(
                            NO_SECRET_FILE,
                            &node.span,
                            format!("{} cannot be read: {}", shown(written, &path, name), unreadable(&error)),
                        )
                        .help("mend the path, which belongs to this file's folder, or who may read the file");
                }
                None
            }
        }
    }

    fn secret_value(&mut self, text: String, node: &Node, (name, slot): (&str, Slot)) -> SecretString {
        if let Some((why, help)) = doubtful(&text, slot) {
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
            Ok(text) => match (bare(&text), doubtful(bare(&text), file.slot)) {
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

/// An empty text is a signature's or a door's secret that everybody knows. Other secrets would just not work.
fn empty_help(slot: Slot) -> &'static str {
    match slot {
        Slot::Webhook(_) | Slot::AdminToken => {
            "an empty secret would let everybody in; set its variable, or fill its file"
        }
        _ => "set its variable, or fill its file",
    }
}

/// The file of a secret, for a message. A text that does not look like a path may be the secret itself, under the
/// wrong key.
fn shown(written: &str, path: &Path, name: &str) -> String {
    let written = written.trim();
    let first = written.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    let first_folder = path.ancestors().find(|folder| folder.ends_with(first)).is_some_and(Path::is_dir);
    let is_path =
        written.starts_with("./") || written.starts_with("../") || (written.contains('/') && first_folder);
    if is_path {
        format!("the file of `{name}`, {},", path.display())
    } else {
        format!("the file of `{name}`")
    }
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
fn doubtful(text: &str, slot: Slot) -> Option<(&'static str, &'static str)> {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let quoted = QUOTES
        .iter()
        .any(|(open, close)| text.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close)));
    if quoted {
        return Some(("stands in quotes", "write the secret alone, without quotes"));
    }
    if slot == Slot::PrivateKey {
        return private_key::problem(text);
    }
    if let Some(found) = stand_ins::problem(text, slot) {
        return Some(found);
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
    fn a_missing_file_is_named_unless_its_path_may_be_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("secrets")).unwrap();
        let shown =
            |written: &str| shown(written, &dir.path().join(written.trim_start_matches("./")), "token_file");
        for path in ["secrets/goodays_token", "./token", "secrets/deep/er"] {
            assert!(shown(path).contains(path.trim_start_matches("./")), "{path}: {}", shown(path));
        }
        let outside = format!("{}/missing", dir.path().display());
        assert!(shown(&outside).contains(&outside));
        for secret in ["s3cret", "ab/cd+ef==", "/x9/AbC", "secrets"] {
            assert_eq!(shown(secret), "the file of `token_file`", "{secret}");
        }
    }

    #[test]
    fn d07_what_surrounds_a_secret_is_stripped_and_what_is_doubtful_is_refused() {
        for text in
            ["s3cret", "\u{feff}s3cret\r\n", "\u{200b} s3cret\u{2060}\n\n", "\t\u{feff}\u{200b}s3cret\u{a0}"]
        {
            assert_eq!((bare(text), doubtful(bare(text), Slot::ClientSecret)), ("s3cret", None), "{text:?}");
        }
        for text in ["", "\n", "\u{feff}", "\u{feff}\u{200b} \r\n"] {
            assert_eq!(bare(text), "", "{text:?}");
        }
        for text in ["\"s3cret\"", "'s3cret'", "“s3cret”", "`s3cret`", "a\u{200b}b", "a\nb", "\"\""] {
            assert!(doubtful(text, Slot::ClientSecret).is_some(), "{text:?}");
        }
        for text in ["it's", "\"", "a\"b", "a b", "é", "'a"] {
            assert_eq!(doubtful(text, Slot::ClientSecret), None, "{text:?}");
        }
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
        assert_eq!(doubtful(bare(&format!("\u{feff}{key}\r\n")), Slot::PrivateKey), None);
        assert!(doubtful(&format!("\"{key}\""), Slot::PrivateKey).is_some());
        assert!(doubtful("-----BEGIN CERTIFICATE-----", Slot::PrivateKey).is_some());
    }
}
