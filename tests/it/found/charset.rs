//! Characters that an org cannot store cost the character, then the field, and never the feedback (design, rule 21).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::settings::ValidationRule;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::arena::World;

const CODE: &str = "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET";
const SMILEY: &str = "\u{1f600}";

/// Salesforce refuses a smiley anywhere in this node.
fn refuse_smileys(world: &World, node: &str, fields: &[&str]) {
    let error = json!([{ "errorCode": CODE, "message": "Data outside of the charset", "fields": fields }]);
    let part = json!({ "referenceId": node, "httpStatusCode": 400, "body": error });
    let graph =
        json!({ "graphId": "g0", "isSuccessful": false, "graphResponse": { "compositeResponse": [part] } });
    let body = json!({ "graphs": [graph] }).to_string();
    let act = Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() };
    let fault = Fault { times: None, body_contains: Some(SMILEY.to_owned()), ..Fault::once("/graph", act) };
    world.stage.salesforce.wire().fault(fault);
}

#[tokio::test]
async fn a_smiley_that_cannot_be_stored_costs_the_smiley() {
    join_all(vec![&["Description"][..], &[]].into_iter().map(|named| async move {
        let mut world = World::start().await;
        world.answered().await;
        refuse_smileys(&world, "refCase", named);
        let content = Some(format!("Thank you {SMILEY} all"));
        let id = world.stage.goodays.customer_leaves(Feedback { content, ..Feedback::default() });
        world.case(&id).await;
        world.quiet().await;
        assert_eq!(world.stage.salesforce.case_by_key(&id).unwrap()["Description"], "Thank you \u{fffd} all");
        assert_eq!(world.parked().await, []);
    }))
    .await;
}

#[tokio::test]
async fn a_comment_keeps_its_words() {
    join_all(vec![&["CommentBody"][..], &[]].into_iter().map(|named| async move {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        refuse_smileys(&world, "refComment0", named);
        world.stage.goodays.customer_writes(&id, &format!("See you {SMILEY} soon")).unwrap();
        world.quiet().await;
        let comments = world.comments(&case);
        assert!(comments.last().unwrap().contains("See you \u{fffd} soon"), "{comments:?}");
        assert_eq!((comments.len(), world.parked().await.len()), (2, 0));
    }))
    .await;
}

#[tokio::test]
async fn a_field_that_is_refused_all_the_same_is_left_out() {
    join_all(vec![&["Subject"][..], &[]].into_iter().map(|named| async move {
        let mut world = World::start().await;
        world.answered().await;
        let rule = ValidationRule {
            object: "Case".to_owned(),
            when: "Subject LIKE '%'".to_owned(),
            message: "Data outside of the charset".to_owned(),
            fields: named.iter().map(|field| (*field).to_owned()).collect(),
            code: Some(CODE.to_owned()),
        };
        world.stage.salesforce.with_settings(|s| s.validation_rules = vec![rule]);
        let id = world.leaves();
        world.case(&id).await;
        world.quiet().await;
        assert_eq!(world.stage.salesforce.case_by_key(&id).unwrap()["Subject"], Value::Null);
        assert_eq!(world.parked().await, []);
    }))
    .await;
}
