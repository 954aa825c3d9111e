//! Everything about the simulated org that a test or an integrator may switch (`POST /__sim/settings`).
//!
//! The first group is about the reference's list of points that nobody could verify. The defaults are the assumptions
//! of that list, and a client has to work with either setting.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Settings {
    // Unverified in the reference.
    /// 1: a comment moves its Case's LastModifiedDate and SystemModstamp.
    pub comment_touches_case: bool,
    /// 2: the number of bytes of a line break in a CommentBody.
    pub newline_weight: usize,
    /// 2: `&`, `<`, `>` and quotes count as escaped.
    pub escape_weights: bool,
    /// 3: a CaseComment may name its Case by `Parent: {Goodays_Response_Id__c: ..}`.
    pub parent_by_external_id: bool,
    /// 4: the 404's code for a deleted record, `NOT_FOUND` or `ENTITY_IS_DELETED`.
    pub deleted_get_code: String,
    /// 6: a repeated login returns the token that is still valid.
    pub same_token: bool,
    /// 7: the comment made by `Case.Comments` is published.
    pub comments_field_publishes: bool,
    /// 8: status of `INSUFFICIENT_ACCESS_*`, 400 or 403.
    pub insufficient_access_status: u16,
    /// 9: error answers have `Sforce-Limit-Info`, too.
    pub limit_info_on_errors: bool,
    /// 10: `/composite/batch` counts each of its steps.
    pub batch_counts_steps: bool,
    /// Texts are stored without blanks at both ends.
    pub trim_texts: bool,
    /// Lengths count UTF-16 units instead of characters.
    pub utf16_lengths: bool,
    /// Long texts are returned with CRLF where LF was sent.
    pub crlf_texts: bool,
    /// Queries without ORDER BY answer newest first, so that no client relies on an order it did not ask for.
    pub reverse_unordered: bool,
    /// Assignment rules also run on updates unless the header forbids it.
    pub assign_on_update: bool,

    // The org's configuration.
    /// Fields that the integration user may not see, for example `Case.Subject`.
    pub hidden_fields: BTreeSet<String>,
    /// Fields that the integration user sees but may not write.
    pub read_only_fields: BTreeSet<String>,
    pub restricted_picklists: BTreeSet<String>,
    pub required_fields: BTreeSet<String>,
    pub validation_rules: Vec<ValidationRule>,
    pub duplicate_rules: Vec<DuplicateRule>,
    /// The queue to which the active assignment rule gives new Cases. Empty: no rule.
    pub assignment_queue: String,
    /// The integration user may change and delete comments (Modify All on Case).
    pub modify_all: bool,
    /// A Case that is merged away is kept, with this status. Empty: it is deleted.
    pub merged_status: String,
    /// Objects that the integration user can't see.
    pub hidden_objects: BTreeSet<String>,

    /// A trigger of the org exceeds Apex's limits after this many graphs of one call. 0: never.
    pub governor_graphs: usize,
    /// The same for a graph with more than this many nodes. 0: never.
    pub governor_nodes: usize,
    /// The error code for such a graph. It may also be `CANNOT_EXECUTE_FLOW_TRIGGER`.
    pub governor_code: String,
    pub governor_message: String,

    // Limits.
    pub daily_limit: u64,
    /// The most records of one page of a query. 0: as the header asks.
    pub page_size: usize,
    pub locator_ttl_ms: i64,
    /// Sliding. 0: sessions do not end by time.
    pub session_ttl_ms: i64,
    /// Sessions end after this many calls. 0: never.
    pub session_calls: u64,

    // Time.
    /// Agents' changes become visible this much later than their stamps.
    pub commit_delay_ms: i64,
    /// The same for changes through the API: transactions that continue after their clients gave up.
    pub api_commit_delay_ms: i64,
    /// Something on the way makes the `Date` of answers unreadable.
    pub no_date: bool,
    /// A record that another open transaction changed cannot be written until that one commits.
    pub open_records_are_locked: bool,
    /// Locked Cases, with the number of writes that will still fail.
    pub locked: BTreeMap<String, u32>,

    // Login.
    /// The host of the login is not a My Domain.
    pub not_my_domain: bool,
    /// The app has a Run-As user.
    pub run_as: bool,
    /// The user is pre-authorised for the app.
    pub pre_authorised: bool,
    /// `instance_url` in token answers, in place of the simulator's address.
    pub instance_url: String,
}

/// Refuses a record for which the condition (SOQL, as after WHERE) is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRule {
    pub object: String,
    pub when: String,
    pub message: String,
    #[serde(default)]
    pub fields: Vec<String>,
    /// Replaces `FIELD_CUSTOM_VALIDATION_EXCEPTION`.
    #[serde(default)]
    pub code: Option<String>,
}

/// Refuses a new record, or only warns about it, if its field equals that of an existing record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    pub object: String,
    pub field: String,
    #[serde(default)]
    pub name: String,
    /// An "alert" rule, which `allowSave=true` passes.
    #[serde(default)]
    pub allow_save: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            comment_touches_case: false,
            newline_weight: 2,
            escape_weights: true,
            parent_by_external_id: true,
            deleted_get_code: "NOT_FOUND".into(),
            same_token: false,
            comments_field_publishes: false,
            insufficient_access_status: 403,
            limit_info_on_errors: true,
            batch_counts_steps: true,
            trim_texts: true,
            utf16_lengths: false,
            crlf_texts: false,
            reverse_unordered: false,
            assign_on_update: true,
            hidden_fields: BTreeSet::new(),
            read_only_fields: BTreeSet::new(),
            restricted_picklists: BTreeSet::new(),
            required_fields: BTreeSet::new(),
            validation_rules: Vec::new(),
            duplicate_rules: Vec::new(),
            assignment_queue: "Customer Service".into(),
            modify_all: false,
            merged_status: String::new(),
            hidden_objects: BTreeSet::new(),
            governor_graphs: 0,
            governor_nodes: 0,
            governor_code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY".into(),
            governor_message: "CaseTrigger: System.LimitException: Apex CPU time limit exceeded".into(),
            daily_limit: 100_000,
            page_size: 0,
            locator_ttl_ms: 2 * 24 * 3600 * 1000,
            session_ttl_ms: 2 * 3600 * 1000,
            session_calls: 0,
            commit_delay_ms: 0,
            api_commit_delay_ms: 0,
            no_date: false,
            open_records_are_locked: false,
            locked: BTreeMap::new(),
            not_my_domain: false,
            run_as: true,
            pre_authorised: true,
            instance_url: String::new(),
        }
    }
}

impl Settings {
    /// For each point that the reference could not verify, the change to the other assumption. A client of the
    /// simulator has to work with each of them.
    pub fn other_assumptions() -> Vec<Value> {
        vec![
            json!({"comment_touches_case": true}),
            json!({"newline_weight": 1}),
            json!({"escape_weights": false}),
            json!({"parent_by_external_id": false}),
            json!({"deleted_get_code": "ENTITY_IS_DELETED"}),
            json!({"same_token": true}),
            json!({"comments_field_publishes": true}),
            json!({"insufficient_access_status": 400}),
            json!({"limit_info_on_errors": false}),
            json!({"batch_counts_steps": false}),
            json!({"trim_texts": false}),
            json!({"utf16_lengths": true}),
            json!({"assign_on_update": false}),
            json!({"crlf_texts": true}),
            json!({"reverse_unordered": true}),
        ]
    }
}

/// Whether `set` contains `object.field`, ignoring case.
pub fn names(set: &BTreeSet<String>, object: &str, field: &str) -> bool {
    !set.is_empty()
        && set.iter().any(|name| {
            name.split_once('.')
                .is_some_and(|(o, f)| o.eq_ignore_ascii_case(object) && f.eq_ignore_ascii_case(field))
        })
}
