//! Design 2.3: which fields are written when, and the effect of a bad value.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use crate::world::{World, words};

const SHIPPED: &str = include_str!("../../../mappings/case.yaml");

fn with_fields(lines: &str) -> String {
    format!("{SHIPPED}\n{lines}\n")
}

#[tokio::test]
async fn on_create_writes_once_and_an_agents_correction_stands() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    world.agent_sets(
        &id,
        json!({ "Subject": "Noise", "Priority": "Low", "SuppliedName": "C. Copperpot", "Description": "Mended." }),
    );
    world.answers(&id, "We'll turn it down.").await;
    world.customer_writes(&id, "Thank you, good night.");
    world.settle().await;
    world.goodays.store_delegates(&id).unwrap();
    world.settle().await;
    let case = world.case(&id);
    assert_eq!(case["Subject"], "Noise");
    assert_eq!(case["Priority"], "Low");
    assert_eq!(case["SuppliedName"], "C. Copperpot");
    assert_eq!(case["Description"], "Mended.");
    // Goodays' own value changes, so it is written.
    world.goodays.customer_edits(&id, "Too loud, and too bright.").unwrap();
    world.settle().await;
    assert_eq!(world.field(&id, "Description"), "Too loud, and too bright.");
    assert_eq!(world.field(&id, "SuppliedName"), "C. Copperpot");
}

/// The event of a feedback with some values changed, as if Goodays had sent it later.
fn later(world: &World, id: &str, values: &Value) -> Value {
    let mut event: Value = serde_json::from_slice(&world.goodays.event_body(id, "response")).unwrap();
    for (pointer, value) in values.as_object().unwrap() {
        *event.pointer_mut(pointer).unwrap() = value.clone();
    }
    event["response"]["updated_date"] = json!("2099-01-01T00:00:00Z");
    event
}

#[tokio::test]
async fn a_blank_never_overwrites_unless_clear_asks_for_it() {
    let mapping = with_fields("  SuppliedCompany: { from: response.context.last_name, clear: true }")
        .replace("\n\n\n", "\n");
    let world = World::with_mapping("case.yaml", &mapping).await;
    let id = world.arrives(Feedback { phone: Some("+33612345678".into()), ..words("Call me.") }).await;
    assert_eq!(world.field(&id, "SuppliedPhone"), "+33612345678");
    assert_eq!(world.field(&id, "SuppliedCompany"), "COPPERPOT");
    let blank = json!({
        "/response/context/phone": "  ", "/response/context/last_name": "",
        "/response/user/email": null, "/response/message/content": "",
    });
    world.post(&later(&world, &id, &blank)).await;
    world.settle().await;
    let case = world.case(&id);
    assert_eq!(case["SuppliedPhone"], "+33612345678");
    assert_eq!(case["Description"], "Call me.");
    assert_ne!(case["SuppliedEmail"], Value::Null);
    assert_eq!(case["SuppliedCompany"], Value::Null, "clear: true");
}

#[tokio::test]
async fn a_bad_value_costs_its_field_and_no_feedback() {
    let mapping = with_fields(
        "  Type: { from: response.message.type }\n  Nope__c: { value: x }\n  Reason: { value: Fantasy }\n  \
         Store__r.Partner_Id__c: { from: response.place.partner_id }\n",
    );
    let world = World::with_mapping("case.yaml", &mapping).await;
    world.salesforce.with_settings(|s| {
        s.restricted_picklists.insert("Case.Reason".into());
        s.hidden_fields.insert("Case.SuppliedPhone".into());
    });
    let feedback = Feedback {
        email: Some("not an address".into()),
        last_name: "COPPERPOT ".repeat(20),
        phone: Some("+33612345678".into()),
        place_partner_id: "no such store".into(),
        ..words("Everything about this is odd.")
    };
    let id = world.arrives(feedback).await;
    let case = world.case(&id);
    assert_eq!(case["Description"], "Everything about this is odd.");
    assert_eq!(case["SuppliedEmail"], Value::Null);
    assert_eq!(case["Reason"], Value::Null);
    assert_eq!(case["Type"], "Problem");
    assert!(world.field(&id, "SuppliedName").starts_with("Chester COPPERPOT COPPERPOT"));
    assert!(world.field(&id, "SuppliedName").chars().count() <= 80);
    assert_eq!(case["SuppliedPhone"], Value::Null);
    let log = world.log();
    for field in ["SuppliedEmail", "Nope__c", "SuppliedName"] {
        assert!(log.contains(field), "{field} is not reported\n{log}");
    }
    world.answers(&id, "Let us sort it out.").await;
}

#[tokio::test]
async fn a_relation_is_set_by_the_other_objects_id() {
    let mapping = with_fields("  Store__r.Partner_Id__c: { from: response.place.partner_id }\n");
    let world = World::with_mapping("case.yaml", &mapping).await;
    let store = world
        .salesforce
        .create_record("Store__c", json!({ "Name": "Lille", "Partner_Id__c": "77" }))
        .unwrap();
    let (there, gone) = (
        world.arrives(Feedback { place_partner_id: "77".into(), ..words("In Lille.") }).await,
        world.arrives(Feedback { place_partner_id: "78".into(), ..words("Nowhere.") }).await,
    );
    assert_eq!(world.field(&there, "Store__c"), store);
    assert_eq!(world.case(&gone)["Store__c"], Value::Null);
    // One missing store does not affect the next look-up.
    let next = world.arrives(Feedback { place_partner_id: "77".into(), ..words("In Lille again.") }).await;
    assert_eq!(world.field(&next, "Store__c"), store);
}

#[tokio::test]
async fn a_rating_without_words_and_a_review_without_anybody_are_cases() {
    let world = World::start().await;
    let rating = world.arrives(Feedback { content: None, nps: Some(9), ..Feedback::default() }).await;
    let case = world.case(&rating);
    assert_eq!(case["Subject"], "Feedback - place name");
    assert_eq!(case["Description"], Value::Null);
    assert_eq!(case["Priority"], "Low");
    let nothing = json!({
        "survey": null, "user": null, "context": null, "answers": [], "attached_messages": null,
        "state": "on_the_moon", "thread": null, "place": null,
    });
    let review = Feedback { source: "martian_reviews".into(), patch: nothing, ..words("Fine shop.") };
    let review = world.arrives(Feedback { remark_type: "Rumour".into(), ..review }).await;
    let case = world.case(&review);
    assert_eq!(case["Subject"], "Rumour -");
    assert_eq!(case["SuppliedName"], Value::Null);
    assert_eq!(case["Priority"], "Medium");
    world.answers(&review, "Thank you for your review.").await;
    assert_eq!(world.puts(&review)[0].1["remark_type"], "Message", "an unknown source is from outside");
}

#[tokio::test]
async fn a_response_that_no_mapping_wants_makes_no_case() {
    let mapping = SHIPPED.replace("when: \"true\"", "when: \"response.place.partner_id != '0000'\"");
    let world = World::with_mapping("case.yaml", &mapping).await;
    let unwanted =
        world.customer_leaves(Feedback { place_partner_id: "0000".into(), ..words("From the test shop.") });
    world.settle().await;
    assert_eq!(world.cases(&unwanted).len(), 0);
    world.arrives(words("From a real shop.")).await;
}

#[tokio::test]
async fn events_of_no_readable_shape_are_parked_and_others_refused() {
    let mut world = World::with(Tuning::default()).await;
    world.parked_is_fine();
    assert_eq!(world.post(&json!({ "event_type": "response" })).await.1["status"], "parked");
    assert_eq!(world.post_bytes(b"{not json".to_vec()).await.0, 400);
    assert_eq!(world.parked().await.len(), 1);
}
