//! JSON Schemas for editors: they complete keys, show what a key does, and underline mistakes.
//!
//! The parser decides. The schemas describe the same language for editors, which do not know expressions. A test
//! checks the same files against both.

#![expect(dead_code, reason = "the fields are read by editors only, through their schema")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value as Json;

use crate::document::schema::only_schema;

/// The schema of case*.yaml.
pub fn case_schema() -> Json {
    schema_of::<CaseFile>()
}

/// The schema of comment.yaml.
pub fn comment_schema() -> Json {
    schema_of::<CommentFile>()
}

/// The schema of actions.yaml.
pub fn actions_schema() -> Json {
    schema_of::<ActionsFile>()
}

fn schema_of<T: JsonSchema>() -> Json {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    forbid_null(&mut schema);
    schema
}

/// A key may be absent, but a key without a value is a mistake. Null stays only where a type allows several kinds.
fn forbid_null(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            if let Some(Json::Array(kinds)) = entries.get_mut("type")
                && kinds.len() < 4
            {
                kinds.retain(|kind| kind != "null");
            }
            if let Some(Json::Array(choices)) = entries.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
            }
            if let Some(Json::Array(values)) = entries.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            entries.values_mut().for_each(forbid_null);
        }
        Json::Array(items) => items.iter_mut().for_each(forbid_null),
        _ => {}
    }
}

only_schema!(
    /// A Jinja expression. `when: true` is one, too.
    Expression, { "type": ["string", "boolean"] }
);
only_schema!(
    /// A fixed value; `null` writes nothing.
    Scalar, { "type": ["string", "boolean", "number", "null"] }
);
only_schema!(FieldName, { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z][A-Za-z0-9_]*)*$" });
only_schema!(On, { "enum": ["create", "message"] });
only_schema!(Side, { "enum": ["customer", "brand"] });
only_schema!(Verb, { "enum": ["answer", "spam", "call", "close"] });
only_schema!(Subject, { "enum": ["comment", "case"] });
only_schema!(MatchObject, { "enum": ["Contact", "Account"] });
only_schema!(AlwaysTheId, { "enum": ["response.id"] });
only_schema!(
    Assignment,
    { "type": "string", "pattern": "^(create|never|01Q[A-Za-z0-9]{12}([A-Za-z0-9]{3})?)$" }
);

/// What becomes of a Goodays response in Salesforce.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "goodays-salesforce: case.yaml")]
struct CaseFile {
    /// The Salesforce object; `Case` if nothing is said.
    object: Option<FieldName>,
    /// The field that tells one Case from another.
    key: Key,
    /// A long text field in which the connector notes the messages that it carried.
    marker: FieldName,
    /// Assignment rules: `create` (for new Cases only), `never`, or a rule's id.
    assignment: Option<Assignment>,
    /// Which responses this mapping takes; an expression that gives true or false.
    when: Option<Expression>,
    /// How the customer's Contact or Person Account is found for a new Case; nothing is looked up without it.
    r#match: Option<Match>,
    /// From field names to rules. In a list the first rule that holds wins.
    fields: BTreeMap<String, Rules>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Key {
    /// Text, External ID, unique, case-sensitive.
    field: FieldName,
    /// Always `response.id`.
    from: Option<AlwaysTheId>,
}

/// By an external id, else by exactly one e-mail address.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("anyOf" = [{ "required": ["external_id"] }, { "required": ["email"] }]))]
struct Match {
    /// `Contact` (the Case's ContactId), or `Account` for Person Accounts (AccountId).
    object: Option<MatchObject>,
    /// A text field that is marked as External ID.
    external_id: Option<MatchExternalId>,
    /// An e-mail field: `Email`, or `PersonEmail` of an Account, if nothing is said.
    email: Option<MatchEmail>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MatchExternalId {
    field: FieldName,
    /// An expression, such as `response.context.crm_id`.
    from: Expression,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MatchEmail {
    field: Option<FieldName>,
    /// An expression, such as `response.user.email`.
    from: Expression,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Rules {
    One(Rule),
    Several(Vec<Rule>),
}

/// Where a field's value comes from: one of `from`, `template` and `value`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["from"] }, { "required": ["template"] }, { "required": ["value"] }])
)]
struct Rule {
    /// An expression, such as `response.place.name`.
    from: Option<Expression>,
    /// A text with `{{ expressions }}` in it.
    template: Option<String>,
    /// A fixed value.
    value: Option<Scalar>,
    /// The rule counts only while this holds.
    when: Option<Expression>,
    /// From texts, numbers or ranges ("0..6", both ends included) to values.
    map: Option<BTreeMap<String, Scalar>>,
    /// The value if nothing else gives one.
    default: Option<Scalar>,
    /// `create`: only when the Case is made. `message`: only when the customer has written again.
    on: Option<On>,
    /// A blank value empties the field.
    clear: Option<bool>,
}

/// What becomes of the messages of a conversation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "goodays-salesforce: comment.yaml")]
struct CommentFile {
    /// The Salesforce object; `CaseComment` if nothing is said.
    object: Option<FieldName>,
    /// The field that links to the Case; `ParentId` if nothing is said.
    parent: Option<FieldName>,
    /// The field that holds the text; `CommentBody` if nothing is said.
    body: Option<FieldName>,
    /// Whose messages become comments.
    import: Option<Vec<Side>>,
    /// From field names to rules; `message` is the message at hand.
    fields: BTreeMap<String, CommentRules>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum CommentRules {
    One(CommentRule),
    Several(Vec<CommentRule>),
}

/// Where a field's value comes from: one of `from`, `template` and `value`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["from"] }, { "required": ["template"] }, { "required": ["value"] }])
)]
struct CommentRule {
    /// An expression, such as `message.content`.
    from: Option<Expression>,
    /// A text with `{{ expressions }}` in it.
    template: Option<String>,
    /// A fixed value.
    value: Option<Scalar>,
    /// The rule counts only while this holds.
    when: Option<Expression>,
    /// From texts, numbers or ranges to values.
    map: Option<BTreeMap<String, Scalar>>,
    /// The value if nothing else gives one.
    default: Option<Scalar>,
    /// A blank value empties the field.
    clear: Option<bool>,
}

/// What agents do in Salesforce, and what that asks of Goodays.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "goodays-salesforce: actions.yaml")]
struct ActionsFile {
    /// Which of a Case's fields are looked at.
    case: Option<CaseSource>,
    /// Where agents' comments stand.
    comments: Option<CommentsSource>,
    /// The first rule that holds decides, for each comment and for each change of a Case separately.
    actions: Vec<ActionRule>,
    /// What the agent sees on the Case.
    feedback: Option<Feedback>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CaseSource {
    /// The fields whose change counts.
    fields: Option<Vec<FieldName>>,
    /// Who changed the Case, such as `LastModifiedBy.Email`.
    author_email: Option<FieldName>,
    /// The field with the agent's command, such as `Goodays_Command__c`; it is emptied when the command is carried out.
    command: Option<FieldName>,
    /// The checkbox that approves a public reply, such as `Goodays_Approved__c`, for `goodays.approval`.
    approved: Option<FieldName>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CommentsSource {
    object: Option<FieldName>,
    parent: Option<FieldName>,
    body: Option<FieldName>,
    /// Who wrote the comment, such as `CreatedBy.Email`.
    author_email: Option<FieldName>,
    /// Which kinds of users (Salesforce's `UserType`) may answer; `[Standard]`, internal users, if nothing is said.
    authors: Option<Vec<String>>,
    /// Which comments go to the customer, unless a rule says otherwise; `"true"` sends all.
    when: Expression,
}

/// An action that Goodays is asked for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ActionRule {
    /// `answer` replies while Goodays lists that, and sends a private message afterwards.
    r#do: Verb,
    /// What causes it: a new comment, or a change of the Case.
    on: Subject,
    /// An expression that gives true or false.
    when: Option<Expression>,
    /// With `answer`: the text for the customer.
    content: Option<Expression>,
    /// With `answer` and `close`: Praise, Question, Idea, Problem or Message.
    remark_type: Option<Expression>,
    /// With `call`: a private note.
    note: Option<Expression>,
    /// With `call`: a rating.
    rating: Option<Expression>,
}

/// Templates see `status`, `action`, `reason` and `code`; an empty text empties the field.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Feedback {
    sent: Option<BTreeMap<String, String>>,
    settled: Option<BTreeMap<String, String>>,
    unclear: Option<BTreeMap<String, String>>,
    failed: Option<BTreeMap<String, String>>,
    /// Not sent, because `goodays.actions` is `observe`.
    observed: Option<BTreeMap<String, String>>,
    /// Not sent yet; the reason says why.
    waiting: Option<BTreeMap<String, String>>,
    /// Taken back while it waited.
    taken_back: Option<BTreeMap<String, String>>,
}
