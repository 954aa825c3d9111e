//! Reads values, applies defaults and collects mistakes.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use url::Url;

use crate::document::diagnostic::Page;
use crate::document::keys::{Keys, choice};
use crate::document::yaml::Node;
use crate::mapping::{INSTALL_ZONES, NO_ZONES, has_time_zones};

use super::Secrets;
use super::key::{self, Key, Kind, LEVELS};
use super::secrets::SecretFile;
use super::values::{self, BAD_VALUE};

pub const BAD_WORD: &str = "C012";

pub struct Reader<'p> {
    pub page: Page,
    pub secrets: Secrets,
    pub unset: HashSet<usize>,
    pub varying: HashSet<usize>,
    pub secret_files: Vec<SecretFile>,
    pub in_admin: bool,
    pub folder: &'p Path,
}

impl Reader<'_> {
    /// The keys of a section; none if the section is absent, so all values are defaults.
    pub(super) fn section<'n>(&mut self, node: Option<&'n Node>, name: &str) -> Keys<'n> {
        match node.filter(|node| !node.is_null()) {
            Some(node) => Keys::of(node, &mut self.page, &format!("`{name}`")),
            None => Keys::none(),
        }
    }

    /// Reports the keys that were not taken. One that has its place in another section is sent there.
    pub(super) fn finish(&mut self, keys: Keys<'_>, what: &str) {
        keys.finish_with(&mut self.page, what, &key::home);
    }

    /// The node, unless one of its variables is not set.
    pub(super) fn given<'n>(&self, node: Option<&'n Node>) -> Option<&'n Node> {
        node.filter(|node| !self.unset.contains(&node.span.start))
    }

    /// The key's value, if it is there and none of its variables is unset.
    fn value<'n>(&self, keys: &mut Keys<'n>, key: &Key) -> Option<&'n Node> {
        let node = keys.take(key.name());
        self.given(node)
    }

    /// The duration under the key, or its default.
    pub(super) fn duration(&mut self, keys: &mut Keys<'_>, key: &'static Key) -> Duration {
        let node = self.value(keys, key);
        node.and_then(|node| self.duration_of(node, key))
            .unwrap_or_else(|| values::parse_duration(key.default).expect("the default is a duration"))
    }

    pub(super) fn duration_of(&mut self, node: &Node, key: &Key) -> Option<Duration> {
        let Kind::Duration(range) = &key.kind else { unreachable!("{} is a duration", key.path) };
        values::duration(node, &mut self.page, &key.shown(), range)
    }

    pub(super) fn number(&mut self, keys: &mut Keys<'_>, key: &'static Key) -> u32 {
        let Kind::Number(range) = &key.kind else { unreachable!("{} is a number", key.path) };
        let node = self.value(keys, key);
        node.and_then(|node| values::number(node, &mut self.page, &key.shown(), range))
            .unwrap_or_else(|| key.default.parse().expect("the default is a number"))
    }

    pub(super) fn listen(&mut self, keys: &mut Keys<'_>, key: &'static Key) -> SocketAddr {
        let node = self.value(keys, key);
        node.and_then(|node| values::listen(node, &mut self.page, &format!("`{}`", key.path)))
            .unwrap_or_else(|| key.default.parse().expect("the default is an address"))
    }

    pub(super) fn url(&mut self, keys: &mut Keys<'_>, key: &'static Key) -> Option<Url> {
        let node = self.value(keys, key)?;
        values::remote(node, &mut self.page, &key.shown())
    }

    /// One of the key's words, as one of `values`, which stand in the order of the words.
    pub(super) fn choice<T: Copy>(&mut self, keys: &mut Keys<'_>, key: &'static Key, values: &[T]) -> T {
        let Kind::Choice(words) = &key.kind else { unreachable!("{} is a choice", key.path) };
        assert_eq!(words.len(), values.len(), "{} has a value for each word", key.path);
        let choices: Vec<(&'static str, T)> = words.iter().copied().zip(values.iter().copied()).collect();
        let node = self.value(keys, key);
        node.and_then(|node| choice(node, &mut self.page, BAD_WORD, &key.shown(), &choices))
            .or_else(|| choices.iter().find(|(word, _)| *word == key.default).map(|(_, value)| *value))
            .expect("the default is one of the words")
    }

    /// A path relative to the file's folder.
    pub fn path(&mut self, node: &Node, what: &str) -> Option<PathBuf> {
        let text = self.needed_text(node, &format!("`{what}`"))?;
        Some(self.folder.join(text.strip_prefix("./").unwrap_or(&text)))
    }

    pub(super) fn needed_text(&mut self, node: &Node, what: &str) -> Option<String> {
        let node = self.given(Some(node))?;
        let text = node.text(&mut self.page, what)?.text.trim().to_owned();
        if text.is_empty() {
            self.page
                .error(BAD_VALUE, &node.span, format!("{what} is empty"))
                .help("write a value, or remove the key where it has a default");
            return None;
        }
        Some(text)
    }

    pub(super) fn optional_text(&mut self, node: &Node, what: &str) -> Option<String> {
        if node.is_null() {
            return None;
        }
        let text = self.given(Some(node))?.text(&mut self.page, what)?.text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        let items = node.list(&mut self.page, what);
        items.iter().filter_map(|item| self.needed_text(item, what)).collect()
    }

    pub(super) fn url_path(&mut self, node: &Node) -> Option<String> {
        let text = self.needed_text(node, "`webhook_path`")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !text.starts_with('/') || !text.chars().all(plain) || text.contains("//") {
            self.page
                .error(BAD_VALUE, &node.span, "`webhook_path` must be a plain path")
                .help("such as /webhooks/goodays");
        }
        Some(text)
    }

    pub(super) fn api_version(&mut self, node: &Node) -> Option<String> {
        let text = self.needed_text(node, "`api_version`")?;
        let major = text.strip_suffix(".0").and_then(|major| major.parse::<u32>().ok());
        match major {
            None => {
                self.page
                    .error(BAD_VALUE, &node.span, "`api_version` must look like \"66.0\"")
                    .help("quoted, with `.0`, without `v`");
            }
            Some(major) if !(50..=99).contains(&major) => {
                self.page
                    .error(values::OUT_OF_RANGE, &node.span, "`api_version` must be between 50.0 and 99.0")
                    .help("\"66.0\" is what this version was written for");
            }
            Some(_) => {}
        }
        Some(text)
    }

    pub(super) fn time_zone(&mut self, node: &Node) -> Option<TimeZone> {
        let text = self.optional_text(node, "`time_zone`")?;
        let found = TimeZone::get(&text).ok();
        if found.is_none() && !has_time_zones() {
            self.page.error(BAD_VALUE, &node.span, NO_ZONES).help(INSTALL_ZONES);
        } else if found.is_none() {
            self.page
                .error(BAD_VALUE, &node.span, "`time_zone` is no time zone")
                .help("write its IANA name, such as Europe/Paris; without it times are in UTC");
        }
        found
    }

    pub(super) fn level(&mut self, node: &Node) -> Option<String> {
        let text = self.needed_text(node, "`level`")?;
        let known = |part: &str| LEVELS.contains(&part.rsplit('=').next().unwrap_or(part).trim());
        if !text.split(',').all(known) {
            self.page
                .error(BAD_WORD, &node.span, "`level` is no log level")
                .help(crate::document::diagnostic::suggest(&text, &LEVELS));
        }
        Some(text)
    }
}
