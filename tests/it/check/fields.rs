//! Mapped fields compared with the org: they exist, can be written, fit, and cover what is required.

use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use serde_json::json;

use super::{LAST, World, field, long_text};

#[tokio::test]
async fn fields_that_are_missing_hidden_or_read_only_are_told_where_they_stand() {
    let world = World::new().await;
    world.set(&json!({
        "hidden_fields": ["Case.SuppliedPhone"],
        "read_only_fields": ["Case.Origin", "Case.Goodays_Sync_Error__c"],
    }));
    world.edit("mappings/case.yaml", "  SuppliedName:", "  SuppliedNam:");
    let report = world.check().await;
    assert_eq!(report.exit_code(), 1);
    let salesforce = world.plain(&report.render());
    let salesforce = salesforce.split_once("Salesforce\n").expect("as arranged").1;
    let until = salesforce.find("What check cannot see").expect("as arranged");
    insta::assert_snapshot!(&salesforce[..until], @r#"
      error[S006]: Case has no field `SuppliedNam` that the integration user can see
        --> mappings/case.yaml:36:3
         |
      36 |   SuppliedNam:  { template: "{{ response.user.first_name }} {{ response.user.last_name }}" }
         |   ^^^^^^^^^^^
         |
         = help: did you mean `SuppliedName`? Otherwise: if Salesforce has it, give the integration user's permission set Read access to the field; else create it, or correct the name

      error[S006]: Case has no field `SuppliedPhone` that the integration user can see
        --> mappings/case.yaml:38:3
         |
      38 |   SuppliedPhone: { from: response.context.phone }
         |   ^^^^^^^^^^^^^
         |
         = help: every org has this field, so it is hidden: give the integration user's permission set Read and Edit access to it

      error[S007]: the integration user can't write Case.Origin
        --> mappings/case.yaml:39:3
         |
      39 |   Origin:        { value: Goodays, on: create }
         |   ^^^^^^
         |
         = help: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)

      error[S007]: the integration user can't write Case.Goodays_Sync_Error__c
        --> mappings/actions.yaml:35:55
         |
      35 |   sent:     { Goodays_Sync_Status__c: "{{ status }}", Goodays_Sync_Error__c: "{{ reason }}" }   # a reason: part of a call could not...
         |                                                       ^^^^^^^^^^^^^^^^^^^^^
         |
         = help: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)

      warning[S027]: this is a sandbox, and its agents' answers go to real customers
        = help: set `goodays.actions: observe` while you try things out

      ok: at most 20000 of the org's 100000 calls a day (20 %), about 8640 of them for polls
      ok: logged in to org 00DSm0000000004MAA, a sandbox at 127.0.0.1 as user 005Sm0000000001IAA, API version 66.0
      ok: statuses that close a Case: Closed, Closed by phone
      ok: mappings/comment.yaml: 3 fields of CaseComment are there and take what is written
      ok: the mappings hold on 4 samples of Goodays
      ok: the queries that polls ask run
      ok: Case records of other people can be seen
      ok: CaseComment records of other people can be seen

    4 errors, 1 warning.
    Not ready: with these errors feedback waits, or fields are left out.
    What to do:
      1. Case.SuppliedNam: did you mean `SuppliedName`? Otherwise: if Salesforce has it, give the integration user's permission set Read access to the field; else create it, or correct the name
      2. Case.SuppliedPhone: every org has this field, so it is hidden: give the integration user's permission set Read and Edit access to it
      3. Case.Origin, Case.Goodays_Sync_Error__c: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)
      4. set `goodays.actions: observe` while you try things out
    "#);
}

#[tokio::test]
async fn values_that_do_not_fit_their_field() {
    let world = World::new().await;
    world.set(&json!({"restricted_picklists": ["Case.Priority"]}));
    world.org.set_field("Case", field("Vip__c", Kind::Boolean)).unwrap();
    world.org.set_field("Case", Field { length: 4, ..field("Short__c", Kind::Text) }).unwrap();
    world.org.set_field("Case", Field { update: false, ..field("Once__c", Kind::Text) }).unwrap();
    world.edit("mappings/case.yaml", "\"0..6\": High", "\"0..6\": Urgent");
    world.edit("mappings/case.yaml", "value: Goodays, on: create", "value: Goodies, on: create");
    let more = "  Vip__c: { value: maybe }\n  Short__c: { value: much too long }\n  Once__c: { from: response.source }\n";
    world.edit("mappings/case.yaml", LAST, &format!("{more}{LAST}"));
    insta::assert_snapshot!(world.found().await, @"
    warning S012 mappings/case.yaml:39:27: the picklist `Origin` does not know `Goodies`
    error S011 mappings/case.yaml:42:20: the restricted picklist `Priority` does not know `Urgent`
    error S009 mappings/case.yaml:48:20: `maybe` is neither true nor false, as asked for by `Vip__c` (boolean)
    warning S010 mappings/case.yaml:49:22: `much too long` is longer than the 4 characters of `Short__c`
    warning S008 mappings/case.yaml:50:3: Case.Once__c can be set when the record is made, but not changed afterwards
    exit 1
    ");
}

#[tokio::test]
async fn what_a_new_case_needs() {
    let world = World::new().await;
    world.set(&json!({"required_fields": ["Case.Type", "Case.SuppliedPhone", "Case.Status"]}));
    insta::assert_snapshot!(world.found().await, @"
    warning S014 mappings/case.yaml:38:3: Case needs `SuppliedPhone`, and this rule may give nothing: then no record is made
    error S013 mappings/case.yaml:30:1: Case needs `Type`, and no rule writes it
    exit 1
    ");
}

#[tokio::test]
async fn key_and_marker_are_as_they_must_be() {
    let world = World::new().await;
    let key = Field { length: 20, ..field("Goodays_Response_Id__c", Kind::Text) };
    world.org.set_field("Case", key.clone()).unwrap();
    world
        .org
        .set_field("Case", Field { length: 255, ..field("Goodays_Message_Ids__c", Kind::Text) })
        .unwrap();
    insta::assert_snapshot!(world.found().await, @"
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` is no External ID
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` is not unique
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` holds 20 characters
    error S016 mappings/case.yaml:26:9: the marker `Goodays_Message_Ids__c` is a string, no long text area
    exit 1
    ");
    let key = Field { external_id: true, unique: true, length: 64, ..key };
    world.org.set_field("Case", key).unwrap();
    world.org.set_field("Case", long_text("Goodays_Message_Ids__c", 1000)).unwrap();
    world.set(&json!({"read_only_fields": ["Case.Goodays_Message_Ids__c"]}));
    insta::assert_snapshot!(world.found().await, @"
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` does not tell `a` from `A`
    warning S016 mappings/case.yaml:26:9: the marker `Goodays_Message_Ids__c` holds only 1000 characters
    error S007 mappings/case.yaml:26:9: the integration user can't write Case.Goodays_Message_Ids__c
    exit 1
    ");
    world.org.set_field("Case", field("Goodays_Response_Id__c", Kind::Number)).unwrap();
    assert!(world.found().await.contains("the key field `Goodays_Response_Id__c` is a double"));
}

#[tokio::test]
async fn relations_are_followed() {
    let world = World::new().await;
    let mut said = Vec::new();
    for relation in
        ["Store__r.Partner_Id__c", "Store__r.Region_Code__c", "Store__r.Name", "Store__r.Nme", "Stor__r.X__c"]
    {
        let rule = format!("  {relation}: {{ from: response.place.partner_id }}\n");
        world.edit("mappings/case.yaml", LAST, &format!("{rule}{LAST}"));
        said.push(format!("{relation}\n{}\n", world.found().await));
        world.edit("mappings/case.yaml", &rule, "");
    }
    insta::assert_snapshot!(said.join("\n"), @"
    Store__r.Partner_Id__c
    exit 0

    Store__r.Region_Code__c
    warning S018 mappings/case.yaml:48:3: `Store__r.Region_Code__c` may find two records: `Region_Code__c` is not unique
    exit 0

    Store__r.Name
    error S018 mappings/case.yaml:48:3: `Store__r.Name` finds nothing: `Name` is not marked as an External ID
    exit 1

    Store__r.Nme
    error S006 mappings/case.yaml:48:3: Store__c has no field `Nme` that the integration user can see
    exit 1

    Stor__r.X__c
    error S017 mappings/case.yaml:48:3: Case has no relation `Stor__r` that the integration user can see
    exit 1
    ");
}

#[tokio::test]
async fn record_types_and_owners_are_looked_up_by_their_names() {
    let world = World::new().await;
    let rules = "  RecordType.DeveloperName: { value: Complant, on: create }
  Owner.DeveloperName:
    from: response.source
    map: { email: Customer_Service, google: Web }
    default: Web
    on: create
";
    world.edit("mappings/case.yaml", LAST, &format!("{rules}{LAST}"));
    insta::assert_snapshot!(world.found().await, @"
    error S029 mappings/case.yaml:48:38: the org has no active record type for Cases called `Complant`; the Case would be made without it
    error S029 mappings/case.yaml:51:45: the org has no queue called `Web`; the Case would be made without it
    exit 1
    ");
    world.edit("mappings/case.yaml", "Complant", "Complaint");
    world.edit("mappings/case.yaml", "Web", "Customer_Service");
    assert_eq!(world.found().await, "exit 0");
    world.edit("mappings/case.yaml", "Owner.DeveloperName", "Owner.Username");
    insta::assert_snapshot!(world.found().await, @"
    error S029 mappings/case.yaml:51:19: the org has no active user called `Customer_Service`; the Case would be made without it
    exit 1
    ");
    world.set(&json!({"hidden_objects": ["User"]}));
    let found = world.found().await;
    assert!(found.contains("S029 mappings/case.yaml:49:3: `Owner.Username` finds nothing"), "{found}");
}
