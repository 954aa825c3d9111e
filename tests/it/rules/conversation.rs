//! The conversation of the documentation, with its payloads unchanged.

use serde_json::{Value, json};

use crate::world::{AGENT_USER, World, words};

const FIRST: &str = "The seller needs to respond in a timely manner and respond to my needs.";
const ASK_BACK: &str = "Dear Customer, thank you for your feedback. What information were you looking for?";
const PROMOTION: &str = "Thank you for your response. How long does your backpack promotion last?";
const LASTS: &str = "Dear customer, our promotion lasts until 19/03/2020. We hope to see you soon!";
const THANKS: &str = "Thank you! See you soon 😊";

#[tokio::test]
async fn a_feedback_becomes_a_case_and_the_answers_reach_the_customer() {
    let mut world = World::start().await;
    let id = world.arrives(words(FIRST)).await;
    let case = world.case(&id);
    assert_eq!(case["Description"], FIRST);
    assert_eq!(case["Subject"], "Problem - place name");
    assert_eq!(case["SuppliedName"], "Chester COPPERPOT");
    assert_eq!(case["Priority"], "High");
    assert_eq!(case["Status"], "New");
    assert_eq!(case["Goodays_Next_Action__c"], "Public reply");

    world.answers(&id, ASK_BACK).await;
    assert_eq!(world.told(&id), ("Sent: public reply".into(), String::new()));
    assert_eq!(world.field(&id, "Status"), "New", "our own write asks for no attention");
    world.customer_writes(&id, PROMOTION);
    world.settle().await;
    assert_eq!(world.thread(&id), [ASK_BACK, PROMOTION]);
    assert_eq!(world.field(&id, "Status"), "Customer Replied");
    assert_eq!(world.field(&id, "Goodays_Next_Action__c"), "Private message");

    world.restart().await;
    world.answers(&id, LASTS).await;
    assert_eq!(world.told(&id), ("Sent: private message".into(), String::new()));
    world.customer_writes(&id, THANKS);
    world.settle().await;

    let by_us = |kind: &str, words: &str| (kind.to_owned(), words.to_owned());
    assert_eq!(world.received(&id), [by_us("reply", ASK_BACK), by_us("message", LASTS)]);
    assert_eq!(world.goodays.received_by_customer(&id)[0]["user"], AGENT_USER);
    assert_eq!(world.thread(&id), [ASK_BACK, PROMOTION, LASTS, THANKS]);
    assert_eq!(world.salesforce.records("Case").len(), 1);
}

#[tokio::test]
async fn each_fixture_is_imported() {
    macro_rules! fixtures {
        ($($name:literal),*) => {
            [$((
                $name,
                include_bytes!(concat!("../../fixtures/goodays/", $name, ".json")).as_slice(),
            )),*]
        };
    }
    let fixtures = fixtures![
        "response",
        "response_context_phone_crm_id",
        "delegated",
        "delegated_malformed_urls",
        "message_first",
        "message_second_customer_turn"
    ];
    let comments = [0, 0, 0, 0, 2, 4];
    let world = World::start().await;
    for ((name, bytes), comments) in fixtures.into_iter().zip(comments) {
        let mut event: Value = serde_json::from_slice(bytes).unwrap();
        event["response"]["id"] = json!(name);
        let (status, answer) = world.post(&event).await;
        assert_eq!((status, &answer["status"]), (200, &json!("accepted")), "{name}: {answer}");
        world.settle().await;
        let case = world.case(name);
        let first = &event["response"]["message"];
        assert_eq!(case["Description"], first["content"], "{name}");
        assert_eq!(case["Subject"], "Problem - place name", "{name}");
        assert_eq!(case["SuppliedName"], "Chester COPPERPOT", "{name}");
        assert_eq!(case["SuppliedEmail"], Value::Null, "{name}: a masked address costs no feedback");
        let mut turns: Vec<String> = event["response"]["attached_messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["content"].as_str().unwrap().to_owned())
            .collect();
        turns.reverse();
        assert_eq!(turns.len(), comments, "{name}");
        assert_eq!(world.thread(name), turns, "{name}");
    }
    // Unchanged, with the one id that most of them share.
    for (name, bytes) in fixtures {
        let (status, answer) = world.post_bytes(bytes.to_vec()).await;
        assert_eq!((status, &answer["status"]), (200, &json!("accepted")), "{name}: {answer}");
    }
    world.settle().await;
    assert_eq!(world.comments("vdOpL1NJ74l").len(), 4);
    assert_eq!(world.goodays.wire().requests().iter().filter(|r| r.method == "PUT").count(), 0);
}
