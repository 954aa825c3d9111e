//! Which files of the folder are mappings, and how their bytes are decoded.

pub(super) mod actions;
pub(super) mod agents_fields;
pub(super) mod case;
pub(super) mod comment;
pub(super) mod distinct;
pub(super) mod map_table;
pub(super) mod matching;
pub(super) mod ranges;
pub(super) mod read_actions;
pub(super) mod read_rules;
pub(super) mod rules;
pub(super) mod schema;
pub(super) mod suspect;
pub(super) mod user_types;

use std::path::Path;

use crate::document::diagnostic::{Diagnostic, Page, Severity};
use crate::document::encoding;
use crate::document::yaml;
use crate::mapping::{NO_FILE, Source};

/// A file whose name is not the name of a mapping.
pub const STRANGE_FILE: &str = "M003";
/// Two files whose names differ only in the ending.
pub const SAME_FILE: &str = "M035";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Case,
    Comment,
    Actions,
}

const WANTED: [(&str, FileKind); 3] =
    [("case.yaml", FileKind::Case), ("comment.yaml", FileKind::Comment), ("actions.yaml", FileKind::Actions)];

/// Whether [`crate::mapping::Mapping::load`] considers a file of this name: it reads the file or reports it.
pub fn is_mapping_file(name: &str) -> bool {
    let lower = name.to_lowercase();
    let plain = lower.strip_suffix(".txt").unwrap_or(&lower);
    !name.starts_with('.') && has_yaml_ending(plain)
}

fn has_yaml_ending(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// `None`: a file of this name is not read. Only `case` and `case-NAME` are Case mappings: a copy in the folder, for
/// example `case (1).yaml`, would be tried before the file that people edit.
pub fn kind(name: &str) -> Option<FileKind> {
    let file = last(name);
    let (stem, _) = file.rsplit_once('.').filter(|_| has_yaml_ending(file))?;
    match stem {
        "case" => Some(FileKind::Case),
        "comment" => Some(FileKind::Comment),
        "actions" => Some(FileKind::Actions),
        _ => stem.strip_prefix("case-").filter(|name| is_name(name)).map(|_| FileKind::Case),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

/// The name without its folder.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The contents of a folder: texts, and findings about files that could not be read.
pub struct Folder {
    pub sources: Vec<Source>,
    pub problems: Vec<Diagnostic>,
    /// Names of files that exist but could not be read.
    pub unread: Vec<String>,
}

/// Reads the folder. Files with other names come without text: they are only reported.
pub fn read(dir: &Path) -> Result<Folder, Vec<Diagnostic>> {
    let shown = dir.file_name().map_or_else(|| "mappings".into(), |name| name.to_string_lossy());
    let entries = std::fs::read_dir(dir).map_err(|error| {
        let message = format!("the mappings' folder cannot be read: {error}");
        let found = Diagnostic::of_file(NO_FILE, dir.display().to_string(), message);
        vec![found.with_help("mend `mappings` in connector.yaml, or who may read the folder")]
    })?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| !entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_mapping_file(name))
        .collect();
    names.sort();
    let mut folder = Folder { sources: Vec::new(), problems: Vec::new(), unread: Vec::new() };
    for name in names {
        folder.add(dir, &name, format!("{shown}/{name}"));
    }
    Ok(folder)
}

impl Folder {
    fn add(&mut self, dir: &Path, name: &str, shown: String) {
        if kind(name).is_none() {
            self.sources.push(Source { name: shown, text: String::new() });
            return;
        }
        match std::fs::read(dir.join(name)).map(encoding::text) {
            Ok(Ok(text)) => self.sources.push(Source { name: shown, text }),
            Ok(Err(other)) => {
                let mut page = Page::new(shown.as_str(), &other.shown);
                page.error(yaml::NOT_UTF8, &(other.at..other.at + 1), other.message()).help(encoding::HELP);
                self.problems.append(&mut page.found);
                self.unread.push(shown);
            }
            Err(error) => {
                let found = Diagnostic::of_file(NO_FILE, shown.as_str(), format!("cannot be read: {error}"));
                self.problems.push(found.with_help("mind who may read it"));
                self.unread.push(shown);
            }
        }
    }
}

/// Removes the files that are not read, and reports each. One name with two endings is an error.
pub fn sort_out(sources: &mut Vec<Source>) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        sources.iter().filter(|one| kind(&one.name).is_none()).map(strange).collect();
    sources.retain(|one| kind(&one.name).is_some());
    sources.sort_by(|a, b| a.name.cmp(&b.name)); // the order in which Case mappings are tried
    let stem = |name: &str| name.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    for pair in sources.windows(2).filter(|pair| stem(&pair[0].name) == stem(&pair[1].name)) {
        let message =
            format!("`{}` stands beside it: one of them would be edited in vain", last(&pair[0].name));
        found.push(
            Diagnostic::of_file(SAME_FILE, pair[1].name.as_str(), message)
                .with_help("keep one of them, and remove the other"),
        );
    }
    found
}

fn strange(source: &Source) -> Diagnostic {
    let file = last(&source.name);
    let lower = file.to_lowercase();
    let plain = lower.strip_suffix(".txt").unwrap_or(&lower);
    let help = if plain != file && kind(plain).is_some() {
        format!("rename it to `{plain}`, or remove it")
    } else {
        "read are case.yaml, case-NAME.yaml (NAME of letters, digits, `_` and `-`), comment.yaml and actions.yaml: \
         remove a copy, or give it such a name"
            .to_owned()
    };
    let page = Page::new(source.name.as_str(), "");
    page.whole(Severity::Warning, STRANGE_FILE, format!("`{file}` is not read: that is no mapping's name"))
        .with_help(help)
}

/// A finding for each required kind of file that neither exists nor is listed in `unread`.
pub fn missing(sources: &[Source], unread: &[String]) -> Vec<Diagnostic> {
    let there = |wanted: FileKind| {
        let names = sources.iter().map(|one| &one.name).chain(unread);
        names.into_iter().any(|name| kind(name) == Some(wanted))
    };
    let missing = WANTED.iter().filter(|(_, wanted)| !there(*wanted));
    missing
        .map(|(name, _)| {
            Diagnostic::of_file(NO_FILE, format!("mappings/{name}"), format!("`{name}` is missing"))
                .with_help("the repository's mappings/ folder holds one to start from")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e03_only_two_shapes_of_names_are_case_mappings() {
        for name in ["case.yaml", "case-shops.yaml", "case-2_b.yml", "mappings/case-web-2.yaml"] {
            assert_eq!(kind(name), Some(FileKind::Case), "{name}");
        }
        let copies = [
            "case.bak.yaml",
            "case - Copy.yaml",
            "case (1).yaml",
            "case_old.yaml",
            "cases.yaml",
            "case-.yaml",
            "case-web copy.yaml",
            "Copy of case.yaml",
            "Case.yaml",
            "case.yaml.txt",
            "comment (1).yaml",
            "actions-old.yaml",
            "actions.bak.yml",
            "case~.yaml",
            "case.YAML",
        ];
        for name in copies {
            assert!(kind(name).is_none() && is_mapping_file(name), "{name}");
        }
        for name in ["case.yaml.bak", "case.yaml~", ".case.yaml.swp", "README.md", ".case.yaml"] {
            assert!(!is_mapping_file(name), "{name}");
        }
    }
}
