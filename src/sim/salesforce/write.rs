//! Saving records: the rules for records as a whole, and the side effects of a save.

use serde_json::{Map, Value, json};

use super::ids;
use super::org::{Actor, Org};
use super::problem::Problem;
use super::schema::{Field, Object};
use super::soql;
use super::table::{Fields, Table, key};
use super::validate::Op;

/// The result of an upsert.
pub enum Upserted {
    Created(String),
    Updated(String),
    /// Several records have the external id.
    Several(Vec<String>),
}

type Problems = Vec<Problem>;

impl Org {
    pub fn insert(
        &mut self,
        actor: &Actor,
        object: &str,
        body: &Map<String, Value>,
    ) -> Result<String, Problems> {
        let kind = self.writable_object(object)?;
        let mut values = self.check(actor, kind, Op::Create, body)?;
        let object = kind.name.clone();
        for field in &kind.fields {
            if !field.default.is_null() && !values.contains_key(&field.name) {
                values.insert(field.name.clone(), field.default.clone());
            }
        }
        self.locked(actor, &values, None)?;
        let extra_comment = values.shift_remove("Comments").filter(|text| !text.is_null());
        if object == "Case" {
            self.new_case(actor, &mut values);
        }
        self.unique(&object, &values, None)?;
        self.rules(actor, &object, &values, true)?;
        let id = self.put(actor, &object, values);
        self.caused(actor, &object, &id, extra_comment)?;
        Ok(id)
    }

    pub fn update(&mut self, actor: &Actor, id: &str, body: &Map<String, Value>) -> Result<(), Problems> {
        let (kind, before) = self.target(id)?;
        let mut values = self.check(actor, kind, Op::Update, body)?;
        let object = kind.name.clone();
        if object == "CaseComment"
            && actor.api
            && !self.settings.modify_all
            && values.contains_key("CommentBody")
        {
            return Err(vec![self.insufficient_access()]);
        }
        self.locked(actor, &before, Some(id))?;
        let extra_comment = values.shift_remove("Comments").filter(|text| !text.is_null());
        if object == "Case" {
            self.changed_case(actor, &before, &mut values);
        }
        self.unique(&object, &values, Some(id))?;
        let mut after = before;
        after.extend(values.clone());
        self.rules(actor, &object, &after, false)?;
        self.sign(actor, &mut values);
        self.change(actor, id, values);
        self.caused(actor, &object, id, extra_comment)
    }

    /// By external id. It searches visible records but inserts against all records, so two at once collide.
    pub fn upsert(
        &mut self,
        actor: &Actor,
        object: &str,
        field: &Field,
        value: &Value,
        body: &Map<String, Value>,
        update_only: bool,
    ) -> Result<Upserted, Problems> {
        let kind = self.writable_object(object)?;
        let found = self.holders(kind, field, value);
        match found.as_slice() {
            [id] => {
                let id = id.clone();
                self.update(actor, &id, body)?;
                Ok(Upserted::Updated(id))
            }
            [] if update_only => Err(vec![Problem::not_found()]),
            [] => {
                let mut body = body.clone();
                body.insert(field.name.clone(), value.clone());
                self.insert(actor, object, &body).map(Upserted::Created)
            }
            _ => Ok(Upserted::Several(found)),
        }
    }

    pub fn delete(&mut self, actor: &Actor, id: &str) -> Result<(), Problems> {
        let (kind, before) = self.target(id)?;
        if kind.name == "CaseComment" && actor.api && !self.settings.modify_all {
            return Err(vec![self.insufficient_access()]);
        }
        let is_case = kind.name == "Case";
        self.locked(actor, &before, Some(id))?;
        if is_case {
            for comment in self.children(id) {
                self.mark_deleted(actor, &comment);
            }
        }
        self.mark_deleted(actor, id);
        Ok(())
    }

    fn mark_deleted(&mut self, actor: &Actor, id: &str) {
        let mut values = Fields::new();
        values.insert("IsDeleted".into(), json!(true));
        self.sign(actor, &mut values);
        self.change(actor, id, values);
    }

    /// Ids of a Case's undeleted comments, committed or not.
    pub fn children(&self, case: &str) -> Vec<String> {
        let Some(kind) = self.schema.object("CaseComment") else { return Vec::new() };
        let (Some(table), Some(parent)) = (self.table(kind), kind.field("ParentId")) else {
            return Vec::new();
        };
        let rows = table.having(parent, &json!(case)).iter().map(|index| &table.row(*index).now);
        rows.filter(|row| row.get("ParentId") == Some(&json!(case)))
            .filter(|row| row.get("IsDeleted") != Some(&json!(true)))
            .filter_map(|row| row.get("Id")?.as_str().map(str::to_owned))
            .collect()
    }

    fn writable_object(&self, name: &str) -> Result<&Object, Problems> {
        let kind = self.schema.object(name).ok_or_else(|| vec![Problem::not_found()])?;
        if kind.writable {
            return Ok(kind);
        }
        let message = format!("entity type {} does not support this operation", kind.name);
        Err(vec![Problem::save("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, &[])])
    }

    /// The present state of the record to write to (reference, section 2.3).
    fn target(&self, id: &str) -> Result<(&Object, Fields), Problems> {
        let unknown = || {
            vec![
                Problem::save("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[])
                    .with_status(404),
            ]
        };
        let kind = self.schema.by_prefix(id).ok_or_else(unknown)?;
        let row = self.latest(id).ok_or_else(unknown)?;
        if row.get("IsDeleted") == Some(&json!(true)) {
            return Err(vec![Problem::save("ENTITY_IS_DELETED", "entity is deleted", &[]).with_status(404)]);
        }
        self.writable_object(&kind.name)?;
        Ok((kind, row.clone()))
    }

    pub fn insufficient_access(&self) -> Problem {
        let message = "insufficient access rights on object id";
        Problem::save("INSUFFICIENT_ACCESS_OR_READONLY", message, &[])
            .with_status(self.settings.insufficient_access_status)
    }

    /// A lock on a Case also applies to writes to its comments.
    fn locked(&mut self, actor: &Actor, values: &Fields, id: Option<&str>) -> Result<(), Problems> {
        let parent = values.get("ParentId").and_then(Value::as_str);
        for case in [id, parent].into_iter().flatten() {
            if self.is_locked(actor, case) {
                let message = format!(
                    "unable to obtain exclusive access to this record or 1 records: {}",
                    ids::short(case)
                );
                return Err(vec![Problem::save("UNABLE_TO_LOCK_ROW", message, &[])]);
            }
        }
        Ok(())
    }

    fn is_locked(&mut self, actor: &Actor, id: &str) -> bool {
        if let Some(left) = self.settings.locked.get_mut(id) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.settings.locked.remove(id);
            }
            return true;
        }
        actor.api && self.settings.open_records_are_locked && self.is_open(id)
    }

    /// Uniqueness includes uncommitted records, but not deleted ones.
    fn unique(&self, object: &str, values: &Fields, own: Option<&str>) -> Result<(), Problems> {
        let Some(kind) = self.schema.object(object) else { return Ok(()) };
        let Some(table) = self.table(kind) else { return Ok(()) };
        for field in kind.fields.iter().filter(|field| field.unique) {
            let Some(value) = values.get(&field.name) else { continue };
            let wanted = key(field, value);
            let rows = table.having(field, value).iter().map(|index| &table.row(*index).now);
            let mut others = rows
                .filter(|row| row.get(&field.name).and_then(|value| key(field, value)) == wanted)
                .filter(|row| row.get("IsDeleted") != Some(&json!(true)))
                .filter_map(|row| row.get("Id")?.as_str())
                .filter(|id| Some(*id) != own);
            if let Some(other) = others.next() {
                let message = format!(
                    "duplicate value found: {} duplicates value on record with id: {}",
                    field.name,
                    ids::short(other)
                );
                return Err(vec![Problem::save("DUPLICATE_VALUE", message, &[])]);
            }
        }
        Ok(())
    }

    fn rules(&self, actor: &Actor, object: &str, record: &Fields, new: bool) -> Result<(), Problems> {
        if new {
            self.duplicates(actor, object, record)?;
        }
        for rule in &self.settings.validation_rules {
            if rule.object.eq_ignore_ascii_case(object) && soql::holds(self, object, &rule.when, record) {
                let fields: Vec<&str> = rule.fields.iter().map(String::as_str).collect();
                let code = rule.code.as_deref().unwrap_or("FIELD_CUSTOM_VALIDATION_EXCEPTION");
                return Err(vec![Problem::save(code, &rule.message, &fields)]);
            }
        }
        Ok(())
    }

    fn duplicates(&self, actor: &Actor, object: &str, record: &Fields) -> Result<(), Problems> {
        let Some(kind) = self.schema.object(object) else { return Ok(()) };
        for rule in &self.settings.duplicate_rules {
            if !rule.object.eq_ignore_ascii_case(object) || (rule.allow_save && actor.allow_duplicates) {
                continue;
            }
            let Some(field) = kind.field(&rule.field) else { continue };
            let Some(wanted) = record.get(&field.name).and_then(|value| key(field, value)) else { continue };
            let rows = self.table(kind).map_or(&[][..], |table| table.rows());
            let same = rows.iter().map(|row| &row.now).find(|row| {
                row.get(&field.name).and_then(|value| key(field, value)).as_ref() == Some(&wanted)
                    && row.get("IsDeleted") != Some(&json!(true))
            });
            if let Some(id) = same.and_then(|row| row.get("Id")?.as_str()) {
                return Err(vec![duplicates_detected(&rule.name, rule.allow_save, &kind.name, id)]);
            }
        }
        Ok(())
    }

    // Side effects of saving a Case.

    fn new_case(&mut self, actor: &Actor, values: &mut Fields) {
        let number = self.next_case_number();
        values.insert("CaseNumber".into(), json!(number));
        if values.get("OwnerId").is_none_or(Value::is_null) {
            values.insert("OwnerId".into(), json!(actor.user));
        }
        if actor.assign {
            self.assign(values);
        }
        let closed = self.is_closed(values.get("Status"));
        values.insert("IsClosed".into(), json!(closed));
        values.insert("IsClosedOnCreate".into(), json!(closed));
        values.insert("ClosedDate".into(), if closed { json!(self.stamp()) } else { Value::Null });
        self.account_from_contact(values);
    }

    fn changed_case(&mut self, actor: &Actor, before: &Fields, values: &mut Fields) {
        if actor.assign && self.settings.assign_on_update {
            self.assign(values);
        }
        if let Some(status) = values.get("Status") {
            let closed = self.is_closed(Some(status));
            let was_closed = before.get("IsClosed") == Some(&json!(true));
            values.insert("IsClosed".into(), json!(closed));
            if closed != was_closed {
                values.insert("ClosedDate".into(), if closed { json!(self.stamp()) } else { Value::Null });
            }
        }
        self.account_from_contact(values);
    }

    fn assign(&mut self, values: &mut Fields) {
        let queue = self.settings.assignment_queue.clone();
        if !queue.is_empty() {
            let owner = self.queue(&queue);
            values.insert("OwnerId".into(), json!(owner));
        }
    }

    fn account_from_contact(&self, values: &mut Fields) {
        let contact = values.get("ContactId").and_then(Value::as_str).and_then(|id| self.latest(id));
        if let Some(account) = contact.and_then(|contact| contact.get("AccountId")).cloned() {
            values.entry("AccountId").or_insert(account);
        }
    }

    /// As in the table of statuses. An unknown status is open.
    fn is_closed(&self, status: Option<&Value>) -> bool {
        let rows = self.schema.object("CaseStatus").and_then(|kind| self.table(kind)).map(Table::rows);
        rows.unwrap_or_default()
            .iter()
            .any(|row| row.now.get("ApiName") == status && row.now.get("IsClosed") == Some(&json!(true)))
    }

    fn caused(
        &mut self,
        actor: &Actor,
        object: &str,
        id: &str,
        extra_comment: Option<Value>,
    ) -> Result<(), Problems> {
        if object == "Case" {
            let Some(text) = extra_comment else { return Ok(()) };
            let published = self.settings.comments_field_publishes;
            let body = json!({"ParentId": id, "CommentBody": text, "IsPublished": published});
            let body = body.as_object().cloned().unwrap_or_default();
            return self.insert(actor, "CaseComment", &body).map(|_| ());
        }
        if object == "CaseComment" && self.settings.comment_touches_case {
            let parent = self.latest(id).and_then(|row| row.get("ParentId")?.as_str().map(str::to_owned));
            if let Some(parent) = parent {
                let mut values = Fields::new();
                self.sign(actor, &mut values);
                self.change(actor, &parent, values);
            }
        }
        Ok(())
    }
}

/// In the spelling of version 54 (reference, end of section 2.4).
fn duplicates_detected(rule: &str, allow_save: bool, object: &str, id: &str) -> Problem {
    let message = "Use one of these records?";
    let record = json!({"attributes": {"type": object,
        "url": format!("/services/data/v54.0/sobjects/{object}/{id}")}, "Id": id});
    let matched =
        json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record});
    let result = json!({"allowSave": allow_save, "duplicateRule": rule, "duplicateRuleEntityType": object,
        "errorMessage": message, "matchResults": [{"entityType": object, "errors": [],
        "matchEngine": "FuzzyMatchEngine", "matchRecords": [matched], "rule": rule, "size": 1, "success": true}]});
    let mut problem = Problem::new(400, "DUPLICATES_DETECTED", message);
    problem.extra = Some(Box::new(("duplicateResut".into(), result)));
    problem
}
