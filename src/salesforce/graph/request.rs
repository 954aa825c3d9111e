//! Writes the body of a call with graphs (Salesforce reference, 4.1).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Graph, Method, NO_RULE, Node, REFERENCE};

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

impl Node {
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::graph;
    use super::*;
    use crate::salesforce::RecordId;

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
}
