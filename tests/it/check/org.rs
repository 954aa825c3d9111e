//! Agents' work in the org: can the user see it, does it mail customers, what does polling it cost?

use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use serde_json::json;

use super::{World, field};

#[tokio::test]
async fn what_polls_read_and_agents_are_told() {
    let world = World::new().await;
    world.set(
        &json!({"hidden_fields": ["Case.Goodays_Call_Note__c", "User.Email", "Case.Goodays_Sync_Error__c"]}),
    );
    world.org.set_field("Case", Field { length: 20, ..field("Goodays_Sync_Status__c", Kind::Text) }).unwrap();
    world.edit(
        "mappings/actions.yaml",
        "case.Status == 'Spam'",
        "case.Status == 'Spm' or case.Status in ['New', 'Neu']",
    );
    insta::assert_snapshot!(world.found().await, @r"
    error S019 mappings/actions.yaml:22:78: Case has no field `Goodays_Call_Note__c` that the integration user can see, so polls would fail
    error S019 mappings/actions.yaml:8:17: User has no field `Email` that the integration user can see, so polls would fail
    error S019 mappings/actions.yaml:15:17: User has no field `Email` that the integration user can see, so polls would fail
    error S021 mappings/actions.yaml:27:52: `Status` never is `Spm` in this org, so this never holds
    error S021 mappings/actions.yaml:27:84: `Status` never is `Neu` in this org, so this never holds
    error S006 mappings/actions.yaml:35:55: Case has no field `Goodays_Sync_Error__c` that the integration user can see
    warning S020 mappings/actions.yaml:35:15: `Goodays_Sync_Status__c` holds 20 characters: what an agent is told would be cut
    error S023: the query that polls ask of Case is refused (INVALID_FIELD)
    error S023: the query that polls ask of CaseComment is refused (INVALID_FIELD)
    exit 1
    ");
}

#[tokio::test]
async fn conditions_that_never_hold_by_the_kind_of_their_field() {
    let world = World::new().await;
    world.edit("mappings/actions.yaml", "\"case.Status == 'Spam'\"", "case.Goodays_Call_Rating__c");
    world.edit(
        "mappings/actions.yaml",
        "case.Status == 'Closed by phone'",
        "case.Goodays_Call_Rating__c in ['5'] or case.Goodays_Alert__c == 'true' or case.Goodays_Remark_Type__c > 3",
    );
    world.edit(
        "mappings/actions.yaml",
        "when: case.IsClosed",
        "when: case.IsClosed and case.LastModifiedBy.Email",
    );
    insta::assert_snapshot!(world.found().await, @r"
    error S034 mappings/actions.yaml:27:35: `case.Goodays_Call_Rating__c` is a number, and `when` must give true or false
    error S021 mappings/actions.yaml:28:69: `case.Goodays_Call_Rating__c` is a number, so it never equals the text '5'
    error S021 mappings/actions.yaml:28:102: `case.Goodays_Alert__c` is true or false, so it never equals the text 'true'
    error S021 mappings/actions.yaml:28:141: `case.Goodays_Remark_Type__c` is a text, so it cannot be above or below the number 3
    error S034 mappings/actions.yaml:29:53: `case.LastModifiedBy.Email` is a text, and `when` must give true or false
    exit 1
    ");
}

#[tokio::test]
async fn fields_of_agents_that_cannot_be_emptied() {
    let world = World::new().await;
    let own = ["Command", "Approved", "Answer"].map(|name| format!("Case.Goodays_{name}__c"));
    world.set(&json!({ "read_only_fields": own }));
    insta::assert_snapshot!(world.found().await, @r"
    error S007 mappings/actions.yaml:9:12: the integration user can't write Case.Goodays_Command__c
    error S007 mappings/actions.yaml:10:13: the integration user can't write Case.Goodays_Approved__c
    error S007 mappings/actions.yaml:21:83: the integration user can't write Case.Goodays_Answer__c
    exit 1
    ");
}

#[tokio::test]
async fn a_command_and_an_approval_of_the_wrong_kind() {
    let world = World::new().await;
    world.edit("mappings/actions.yaml", "approved: Goodays_Approved__c", "approved: Goodays_Answer__c");
    world.edit("mappings/actions.yaml", "command: Goodays_Command__c", "command: Goodays_Call_Rating__c");
    world.edit(
        "mappings/actions.yaml",
        "case.Goodays_Command__c == 'answer'",
        "case.Goodays_Call_Rating__c == 5",
    );
    insta::assert_snapshot!(world.found().await, @r"
    error S035 mappings/actions.yaml:9:12: `Goodays_Call_Rating__c` (double) is no text and no picklist, so no command would be seen
    error S035 mappings/actions.yaml:10:13: `Goodays_Answer__c` (textarea) is no checkbox, so no approval would be seen
    exit 1
    ");
}

#[tokio::test]
async fn names_that_salesforce_spells_otherwise() {
    let world = World::new().await;
    world.edit("mappings/actions.yaml", "when: case.IsClosed", "when: case.isclosed");
    world.edit("mappings/case.yaml", "marker: Goodays_Message_Ids__c", "marker: goodays_message_ids__c");
    insta::assert_snapshot!(world.found().await, @r"
    error S030 mappings/case.yaml:26:9: Salesforce spells `goodays_message_ids__c` as `Goodays_Message_Ids__c`, so it would never be read
    error S030 mappings/actions.yaml:29:35: Salesforce spells `isclosed` as `IsClosed`, so it would never be read
    exit 1
    ");
}

#[tokio::test]
async fn what_only_the_query_itself_can_tell() {
    let world = World::new().await;
    world.edit("mappings/actions.yaml", "fields: [Status,", "fields: [Owner.Bogus__c, Status,");
    insta::assert_snapshot!(world.found().await, @"
    error S023: the query that polls ask of Case is refused (INVALID_FIELD)
    exit 1
    ");
}

#[tokio::test]
async fn objects_out_of_sight() {
    let world = World::new().await;
    world.set(&json!({"hidden_objects": ["CaseComment", "CaseStatus"]}));
    insta::assert_snapshot!(world.found().await, @"
    error S005: the integration user can't see the object CaseComment
    warning S005: the list of Case statuses can't be read; only `Closed` counts as closed
    error S023: the query that polls ask of CaseComment is refused (INVALID_TYPE)
    error S022: records of CaseComment can't be read
    exit 1
    ");
}

#[tokio::test]
async fn an_org_in_which_nobody_else_is_seen() {
    let world = World::new().await;
    world.org.reset();
    insta::assert_snapshot!(world.found().await, @"
    warning S022: no Case made by anybody else can be seen
    warning S022: no CaseComment made by anybody else can be seen
    exit 0
    ");
}

#[tokio::test]
async fn customers_are_not_mailed_twice() {
    let world = World::new().await;
    world.org.set_field("CaseComment", field("IsNotificationSelected", Kind::Boolean)).unwrap();
    world.edit("mappings/comment.yaml", "value: false", "value: true");
    insta::assert_snapshot!(world.found().await, @"
    warning S025 mappings/comment.yaml:14:3: imported comments are published: the customer may be mailed what Goodays told him already, and portal users read it
    warning S025 mappings/comment.yaml:14:3: this org can mail customers when a comment is published; agents' answers would reach them twice
    exit 0
    ");
    // What the check box takes for true.
    for published in ["value: 'True'", "value: 1", "from: response.context.extra.public, default: 'true'"] {
        let world = World::new().await;
        world.edit("mappings/comment.yaml", "value: false", published);
        assert!(
            world.found().await.contains("S025 mappings/comment.yaml:14:3: imported comments"),
            "{published}"
        );
    }
}

#[tokio::test]
async fn the_share_of_the_orgs_calls() {
    let world = World::new().await;
    world.org.set_daily_limit(15_000, 0);
    insta::assert_snapshot!(world.found().await, @"
    error S026: `api_calls_per_day` is 20000, the whole org has 15000 calls a day
    exit 1
    ");
    world.org.set_daily_limit(30_000, 25_000);
    insta::assert_snapshot!(world.found().await, @"
    warning S026: `api_calls_per_day` is 20000, 67 % of the org's 30000
    warning S026: only 4999 of the org's 30000 calls are left for now
    exit 0
    ");
    world.org.set_daily_limit(1_000_000, 0);
    world.edit("connector.yaml", "goodays:", "poll: { interval: 2s }\ngoodays:");
    insta::assert_snapshot!(world.found().await, @"
    error S026: a poll every 2 s takes 43200 calls a day, of the 20000 that `api_calls_per_day` allows
    exit 1
    ");
}

#[tokio::test]
async fn assignment_by_a_rule_that_cannot_be_seen() {
    let world = World::new().await;
    world.edit("mappings/case.yaml", "assignment: create", "assignment: 01Q000000000001AAA");
    insta::assert_snapshot!(world.found().await, @"
    warning S024: the assignment rule 01Q000000000001AAA can't be seen
    exit 0
    ");
}
