//! What people and the platform do in the org: verbs for tests, in-process and over [`control`](super::control).
//!
//! A Case is named by its id, its number, or the id of its Goodays response. Agents are named by e-mail address and
//! created on first use.

use serde_json::{Map, Value, json};

use super::org::{Actor, Org};
use super::problem::Problem;
use super::schema::{Field, Kind, Object};
use super::settings::Settings;
use super::sobjects::atomically;
use super::table::Fields;
use super::{Sim, ids, oauth};

/// The actor of verbs that name nobody.
const SOMEBODY: &str = "agent@sim.example";

type Done<T> = Result<T, String>;

impl Sim {
    /// An agent, the automated process or a portal user writes a comment. Returns its id.
    pub fn agent_comments(
        &self,
        case: &str,
        body: &str,
        published: bool,
        author_email: &str,
    ) -> Done<String> {
        self.act(author_email, |org, actor| {
            let case = find_case(org, case)?;
            let body = json!({"ParentId": case, "CommentBody": body, "IsPublished": published});
            org.insert(actor, "CaseComment", &object(body))
        })
    }

    /// A comment is published later, or no longer. Its SystemModstamp changes, its CreatedDate does not.
    pub fn agent_publishes(&self, comment: &str, published: bool) -> Done<()> {
        self.update(comment, json!({"IsPublished": published}), SOMEBODY)
    }

    pub fn agent_edits_comment(&self, comment: &str, body: &str) -> Done<()> {
        self.update(comment, json!({"CommentBody": body}), SOMEBODY)
    }

    pub fn agent_deletes_comment(&self, comment: &str) -> Done<()> {
        self.act(SOMEBODY, |org, actor| {
            let id = known(comment)?;
            org.delete(actor, &id)
        })
    }

    pub fn agent_updates_case(&self, case: &str, fields: Value, author_email: &str) -> Done<()> {
        self.act(author_email, |org, actor| {
            let case = find_case(org, case)?;
            org.update(actor, &case, &object(fields))
        })
    }

    /// Changes the owner of a Case to a user (by e-mail address) or to a queue (by name).
    pub fn assign_case(&self, case: &str, owner: &str) -> Done<()> {
        self.act(SOMEBODY, |org, actor| {
            let case = find_case(org, case)?;
            let owner = if owner.contains('@') { org.user(owner) } else { org.queue(owner) };
            org.update(actor, &case, &object(json!({"OwnerId": owner})))
        })
    }

    /// A Case made by somebody else. With a commit delay it exists before others see it.
    pub fn create_case(&self, fields: Value, author_email: &str) -> Done<String> {
        self.act(author_email, |org, actor| org.insert(actor, "Case", &object(fields)))
    }

    /// Creates any record as an administrator, for example a store, a contact or an account.
    pub fn create_record(&self, kind: &str, fields: Value) -> Done<String> {
        self.act(SOMEBODY, |org, actor| org.insert(actor, kind, &object(fields)))
    }

    pub fn delete_case(&self, case: &str) -> Done<()> {
        self.act(SOMEBODY, |org, actor| {
            let case = find_case(org, case)?;
            org.delete(actor, &case)
        })
    }

    /// The loser refers to the master, which takes over the comments. It is deleted, unless the org keeps it.
    pub fn merge_cases(&self, master: &str, loser: &str) -> Done<()> {
        self.act(SOMEBODY, |org, actor| {
            let (master, loser) = (find_case(org, master)?, find_case(org, loser)?);
            for comment in org.children(&loser) {
                let mut moved = Fields::new();
                moved.insert("ParentId".into(), json!(master));
                moved.insert("SystemModstamp".into(), json!(org.stamp()));
                org.change(actor, &comment, moved);
            }
            let kept = org.settings.merged_status.clone();
            if !kept.is_empty() {
                org.update(actor, &loser, &object(json!({ "Status": kept })))?;
            }
            let mut gone = Fields::new();
            gone.insert("MasterRecordId".into(), json!(master));
            gone.insert("IsDeleted".into(), json!(kept.is_empty()));
            org.sign(actor, &mut gone);
            org.change(actor, &loser, gone);
            let mut kept = Fields::new();
            org.sign(actor, &mut kept);
            org.change(actor, &master, kept);
            Ok(())
        })
    }

    /// A mass recalculation: every SystemModstamp changes, and nothing else.
    pub fn touch_all(&self) {
        let mut org = self.org();
        let actor = Actor::person(&org.integration_user.clone(), 0);
        for kind in ["Case", "CaseComment"] {
            let Some(kind) = org.schema.object(kind) else { continue };
            let rows = org.table(kind).map_or(&[][..], |table| table.rows());
            let ids: Vec<String> =
                rows.iter().filter_map(|row| row.now.get("Id")?.as_str().map(str::to_owned)).collect();
            for id in ids {
                let mut touched = Fields::new();
                touched.insert("SystemModstamp".into(), json!(org.stamp()));
                org.change(&actor, &id, touched);
            }
        }
        org.commit();
    }

    /// The next `times` writes to this Case, or to its comments, fail because it is locked.
    pub fn lock_case(&self, case: &str, times: u32) -> Done<()> {
        let mut org = self.org();
        let case = find_case(&org, case).map_err(|problems| messages(&problems))?;
        org.settings.locked.insert(case, times);
        Ok(())
    }

    /// All access tokens become invalid.
    pub fn expire_sessions(&self) {
        self.org().sessions.clear();
    }

    /// A token without a login, for clients that accept one.
    pub fn new_token(&self) -> String {
        let mut org = self.org();
        let user = org.integration_user.clone();
        oauth::new_session(&mut org, &user)
    }

    pub fn set_daily_limit(&self, max: u64, used: u64) {
        let mut org = self.org();
        org.settings.daily_limit = max;
        org.used_today = used;
        org.day_began_ms = org.now_ms();
    }

    /// Others see agents' changes this many milliseconds after their stamps.
    pub fn set_commit_delay(&self, ms: i64) {
        self.org().settings.commit_delay_ms = ms;
    }

    /// Advances the org's clock by `ms` milliseconds.
    pub fn advance(&self, ms: i64) {
        self.org().advance(ms);
    }

    /// Milliseconds since the epoch, by the org's clock.
    pub fn now_ms(&self) -> i64 {
        self.org().now_ms()
    }

    pub fn settings(&self) -> Settings {
        self.org().settings.clone()
    }

    /// Changes the settings that `changes` names. An unknown name is an error.
    pub fn change_settings(&self, changes: &Value) -> Done<()> {
        let mut org = self.org();
        let mut all = serde_json::to_value(&org.settings).map_err(|error| error.to_string())?;
        if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
            all.extend(changes.clone());
        }
        org.settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Edits settings in place.
    pub fn with_settings(&self, edit: impl FnOnce(&mut Settings)) {
        edit(&mut self.org().settings);
    }

    /// Adds a field to an object, or replaces the one with the same name.
    pub fn set_field(&self, object: &str, field: Field) -> Done<()> {
        let mut org = self.org();
        let kind = org.schema.object_mut(object).ok_or_else(|| format!("no object {object}"))?;
        kind.fields.retain(|known| !known.name.eq_ignore_ascii_case(&field.name));
        kind.fields.push(field);
        Ok(())
    }

    // Views for tests.

    /// All records of an object with all fields, including deleted and uncommitted ones.
    pub fn records(&self, object: &str) -> Vec<Value> {
        let org = self.org();
        let Some(kind) = org.schema.object(object) else { return Vec::new() };
        let rows = org.table(kind).map_or(&[][..], |table| table.rows());
        rows.iter().map(|row| shown(kind, &row.now)).collect()
    }

    /// The number of records of an object, including deleted and uncommitted ones.
    pub fn count(&self, object: &str) -> usize {
        let org = self.org();
        let kind = org.schema.object(object);
        kind.and_then(|kind| org.table(kind)).map_or(0, |table| table.rows().len())
    }

    /// One record by id.
    pub fn record(&self, id: &str) -> Option<Value> {
        let (org, id) = (self.org(), ids::normal(id)?);
        Some(shown(org.schema.by_prefix(&id)?, org.latest(&id)?))
    }

    /// The undeleted Case of a Goodays response.
    pub fn case_by_key(&self, response_id: &str) -> Option<Value> {
        let id = case_having_key(&self.org(), response_id)?;
        self.record(&id)
    }

    /// A Case's undeleted comments, oldest first.
    pub fn comments_of(&self, case: &str) -> Vec<Value> {
        let ids = {
            let org = self.org();
            find_case(&org, case).map(|case| org.children(&case)).unwrap_or_default()
        };
        ids.iter().filter_map(|id| self.record(id)).collect()
    }

    // Helpers.

    fn update(&self, id: &str, fields: Value, author_email: &str) -> Done<()> {
        self.act(author_email, |org, actor| {
            let id = known(id)?;
            org.update(actor, &id, &object(fields))
        })
    }

    fn act<T>(&self, email: &str, act: impl FnOnce(&mut Org, &Actor) -> Result<T, Vec<Problem>>) -> Done<T> {
        let mut org = self.org();
        let user = org.user(email);
        let actor = Actor::person(&user, org.settings.commit_delay_ms);
        org.commit();
        let result = atomically(&mut org, |org| act(org, &actor));
        org.commit();
        result.map_err(|problems| messages(&problems))
    }
}

/// Every readable field.
fn shown(kind: &Object, row: &Fields) -> Value {
    let fields = kind.fields.iter().filter(|field| !field.write_only).map(|field| {
        let empty = if field.kind == Kind::Boolean { json!(false) } else { Value::Null };
        (field.name.clone(), row.get(&field.name).cloned().unwrap_or(empty))
    });
    Value::Object(fields.collect())
}

/// The undeleted Case with this key, committed or not.
fn case_having_key(org: &Org, response_id: &str) -> Option<String> {
    let kind = org.schema.object("Case")?;
    let (table, field) = (org.table(kind)?, kind.field("Goodays_Response_Id__c")?);
    let wanted = json!(response_id);
    let rows = table.having(field, &wanted).iter().map(|index| &table.row(*index).now);
    let mut rows = rows.filter(|row| row.get("IsDeleted") != Some(&json!(true)));
    rows.find(|row| row.get(&field.name) == Some(&wanted))?.get("Id")?.as_str().map(str::to_owned)
}

fn messages(problems: &[Problem]) -> String {
    let all: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    all.join("; ")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn known(id: &str) -> Result<String, Vec<Problem>> {
    ids::normal(id).ok_or_else(|| vec![Problem::save("MALFORMED_ID", format!("bad id {id}"), &[])])
}

/// By id, response id or number. Deleted Cases only by id.
pub fn find_case(org: &Org, name: &str) -> Result<String, Vec<Problem>> {
    if let Some(id) = ids::normal(name).filter(|id| org.latest(id).is_some()) {
        return Ok(id);
    }
    if let Some(id) = case_having_key(org, name) {
        return Ok(id);
    }
    let none = || vec![Problem::new(404, "NOT_FOUND", format!("no Case {name}"))];
    let kind = org.schema.object("Case").ok_or_else(none)?;
    let rows = org.table(kind).map_or(&[][..], |table| table.rows()).iter().map(|row| &row.now);
    let mut named = rows.filter(|row| {
        row.get("IsDeleted") != Some(&json!(true)) && row.get("CaseNumber") == Some(&json!(name))
    });
    named.next().and_then(|row| row.get("Id")?.as_str().map(str::to_owned)).ok_or_else(none)
}
