//! Transactions: a graph is written completely or not at all (Salesforce reference, 4.2).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::RecordId;
use super::answer::{is_halted, speaks_of_session};
use super::comment::{clean_text, cut_at_units, units};
use super::field_fix::FieldFix;
use super::named::{fields_of_value, missing_column};

use crate::http::{Failure, Problem};

/// Maximum graphs per call.
pub const MAX_GRAPHS: usize = 75;
/// Maximum nodes per call, of all graphs together.
pub const MAX_NODES: usize = 500;

/// One transaction: a Case with its comments.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub id: String,
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Post,
    Patch,
}

/// One record to insert or update. `Debug` shows only the names of the fields.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Letters, digits and `_`; begins with a letter or digit; unique within its graph.
    pub reference: String,
    pub method: Method,
    pub object: String,
    /// The record to update; none for an insert.
    pub record: Option<RecordId>,
    pub fields: Map<String, Value>,
    /// `Sforce-Auto-Assign`, if it is a Case.
    assign: String,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Node");
        shown.field("reference", &self.reference).field("method", &self.method).field("object", &self.object);
        shown.field("record", &self.record).field("fields", &self.fields.keys());
        shown.field("assign", &self.assign).finish()
    }
}

/// The result of one graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphOutcome {
    /// Reference and record of each node.
    Done(Vec<(String, Option<RecordId>)>),
    /// The graph's own errors, without those of halted nodes.
    Failed(Vec<NodeError>),
    /// No error of its own: other graphs before it failed (from the 15th on, reference 4).
    Halted,
}

impl GraphOutcome {
    /// Whether the session ended during the call.
    pub(super) fn speaks_of_session(&self) -> bool {
        matches!(self, Self::Failed(errors) if errors.iter().any(|e| speaks_of_session(&e.problem.code)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    pub reference: String,
    pub object: Option<String>,
    /// The record to update; none for an insert.
    pub record: Option<RecordId>,
    /// Names of the fields that were sent.
    pub sent: Vec<String>,
    pub status: u16,
    pub problem: Problem,
}

/// Key of the placeholder object for a reference. A text from outside cannot create such an object.
const REFERENCE: &str = "\0reference";
/// `Sforce-Auto-Assign` that runs no assignment rule.
const NO_RULE: &str = "FALSE";

impl Node {
    pub fn insert(reference: impl Into<String>, object: &str, fields: Map<String, Value>) -> Self {
        let (object, assign) = (object.to_owned(), NO_RULE.to_owned());
        Self { reference: reference.into(), method: Method::Post, object, record: None, fields, assign }
    }

    /// The new Case is assigned so: `TRUE` (the active rule), `FALSE`, or a rule's id.
    #[must_use]
    pub fn assigned(self, assign: &str) -> Self {
        Self { assign: assign.to_owned(), ..self }
    }

    pub fn update(
        reference: impl Into<String>,
        object: &str,
        record: RecordId,
        fields: Map<String, Value>,
    ) -> Self {
        let (object, assign) = (object.to_owned(), NO_RULE.to_owned());
        Self {
            reference: reference.into(),
            method: Method::Patch,
            object,
            record: Some(record),
            fields,
            assign,
        }
    }

    /// A placeholder for the id of the record that another node of the graph creates.
    pub fn reference_to(reference: &str) -> Value {
        json!({ REFERENCE: reference })
    }

    /// `Sforce-Auto-Assign` of a Case: assignment rules must run only for new ones. `None`: it is no Case.
    fn auto_assign(&self) -> Option<&str> {
        let assign = if self.method == Method::Post { self.assign.as_str() } else { NO_RULE };
        self.object.eq_ignore_ascii_case("Case").then_some(assign)
    }

    /// The node as it is sent. The Cases of a call are assigned differently, so each has its own header.
    fn wire(&self, version: &str) -> WireNode<'_> {
        let mut url = format!("/services/data/v{version}/sobjects/{}", self.object);
        if let Some(id) = &self.record {
            url.push('/');
            url.push_str(id.as_str());
        }
        let method = match self.method {
            Method::Post => "POST",
            Method::Patch => "PATCH",
        };
        let http_headers = self.auto_assign().map(|assign| WireHeaders { assign });
        WireNode {
            method,
            url,
            reference_id: &self.reference,
            body: EscapedFields(&self.fields),
            http_headers,
        }
    }

    /// Applies one fix. False if it changes nothing: then sending again would fail in the same way.
    pub fn apply(&mut self, fix: &FieldFix) -> bool {
        match fix {
            FieldFix::Drop { field, .. } => self.drop_field(field),
            FieldFix::Shorten { field, max } => {
                let key = self.fields.keys().find(|k| is_named(k, field)).cloned();
                let Some(Value::String(text)) = key.and_then(|k| self.fields.get_mut(&k)) else {
                    return false;
                };
                shorten(text, *max)
            }
            // The planner applies these.
            FieldFix::Fewer { .. } | FieldFix::AsCode { .. } => false,
            FieldFix::StripControl => {
                let mut changed = false;
                for value in self.fields.values_mut() {
                    if let Value::String(text) = value {
                        let clean = clean_text(text);
                        changed |= clean != *text;
                        *text = clean;
                    }
                }
                changed
            }
        }
    }

    /// Drops the field, or the relation that is looked up by it (`Store__r: {Partner_Id__c: …}`).
    fn drop_field(&mut self, field: &str) -> bool {
        let before = self.fields.len();
        self.fields.retain(|key, value| {
            let inside = |o: &Map<String, Value>| o.keys().any(|k| is_named(k, field));
            !is_named(key, field) && !value.as_object().is_some_and(inside)
        });
        self.fields.len() < before
    }
}

/// Compares with a name, or with a label that differs from the name only in spaces (`Comment Body`).
fn is_named(key: &str, field: &str) -> bool {
    key.eq_ignore_ascii_case(field) || key.eq_ignore_ascii_case(&field.replace(' ', ""))
}

/// Cuts to the stated length. If the text is not longer than that, Salesforce counts differently: cuts off a tenth.
fn shorten(text: &mut String, max: Option<usize>) -> bool {
    let length = units(text);
    let target = max.filter(|max| *max < length).unwrap_or(length * 9 / 10);
    if target >= length {
        return false;
    }
    text.truncate(cut_at_units(text, target));
    true
}

/// The body of a call, as it is sent. It borrows the fields: 75 Cases with their comments are not copied to write them.
#[derive(Serialize)]
pub struct Request<'a> {
    graphs: Vec<WireGraph<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireGraph<'a> {
    graph_id: &'a str,
    composite_request: Vec<WireNode<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireNode<'a> {
    method: &'static str,
    url: String,
    reference_id: &'a str,
    body: EscapedFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_headers: Option<WireHeaders<'a>>,
}

#[derive(Serialize)]
struct WireHeaders<'a> {
    #[serde(rename = "Sforce-Auto-Assign")]
    assign: &'a str,
}

/// Salesforce reads `@{` in any value as a reference, so it is broken up in customers' texts (Salesforce reference,
/// 4.1).
struct Escaped<'a>(&'a Value);

/// The same of fields, or our own reference to another record.
struct EscapedFields<'a>(&'a Map<String, Value>);

impl Serialize for Escaped<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if text.contains("@{") => to.serialize_str(&text.replace("@{", "@\u{200b}{")),
            Value::Array(items) => to.collect_seq(items.iter().map(Escaped)),
            Value::Object(fields) => EscapedFields(fields).serialize(to),
            plain => plain.serialize(to),
        }
    }
}

impl Serialize for EscapedFields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.get(REFERENCE).and_then(Value::as_str) {
            Some(reference) => to.serialize_str(&format!("@{{{reference}.id}}")),
            None => to.collect_map(self.0.iter().map(|(name, value)| (name, Escaped(value)))),
        }
    }
}

pub fn request<'a>(graphs: &'a [Graph], version: &str) -> Request<'a> {
    let wire = |graph: &'a Graph| WireGraph {
        graph_id: &graph.id,
        composite_request: graph.nodes.iter().map(|node| node.wire(version)).collect(),
    };
    Request { graphs: graphs.iter().map(wire).collect() }
}

/// `Sforce-Auto-Assign` of the whole call. The header of a node decides about its Case (Salesforce reference, 4.1); this
/// one is what all of them say, and runs no rule where they differ.
pub fn auto_assign(graphs: &[Graph]) -> &str {
    let mut all = graphs.iter().flat_map(|graph| &graph.nodes).filter_map(Node::auto_assign);
    let first = all.next().unwrap_or(NO_RULE);
    if all.all(|other| other == first) { first } else { NO_RULE }
}

/// Reads the response, in the order of the request. If any graph is missing, or says of a node what Salesforce never says,
/// the response counts as no answer.
pub fn outcomes(graphs: &[Graph], answer: &Value) -> Result<Vec<GraphOutcome>, Failure> {
    let list = answer.get("graphs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let by_id: BTreeMap<&str, &Value> =
        list.iter().filter_map(|g| Some((g["graphId"].as_str()?, g))).collect();
    let one = |graph: &Graph| {
        let answer = by_id.get(graph.id.as_str())?;
        outcome(graph, answer)
    };
    let all: Option<Vec<_>> = graphs.iter().map(one).collect();
    all.ok_or_else(|| {
        Failure::no_answer("an answer without all of its graphs, or with one that contradicts itself")
    })
}

fn outcome(graph: &Graph, answer: &Value) -> Option<GraphOutcome> {
    let parts = answer["graphResponse"]["compositeResponse"].as_array().map_or(&[][..], Vec::as_slice);
    let part = |node: &Node| parts.iter().find(|p| p["referenceId"] == node.reference.as_str());
    if answer["isSuccessful"].as_bool()? {
        let done = graph.nodes.iter().map(|node| {
            let part = part(node).filter(|part| is_done(part))?;
            let made = part["body"]["id"].as_str().and_then(RecordId::new);
            let id = node.record.clone().or(made)?;
            Some((node.reference.clone(), Some(id)))
        });
        return done.collect::<Option<Vec<_>>>().map(GraphOutcome::Done);
    }
    let failed = graph.nodes.iter().filter_map(|n| Some((n, part(n).filter(|p| !is_done(p))?)));
    let failed: Vec<(&Node, &Value)> = failed.collect();
    // Salesforce gives each node that failed a code: without one, something else says that it failed.
    let has_code = |(_, part): &(&Node, &Value)| problems(&part["body"]).iter().any(|p| !p.code.is_empty());
    if failed.is_empty() || !failed.iter().all(has_code) {
        return None;
    }
    let errors: Vec<NodeError> = failed.into_iter().flat_map(|(n, p)| node_errors(n, p)).collect();
    Some(if errors.is_empty() { GraphOutcome::Halted } else { GraphOutcome::Failed(errors) })
}

/// The status of a node, or of a step; 0 if it has none.
pub(super) fn status_of(part: &Value) -> u16 {
    part["httpStatusCode"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0)
}

fn is_done(part: &Value) -> bool {
    (200..300).contains(&status_of(part))
}

fn node_errors(node: &Node, part: &Value) -> Vec<NodeError> {
    let status = status_of(part);
    let own = problems(&part["body"]).into_iter().filter(|p| !p.code.is_empty() && !is_halted(&p.code));
    let own = own.map(|mut problem| {
        if problem.fields.is_empty() {
            problem.fields = fields_of_value(&problem, &node.fields);
        }
        problem
    });
    own.map(|problem| NodeError {
        reference: node.reference.clone(),
        object: Some(node.object.clone()),
        record: node.record.clone(),
        sent: node.fields.keys().cloned().collect(),
        status,
        problem,
    })
    .collect()
}

/// Reads Salesforce's error list: `[{"message", "errorCode", "fields"?}]`; collections have `statusCode`.
pub fn problems(body: &Value) -> Vec<Problem> {
    let one = std::slice::from_ref(body);
    let list = body.as_array().map_or(one, Vec::as_slice);
    let problem = |p: &Value| {
        let code = p["errorCode"].as_str().or(p["statusCode"].as_str()).unwrap_or_default();
        let message = p["message"].as_str().unwrap_or_default();
        let fields = p["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut fields: Vec<String> = fields.filter(|f| is_a_name(f)).map(str::to_owned).collect();
        if fields.is_empty() && code == "INVALID_FIELD" {
            fields.extend(missing_column(message));
        }
        Problem::with_ends(code, message, fields)
    };
    list.iter().map(problem).collect()
}

/// Whether the text looks like a field's API name or label. Only such texts are logged.
pub(super) fn is_a_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " _.-/()&'".contains(c);
    !text.trim().is_empty() && text.len() <= 120 && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn graph() -> Graph {
        let case = Node::insert("refCase", "Case", fields(&json!({"Subject": "pay @{refCase.id} @@{x}"})))
            .assigned("TRUE");
        let comment =
            fields(&json!({"ParentId": Node::reference_to("refCase"), "X": {"Y": ["@{z}"]}, "N": 1}));
        Graph { id: "g1".into(), nodes: vec![case, Node::insert("c1", "CaseComment", comment)] }
    }

    fn sent(graphs: &[Graph]) -> Value {
        serde_json::to_value(request(graphs, "66.0")).unwrap()
    }

    #[test]
    fn only_our_own_references_are_references() {
        let wire = sent(&[graph()]);
        let nodes = &wire["graphs"][0]["compositeRequest"];
        assert_eq!(nodes[0]["body"]["Subject"], "pay @\u{200b}{refCase.id} @@\u{200b}{x}");
        assert_eq!(nodes[1]["body"]["ParentId"], "@{refCase.id}");
        assert_eq!(nodes[1]["body"]["X"]["Y"][0], "@\u{200b}{z}");
        assert_eq!(nodes[1]["url"], "/services/data/v66.0/sobjects/CaseComment");
        assert_eq!(nodes[0]["httpHeaders"], json!({"Sforce-Auto-Assign": "TRUE"}));
        assert_eq!(nodes[1].get("httpHeaders"), None);
    }

    #[test]
    fn updates_go_by_id_and_never_run_assignment_rules() {
        let id = RecordId::new("500000000000001").unwrap();
        let node = Node::update("refCase", "Case", id.clone(), Map::new()).assigned("01Q000000000001");
        let graphs = [Graph { id: "g".into(), nodes: vec![node] }];
        let wire = sent(&graphs);
        assert_eq!(auto_assign(&graphs), "FALSE");
        let node = &wire["graphs"][0]["compositeRequest"][0];
        assert_eq!(node["method"], "PATCH");
        assert_eq!(node["url"], format!("/services/data/v66.0/sobjects/Case/{id}"));
        assert_eq!(node["httpHeaders"]["Sforce-Auto-Assign"], "FALSE");
    }

    #[test]
    fn each_new_case_is_assigned_as_it_says_and_the_call_as_all_of_them_say() {
        let rule = "01Q000000000001";
        let case = |assign: &str| {
            let node = Node::insert("refCase", "Case", Map::new()).assigned(assign);
            let comment = Node::insert("c", "CaseComment", Map::new());
            Graph { id: assign.into(), nodes: vec![node, comment] }
        };
        for (assigned, call) in [
            (&["TRUE", "TRUE"][..], "TRUE"),
            (&[rule], rule),
            (&["FALSE", "TRUE", rule], "FALSE"),
            (&["TRUE", rule], "FALSE"),
            (&[], "FALSE"),
        ] {
            let graphs: Vec<Graph> = assigned.iter().map(|assign| case(assign)).collect();
            assert_eq!(auto_assign(&graphs), call, "{assigned:?}");
            let wire = sent(&graphs);
            let header =
                |n: usize| &wire["graphs"][n]["compositeRequest"][0]["httpHeaders"]["Sforce-Auto-Assign"];
            let sent: Vec<&Value> = (0..assigned.len()).map(header).collect();
            assert_eq!(sent, assigned);
        }
    }

    fn answered(ok: bool, parts: &Value) -> Result<Vec<GraphOutcome>, Failure> {
        let graphs = [graph()];
        let answer = json!({"graphs": [
            {"graphId": "g1", "isSuccessful": ok, "graphResponse": {"compositeResponse": parts}}
        ]});
        outcomes(&graphs, &answer)
    }

    #[test]
    fn answers_are_read_node_by_node() {
        let done = answered(
            true,
            &json!([
                {"referenceId": "c1", "httpStatusCode": 201, "body": {"id": "00a000000000001", "success": true}},
                {"referenceId": "refCase", "httpStatusCode": 201, "body": {"id": "500000000000001"}},
            ]),
        );
        let GraphOutcome::Done(ids) = &done.unwrap()[0] else { panic!() };
        assert_eq!(ids[0].1, RecordId::new("500000000000001"));
        let halted = json!({"referenceId": "refCase", "httpStatusCode": 400,
            "body": [{"errorCode": "PROCESSING_HALTED", "message": "rolled back"}]});
        let refused = json!({"referenceId": "c1", "httpStatusCode": 400,
            "body": [{"errorCode": "STRING_TOO_LONG", "message": "m", "fields": ["CommentBody"]}]});
        let GraphOutcome::Failed(errors) = &answered(false, &json!([halted, refused])).unwrap()[0] else {
            panic!()
        };
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].reference, "c1");
        assert_eq!(answered(false, &json!([halted])).unwrap(), [GraphOutcome::Halted]);
        assert!(matches!(answered(true, &json!([halted])), Err(Failure::NoAnswer(_))));
        assert!(matches!(outcomes(&[graph()], &json!({})), Err(Failure::NoAnswer(_))));
    }

    /// A claim that the nodes do not bear out is no answer: what was written is read back.
    #[test]
    fn a_graph_that_contradicts_its_nodes_is_no_answer() {
        let made = |status: &Value| {
            json!([{"referenceId": "refCase", "httpStatusCode": 201, "body": {"id": "500000000000001"}},
                {"referenceId": "c1", "httpStatusCode": status, "body": {"id": "00a000000000001"}}])
        };
        for status in [json!(400), json!("201"), Value::Null, json!(70_000)] {
            assert!(matches!(answered(true, &made(&status)), Err(Failure::NoAnswer(_))), "{status}");
        }
        assert!(matches!(answered(false, &made(&json!(201))), Err(Failure::NoAnswer(_))));
        assert!(matches!(answered(false, &json!([])), Err(Failure::NoAnswer(_))));
        let halted = json!({"referenceId": "refCase", "httpStatusCode": 400,
            "body": [{"errorCode": "PROCESSING_HALTED", "message": "rolled back"}]});
        for body in [
            Value::Null,
            json!("<html>"),
            json!({}),
            json!([]),
            json!({"message": "x"}),
            json!([{"errorCode": 7}]),
        ] {
            let bare = json!({"referenceId": "c1", "httpStatusCode": 400, "body": body});
            for parts in [json!([bare]), json!([halted, bare])] {
                assert!(matches!(answered(false, &parts), Err(Failure::NoAnswer(_))), "{parts}");
            }
        }
        let node = Node::update("n", "Case", RecordId::new("500000000000001").unwrap(), Map::new());
        let answer = |status: u16| {
            let parts = json!([{"referenceId": "n", "httpStatusCode": status, "body": null}]);
            json!({"graphs": [{"graphId": "g", "isSuccessful": true, "graphResponse": {"compositeResponse": parts}}]})
        };
        let graphs = [Graph { id: "g".into(), nodes: vec![node] }];
        assert!(matches!(outcomes(&graphs, &answer(204)).unwrap()[0], GraphOutcome::Done(_)));
        assert!(matches!(outcomes(&graphs, &answer(400)), Err(Failure::NoAnswer(_))));
    }

    /// The query stands before the sentence, so that neither end of the message names the column.
    #[test]
    fn a_column_is_read_from_the_whole_message_of_any_language() {
        let query = format!(
            "\nSELECT {} FROM Case WHERE Id IN ('5000')\n ^\nERROR at Row:1:Column:8\n",
            "A, ".repeat(200)
        );
        let advice =
            ". If you are attempting to use a custom field, be sure to append the '__c' after the name."
                .repeat(3);
        for (said, expected) in [
            ("No such column 'Foo__c' on entity 'Case'", "Foo__c"),
            ("Didn't understand relationship 'CreatedBy' in field path", "CreatedBy"),
            ("Aucune colonne \u{ab} Foo__c \u{bb} dans l'entité \u{ab} Case \u{bb}", "Foo__c"),
        ] {
            let message = format!("{query}{said}{advice}");
            let found = problems(&json!([{ "errorCode": "INVALID_FIELD", "message": message }])).remove(0);
            assert_eq!(found.fields, [expected]);
            assert!(!found.message.contains("Foo__c"));
        }
        let foreign = "Foreign key external ID: 'x' not found for field Store__c in entity Store__c";
        let found = problems(&json!([{ "errorCode": "INVALID_FIELD", "message": foreign }])).remove(0);
        assert_eq!(found.fields, Vec::<String>::new());
    }

    #[test]
    fn a_value_that_salesforce_cannot_read_names_its_field() {
        let sent =
            fields(&json!({"Due__c": "2046-04-05 17:00:00", "Subject": "2046", "N__c": 7, "B__c": true}));
        let of = |code: &str, message: &str| fields_of_value(&Problem::new(code, message), &sent);
        let parser = |value: &str| {
            let message = format!(
                "Cannot deserialize instance of datetime from VALUE_STRING value {value} or request may be missing a \
                 required field at [line:1, column:123]"
            );
            of("JSON_PARSER_ERROR", &message)
        };
        assert_eq!(parser("2046-04-05 17:00:00"), ["Due__c"]);
        assert_eq!((parser("7"), parser("true")), (vec!["N__c".to_owned()], vec!["B__c".to_owned()]));
        assert_eq!(parser("elsewhere"), Vec::<String>::new());
        assert_eq!(of("JSON_PARSER_ERROR", "unexpected"), Vec::<String>::new());
        assert_eq!(of("REQUIRED_FIELD_MISSING", "the value 7 at [line"), Vec::<String>::new());
    }

    #[test]
    fn fixes_change_the_node_or_say_that_nothing_changed() {
        let all =
            json!({"Subject": "äöü", "Store__r": {"Partner_Id__c": "1"}, "OwnerId": "x", "T": "a\u{1}b"});
        let mut node = Node::insert("r", "Case", fields(&all));
        let fix = |field: &str| FieldFix::Drop { field: field.into(), code: String::new() };
        let short = |max| FieldFix::Shorten { field: "subject".into(), max };
        let table = [
            (fix("Partner_Id__c"), true),
            (fix("Partner_Id__c"), false),
            (fix("ownerid"), true),
            (fix("ContactId"), false),
            (FieldFix::StripControl, true),
            (FieldFix::StripControl, false),
            (short(Some(2)), true),
            (short(Some(2)), true),
        ];
        for (fix, changed) in table {
            assert_eq!(node.apply(&fix), changed, "{fix:?}");
        }
        assert_eq!(node.fields, fields(&json!({"Subject": "ä", "T": "ab"})));
    }

    #[test]
    fn c13_codes_and_names_of_fields_are_words() {
        let forged = json!([{"errorCode": "A\nERROR forged", "message": "m\u{1b}[2J",
            "fields": ["Subject", "x\ny", "", "F".repeat(200_000)]}]);
        let problem = &problems(&forged)[0];
        assert_eq!((problem.code.as_str(), problem.message.as_str()), ("UNREADABLE_CODE", "m [2J"));
        assert_eq!(problem.fields, ["Subject"]);
    }
}
