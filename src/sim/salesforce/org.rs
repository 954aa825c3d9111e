//! The org: records, people, sessions, and its clock.
//!
//! Time (reference, section 7.1): a stamp is whole seconds and is given when the statement runs. Others see the
//! stamped change when the transaction commits, which may be later. `Row::visible` gives `Id`, stamps and values of
//! one record as of the moment of reading.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::ids;
use super::schema::{Object, STATUSES, Schema};
use super::settings::Settings;
use super::table::{Fields, Pending, Row, Table};
use crate::clock::Clock;

/// Who writes, and with which options.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user: String,
    /// Writes through the API: field rights, assignment rules and the comment rules apply.
    pub api: bool,
    /// `Sforce-Auto-Assign`.
    pub assign: bool,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub allow_duplicates: bool,
    /// Others see its changes this many milliseconds later.
    pub delay_ms: i64,
}

impl Actor {
    pub fn api(user: &str) -> Self {
        Self { user: user.into(), api: true, assign: true, allow_duplicates: false, delay_ms: 0 }
    }

    /// A person in the browser, or the platform itself.
    pub fn person(user: &str, delay_ms: i64) -> Self {
        Self { user: user.into(), api: false, assign: false, allow_duplicates: true, delay_ms }
    }
}

#[derive(Clone, Debug)]
pub struct Session {
    pub user: String,
    pub used_ms: i64,
    pub calls: u64,
}

/// The remaining records of a query.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub records: Vec<Value>,
    pub user: String,
    pub made_ms: i64,
    /// The number of records of the whole query. Each page repeats it.
    pub total: usize,
}

enum Undo {
    Insert { object: String },
    Change { object: String, index: usize, before: Box<Row> },
}

pub struct Org {
    pub schema: Schema,
    pub settings: Settings,
    pub sessions: HashMap<String, Session>,
    pub cursors: HashMap<String, Cursor>,
    /// Calls since the start, in Salesforce's counting.
    pub calls: u64,
    /// Calls of the rolling day. A day begins with the first call.
    pub used_today: u64,
    pub day_began_ms: i64,
    /// The id of the user as which the connector logs in.
    pub integration_user: String,
    pub organization: String,
    tables: HashMap<String, Table>,
    undo: Vec<Undo>,
    last_number: u64,
    last_case_number: u64,
    clock: Clock,
    offset_ms: i64,
}

/// E-mail addresses of the users that every org has.
pub const INTEGRATION_USER: &str = "connector@sim.example";
pub const AUTOMATED_PROCESS: &str = "autoproc@sim.example";
pub const PORTAL_USER: &str = "portal.customer@sim.example";

impl Org {
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let mut org = Self {
            schema: Schema::default(),
            settings,
            sessions: HashMap::new(),
            cursors: HashMap::new(),
            calls: 0,
            used_today: 0,
            day_began_ms: 0,
            integration_user: String::new(),
            organization: String::new(),
            tables: HashMap::new(),
            undo: Vec::new(),
            last_number: 0,
            last_case_number: 1000,
            clock,
            offset_ms: 0,
        };
        org.seed();
        org
    }

    /// Creates the records that an org has before the first Case: users, statuses, record types.
    fn seed(&mut self) {
        self.integration_user = self.next_id("User");
        let user = self.integration_user.clone();
        self.add_user(&user.clone(), INTEGRATION_USER, "Goodays Connector", "Standard");
        let _ = self.user_with("Automated Process", AUTOMATED_PROCESS, "AutomatedProcess");
        let _ = self.user_with("Portal Customer", PORTAL_USER, "CspLitePortal");
        let organization = json!({"Name": "Simulated Org", "IsSandbox": true,
            "OrganizationType": "Developer Edition", "InstanceName": "SIM1"});
        self.organization = self.seeded("Organization", organization);
        for (place, (name, closed, default)) in STATUSES.iter().enumerate() {
            let status = json!({"ApiName": name, "MasterLabel": name, "IsClosed": closed,
                "IsDefault": default, "SortOrder": place + 1});
            self.seeded("CaseStatus", status);
        }
        for name in ["Feedback", "Complaint"] {
            let kind = json!({"Name": name, "DeveloperName": name, "SobjectType": "Case", "IsActive": true});
            self.seeded("RecordType", kind);
        }
        let queue = self.settings.assignment_queue.clone();
        if !queue.is_empty() {
            self.queue(&queue);
        }
        self.undo.clear();
    }

    fn seeded(&mut self, object: &str, values: Value) -> String {
        let actor = Actor::person(&self.integration_user.clone(), 0);
        let Value::Object(values) = values else { return String::new() };
        self.put(&actor, object, values)
    }

    // Time.

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms() + self.offset_ms
    }

    pub fn advance(&mut self, ms: i64) {
        self.offset_ms += ms;
    }

    /// The stamp of a statement that runs now.
    pub fn stamp(&self) -> String {
        stamp(self.now_ms())
    }

    // Reading.

    pub fn table(&self, object: &Object) -> Option<&Table> {
        self.tables.get(&object.name)
    }

    /// The record in the state that others see now, deleted or not.
    pub fn visible(&self, id: &str) -> Option<(&Object, &Fields)> {
        let object = self.schema.by_prefix(id)?;
        let fields = self.table(object)?.by_id(id)?.visible(self.now_ms())?;
        Some((object, fields))
    }

    /// The record in the state that its own transaction sees.
    pub fn latest(&self, id: &str) -> Option<&Fields> {
        let object = self.schema.by_prefix(id)?;
        Some(&self.table(object)?.by_id(id)?.now)
    }

    /// Whether a transaction that changed the record has not committed.
    pub fn is_open(&self, id: &str) -> bool {
        let row = self.schema.by_prefix(id).and_then(|object| self.table(object)?.by_id(id));
        let pending = row.and_then(|row| row.pending.as_ref());
        pending.is_some_and(|pending| pending.visible_at > self.now_ms())
    }

    // Writing. These functions only store: the rules are in `write`.

    pub fn next_id(&mut self, object: &str) -> String {
        self.last_number += 1;
        let prefix = self.schema.object(object).map_or("000", |object| object.prefix.as_str());
        ids::make(prefix, self.last_number)
    }

    pub fn next_case_number(&mut self) -> String {
        self.last_case_number += 1;
        format!("{:08}", self.last_case_number)
    }

    /// Adds a record with audit fields. `values` may contain its `Id`.
    pub fn put(&mut self, actor: &Actor, object: &str, mut values: Fields) -> String {
        let id = match values.get("Id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => self.next_id(object),
        };
        let stamp = self.stamp();
        values.insert("Id".into(), json!(id));
        values.insert("IsDeleted".into(), json!(false));
        values.insert("CreatedDate".into(), json!(stamp));
        values.insert("CreatedById".into(), json!(actor.user));
        self.sign(actor, &mut values);
        let pending = self.pending(actor, None);
        let Some(kind) = self.schema.object(object) else { return id };
        let table = self.tables.entry(kind.name.clone()).or_default();
        table.push(kind, &id, Row { now: values, pending });
        self.undo.push(Undo::Insert { object: kind.name.clone() });
        id
    }

    /// Changes a record's values. `sign` sets who changed it and when.
    pub fn change(&mut self, actor: &Actor, id: &str, values: Fields) {
        let Some(object) = self.schema.by_prefix(id) else { return };
        let Some(index) = self.tables.get(&object.name).and_then(|table| table.position(id)) else { return };
        let before = self.tables[&object.name].row(index).clone();
        let mut now = before.now.clone();
        now.extend(values);
        let seen = before.visible(self.now_ms()).cloned();
        let mut pending = self.pending(actor, seen);
        if let (Some(new), Some(old)) = (&mut pending, &before.pending) {
            new.since = new.since.min(old.since);
        }
        let name = object.name.clone();
        if let Some(table) = self.tables.get_mut(&name) {
            table.replace(object, index, Row { now, pending });
        }
        self.undo.push(Undo::Change { object: name, index, before: Box::new(before) });
    }

    /// Sets who changed a record last, and when.
    pub fn sign(&self, actor: &Actor, values: &mut Fields) {
        let stamp = json!(self.stamp());
        values.insert("LastModifiedDate".into(), stamp.clone());
        values.insert("LastModifiedById".into(), json!(actor.user));
        values.insert("SystemModstamp".into(), stamp);
    }

    fn pending(&self, actor: &Actor, before: Option<Fields>) -> Option<Pending> {
        let since = self.now_ms();
        (actor.delay_ms > 0).then(|| Pending { visible_at: since + actor.delay_ms, since, before })
    }

    /// The start of the oldest transaction that has not committed.
    pub fn oldest_open_ms(&self) -> Option<i64> {
        let now = self.now_ms();
        let rows = self.tables.values().flat_map(Table::rows);
        rows.filter_map(|row| row.pending.as_ref())
            .filter(|pending| pending.visible_at > now)
            .map(|pending| pending.since)
            .min()
    }

    // Transactions.

    pub fn begin(&self) -> usize {
        self.undo.len()
    }

    pub fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Insert { object }) => {
                    if let (Some(kind), Some(table)) =
                        (self.schema.object(&object), self.tables.get_mut(&object))
                    {
                        table.pop(kind);
                    }
                }
                Some(Undo::Change { object, index, before }) => {
                    if let (Some(kind), Some(table)) =
                        (self.schema.object(&object), self.tables.get_mut(&object))
                    {
                        table.replace(kind, index, *before);
                    }
                }
                None => return,
            }
        }
    }

    /// Changes before this call cannot be rolled back.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    // People.

    fn add_user(&mut self, id: &str, email: &str, name: &str, kind: &str) {
        let (first, last) = name.split_once(' ').unwrap_or(("", name));
        let user = json!({"Id": id, "Username": email, "Email": email, "Name": name, "FirstName": first,
            "LastName": last, "UserType": kind, "IsActive": true});
        self.seeded("User", user);
    }

    fn user_with(&mut self, name: &str, email: &str, kind: &str) -> String {
        let id = self.next_id("User");
        self.add_user(&id, email, name, kind);
        id
    }

    /// The user with this address, created on first use.
    pub fn user(&mut self, email: &str) -> String {
        if let Some(id) = self.find("User", "Email", email) {
            return id;
        }
        let name = email.split('@').next().unwrap_or(email).split(['.', '_', '-']).map(capital);
        self.user_with(&name.collect::<Vec<_>>().join(" "), email, "Standard")
    }

    /// The queue with this name, created on first use.
    pub fn queue(&mut self, name: &str) -> String {
        match self.find("Group", "Name", name) {
            Some(id) => id,
            None => self.seeded(
                "Group",
                json!({"Name": name, "DeveloperName": name.replace(' ', "_"), "Type": "Queue"}),
            ),
        }
    }

    fn find(&self, object: &str, field: &str, value: &str) -> Option<String> {
        let rows = self.table(self.schema.object(object)?)?.rows();
        let text = |row: &Row, name: &str| row.now.get(name).and_then(Value::as_str).map(str::to_owned);
        rows.iter()
            .find(|row| text(row, field).is_some_and(|found| found.eq_ignore_ascii_case(value)))
            .and_then(|row| text(row, "Id"))
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A moment in the form of answers: whole seconds, UTC, offset without colon.
pub fn stamp(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms.div_euclid(1000) * 1000).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// Reads a moment in the forms of SOQL and JSON bodies.
pub fn moment(text: &str) -> Option<i64> {
    // `+0000` without colon is Salesforce's own form.
    let text = match text.len().checked_sub(5).and_then(|at| text.split_at_checked(at)) {
        Some((head, zone))
            if zone.starts_with(['+', '-']) && zone[1..].bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{head}{}:{}", &zone[..3], &zone[3..])
        }
        _ => text.to_owned(),
    };
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}
