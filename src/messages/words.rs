//! Sentences without a language.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::messages::{Language, Messages};

/// The message that is only its argument `text`: words of a remote, or of an earlier version of this program.
const PLAIN: &str = "plain";

/// The argument of any other message that holds words of a remote.
const QUOTE: &str = "message";

/// What people are told: sentences of the catalogue, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Words(Vec<Sentence>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sentence {
    /// The message's name in the catalogue.
    pub(super) id: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) args: BTreeMap<Cow<'static, str>, Arg>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Arg {
    Text(String),
    /// A moment of our clock (milliseconds), shown as a time of day.
    Moment(i64),
}

/// Earlier versions stored the English text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Sentences(Vec<Sentence>),
}

impl Words {
    /// The message `id` of the catalogue.
    pub fn new(id: &'static str) -> Self {
        Self(vec![Sentence { id: Cow::Borrowed(id), args: BTreeMap::new() }])
    }

    /// A text in no language that we know: of a remote, or of an earlier version.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::default() } else { Self::new(PLAIN).with("text", text) }
    }

    /// With an argument for the last sentence.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl fmt::Display) -> Self {
        self.arg(name, Arg::Text(value.to_string()))
    }

    /// With a moment of our clock (milliseconds) for the last sentence.
    #[must_use]
    pub fn at(self, name: &'static str, moment_ms: i64) -> Self {
        self.arg(name, Arg::Moment(moment_ms))
    }

    fn arg(mut self, name: &'static str, arg: Arg) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.args.insert(Cow::Borrowed(name), arg);
        }
        self
    }

    /// With more sentences behind.
    #[must_use]
    pub fn and(mut self, more: Words) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Without what a remote said, which may quote people: for a record that outlives their words.
    #[must_use]
    pub fn without_quotes(&self) -> Self {
        let mut words = Self(self.0.iter().filter(|one| one.plain_text().is_none()).cloned().collect());
        let quotes = words.0.iter_mut().filter_map(|one| one.args.get_mut(QUOTE));
        quotes.for_each(|quote| *quote = Arg::Text("…".to_owned()));
        words
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn sentences(&self) -> &[Sentence] {
        &self.0
    }
}

impl Sentence {
    /// The text of a sentence that is in no catalogue.
    pub(super) fn plain_text(&self) -> Option<&str> {
        let text = self.args.get("text").filter(|_| self.id == PLAIN)?;
        if let Arg::Text(text) = text { Some(text) } else { None }
    }
}

impl From<Stored> for Words {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => Self::plain(text),
            Stored::Sentences(sentences) => Self(sentences),
        }
    }
}

impl From<Words> for Stored {
    fn from(words: Words) -> Self {
        Self::Sentences(words.0)
    }
}

/// In English: for commands and operators.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Messages::new(Language::En).say(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_said_can_be_left_out() {
        let words =
            Words::new("refused").with("status", 400).with("message", "secret").and(Words::plain("secret"));
        let stored = serde_json::to_string(&words.without_quotes()).unwrap();
        assert!(stored.contains("400") && !stored.contains("secret"), "{stored}");
    }

    #[test]
    fn words_are_stored_without_a_language_and_old_texts_are_read() {
        let words = Words::new("still-takes").with("verbs", "close, spam").and(Words::new("gone"));
        let stored = serde_json::to_string(&words).unwrap();
        assert!(!stored.contains("Goodays"), "{stored}");
        assert_eq!(serde_json::from_str::<Words>(&stored).unwrap(), words);
        let old: Words = serde_json::from_str("\"Said by version 1.\"").unwrap();
        assert_eq!(old.to_string(), "Said by version 1.");
        assert!(serde_json::from_str::<Words>("\"\"").unwrap().is_empty());
    }
}
