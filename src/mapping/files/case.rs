//! `case*.yaml`: how a response becomes a Case.

use crate::document::diagnostic::{Page, Place};
use crate::document::keys::Keys;
use crate::document::layout::check_texts;
use crate::document::yaml::{Node, parse};
use crate::mapping::files::last;
use crate::mapping::files::matching::Matching;
use crate::mapping::files::read_rules::{UNKNOWN_WORD, field_name, read_fields};
use crate::mapping::files::rules::{FieldRules, Moment, Rendered};
use crate::mapping::language::check::Checker;
use crate::mapping::language::conditions::Condition;
use crate::mapping::language::expr::{EvalProblem, Expr};
use crate::mapping::language::known::Names;
use crate::mapping::language::scope::Facts;

pub const KEY_IS_ID: &str = "M027";

/// Whether Salesforce's assignment rules run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// The active rules, for new Cases only.
    Create,
    Never,
    /// One rule, by its id, for new Cases only.
    Rule(String),
}

/// One `case*.yaml`.
#[derive(Debug)]
pub struct CaseMapping {
    pub object: String,
    pub key_field: String,
    pub marker_field: String,
    pub marker_at: Place,
    pub assignment: Assignment,
    pub file: String,
    pub at: Place,
    /// How the customer's Contact or Account is found, if that is wanted.
    pub matching: Option<Matching>,
    when: Option<Expr>,
    fields: Vec<FieldRules>,
}

impl CaseMapping {
    pub(in crate::mapping) fn read(page: &mut Page) -> Option<CaseMapping> {
        let root = parse(page)?;
        check_texts(page, &root);
        let mut keys = Keys::of(&root, page, "a case mapping");
        let object = keys.take("object").and_then(|node| name(node, page, "`object`"));
        let key_field = keys.need(page, "key", "a case mapping").and_then(|node| key(node, page));
        let marker = keys.need(page, "marker", "a case mapping");
        let marker_at = page.place(&marker.unwrap_or(&root).span);
        let marker = marker.and_then(|node| name(node, page, "`marker`"));
        let assignment = keys.take("assignment").and_then(|node| assignment(node, page));
        let when = keys.take("when").and_then(|node| Checker::new(page, Names::Case).condition(node));
        let matching = keys.take("match").map(|node| Matching::read(node, page));
        let reserved = [
            (key_field.clone().unwrap_or_default(), "the key"),
            (marker.clone().unwrap_or_default(), "the marker"),
            ("Id".to_owned(), "Salesforce's own id"),
        ];
        let mut reserved: Vec<(&str, &str)> =
            reserved.iter().map(|(name, role)| (name.as_str(), *role)).collect();
        if let Some(Some(matching)) = &matching {
            let object = matching.object;
            reserved.extend([object.case_field(), object.name()].map(|name| (name, "what `match` finds")));
        }
        let fields = keys
            .need(page, "fields", "a case mapping")
            .map(|node| read_fields(node, page, Names::Case, &reserved, true));
        keys.finish(page, "a case mapping");
        Some(CaseMapping {
            object: object.unwrap_or_else(|| "Case".to_owned()),
            key_field: key_field?,
            marker_field: marker?,
            marker_at,
            assignment: assignment.unwrap_or(Assignment::Create),
            file: page.file.to_string(),
            at: page.place(&root.span),
            matching: matching.map_or(Some(None), |read| read.map(Some))?,
            when,
            fields: fields?,
        })
    }

    /// The file's name without its folder: the folder may be another one after a move.
    pub fn name(&self) -> &str {
        last(&self.file)
    }

    /// Each field with its first rule that holds at this moment. Fields without one are left out.
    pub fn fields(&self, facts: &Facts, moment: Moment) -> Vec<Rendered> {
        self.fields.iter().filter_map(|field| field.render(&facts.scope, moment)).collect()
    }

    /// The names as written in the files: `Subject`, `Store__r.Partner_Id__c`.
    pub fn field_names(&self) -> Vec<String> {
        self.fields.iter().map(FieldRules::full_name).collect()
    }

    pub fn field_rules(&self) -> &[FieldRules] {
        &self.fields
    }

    /// The paths below `root` (for example `response`) that the rules and the condition read.
    pub fn paths(&self, root: &str) -> Vec<String> {
        let fields = self.fields.iter().flat_map(|field| field.paths(root));
        let matched = self.matching.iter().flat_map(|matching| matching.paths(root));
        fields.chain(self.when.iter().flat_map(|when| when.paths(root))).chain(matched).collect()
    }

    pub(in crate::mapping) fn wants(&self, facts: &Facts) -> Result<bool, EvalProblem> {
        self.when.as_ref().map_or(Ok(true), |when| when.holds(&facts.scope))
    }

    /// When the mapping takes a response.
    pub(in crate::mapping) fn condition(&self) -> Condition {
        self.when.as_ref().map_or_else(Condition::none, |when| Condition::of(&when.source))
    }

    /// Whether the mapping takes every response that reaches it.
    pub(in crate::mapping) fn takes_all(&self) -> bool {
        self.condition().always()
    }
}

fn name(node: &Node, page: &mut Page, what: &str) -> Option<String> {
    let text = node.text(page, what)?.text.clone();
    field_name(page, &node.span, &text).map(|(name, _)| name)
}

fn key(node: &Node, page: &mut Page) -> Option<String> {
    let mut keys = Keys::of(node, page, "`key`");
    let field = keys.need(page, "field", "`key`").and_then(|node| name(node, page, "`field`"));
    let from = keys.take("from");
    if let Some(from) = from
        && let Some(text) = from.text(page, "`from`")
        && text.text.trim() != "response.id"
    {
        page.error(KEY_IS_ID, &from.span, "the key is always `response.id`: it tells one Case from another")
            .help("write `from: response.id`");
    }
    keys.finish(page, "`key`");
    field
}

fn assignment(node: &Node, page: &mut Page) -> Option<Assignment> {
    let text = node.text(page, "`assignment`")?.text.clone();
    match text.as_str() {
        "create" => Some(Assignment::Create),
        "never" => Some(Assignment::Never),
        id if id.starts_with("01Q")
            && matches!(id.len(), 15 | 18)
            && id.chars().all(|c| c.is_ascii_alphanumeric()) =>
        {
            Some(Assignment::Rule(text))
        }
        other => {
            page.error(UNKNOWN_WORD, &node.span, format!("`assignment` cannot be `{other}`"))
                .help("`create`, `never`, or the id of a rule, which begins with 01Q");
            None
        }
    }
}
