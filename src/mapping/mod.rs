//! The mapping language: YAML rules, compiled.
//!
//! [`Mapping::load`] reads the files and reports all mistakes at once. Its result is evaluated without I/O. `yaml`
//! and `keys` read trees with places, `read_*` turn them into rules, `check` checks names and expressions; `rules`,
//! `expr` and `filters` evaluate.

mod codes;
mod files;
mod language;

use std::collections::BTreeSet;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use crate::document::diagnostic::{Diagnostic, Place, Severity};
pub use codes::codes;
pub use files::actions::{Act, ActionMapping, CASE_USER_TYPE, CommentsSource, Outcome, Told, Wanted};
pub use files::case::{Assignment, CaseMapping};
pub use files::comment::CommentMapping;
pub use files::is_mapping_file;
pub use files::matching::{CustomerObject, MatchClue, Matching};
pub use files::read_actions::NOT_TOLD;
pub use files::rules::{FieldRules, Moment, On, Rendered};
pub use files::schema::{actions_schema, case_schema, comment_schema};
pub use language::check::INSTALL_ZONES;
pub use language::dates::has_time_zones;
pub use language::expr::EvalProblem;
pub use language::filters::{NO_ZONES, strip_markdown};
pub use language::html::strip_html;
pub use language::kinds::{FieldKind, Misuse, compared_texts, misused};
pub use language::scope::Facts;

use crate::document::diagnostic::Page;
use files::{FileKind, agents_fields, distinct};

pub const NO_FILE: &str = "M001";
pub const NEVER_CHOSEN: &str = "M002";
pub const OTHER_KEY: &str = "M004";
pub const FEEDBACK_FIELD: &str = "M005";
pub const SAME_WHEN: &str = "M036";

/// One file, with the name that messages use for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// All mapping files, compiled.
#[derive(Debug)]
pub struct Mapping {
    sources: Vec<Source>,
    version: String,
    rules_version: u64,
    cases: Vec<CaseMapping>,
    comment: CommentMapping,
    actions: ActionMapping,
}

/// Which Case mapping takes a response.
#[derive(Debug)]
pub struct Choice<'m> {
    /// `None`: no mapping takes it.
    pub mapping: Option<&'m CaseMapping>,
    /// A `when` that was tried before, and failed.
    pub problem: Option<EvalProblem>,
}

type Loaded = Result<(Mapping, Vec<Diagnostic>), Vec<Diagnostic>>;

impl Mapping {
    /// Reads `case.yaml`, `case-NAME.yaml`, `comment.yaml` and `actions.yaml` of a folder. `Ok` includes warnings.
    pub fn load(dir: &Path) -> Loaded {
        let mut folder = files::read(dir)?;
        match Mapping::compile(folder.sources, &folder.unread) {
            Ok(loaded) if folder.problems.is_empty() => Ok(loaded),
            Ok((_, found)) | Err(found) => {
                folder.problems.extend(found);
                Err(folder.problems)
            }
        }
    }

    /// The same for texts, for example those of the last good version.
    pub fn from_sources(sources: Vec<Source>) -> Loaded {
        Mapping::compile(sources, &[])
    }

    /// `unread`: names of files that exist but could not be read.
    fn compile(mut sources: Vec<Source>, unread: &[String]) -> Loaded {
        let mut found = files::sort_out(&mut sources);
        let mut pages: Vec<Page> = Vec::new();
        let (mut cases, mut comment, mut actions) = (Vec::new(), None, None);
        for source in &sources {
            let mut page = Page::new(source.name.as_str(), &source.text);
            match files::kind(&source.name) {
                Some(FileKind::Case) => cases.extend(CaseMapping::read(&mut page)),
                Some(FileKind::Comment) => comment = CommentMapping::read(&mut page),
                Some(FileKind::Actions) => actions = ActionMapping::read(&mut page),
                None => {}
            }
            pages.push(page);
        }
        check_choice(&cases, &mut pages);
        check_same_when(&cases, &mut pages);
        check_same_case(&cases, &mut pages);
        distinct::check(&cases, actions.as_ref(), &mut pages);
        if let Some(actions) = &actions {
            check_feedback(&cases, actions, &mut pages);
            agents_fields::check(&cases, actions, &mut pages);
        }
        found.extend(pages.into_iter().flat_map(|page| page.found));
        found.extend(files::missing(&sources, unread));
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        if found.iter().any(Diagnostic::is_error) {
            return Err(found);
        }
        // Without errors, both files were read.
        let (Some(comment), Some(actions)) = (comment, actions) else { return Err(found) };
        let version = version(&sources);
        let rules_version = rules_version(&sources);
        Ok((Mapping { sources, version, rules_version, cases, comment, actions }, found))
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Twelve hexadecimal digits. They change when a name or a text changes.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A number that differs between versions of actions.yaml.
    pub fn rules_version(&self) -> u64 {
        self.rules_version
    }

    /// The first Case mapping whose `when` holds. One whose `when` fails is passed over; it is taken if no other holds,
    /// so that no feedback is lost. One whose `when` does not hold is never taken.
    pub fn case_mapping(&self, facts: &Facts) -> Choice<'_> {
        let mut choice = Choice { mapping: None, problem: None };
        for case in &self.cases {
            match case.wants(facts) {
                Ok(true) => return Choice { mapping: Some(case), ..choice },
                Err(problem) if choice.problem.is_none() => {
                    choice = Choice { mapping: Some(case), problem: Some(problem) };
                }
                Ok(false) | Err(_) => {}
            }
        }
        choice
    }

    /// The keys of `response.context.extra` that any rule reads. They differ per customer, and Goodays can list them.
    pub fn extra_keys(&self) -> Vec<String> {
        let cases = self.cases.iter().flat_map(|case| case.paths("response"));
        let comment = self.comment.field_rules().iter().flat_map(|field| field.paths("response"));
        let extra = cases.chain(comment).filter_map(|path| {
            path.strip_prefix("context.extra.")
                .map(|key| key.split('.').next().unwrap_or_default().to_owned())
        });
        extra.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A finding about a rule that was made elsewhere, for example from the org, shown at the rule's place.
    pub fn finding(
        &self,
        severity: Severity,
        code: &'static str,
        at: &Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        let text =
            self.sources.iter().find(|source| *source.name == *at.file).map_or("", |source| &source.text);
        Page::new(&*at.file, text).finding(severity, code, at, message.into())
    }

    pub fn case_mappings(&self) -> &[CaseMapping] {
        &self.cases
    }

    pub fn comment(&self) -> &CommentMapping {
        &self.comment
    }

    pub fn actions(&self) -> &ActionMapping {
        &self.actions
    }
}

/// The beginning of the hash of actions.yaml.
fn rules_version(sources: &[Source]) -> u64 {
    let text =
        sources.iter().find(|one| files::kind(&one.name) == Some(FileKind::Actions)).map(|one| &one.text);
    let digest = Sha256::digest(text.map_or("", String::as_str));
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// A Case mapping after one that takes every response is never chosen.
fn check_choice(cases: &[CaseMapping], pages: &mut [Page]) {
    let Some(all) = cases.iter().position(CaseMapping::takes_all) else { return };
    for later in &cases[all + 1..] {
        if let Some(page) = pages.iter_mut().find(|page| *page.file == later.file) {
            page.error_at(
                NEVER_CHOSEN,
                &later.at,
                format!("never chosen: `{}` takes every response", cases[all].file),
            )
            .help("files are tried in the order of their names; give that one a `when`, or a later name");
        }
    }
}

/// A Case mapping after one that takes whatever it would take is never chosen.
fn check_same_when(cases: &[CaseMapping], pages: &mut [Page]) {
    for (index, later) in cases.iter().enumerate() {
        let condition = later.condition();
        // One that takes everything is told by itself.
        let covers = |case: &&CaseMapping| !case.takes_all() && case.condition().covers(&condition);
        let Some(first) = cases[..index].iter().find(covers) else { continue };
        let has = if first.condition() == condition {
            "has the same `when`"
        } else {
            "takes all that this one would"
        };
        if let Some(page) = pages.iter_mut().find(|page| *page.file == later.file) {
            page.error_at(SAME_WHEN, &later.at, format!("never chosen: `{}` {has}", first.file))
                .help("remove one of them if it is a copy, or give each its own `when`; the narrower one needs the earlier name");
        }
    }
}

/// All Case mappings share object, key and marker: a response is looked up before a mapping is chosen.
fn check_same_case(cases: &[CaseMapping], pages: &mut [Page]) {
    let Some((first, others)) = cases.split_first() else { return };
    for other in others {
        let pairs = [
            ("object", &first.object, &other.object),
            ("key.field", &first.key_field, &other.key_field),
            ("marker", &first.marker_field, &other.marker_field),
        ];
        for (key, of_first, of_other) in pairs.iter().filter(|(_, a, b)| a != b) {
            if let Some(page) = pages.iter_mut().find(|page| *page.file == other.file) {
                let message = format!("`{key}` is `{of_other}` here and `{of_first}` in `{}`", first.file);
                page.error_at(OTHER_KEY, &other.at, message)
                    .help("all Case mappings share them: a response is looked up before one is chosen");
            }
        }
    }
}

/// One field cannot hold both a mapped value and the feedback on an action.
fn check_feedback(cases: &[CaseMapping], actions: &ActionMapping, pages: &mut [Page]) {
    for field in cases.iter().flat_map(CaseMapping::field_rules) {
        let told = actions.feedback_fields().iter().any(|told| told.eq_ignore_ascii_case(&field.field));
        let (true, Some(at)) = (told, field.at()) else { continue };
        if let Some(page) = pages.iter_mut().find(|page| page.file == at.file) {
            let message = format!("`{}` is written by `feedback` in actions.yaml, too", field.field);
            page.error_at(FEEDBACK_FIELD, at, message)
                .help("one of them would undo the other; take another field");
        }
    }
}

fn version(sources: &[Source]) -> String {
    let mut hash = Sha256::new();
    for part in sources.iter().flat_map(|source| [&source.name, &source.text]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())[..12].to_owned()
}
