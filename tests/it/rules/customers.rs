//! `match` in case.yaml: the Contact or Person Account of a new Case.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::together::refusal;
use crate::world::{World, text, words};

const SHIPPED: &str = include_str!("../../../mappings/case.yaml");
const BY_EMAIL: &str = "match: { email: { from: response.user.email } }";
const BY_BOTH: &str = "match:\n  external_id: { field: Loyalty__c, from: response.context.crm_id }\n  \
                       email: { from: response.user.email }";

/// An org whose Contacts have a loyalty number, and a daemon that looks customers up.
async fn world(matching: &str) -> World {
    let world = World::with_mapping("case.yaml", &format!("{SHIPPED}\n{matching}\n")).await;
    let loyalty = Field {
        name: "Loyalty__c".to_owned(),
        length: 40,
        external_id: true,
        unique: true,
        ..Field::default()
    };
    world.salesforce.set_field("Contact", loyalty).unwrap();
    world
}

fn contact(world: &World, email: &str, loyalty: Option<&str>) -> String {
    let fields = json!({ "LastName": "Copperpot", "Email": email, "Loyalty__c": loyalty });
    world.salesforce.create_record("Contact", fields).unwrap()
}

fn of(email: &str) -> Feedback {
    Feedback { email: Some(email.to_owned()), ..words("The queue was very long.") }
}

/// Look-ups of Contacts since the log was cleared.
fn look_ups(world: &World) -> usize {
    let seen = world.salesforce.wire().requests();
    seen.iter()
        .filter(|seen| seen.query.contains("FROM%20Contact") || seen.query.contains("FROM Contact"))
        .count()
}

fn reported(world: &World, field: &str) -> Vec<String> {
    let dropped = world.app().shared.metrics.dropped().into_iter();
    dropped.filter(|(name, ..)| name == field).map(|(_, code, _)| code).collect()
}

#[tokio::test]
async fn nothing_is_looked_up_unless_the_mapping_asks_for_it() {
    let world = World::start().await;
    world
        .salesforce
        .create_record("Contact", json!({"LastName": "C", "Email": "ann@brand.example"}))
        .unwrap();
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!((world.field(&id, "ContactId"), look_ups(&world)), (String::new(), 0));
}

#[tokio::test]
async fn a_customer_is_found_by_number_else_by_exactly_one_address() {
    let world = world(BY_BOTH).await;
    let member = contact(&world, "old.address@brand.example", Some("L-1"));
    let ann = contact(&world, "Ann@Brand.example", None);
    contact(&world, "family@brand.example", None);
    contact(&world, "family@brand.example", None);
    let arrives = async |email: &str, number: &str| {
        let feedback = Feedback { crm_id: number.to_owned(), ..of(email) };
        let id = world.arrives(feedback).await;
        world.field(&id, "ContactId")
    };
    assert_eq!(arrives("ann@brand.example", "L-1").await, member, "the number counts first");
    assert_eq!(arrives("ann@brand.example", "L-2").await, ann, "an address is the same in any case");
    assert_eq!(arrives("ann@brand.example", "l-1").await, ann, "a number is not");
    assert_eq!(reported(&world, "ContactId"), [] as [&str; 0]);
    assert_eq!(arrives("nobody@brand.example", "").await, "", "nobody is no problem");
    assert_eq!(reported(&world, "ContactId"), [] as [&str; 0]);
    assert_eq!(arrives("family@brand.example", "").await, "", "one of two is not guessed");
    assert_eq!(reported(&world, "ContactId"), ["AMBIGUOUS_CUSTOMER"]);
}

#[tokio::test]
async fn odd_addresses_cost_no_case_and_match_no_other() {
    let world = world(BY_EMAIL).await;
    let neil = contact(&world, "o'neil+1@brand.example", None);
    contact(&world, "anybody@brand.example", None);
    let long = format!("{}@brand.example", "a".repeat(300));
    let table = [
        ("o'neil+1@brand.example", neil.as_str()),
        ("%@brand.example", ""),
        ("_nybody@brand.example", ""),
        ("x' OR Email != '", ""),
        ("\\' OR Id != null) --@brand.example", ""),
        ("zoé😊@brand.example", ""),
        ("anybody@brand.example\n", "*"),
        ("any\u{0}body@brand.example", ""),
        ("[email\u{a0}protected]", ""),
        (long.as_str(), ""),
        (" ", ""),
    ];
    for (email, expected) in table {
        let id = world.customer_leaves(of(email));
        world.settle().await;
        let found = world.field(&id, "ContactId");
        assert!(found == expected || (expected == "*" && !found.is_empty()), "{email:?}: {found}");
    }
}

#[tokio::test]
async fn a_person_account_is_named_by_the_account() {
    let world = world("match: { object: Account, email: { from: response.user.email } }").await;
    let email = Field { name: "PersonEmail".to_owned(), kind: Kind::Email, length: 80, ..Field::default() };
    world.salesforce.set_field("Account", email).unwrap();
    let person = json!({ "Name": "Chester Copperpot", "PersonEmail": "ann@brand.example" });
    let account = world.salesforce.create_record("Account", person).unwrap();
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!(world.field(&id, "AccountId"), account);
}

#[tokio::test]
async fn an_agents_choice_stands() {
    let world = world(BY_EMAIL).await;
    contact(&world, "ann@brand.example", None);
    let right = contact(&world, "right@brand.example", None);
    let id = world.arrives(of("ann@brand.example")).await;
    world.agent_sets(&id, json!({ "ContactId": right }));
    world.answers(&id, "We are sorry.").await;
    world.salesforce.wire().clear_requests();
    world.customer_writes(&id, "Thank you for that.");
    world.settle().await;
    assert_eq!((world.field(&id, "ContactId"), look_ups(&world)), (right, 0));
}

#[tokio::test]
async fn without_the_right_to_read_contacts_cases_are_made_and_the_org_is_left_alone() {
    let world = world(BY_EMAIL).await;
    contact(&world, "ann@brand.example", None);
    world.salesforce.change_settings(&json!({ "hidden_objects": ["Contact"] })).unwrap();
    for _ in 0..3 {
        let id = world.arrives(of("ann@brand.example")).await;
        assert_eq!(world.field(&id, "ContactId"), "");
    }
    assert_eq!((reported(&world, "ContactId"), look_ups(&world)), (vec!["INVALID_TYPE".to_owned()], 1));
    assert!(world.log().contains("customers cannot be looked up"));
}

#[tokio::test]
async fn a_field_that_the_user_cannot_write_is_not_looked_up_for() {
    let mut world = world(BY_EMAIL).await;
    world.salesforce.change_settings(&json!({ "read_only_fields": ["Case.ContactId"] })).unwrap();
    world.restart().await;
    contact(&world, "ann@brand.example", None);
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!((world.field(&id, "ContactId"), look_ups(&world)), (String::new(), 0));
    assert_eq!(reported(&world, "ContactId"), ["NOT_WRITEABLE"]);
}

#[tokio::test]
async fn a_look_up_without_an_answer_is_made_again() {
    let world = world(BY_EMAIL).await;
    let ann = contact(&world, "ann@brand.example", None);
    world.salesforce.wire().fault(Fault { times: Some(2), ..Fault::once("FROM Contact", Act::ResetBefore) });
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!((world.field(&id, "ContactId"), look_ups(&world)), (ann, 3));
}

#[tokio::test]
async fn a_look_up_that_alone_has_no_answer_costs_no_case() {
    let world = world(BY_EMAIL).await;
    let ann = contact(&world, "ann@brand.example", None);
    let timeout = refusal(
        500,
        r#"[{"errorCode":"QUERY_TIMEOUT","message":"Your query request was running for too long."}]"#,
    );
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("FROM Contact", timeout) });
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!((world.field(&id, "ContactId"), look_ups(&world)), (String::new(), 3));
    assert_eq!(reported(&world, "ContactId"), ["no_answer"]);
    // The next Case asks again at once.
    world.salesforce.wire().clear_faults();
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!(world.field(&id, "ContactId"), ann);
}

/// A Case whose write had no answer, with a restart behind it.
async fn written_in_doubt(act: Act) {
    let mut world = world(BY_EMAIL).await;
    let ann = contact(&world, "ann@brand.example", None);
    world.salesforce.wire().fault(Fault::once("/composite/graph", act));
    let id = world.customer_leaves(of("ann@brand.example"));
    world.goodays.webhooks_sent().await;
    world.restart().await;
    world.settle().await;
    let cases = world.cases(&id);
    assert_eq!((cases.len(), text(&cases[0]["ContactId"])), (1, ann));
}

#[tokio::test]
async fn a_write_that_was_done_without_an_answer_has_its_customer() {
    written_in_doubt(Act::ResetAfter).await;
}

#[tokio::test]
async fn a_write_that_was_not_done_is_made_again_with_its_customer() {
    written_in_doubt(Act::ResetBefore).await;
}

#[tokio::test]
async fn a_contact_that_salesforce_refuses_is_left_out() {
    let world = world(BY_EMAIL).await;
    contact(&world, "ann@brand.example", None);
    let rule = json!({"object": "Case", "when": "ContactId != null", "fields": ["ContactId"],
        "code": "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "message": "insufficient access rights on cross-reference id"});
    world.salesforce.change_settings(&json!({ "validation_rules": [rule] })).unwrap();
    let id = world.arrives(of("ann@brand.example")).await;
    assert_eq!(world.field(&id, "ContactId"), "");
}
