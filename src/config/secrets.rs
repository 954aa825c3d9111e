//! Secrets, given in the file or in separate files. They are never shown.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::document::diagnostic::Diagnostic;
use crate::document::encoding;
use crate::document::keys::Keys;
use crate::document::yaml::{Kind, MISSING_KEY, Node, Scalar};

use super::reader::Reader;
use super::stand_ins::Use;
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

impl Slot {
    /// Whether a remote made the secret. Those have no quotes; people may choose what they like.
    fn is_issued(self) -> bool {
        matches!(self, Self::GoodaysToken | Self::ClientSecret)
    }

    fn used_as(self) -> Use {
        match self {
            Self::AdminToken | Self::GoodaysToken => Use::Header,
            Self::Postgres | Self::Alert(_) => Use::Address,
            Self::Webhook(_) | Self::ClientSecret | Self::PrivateKey => Use::Other,
        }
    }
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
        match read(&path) {
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
            Err(why) => {
                // Without secrets their files need not be here, or be readable by whoever looks.
                if self.secrets == Secrets::Required || matches!(why, Unread::Encoding(_)) {
                    let written = node.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
                    self.page
                        .error(
                            NO_SECRET_FILE,
                            &node.span,
                            format!("{} cannot be read: {}", shown(written, &path, name), why),
                        )
                        .help(why.help());
                }
                None
            }
        }
    }

    fn secret_value(&mut self, text: String, node: &Node, (name, slot): (&str, Slot)) -> SecretString {
        if let Some((why, help)) = doubtful(&text, slot) {
            self.page.error(BAD_SECRET, &node.span, format!("`{name}` {why}")).help(help);
        } else if !slot.is_issued() && has_one_quote(&text) {
            self.page.warn(BAD_SECRET, &node.span, format!("`{name}` {ONE_QUOTE}")).help(ONE_QUOTE_HELP);
        }
        SecretString::from(text)
    }

    /// A name that belongs to a secret, such as `client_id`: the same texts stand in its place.
    pub(super) fn login_name(&mut self, node: &Node, name: &str) -> Option<String> {
        let text = self.needed_text(node, &format!("`{name}`"))?;
        let text = bare(&text);
        let nothing = text.is_empty().then_some(("is empty", "write it as Salesforce shows it"));
        if let Some((why, help)) =
            nothing.or_else(|| pasted(text)).or_else(|| stand_ins::problem(text, Use::Other))
        {
            self.page.error(BAD_SECRET, &node.span, format!("`{name}` {why}")).help(help);
        }
        Some(text.to_owned())
    }
}

/// Reads the secret files again. If a file is missing or empty, all secrets stay, and the problem is returned.
pub fn reload(config: &Config) -> Result<Config, Vec<Diagnostic>> {
    let mut fresh = config.clone();
    let mut problems = Vec::new();
    for file in &config.secret_files {
        let shown = file.path.display().to_string();
        match read(&file.path) {
            Ok(text) => match (bare(&text), doubtful(bare(&text), file.slot)) {
                ("", _) => problems.push(Diagnostic::of_file(EMPTY_SECRET, shown, "the secret is empty")),
                (_, Some((why, _))) => {
                    problems.push(Diagnostic::of_file(BAD_SECRET, shown, format!("the secret {why}")));
                }
                (secret, None) => put(&mut fresh, file.slot, SecretString::from(secret.to_owned())),
            },
            Err(why) => {
                problems.push(Diagnostic::of_file(NO_SECRET_FILE, shown, format!("cannot be read: {why}")));
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

const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
const ONE_QUOTE: &str = "has a quote at one end";
const ONE_QUOTE_HELP: &str = "write it alone, without quotes; was only a part of it copied?";

/// Why this is probably not the intended secret, and what to do. A private key has many lines and names its kind.
fn doubtful(text: &str, slot: Slot) -> Option<(&'static str, &'static str)> {
    if slot == Slot::PrivateKey {
        return quoted(text).or_else(|| private_key::problem(text));
    }
    let one_quote = slot.is_issued() && has_one_quote(text);
    pasted(text)
        .or_else(|| stand_ins::problem(text, slot.used_as()))
        .or(one_quote.then_some((ONE_QUOTE, ONE_QUOTE_HELP)))
}

fn quoted(text: &str) -> Option<(&'static str, &'static str)> {
    let within =
        |(open, close): &(char, char)| text.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close));
    QUOTES.iter().any(within).then_some(("stands in quotes", "write it alone, without quotes"))
}

/// Whether a quote begins or ends the text, and stands nowhere else in it.
fn has_one_quote(text: &str) -> bool {
    let ends = |quote: char| text.starts_with(quote) || text.ends_with(quote);
    let quotes = QUOTES.iter().flat_map(|(open, close)| [*open, *close]);
    quotes.into_iter().any(|quote| ends(quote) && text.matches(quote).count() == 1)
}

/// What came along when the text was copied. What we send is one line.
fn pasted(text: &str) -> Option<(&'static str, &'static str)> {
    if let Some(found) = quoted(text) {
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

/// Why a secret's file was not read. Without the path, which the diagnostic shows anyway.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{}", .0.kind())]
    File(std::io::Error),
    #[error("{0}")]
    Encoding(String),
}

impl Unread {
    fn help(&self) -> &'static str {
        match self {
            Self::File(_) => "mend the path, which belongs to this file's folder, or who may read the file",
            Self::Encoding(_) => encoding::HELP,
        }
    }
}

fn read(path: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(path).map_err(Unread::File)?;
    encoding::text(bytes).map_err(|other| Unread::Encoding(other.message()))
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
        for text in [
            "\"s3cret\"",
            "'s3cret'",
            "“s3cret”",
            "`s3cret`",
            "a\u{200b}b",
            "a\nb",
            "\"\"",
            "\"",
            "'a",
            "a\"",
            "a”",
        ] {
            assert!(doubtful(text, Slot::ClientSecret).is_some(), "{text:?}");
        }
        for text in ["it's", "a\"b", "a b", "é", "'a'b"] {
            assert_eq!(doubtful(text, Slot::ClientSecret), None, "{text:?}");
        }
        // Somebody may have chosen it like that: a warning is enough.
        assert_eq!(doubtful("'a", Slot::Webhook(0)), None);
        assert!(has_one_quote("'a") && has_one_quote("a\"") && !has_one_quote("'a'b'"));
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
        assert_eq!(doubtful(bare(&format!("\u{feff}{key}\r\n")), Slot::PrivateKey), None);
        assert!(doubtful(&format!("\"{key}\""), Slot::PrivateKey).is_some());
        assert!(doubtful("-----BEGIN CERTIFICATE-----", Slot::PrivateKey).is_some());
    }
}
