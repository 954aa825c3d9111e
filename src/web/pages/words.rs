//! What the pages say, in English and French.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

use crate::messages::Language;

type Catalogue = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read("en", include_str!("words/en.ftl")));
static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| read("fr", include_str!("words/fr.ftl")));
/// What each code of a refused edit means. Diagnostics are made in English, so this is for the other language only.
static MISTAKES: LazyLock<Catalogue> = LazyLock::new(|| read("fr", include_str!("words/mistakes.fr.ftl")));

fn read(language: &str, text: &str) -> Catalogue {
    let id = language.parse().expect("our own languages are well formed");
    let resource = FluentResource::try_new(text.to_owned()).expect("the tests read every catalogue");
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).expect("no catalogue has a message twice");
    bundle
}

/// `en` or `fr`.
pub fn code(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Fr => "fr",
    }
}

/// The language of a code.
pub fn language(code: &str) -> Option<Language> {
    [Language::En, Language::Fr].into_iter().find(|language| self::code(*language) == code)
}

/// The message with its arguments; its name if the catalogue has none.
pub fn say<'a>(language: Language, name: &str, args: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let catalogue = match language {
        Language::En => &*ENGLISH,
        Language::Fr => &*FRENCH,
    };
    let mut given = FluentArgs::new();
    for (name, value) in args {
        given.set(name, value);
    }
    found(catalogue, name, &given).unwrap_or_else(|| name.to_owned())
}

/// What a code of a refused edit means, and what to do, in French; none for a code that the catalogue lacks.
pub fn mistake(code: &str) -> Option<[String; 2]> {
    let say = |what: &str| found(&MISTAKES, &format!("{code}-{what}"), &FluentArgs::new());
    Some([say("means")?, say("do")?])
}

fn found(catalogue: &Catalogue, name: &str, args: &FluentArgs<'_>) -> Option<String> {
    let pattern = catalogue.get_message(name)?.value()?;
    Some(catalogue.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    fn messages(text: &str) -> BTreeMap<&str, &str> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        lines.map(|line| line.split_once(" = ").unwrap_or_else(|| panic!("one a line: {line}"))).collect()
    }

    fn arguments(text: &str) -> BTreeSet<&str> {
        text.split("{ $").skip(1).filter_map(|rest| rest.split(" }").next()).collect()
    }

    #[test]
    fn both_languages_say_the_same() {
        let (en, fr) = (messages(include_str!("words/en.ftl")), messages(include_str!("words/fr.ftl")));
        assert_eq!(en.keys().collect::<Vec<_>>(), fr.keys().collect::<Vec<_>>());
        for (name, text) in en {
            assert_eq!(arguments(text), arguments(fr[name]), "{name}");
        }
    }

    /// tests/it/check/table.rs compares the codes with the source.
    #[test]
    fn a_code_of_a_refused_edit_is_told_as_it_is_typed() {
        let [means, remedy] = super::mistake("M008").unwrap();
        assert!(means.starts_with("Un modèle"), "{means}");
        assert!(remedy.contains("un {{ ou {% resté ouvert"), "{remedy}");
        assert_eq!(super::mistake("M999"), None);
    }

    /// Names stand in templates and source as `t("name"` or `language, "name"`; some are put together: `t("level-" ~ ...`.
    #[test]
    fn the_pages_say_what_the_catalogue_has() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/pages");
        let mut text = String::new();
        for folder in [pages.clone(), pages.join("templates")] {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.extension().is_some_and(|x| x == "rs" || x == "html") && !path.ends_with("words.rs") {
                    text += &fs::read_to_string(path).unwrap();
                }
            }
        }
        let called = text.match_indices("t(\"").filter(|(at, _)| {
            let before = text[..*at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
        });
        let called = called.chain(text.match_indices("language, \""));
        let named: BTreeSet<&str> =
            called.filter_map(|(at, begin)| text[at + begin.len()..].split('"').next()).collect();
        let (beginnings, whole): (Vec<&str>, Vec<&str>) = named.iter().partition(|name| name.ends_with('-'));
        let known = messages(include_str!("words/en.ftl"));
        for name in &whole {
            assert!(known.contains_key(name), "{name} is in no catalogue");
        }
        for name in known.keys() {
            let said = whole.contains(name) || beginnings.iter().any(|beginning| name.starts_with(beginning));
            assert!(said, "{name} is said nowhere");
        }
    }
}
