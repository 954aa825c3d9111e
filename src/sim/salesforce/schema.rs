//! The org's objects and fields (reference, section 6). Tests and integrators may add their own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Id,
    Text,
    /// Filters and sorting refuse this kind, except for `CommentBody`.
    LongText,
    Email,
    Phone,
    Url,
    Picklist,
    Boolean,
    DateTime,
    Date,
    Number,
    Reference,
}

/// One field. The defaults are those of a plain custom text field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "as describe has them")]
pub struct Field {
    pub name: String,
    pub label: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Characters. For a number, its digits.
    pub length: usize,
    pub scale: usize,
    pub create: bool,
    pub update: bool,
    pub required: bool,
    pub external_id: bool,
    pub unique: bool,
    pub case_sensitive: bool,
    pub restricted: bool,
    pub filterable: bool,
    /// Accepted on writing, absent on reading (`Case.Comments`).
    pub write_only: bool,
    pub values: Vec<String>,
    pub refers_to: Vec<String>,
    pub relationship: String,
    pub default: Value,
}

impl Default for Field {
    fn default() -> Self {
        Self {
            name: String::new(),
            label: String::new(),
            kind: Kind::Text,
            length: 255,
            scale: 0,
            create: true,
            update: true,
            required: false,
            external_id: false,
            unique: false,
            case_sensitive: false,
            restricted: false,
            filterable: true,
            write_only: false,
            values: Vec::new(),
            refers_to: Vec::new(),
            relationship: String::new(),
            default: Value::Null,
        }
    }
}

impl Field {
    pub fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// Whether this is the name of the relation by external id or of a query's parent path.
    pub fn relates(&self, name: &str) -> bool {
        self.kind == Kind::Reference && self.relationship.eq_ignore_ascii_case(name)
    }

    fn read_only(mut self) -> Self {
        (self.create, self.update) = (false, false);
        self
    }

    fn create_only(mut self) -> Self {
        self.update = false;
        self
    }

    fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn or(mut self, value: impl Into<Value>) -> Self {
        self.default = value.into();
        self
    }
}

#[derive(Clone, Debug)]
pub struct Object {
    pub name: String,
    pub label: String,
    pub prefix: String,
    pub fields: Vec<Field>,
    pub children: Vec<Child>,
    /// Whether records can be created and changed through the API.
    pub writable: bool,
}

/// The name of a child subquery for the records that refer to this object.
#[derive(Clone, Debug)]
pub struct Child {
    pub relationship: String,
    pub object: String,
    pub field: String,
}

impl Object {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub fn relation(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.relates(name))
    }

    /// Fields that are looked up by value often enough to be indexed.
    pub fn indexed(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.external_id || field.name == "ParentId")
    }
}

#[derive(Clone, Debug)]
pub struct Schema {
    pub objects: Vec<Object>,
}

impl Schema {
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    pub fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.objects.iter_mut().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    pub fn by_prefix(&self, id: &str) -> Option<&Object> {
        self.objects.iter().find(|object| id.starts_with(&object.prefix))
    }
}

fn field(name: &str, label: &str, kind: Kind, length: usize) -> Field {
    Field { name: name.into(), label: label.into(), kind, length, ..Field::default() }
}

fn text(name: &str, label: &str, length: usize) -> Field {
    field(name, label, Kind::Text, length)
}

fn long(name: &str, label: &str, length: usize) -> Field {
    Field { filterable: false, ..field(name, label, Kind::LongText, length) }
}

fn flag(name: &str, label: &str) -> Field {
    field(name, label, Kind::Boolean, 0).or(false)
}

fn time(name: &str, label: &str) -> Field {
    field(name, label, Kind::DateTime, 0)
}

fn picklist(name: &str, label: &str, values: &[&str]) -> Field {
    let values = values.iter().map(ToString::to_string).collect();
    Field { values, ..field(name, label, Kind::Picklist, 255) }
}

fn restricted(name: &str, label: &str, values: &[&str]) -> Field {
    Field { restricted: true, ..picklist(name, label, values) }
}

fn reference(name: &str, label: &str, to: &[&str], relationship: &str) -> Field {
    let refers_to = to.iter().map(ToString::to_string).collect();
    Field { refers_to, relationship: relationship.into(), ..field(name, label, Kind::Reference, 18) }
}

/// Adds the id, the deletion flag and the audit fields that every object has.
fn with_system_fields(mut fields: Vec<Field>) -> Vec<Field> {
    fields.insert(0, field("Id", "Record ID", Kind::Id, 18).read_only());
    fields.extend([
        flag("IsDeleted", "Deleted").read_only(),
        time("CreatedDate", "Created Date").read_only(),
        reference("CreatedById", "Created By ID", &["User"], "CreatedBy").read_only(),
        time("LastModifiedDate", "Last Modified Date").read_only(),
        reference("LastModifiedById", "Last Modified By ID", &["User"], "LastModifiedBy").read_only(),
        time("SystemModstamp", "System Modstamp").read_only(),
    ]);
    fields
}

fn object(name: &str, prefix: &str, writable: bool, fields: Vec<Field>) -> Object {
    let label = name.trim_end_matches("__c").to_owned();
    let fields = with_system_fields(fields);
    Object { name: name.into(), label, prefix: prefix.into(), fields, children: Vec::new(), writable }
}

/// `(name, closed, default)` of the Case statuses. Two are closed. `Spam` is not.
pub const STATUSES: [(&str, bool, bool); 7] = [
    ("New", false, true),
    ("Working", false, false),
    ("Escalated", false, false),
    ("Customer Replied", false, false),
    ("Closed", true, false),
    ("Closed by phone", true, false),
    ("Spam", false, false),
];

fn case() -> Object {
    let statuses = STATUSES.map(|(name, ..)| name);
    let mut fields = vec![
        text("CaseNumber", "Case Number", 30).read_only(),
        text("Subject", "Subject", 255),
        long("Description", "Description", 32_000),
        picklist("Status", "Status", &statuses).or("New"),
        flag("IsClosed", "Closed").read_only(),
        time("ClosedDate", "Closed Date").read_only(),
        flag("IsClosedOnCreate", "Closed When Created").read_only(),
        picklist("Origin", "Case Origin", &["Phone", "Email", "Web", "Goodays"]),
        picklist("Priority", "Priority", &["High", "Medium", "Low"]).or("Medium"),
        picklist("Type", "Case Type", &["Question", "Problem", "Feature Request"]),
        picklist("Reason", "Case Reason", &["Installation", "Performance", "Other"]),
        text("SuppliedName", "Web Name", 80),
        field("SuppliedEmail", "Web Email", Kind::Email, 80),
        text("SuppliedPhone", "Web Phone", 40),
        text("SuppliedCompany", "Web Company", 80),
        reference("ContactId", "Contact ID", &["Contact"], "Contact"),
        reference("AccountId", "Account ID", &["Account"], "Account"),
        reference("OwnerId", "Owner ID", &["Group", "User"], "Owner"),
        reference("ParentId", "Parent Case ID", &["Case"], "Parent"),
        reference("MasterRecordId", "Master Record ID", &["Case"], "MasterRecord").read_only(),
        reference("RecordTypeId", "Record Type ID", &["RecordType"], "RecordType"),
        flag("HasCommentsUnreadByOwner", "New Self-Service Comment").read_only(),
        Field { write_only: true, ..long("Comments", "Internal Comments", 4000) },
        reference("Store__c", "Store", &["Store__c"], "Store__r"),
    ];
    fields.extend(our_fields());
    object("Case", "500", true, fields)
}

/// The connector's own fields on Case, as the metadata in `salesforce/` deploys them.
fn our_fields() -> Vec<Field> {
    let mut key = text("Goodays_Response_Id__c", "Goodays Response Id", 64);
    (key.external_id, key.unique, key.case_sensitive) = (true, true, true);
    let remark_types = ["Praise", "Question", "Idea", "Problem", "Message"];
    let statuses = ["waiting", "sent", "nothing_to_send", "unclear", "not_sent", "observed"];
    let commands = ["answer", "call", "close", "spam"];
    let next_actions = ["Public reply", "Private message", "None: wait for the customer"];
    vec![
        key,
        long("Goodays_Message_Ids__c", "Goodays Message Ids", 131_072),
        restricted("Goodays_Sync_Status__c", "Goodays Sync Status", &statuses),
        long("Goodays_Sync_Error__c", "Goodays Sync Error", 2000),
        restricted("Goodays_Command__c", "Goodays Command", &commands),
        long("Goodays_Answer__c", "Goodays Answer", 32_000),
        flag("Goodays_Approved__c", "Goodays Approved"),
        flag("Goodays_Alert__c", "Goodays Alert"),
        long("Goodays_Call_Note__c", "Goodays Call Note", 4000),
        field("Goodays_Call_Rating__c", "Goodays Call Rating", Kind::Number, 1),
        picklist("Goodays_Remark_Type__c", "Goodays Remark Type", &remark_types),
        restricted("Goodays_Next_Action__c", "Goodays Next Action", &next_actions),
    ]
}

fn case_comment() -> Object {
    let body = Field { filterable: true, ..long("CommentBody", "Body", 4000) };
    let fields = vec![
        reference("ParentId", "Parent ID", &["Case"], "Parent").create_only().required(),
        flag("IsPublished", "Published"),
        body,
    ];
    object("CaseComment", "00a", true, fields)
}

fn people() -> [Object; 5] {
    let user = vec![
        text("Username", "Username", 80),
        text("Name", "Full Name", 121),
        text("FirstName", "First Name", 40),
        text("LastName", "Last Name", 80),
        field("Email", "Email", Kind::Email, 128),
        picklist("UserType", "User Type", &["Standard", "AutomatedProcess", "CspLitePortal"]),
        flag("IsActive", "Active"),
    ];
    let group = vec![
        text("Name", "Name", 40),
        text("DeveloperName", "Developer Name", 80),
        picklist("Type", "Type", &["Queue", "Regular"]),
    ];
    let contact = vec![
        text("FirstName", "First Name", 40),
        text("LastName", "Last Name", 80).required(),
        field("Email", "Email", Kind::Email, 80),
        field("Phone", "Business Phone", Kind::Phone, 40),
        reference("AccountId", "Account ID", &["Account"], "Account"),
    ];
    let organization = vec![
        text("Name", "Name", 80),
        flag("IsSandbox", "Is Sandbox"),
        text("OrganizationType", "Edition", 40),
        text("InstanceName", "Instance Name", 5),
        text("NamespacePrefix", "Namespace Prefix", 15),
        time("TrialExpirationDate", "Trial Expiration Date"),
    ];
    [
        object("User", "005", false, user),
        object("Group", "00G", false, group),
        object("Contact", "003", true, contact),
        object("Account", "001", true, vec![text("Name", "Account Name", 255).required()]),
        object("Organization", "00D", false, organization),
    ]
}

fn others() -> [Object; 3] {
    let status = vec![
        text("ApiName", "API Name", 255),
        text("MasterLabel", "Label", 255),
        flag("IsClosed", "Closed"),
        flag("IsDefault", "Default"),
        field("SortOrder", "Sort Order", Kind::Number, 9),
    ];
    let record_type = vec![
        text("Name", "Name", 80),
        text("DeveloperName", "Developer Name", 80),
        text("SobjectType", "SObject Type", 40),
        flag("IsActive", "Active"),
    ];
    let mut partner = text("Partner_Id__c", "Partner Id", 40);
    (partner.external_id, partner.unique) = (true, true);
    // Not unique: two stores may share it, to test answers with several matches.
    let mut region = text("Region_Code__c", "Region Code", 40);
    region.external_id = true;
    let store = vec![text("Name", "Store Name", 80), partner, region];
    [
        object("CaseStatus", "01J", false, status),
        object("RecordType", "012", false, record_type),
        object("Store__c", "a00", true, store),
    ]
}

impl Default for Schema {
    fn default() -> Self {
        let mut case = case();
        let child = |relationship: &str, object: &str, field: &str| Child {
            relationship: relationship.into(),
            object: object.into(),
            field: field.into(),
        };
        case.children =
            vec![child("CaseComments", "CaseComment", "ParentId"), child("Cases", "Case", "ParentId")];
        let mut objects = vec![case, case_comment()];
        objects.extend(people());
        objects.extend(others());
        let mut schema = Self { objects };
        for (parent, relationship) in [("Store__c", "Cases__r"), ("Contact", "Cases"), ("Account", "Cases")] {
            let field = format!("{parent}Id").replace("__cId", "__c");
            if let Some(object) = schema.object_mut(parent) {
                object.children.push(child(relationship, "Case", &field));
            }
        }
        schema
    }
}
