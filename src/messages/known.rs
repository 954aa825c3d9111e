//! English sentences of this program that come as text: stored by an earlier version, or made where no language is
//! known. Each is found again by its form, and said in the language of whoever reads it.
//!
//! `known.en.ftl` has their forms and `known.fr.ftl` what is said instead. The words of a remote have no form here.

use std::sync::LazyLock;

use crate::messages::catalogue::{Catalogue, read};

/// Sentences within a sentence, at most.
const DEPTH: usize = 3;
/// What a remote said, or an operating system: it is quoted where it stands in a sentence.
const QUOTED: &str = "why";

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let mut forms: Vec<Form> = include_str!("known.en.ftl").lines().filter_map(Form::new).collect();
    // The one with the most words of its own fits best.
    forms.sort_by_key(|form| std::cmp::Reverse(form.length()));
    forms
});

static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| read("fr", include_str!("known.fr.ftl")));

/// A sentence with places for its arguments.
#[derive(Debug)]
struct Form {
    id: &'static str,
    /// What stands before the first argument, between two of them, and behind the last.
    parts: Vec<&'static str>,
    args: Vec<&'static str>,
}

impl Form {
    fn new(line: &'static str) -> Option<Self> {
        let (id, text) = line.split_once(" = ").filter(|_| !line.starts_with('#'))?;
        let (mut parts, mut args) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((part, behind)) = rest.split_once("{ $") {
            let (arg, behind) = behind.split_once(" }")?;
            parts.push(part);
            args.push(arg);
            rest = behind;
        }
        parts.push(rest);
        Some(Self { id, parts, args })
    }

    fn length(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// The arguments, if the text has this form.
    fn arguments<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, others) = self.parts.split_first()?;
        let mut rest = text.strip_prefix(first)?;
        let Some((last, between)) = others.split_last() else { return rest.is_empty().then(Vec::new) };
        let mut found = Vec::new();
        for part in between {
            let (arg, behind) = rest.split_once(part)?;
            found.push(arg);
            rest = behind;
        }
        found.push(rest.strip_suffix(last)?);
        Some(found)
    }
}

/// The text in French; none if it is no sentence of ours.
pub(super) fn in_french(text: &str) -> Option<String> {
    at_depth(text, 1)
}

fn at_depth(text: &str, depth: usize) -> Option<String> {
    let (form, found) = FORMS.iter().find_map(|form| Some((form, form.arguments(text)?)))?;
    let mut args = fluent_bundle::FluentArgs::new();
    for (name, arg) in form.args.iter().zip(found) {
        let inner = if depth < DEPTH { at_depth(arg, depth + 1) } else { None };
        args.set(*name, inner.unwrap_or_else(|| if *name == QUOTED { quoted(arg) } else { arg.to_owned() }));
    }
    let pattern = FRENCH.get_message(form.id)?.value()?;
    Some(FRENCH.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned())
}

/// What somebody else said, marked as such in a French sentence.
pub(super) fn quoted(text: &str) -> String {
    format!("« {text} »")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn messages(text: &'static str) -> BTreeMap<&'static str, Form> {
        text.lines().filter_map(Form::new).map(|form| (form.id, form)).collect()
    }

    #[test]
    fn both_files_have_the_same_sentences_with_the_same_arguments() {
        let (en, fr) = (messages(include_str!("known.en.ftl")), messages(include_str!("known.fr.ftl")));
        assert_eq!(en.keys().collect::<Vec<_>>(), fr.keys().collect::<Vec<_>>());
        for (id, form) in &en {
            let sorted = |form: &Form| {
                let mut args = form.args.clone();
                args.sort_unstable();
                args
            };
            assert_eq!(sorted(form), sorted(&fr[id]), "{id}");
            assert_ne!(form.parts, fr[id].parts, "{id} is still in English");
            assert!(form.length() >= 6, "{id} would fit anything");
        }
    }

    /// The text of the source as the compiler reads its literals: a `\` at a line's end takes the blanks of the next line.
    fn source(folder: &Path, text: &mut String) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("tests") {
                source(&path, text);
            } else if path.extension().is_some_and(|x| x == "rs")
                && !["known.rs", "tests.rs"].iter().any(|name| path.ends_with(name))
            {
                let file = fs::read_to_string(path).unwrap();
                let code = file.split("#[cfg(test)]\nmod tests {").next().unwrap().replace("\\\"", "\"");
                for (place, piece) in code.split("\\\n").enumerate() {
                    text.push_str(if place == 0 { piece } else { piece.trim_start() });
                }
            }
        }
    }

    /// Whoever changes one of these sentences in the source changes it here as well.
    #[test]
    fn the_source_says_each_of_them() {
        let mut text = String::new();
        source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        for form in FORMS.iter() {
            for part in &form.parts {
                let part = part.trim_matches([' ', '(', ')', ';']);
                assert!(part.len() < 4 || text.contains(part), "{}: the source has no {part:?}", form.id);
            }
        }
    }

    #[test]
    fn a_sentence_is_found_again_with_what_stands_in_it() {
        let table = [
            ("It refuses with status 403.", "Il refuse avec le statut 403."),
            (
                "the stored event cannot be read: response.id is empty",
                "l’événement enregistré ne peut pas être lu : response.id est vide",
            ),
            (
                "the database does not answer: no answer within 2s",
                "la base de données ne répond pas : pas de réponse en 2s",
            ),
            (
                "Salesforce refuses it with STORAGE_LIMIT_EXCEEDED: storage limit exceeded",
                "Salesforce le refuse avec STORAGE_LIMIT_EXCEEDED : « storage limit exceeded »",
            ),
            (
                "activate the integration user (inactive_user)",
                "activer l’utilisateur d’intégration (inactive_user)",
            ),
        ];
        for (english, french) in table {
            assert_eq!(in_french(english).as_deref(), Some(french));
        }
        for other in ["", "storage limit exceeded", "It refuses with status 403. And more", "e12 (a7)"] {
            assert_eq!(in_french(other), None);
        }
    }

    fn all_known(texts: impl IntoIterator<Item = String>) {
        for text in texts {
            let french = in_french(&text).unwrap_or_else(|| panic!("not known: {text}"));
            for word in [" the ", " is ", " it ", "check ", " of ", " and "] {
                assert!(!french.contains(word), "{french}");
            }
        }
    }

    #[test]
    fn what_a_remote_or_the_store_does_is_told_in_french() {
        use crate::http::{Failure, Problem};
        use crate::state::StoreError;
        use crate::workers::CircuitBreaker;
        let x = || "x".to_owned();
        let busy = |daily_limit| Failure::Busy { reason: x(), retry_after: None, daily_limit };
        let failures = [
            Failure::NotSent(x()),
            busy(true),
            busy(false),
            Failure::Refused { status: 403, problem: Problem::new("CODE", "") },
            Failure::NoAnswer(x()),
            Failure::TooLarge("an answer too long to read".to_owned()),
            Failure::Road(x()),
            Failure::SessionOver(x()),
            Failure::Store(x()),
            Failure::Budget,
            Failure::Elsewhere("the instance x works: ask that one".to_owned()),
        ];
        all_known(failures.iter().map(ToString::to_string));
        all_known(failures.iter().map(|failure| {
            let breaker = CircuitBreaker::new();
            breaker.failed(failure, 0);
            breaker.trouble().unwrap().advice
        }));
        all_known([
            StoreError::Broken(x()).to_string(),
            StoreError::NoSpace { free: 1, floor: 2 }.to_string(),
            StoreError::Rebuild(x()).to_string(),
            StoreError::Damaged(x()).to_string(),
            StoreError::Unreadable(x()).to_string(),
            StoreError::Unavailable(x()).to_string(),
            StoreError::TermOver.to_string(),
        ]);
    }

    /// The literal at the beginning of `text`, with `x` for each of its arguments.
    fn literal(text: &str) -> Option<String> {
        let text = text.trim_start();
        let text = text.strip_prefix("format!(").unwrap_or(text).trim_start();
        let (literal, _) = text.strip_prefix('"')?.split_once('"')?;
        let mut pieces = literal.split('{');
        let first = pieces.next().unwrap_or_default().to_owned();
        Some(
            pieces.fold(first, |said, piece| said + "x" + piece.split_once('}').map_or("", |(_, rest)| rest)),
        )
    }

    fn literals_behind(text: &str, beginnings: &[&str]) -> Vec<String> {
        let behind = beginnings.iter().flat_map(|beginning| text.split(beginning).skip(1));
        behind.filter_map(literal).collect()
    }

    #[test]
    fn why_a_call_failed_is_told_in_french() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut text = fs::read_to_string(root.join("http.rs")).unwrap();
        text.truncate(text.find("#[cfg(test)]").unwrap());
        source(&root.join("goodays"), &mut text);
        source(&root.join("salesforce"), &mut text);
        let calls =
            ["no_answer(", "too_large(status, ", "Failure::Road(", "Failure::SessionOver(", "reason: "];
        let found = literals_behind(&text, &calls);
        assert!(found.len() > 20, "{found:?}");
        all_known(found);
    }

    #[test]
    fn why_a_rule_fails_is_told_in_french() {
        let language = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mapping/language");
        let read = |name: &str| fs::read_to_string(language.join(name)).unwrap();
        let (expressions, filters) = (read("expr.rs"), read("filters.rs"));
        let function = expressions.split("fn reason(").nth(1).unwrap().split("\n}").next().unwrap();
        let mut found = literals_behind(function, &["=>"]);
        let named = literals_behind(&(expressions.clone() + &filters), &[": &str ="]);
        // One word is a name.
        found.extend(named.into_iter().filter(|literal| literal.contains(' ')));
        assert!(found.len() > 15, "{found:?}");
        all_known(found.iter().map(|reason| format!("mappings/actions.yaml:12:5: {reason}")));
        all_known(found);
    }

    #[test]
    fn what_a_webhook_has_wrong_is_told_in_french() {
        use crate::goodays::event::Unreadable;
        use crate::goodays::{BadResponseId, ResponseId};
        all_known([Unreadable::NoObject("response"), Unreadable::NoId].map(|why| why.to_string()));
        let ids: [String; 8] =
            ["", "a\u{1}b", " a", "..", "a/b", "bulk", "@{a}", "\u{feff}"].map(str::to_owned);
        let long = "a".repeat(300);
        let wrong = ids.into_iter().chain([long]).filter_map(|id| ResponseId::new(id).err());
        all_known(wrong.map(|why: BadResponseId| why.to_string()));
    }
}
