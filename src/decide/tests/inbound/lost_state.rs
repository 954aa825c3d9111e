//! After loss of the local state, and after a Case was deleted.

use super::*;

#[test]
fn after_loss_of_state_comments_that_no_id_claims_tell_what_is_known() {
    let talk = [
        said("b1", 'b', 1, "Sent by us."),
        said("c1", 'c', 2, "In the marker."),
        said("c2", 'c', 3, "Not in the marker."),
        said("c3", 'c', 4, "Never imported."),
    ];
    let comments = [
        "Sent by  us.",
        "Ann Lee, 2026-01-01 10:02:\nIn the marker.",
        "Ann Lee, 2026-01-01 10:03:\r\nNot in the marker.",
        "A word among colleagues.",
    ]
    .map(str::to_owned);
    let link = relearned(&["c1"]);
    let events = [event(&talk)];
    let plan = Seen { events: &events, link: Some(&link), comments: &comments, ..Seen::default() }.plan();
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      Status = "Customer Replied"
      Goodays_Message_Ids__c = "c1 b1 c2 c3"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:04:\nNever imported."
    "#);
    assert!(learned(&plan, Some(&link)).known.iter().all(|k| k.origin == MessageOrigin::Imported));
}

#[test]
fn a_marked_message_claims_its_comment_before_others_do() {
    let talk = [said("b1", 'b', 1, "Hello."), said("b2", 'b', 2, "Hello.")];
    let comments = ["Hello.".to_owned()];
    for (marked, missing) in [("b1", "b2"), ("b2", "b1")] {
        let link = relearned(&[marked]);
        let events = [event(&talk)];
        let plan = Seen { events: &events, link: Some(&link), comments: &comments, ..Seen::default() }.plan();
        assert_eq!(plan.write.unwrap().comments.len(), 1, "{missing} stands nowhere");
    }
}

#[test]
fn an_agents_comment_is_not_taken_for_the_customers_same_words() {
    let link = relearned(&[]);
    let comments = ["Thank you!".to_owned()];
    let events = [event(&[said("c1", 'c', 1, "Thank you!")])];
    let plan = Seen { events: &events, link: Some(&link), comments: &comments, ..Seen::default() }.plan();
    assert_eq!(plan.write.unwrap().comments.len(), 1);
}

#[test]
fn a_deleted_case_has_a_successor_once_the_customer_writes() {
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Still broken.")];
    let mut link = linked(&talk[..1]);
    link.gone.extend(link.case.take());
    link.gone[0].number = Some("00001001".to_owned());
    link.marked = 0;
    assert_snapshot!(shown(&after(&link, &talk[..1])), @"
    skipped: its Case was deleted and the customer wrote nothing new
    no write
    ");
    assert_snapshot!(shown(&after(&link, &[talk[0].clone(), said("b2", 'b', 2, "Anything else?")])), @"
    skipped: its Case was deleted and the customer wrote nothing new
    no write
    ");
    let plan = after(&link, &talk);
    assert_snapshot!(shown(&plan), @r#"
    insert Case (assignment Create)
      Subject = "Problem - Lille"
      Description = "It is broken."
      SuppliedName = "Ann Lee"
      SuppliedEmail = "ann@customer.example"
      Origin = "Goodays"
      Priority = "Medium"
      Status = "New"
      Goodays_Next_Action__c = "Private message"
      Goodays_Message_Ids__c = "b1 c1"
      Goodays_Response_Id__c = "r1"
      + CaseComment by ParentId: CommentBody = "This continues Case 00001001, which was deleted."
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:02:\nStill broken."
    "#);
    let link = learned(&plan, Some(&link));
    assert_eq!(shown(&after(&link, &talk)), "no write");
}

#[test]
fn a_successor_inherits_no_status() {
    let silent = mapping_with(&[("- { value: New, on: create }", "- { value: null, on: create }")]);
    let mut link = linked(&[]);
    link.gone.extend(link.case.take());
    link.last_seen_fields = json!({"Status": "Closed", "IsClosed": true}).as_object().unwrap().clone();
    let talk = [said("c1", 'c', 1, "Still broken.")];
    let plan = Seen { events: &[event(&talk)], link: Some(&link), ..Seen::default() }
        .plan_with(&context_of(&silent));
    let link = learned(&plan, Some(&link));
    assert_eq!(
        (link.active_status_rule, link.last_seen_fields),
        (None, Map::new()),
        "else closing it would be no edge"
    );
}
