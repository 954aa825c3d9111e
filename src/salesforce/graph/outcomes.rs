//! Reads the response to a call with graphs (Salesforce reference, 4.2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Graph, GraphOutcome, Node, NodeError};
use crate::http::Failure;
use crate::salesforce::RecordId;
use crate::salesforce::answer::is_halted;
use crate::salesforce::named::fields_of_value;
use crate::salesforce::problem::{problems, status_of};

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

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::tests::graph;
    use super::*;

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
}
