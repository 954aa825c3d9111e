//! `check` on `match`: the look-up of customers.

use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use serde_json::json;

use super::{World, field};

async fn matching(text: &str) -> World {
    let world = World::new().await;
    world.edit("mappings/case.yaml", "object: Case\n", &format!("object: Case\n{text}\n"));
    world
}

#[tokio::test]
async fn a_match_is_never_without_its_warning() {
    let world = matching("match: { email: { from: response.user.email } }").await;
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:25:8: `match` fills ContactId, and Salesforce can mail the contact of a Case by itself
    exit 0
    ");
    let offline = goodays_salesforce::check::offline(&world.dir.path().join("connector.yaml"));
    assert!(offline.render().contains("warning[S032]"), "{}", offline.render());
}

#[tokio::test]
async fn fields_that_the_look_up_needs() {
    let both = "match:\n  external_id: { field: Loyalty__c, from: response.context.crm_id }\n  email: { from: response.user.email }";
    let world = matching(both).await;
    world.set(&json!({ "hidden_fields": ["Contact.Email", "Case.ContactId"] }));
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:26:3: `match` fills ContactId, and Salesforce can mail the contact of a Case by itself
    error S006 mappings/case.yaml:25:1: Case has no field `ContactId` that the integration user can see
    error S006 mappings/case.yaml:26:25: Contact has no field `Loyalty__c` that the integration user can see
    error S006 mappings/case.yaml:27:3: Contact has no field `Email` that the integration user can see
    exit 1
    ");
    world.set(&json!({ "hidden_fields": [], "read_only_fields": ["Case.ContactId"] }));
    world.org.set_field("Contact", field("Loyalty__c", Kind::Number)).unwrap();
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:26:3: `match` fills ContactId, and Salesforce can mail the contact of a Case by itself
    error S007 mappings/case.yaml:25:1: the integration user can't write Case.ContactId
    error S018 mappings/case.yaml:26:25: `Loyalty__c` is a double, and the look-up compares texts
    exit 1
    ");
    world.set(&json!({ "read_only_fields": [] }));
    world.org.set_field("Contact", field("Loyalty__c", Kind::Text)).unwrap();
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:26:3: `match` fills ContactId, and Salesforce can mail the contact of a Case by itself
    warning S018 mappings/case.yaml:26:25: `Loyalty__c` is not marked as External ID: each look-up would search all records
    exit 0
    ");
    let loyalty = Field { external_id: true, ..field("Loyalty__c", Kind::Text) };
    world.org.set_field("Contact", loyalty).unwrap();
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:26:3: `match` fills ContactId, and Salesforce can mail the contact of a Case by itself
    warning S018 mappings/case.yaml:26:25: `Loyalty__c` is not unique: where two records have one value, neither is taken
    exit 0
    ");
}

#[tokio::test]
async fn an_object_that_the_user_may_not_read() {
    let world = matching("match: { object: Account, email: { from: response.user.email } }").await;
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:25:8: `match` fills AccountId, and Salesforce can mail the contact of a Case by itself
    error S006 mappings/case.yaml:25:27: Account has no field `PersonEmail` that the integration user can see
    exit 1
    ");
    world.set(&json!({ "hidden_objects": ["Account"] }));
    insta::assert_snapshot!(world.found().await, @"
    warning S032 mappings/case.yaml:25:8: `match` fills AccountId, and Salesforce can mail the contact of a Case by itself
    error S005: the integration user can't see the object Account
    exit 1
    ");
}
