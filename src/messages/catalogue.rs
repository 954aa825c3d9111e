//! The catalogues: one file of messages for each language, in Fluent's format.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unic_langid::LanguageIdentifier;

use crate::messages::words::{Arg, Sentence};
use crate::messages::{Words, known};

/// What agents and admins read (`language` in connector.yaml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    En,
    Fr,
}

pub(super) type Catalogue = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read("en", include_str!("en.ftl")));
static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| read("fr", include_str!("fr.ftl")));

pub(super) fn read(language: &str, text: &str) -> Catalogue {
    let id: LanguageIdentifier = language.parse().expect("our own languages are well formed");
    let resource = FluentResource::try_new(text.to_owned()).expect("the tests read every catalogue");
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // The marks around arguments would be shown as boxes by some of Salesforce's pages.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).expect("no catalogue has a message twice");
    bundle
}

/// Says [`Words`] in one language, with times of one zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Messages {
    language: Language,
    zone: TimeZone,
}

impl Default for Messages {
    fn default() -> Self {
        Self::new(Language::default())
    }
}

impl Messages {
    /// With times in UTC.
    pub fn new(language: Language) -> Self {
        Self { language, zone: TimeZone::UTC }
    }

    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The text; sentences are separated by a space.
    pub fn say(&self, words: &Words) -> String {
        let said = words.sentences().iter().map(|sentence| self.sentence(sentence));
        said.collect::<Vec<_>>().join(" ")
    }

    /// Says a text that came without [`Words`]: in this language if it is a sentence of ours, and otherwise as somebody
    /// else's.
    pub fn say_text(&self, text: &str) -> String {
        match self.language {
            Language::En => text.to_owned(),
            Language::Fr => self.known(text).unwrap_or_else(|| known::quoted(text)),
        }
    }

    fn known(&self, text: &str) -> Option<String> {
        if self.language == Language::Fr { known::in_french(text) } else { None }
    }

    fn sentence(&self, sentence: &Sentence) -> String {
        if let Some(text) = sentence.plain_text() {
            return self.say_text(text);
        }
        let mut args = FluentArgs::new();
        for (name, arg) in &sentence.args {
            let value = match arg {
                Arg::Text(text) => self.known(text).unwrap_or_else(|| text.clone()),
                Arg::Moment(at_ms) => self.time_of_day(*at_ms),
            };
            args.set(name.as_ref(), value);
        }
        let catalogue = match self.language {
            Language::En => &*ENGLISH,
            Language::Fr => &*FRENCH,
        };
        let found = catalogue.get_message(&sentence.id).and_then(|message| message.value());
        // A message of a later version: its name says more than nothing.
        found.map_or_else(
            || sentence.id.to_string(),
            |pattern| catalogue.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned(),
        )
    }

    /// For example `14:03:20`, or `13:03:20 UTC` when no zone is configured.
    fn time_of_day(&self, at_ms: i64) -> String {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return String::new() };
        let format = if self.zone == TimeZone::UTC { "%H:%M:%S UTC" } else { "%H:%M:%S" };
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests;
