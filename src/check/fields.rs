//! The fields that mappings write: do they exist, may the user write them, do the values fit?

use super::codes::{
    MAY_BE_BLANK, NO_EXTERNAL_ID, NO_FIELD, NO_RELATION, NOT_UPDATEABLE, READ_ONLY, REQUIRED,
    SPELLED_OTHERWISE,
};
use super::objects::{Objects, Walk};
use super::places::{Location, MappingFiles};
use super::report::{Area, Finding, Report};
use super::{customers, named, roles, values};
use crate::document::diagnostic::nearest;
use crate::mapping::{CaseMapping, CommentMapping, FieldRules, Mapping, Severity};
use crate::salesforce::describe::{Describe, Field};

pub const GRANT_READ: &str = "if Salesforce has it, give the integration user's permission set Read access to the field; \
     else create it, or correct the name";
pub const GRANT_EDIT: &str = "give the integration user's permission set Edit access to the field \
     (a formula or a system field can't be written at all: remove its rule)";
const GRANT_STANDARD: &str = "every org has this field, so it is hidden: give the integration user's permission set \
     Read and Edit access to it";

/// Fields of Cases and comments that every org has (Salesforce reference, 6).
const STANDARD: &[&str] = &[
    "AccountId",
    "ClosedDate",
    "CommentBody",
    "ContactId",
    "Description",
    "IsClosed",
    "IsPublished",
    "Origin",
    "OwnerId",
    "ParentId",
    "Priority",
    "Reason",
    "Status",
    "Subject",
    "SuppliedCompany",
    "SuppliedEmail",
    "SuppliedName",
    "SuppliedPhone",
    "Type",
];

/// One file's rules for one object.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub files: &'a MappingFiles,
    pub objects: &'a Objects,
    pub describe: &'a Describe,
    pub file: &'a str,
    /// Records of it are changed later, not only created.
    pub updates: bool,
}

pub fn check(mapping: &Mapping, files: &MappingFiles, objects: &Objects, report: &mut Report) {
    for case in mapping.case_mappings() {
        let Some(describe) = objects.get(&case.object) else { continue };
        let look = Look { files, objects, describe, file: &case.file, updates: true };
        look.case(case, report);
    }
    let comment = mapping.comment();
    if let Some(describe) = objects.get(&comment.object) {
        let file: &str = &comment.at.file;
        let look = Look { files, objects, describe, file, updates: false };
        look.comment(comment, mapping, report);
    }
}

impl Look<'_> {
    fn case(&self, case: &CaseMapping, report: &mut Report) {
        let before = report.findings.len();
        roles::key(self, &case.key_field, report);
        roles::marker(self, &case.marker_field, report);
        self.all(case.field_rules(), report);
        customers::check(case, self, report);
        self.required(case.field_rules(), &[&case.key_field, &case.marker_field], report);
        self.sum_up(before, case.field_rules().len() + 2, report);
    }

    fn comment(&self, comment: &CommentMapping, mapping: &Mapping, report: &mut Report) {
        let before = report.findings.len();
        roles::parent(self, comment, mapping, report);
        self.all(comment.field_rules(), report);
        self.required(comment.field_rules(), &[&comment.parent_field], report);
        self.sum_up(before, comment.field_rules().len() + 1, report);
    }

    fn sum_up(&self, before: usize, fields: usize, report: &mut Report) {
        if report.findings.len() == before {
            let object = &self.describe.object;
            report.ok(
                Area::Salesforce,
                format!("{}: {fields} fields of {object} are there and take what is written", self.file),
            );
        }
    }

    fn all(&self, rules: &[FieldRules], report: &mut Report) {
        for rule in rules {
            match &rule.by {
                Some(by) => self.relation(rule, by, report),
                None => self.plain(rule, report),
            }
        }
    }

    fn plain(&self, rule: &FieldRules, report: &mut Report) {
        let location = self.rule_location(rule);
        let Some(field) = self.field(&rule.field, location.as_ref(), report) else { return };
        if self.writeable(rule, field, location.as_ref(), report) {
            values::check(self, rule, field, report);
        }
    }

    /// The described field. Reports an unknown one.
    pub fn field(&self, name: &str, location: Option<&Location>, report: &mut Report) -> Option<&Field> {
        let found = self.describe.field(name);
        if found.is_none() {
            let object = &self.describe.object;
            let message = format!("{object} has no field `{name}` that the integration user can see");
            let help = self.help_for(name);
            self.report(Severity::Error, NO_FIELD, location, message, &help, report)
                .about(format!("{object}.{name}"));
        }
        found
    }

    /// Salesforce accepts a name in any case, but answers in its own spelling, and rows are read by that spelling.
    pub fn spelling(&self, name: &str, field: &Field, location: Option<&Location>, report: &mut Report) {
        if name != field.name {
            let message =
                format!("Salesforce spells `{name}` as `{}`, so it would never be read", field.name);
            self.report(
                Severity::Error,
                SPELLED_OTHERWISE,
                location,
                message,
                &format!("write `{}`", field.name),
                report,
            );
        }
    }

    fn help_for(&self, name: &str) -> String {
        if STANDARD.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return GRANT_STANDARD.to_owned();
        }
        let names = self.describe.fields.values().map(|field| field.name.as_str());
        match nearest(name, names).filter(|near| !near.eq_ignore_ascii_case(name)) {
            Some(near) if !looks_numbered(name, near) => {
                format!("did you mean `{near}`? Otherwise: {GRANT_READ}")
            }
            _ => GRANT_READ.to_owned(),
        }
    }

    /// Whether the user may write the field whenever a rule writes it.
    fn writeable(
        &self,
        rule: &FieldRules,
        field: &Field,
        location: Option<&Location>,
        report: &mut Report,
    ) -> bool {
        let object = &self.describe.object;
        let written = self.files.rules(self.file, &rule.full_name());
        let makes = written.iter().any(|one| !one.message_only);
        let changes = self.updates && written.iter().any(|one| !one.create_only);
        let only_message = written.iter().any(|one| one.message_only);
        let name = &field.name;
        if (makes && !field.createable) || (changes && !field.createable && !field.updateable) {
            self.read_only(field, location, report);
            return false;
        }
        if changes && !field.updateable {
            let message =
                format!("{object}.{name} can be set when the record is made, but not changed afterwards");
            if only_message {
                self.report(Severity::Error, READ_ONLY, location, message, GRANT_EDIT, report);
                return false;
            }
            self.report(
                Severity::Warning,
                NOT_UPDATEABLE,
                location,
                message,
                "say `on: create` in its rule",
                report,
            );
        }
        true
    }

    /// `Store__r.Partner_Id__c`: checks the relation, and the external id at its end.
    fn relation(&self, rule: &FieldRules, by: &str, report: &mut Report) {
        let (location, full, object) = (self.rule_location(rule), rule.full_name(), &self.describe.object);
        let Some(field) = self.describe.relation(&rule.field) else {
            let known = self.describe.fields.values().filter_map(|field| field.relationship_name.as_deref());
            let near = nearest(&rule.field, known).map(|near| format!("did you mean `{near}`? Otherwise: "));
            let help = format!("{}{GRANT_READ}", near.unwrap_or_default());
            let message =
                format!("{object} has no relation `{}` that the integration user can see", rule.field);
            self.report(Severity::Error, NO_RELATION, location.as_ref(), message, &help, report);
            return;
        };
        if !self.writeable(rule, field, location.as_ref(), report) {
            return;
        }
        if let Some(listed) = self.objects.listed(&rule.field, by) {
            return named::check(self, rule, listed, report);
        }
        match self.objects.walk(object, &full) {
            Walk::Unknown { on, name, .. } => {
                let message =
                    format!("{} has no field `{name}` that the integration user can see", on.object);
                self.report(Severity::Error, NO_FIELD, location.as_ref(), message, GRANT_READ, report);
            }
            Walk::Field(target) if !target.external_id => {
                let message = format!("`{full}` finds nothing: `{by}` is not marked as an External ID");
                let help =
                    "mark the field as External ID in Salesforce (and unique, or two records may match)";
                self.report(Severity::Error, NO_EXTERNAL_ID, location.as_ref(), message, help, report);
            }
            Walk::Field(target) if !target.unique => {
                let message = format!("`{full}` may find two records: `{by}` is not unique");
                let help = "mark the field as unique in Salesforce; a Case whose look-up is ambiguous goes without it";
                self.report(Severity::Warning, NO_EXTERNAL_ID, location.as_ref(), message, help, report);
            }
            Walk::Field(_) | Walk::Needs(_) | Walk::Opaque => {}
        }
    }

    /// Reports required fields that no rule sets: Salesforce refuses a new record without them.
    fn required(&self, rules: &[FieldRules], written: &[&String], report: &mut Report) {
        let mut needed: Vec<&Field> =
            self.describe.fields.values().filter(|field| field.is_required()).collect();
        needed.sort_by(|a, b| a.name.cmp(&b.name));
        for field in needed.into_iter().filter(|field| field.kind != "boolean") {
            if written.iter().any(|name| name.eq_ignore_ascii_case(&field.name)) {
                continue;
            }
            match rules.iter().find(|rule| covers(rule, field)) {
                Some(rule) if self.always_gives(rule) => {}
                Some(rule) => {
                    let message = format!(
                        "{} needs `{}`, and this rule may give nothing: then no record is made",
                        self.describe.object, field.name
                    );
                    let location = self.rule_location(rule);
                    self.report(
                        Severity::Warning,
                        MAY_BE_BLANK,
                        location.as_ref(),
                        message,
                        "add `default:` to the rule",
                        report,
                    );
                }
                None => {
                    let message =
                        format!("{} needs `{}`, and no rule writes it", self.describe.object, field.name);
                    let location = self.files.key(self.file, &["fields"]);
                    let help =
                        format!("map it under `fields`, for example `{}: {{ value: ... }}`", field.name);
                    self.report(Severity::Error, REQUIRED, location.as_ref(), message, &help, report);
                }
            }
        }
    }

    fn always_gives(&self, rule: &FieldRules) -> bool {
        let written = self.files.rules(self.file, &rule.full_name());
        written.iter().any(|one| !one.conditional && !one.message_only && (one.fixed || one.has_default))
    }

    pub fn rule_location(&self, rule: &FieldRules) -> Option<Location> {
        self.files.key(self.file, &["fields", &rule.full_name()])
    }

    /// Reports a finding, at its place if it has one.
    pub fn report<'r>(
        &self,
        severity: Severity,
        code: &'static str,
        location: Option<&Location>,
        message: impl Into<String>,
        help: &str,
        report: &'r mut Report,
    ) -> &'r mut Finding {
        let area = Area::Salesforce;
        match (severity, location) {
            (Severity::Error, None) => report.error(area, code, message).help(help),
            (Severity::Warning, None) => report.warn(area, code, message).help(help),
            (_, Some(location)) => {
                let found = self.files.diagnostic(severity, code, location, message);
                report.diagnostic(area, found.with_help(help))
            }
        }
    }

    /// Reports a field that the user may not write.
    pub fn read_only(&self, field: &Field, location: Option<&Location>, report: &mut Report) {
        let name = format!("{}.{}", self.describe.object, field.name);
        let message = format!("the integration user can't write {name}");
        self.report(Severity::Error, READ_ONLY, location, message, GRANT_EDIT, report).about(name);
    }
}

fn covers(rule: &FieldRules, field: &Field) -> bool {
    match &rule.by {
        None => rule.field.eq_ignore_ascii_case(&field.name),
        Some(_) => {
            field.relationship_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&rule.field))
        }
    }
}

/// `Line_1__c` and `Line_2__c` are two fields, not a typing mistake.
fn looks_numbered(one: &str, other: &str) -> bool {
    let letters =
        |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>().to_lowercase();
    letters(one) == letters(other)
}
