//! Fields of the Case: what is written, what is left alone, what does not fit.

use super::*;

#[test]
fn a_value_that_changed_in_goodays_is_written_and_an_agents_is_not_undone() {
    let link = linked(&[]);
    let mut changed = response(&[]);
    changed["user"]["email"] = json!("ann.lee@customer.example");
    changed["message"]["type"] = json!("Praise");
    changed["updated_date"] = json!(stamp(minute(1)));
    let changed = read(&json!({"event_type": "response", "response": changed})).unwrap();
    let events = [changed];
    let plan = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan();
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      SuppliedEmail = "ann.lee@customer.example"
    "#);
    // The ledger was lost: an agent may have changed the fields.
    let mut lost = Link::new(response_id());
    lost.case = link.case;
    let plan = Seen { events: &events, link: Some(&lost), ..Seen::default() }.plan();
    assert_eq!(shown(&plan), "no write");
    assert_eq!(plan.link_update.fields.len(), 6, "it is remembered from now on");
}

#[test]
fn a_blank_overwrites_nothing_unless_the_mapping_says_so() {
    let clearing =
        mapping_with(&[("{ from: response.user.email }", "{ from: response.user.email, clear: true }")]);
    let mut blank = response(&[]);
    blank["user"] = json!({"email": " "});
    blank["updated_date"] = json!(stamp(minute(1)));
    let events = [read(&json!({"event_type": "response", "response": blank})).unwrap()];
    let link = linked(&[]);
    let seen = Seen { events: &events, link: Some(&link), ..Seen::default() };
    assert_eq!(shown(&seen.plan()), "no write");
    assert_snapshot!(shown(&seen.plan_with(&context_of(&clearing))), @"
    patch Case 500000000000001AAA
      SuppliedEmail = null
    ");
}

/// A look-up by an external id is emptied, too: by the field that refers.
#[test]
fn a_look_up_is_emptied_when_the_mapping_says_so() {
    let rule = "{ from: response.place.partner_id, clear: true }";
    let mapping = mapping_with(&[("fields:\n", &format!("fields:\n  Store__r.Partner_Id__c: {rule}\n"))]);
    let at = |place: Value, n: i64| {
        let mut body = response(&[]);
        body["place"] = place;
        body["updated_date"] = json!(stamp(minute(n)));
        [read(&json!({"event_type": "response", "response": body})).unwrap()]
    };
    let fields = json!([{"name": "Id"}, {"name": "Goodays_Message_Ids__c"}, {"name": "Goodays_Response_Id__c"},
        {"name": "Store__c", "type": "reference", "relationshipName": "Store__r", "referenceTo": ["Store__c"]}]);
    let case = Describe::from_value(&json!({"name": "Case", "fields": fields})).unwrap();
    let context = PlanContext { case: Some(&case), ..context_of(&mapping) };
    let there = at(json!({"partner_id": "77"}), 0);
    let plan = Seen { events: &there, ..Seen::default() }.plan_with(&context);
    assert_eq!(plan.write.as_ref().unwrap().fields["Store__r"], json!({"Partner_Id__c": "77"}));
    let link = learned(&plan, None);
    let gone = at(Value::Null, 1);
    let plan = Seen { events: &gone, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert_eq!(plan.write.as_ref().unwrap().fields, *json!({"Store__c": null}).as_object().unwrap());
    assert!(plan.reports.iter().all(|report| !report.field.starts_with("Store")), "{:?}", plan.reports);
}

/// An agent corrected the value meanwhile.
#[test]
fn a_value_that_comes_back_after_a_blank_is_no_new_one() {
    let link = linked(&[]);
    let at = |email: Value, n: i64| {
        let mut body = response(&[]);
        body["user"]["email"] = email;
        body["updated_date"] = json!(stamp(minute(n)));
        [read(&json!({"event_type": "response", "response": body})).unwrap()]
    };
    for left_out in [Value::Null, json!(" ")] {
        let blank = at(left_out, 1);
        let plan = Seen { events: &blank, link: Some(&link), ..Seen::default() }.plan();
        let link = learned(&plan, Some(&link));
        let again = at(json!("ann@customer.example"), 2);
        let plan = Seen { events: &again, link: Some(&link), ..Seen::default() }.plan();
        assert_eq!(shown(&plan), "no write");
    }
}

#[test]
fn refused_fields_are_left_out_or_shortened_and_reported() {
    let drop = |field: &str| FieldFix::Drop { field: field.to_owned(), code: "INVALID".to_owned() };
    let fixes = [
        drop("SuppliedEmail"),
        FieldFix::Shorten { field: "Subject".to_owned(), max: Some(7) },
        FieldFix::Shorten { field: "Description".to_owned(), max: None },
        drop("IsPublished"),
        FieldFix::StripControl,
    ];
    let talk = [said("c1", 'c', 1, "Hi.")];
    let events = [event(&talk)];
    let context = PlanContext { fixes: &fixes, ..plan_context() };
    let plan = Seen { events: &events, ..Seen::default() }.plan_with(&context);
    assert_snapshot!(shown(&plan), @r#"
    insert Case (assignment Create)
      Subject = "Problem"
      Description = "It is broke"
      SuppliedName = "Ann Lee"
      Origin = "Goodays"
      Priority = "Medium"
      Status = "New"
      Goodays_Next_Action__c = "Public reply"
      Goodays_Message_Ids__c = "c1"
      Goodays_Response_Id__c = "r1"
      + CaseComment by ParentId: CommentBody = "Ann Lee, 2026-01-01 10:01:\nHi."
    report IsPublished: INVALID
    report Subject: STRING_TOO_LONG
    report Description: STRING_TOO_LONG
    report SuppliedEmail: INVALID
    "#);
    let link = learned(&plan, None);
    let again = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert!(again.write.is_none());
}

/// The Case was made while the org did not show a field. The value is written once it does, and a value that was refused
/// for its own sake is left to the agent.
#[test]
fn a_field_that_was_hidden_when_the_case_was_made_is_written_later() {
    let shows = |names: &[&str]| {
        let fields: Vec<Value> = names.iter().map(|name| json!({"name": name, "type": "string"})).collect();
        Describe::from_value(&json!({"name": "Case", "fields": fields})).unwrap()
    };
    let (some, more) = (["Id", "SuppliedName"], ["Id", "SuppliedName", "SuppliedEmail", "Subject"]);
    let (some, more) = (shows(&some), shows(&more));
    let refused = [FieldFix::Drop { field: "SuppliedName".to_owned(), code: "INVALID".to_owned() }];
    let events = [event(&[])];
    let context = PlanContext { case: Some(&some), fixes: &refused, ..plan_context() };
    let plan = Seen { events: &events, ..Seen::default() }.plan_with(&context);
    let fields: Vec<String> = plan.write.as_ref().unwrap().fields.keys().cloned().collect();
    assert_eq!(fields, ["Goodays_Message_Ids__c", "Goodays_Response_Id__c"]);
    let link = learned(&plan, None);
    let plan = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert!(plan.write.is_none(), "it is still hidden");
    let link = learned(&plan, Some(&link));
    let context = PlanContext { case: Some(&more), ..plan_context() };
    let plan = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert_eq!(
        plan.write.as_ref().unwrap().fields,
        *json!({"SuppliedEmail": "ann@customer.example"}).as_object().unwrap()
    );
    let link = learned(&plan, Some(&link));
    let plan = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert!(plan.write.is_none(), "it is written once");
}

#[test]
fn values_fit_what_the_org_says_of_its_fields() {
    let names = ["Subject", "Description", "SuppliedName", "Origin", "Status", "Goodays_Next_Action__c"];
    let mut fields: Vec<Value> =
        names.iter().map(|n| json!({"name": n, "type": "string", "length": 10})).collect();
    fields.push(json!({"name": "Id"}));
    fields.push(json!({"name": "SuppliedEmail", "type": "email", "length": 80}));
    fields.push(json!({"name": "Priority", "type": "picklist", "restrictedPicklist": true,
                       "picklistValues": [{"value": "High", "active": true}]}));
    fields.push(json!({"name": "Goodays_Message_Ids__c", "type": "textarea", "length": 11}));
    let case = Describe::from_value(&json!({"name": "Case", "fields": fields})).unwrap();
    let mut odd =
        response(&[said("b1", 'b', 1, "Hi."), said("c-long", 'c', 2, "Hi."), said("c2", 'c', 3, "Ho.")]);
    odd["user"]["email"] = json!("not an address");
    odd["context"] = json!({"phone": "12"});
    let events = [read(&json!({"event_type": "message", "response": odd})).unwrap()];
    let context = PlanContext { case: Some(&case), ..plan_context() };
    let plan = Seen { events: &events, ..Seen::default() }.plan_with(&context);
    assert_snapshot!(shown(&plan), @r#"
    insert Case (assignment Create)
      Subject = "Problem - "
      Description = "It is brok"
      SuppliedName = "Ann Lee"
      Origin = "Goodays"
      Status = "New"
      Goodays_Next_Action__c = "Private me"
      Goodays_Message_Ids__c = "c-long c2"
      Goodays_Response_Id__c = "r1"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Bob Ray, 2026-01-01 10:01:\nHi."
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:02:\nHi."
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:03:\nHo."
    report Subject: SHORTENED
    report Description: SHORTENED
    report SuppliedEmail: INVALID_EMAIL
    report SuppliedPhone: unknown_field
    report Priority: UNKNOWN_PICKLIST_VALUE
    report Goodays_Next_Action__c: SHORTENED
    "#);
    // The marker has the newest ids, the ledger all of them.
    let link = learned(&plan, None);
    let again = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan_with(&context);
    assert!(again.write.is_none());
}

#[test]
fn notes_tell_the_agent_the_last_word() {
    let link = linked(&[]);
    let of = |notes: &[Note]| shown(&Seen { notes, link: Some(&link), ..Seen::default() }.plan());
    let all = [
        note(Feedback::Sent, "reply", "", None),
        note(Feedback::Settled, "close", "", None),
        note(Feedback::Unclear, "answer", "No answer.", None),
        note(Feedback::Failed, "answer", "Not allowed.", None),
        note(Feedback::Observed, "message", "", None),
    ];
    let each: Vec<String> = all.iter().map(|n| of(std::slice::from_ref(n))).collect();
    assert_snapshot!(each.join("\n"), @r#"
    patch Case 500000000000001AAA
      Goodays_Sync_Status__c = "Sent: public reply"
      Goodays_Sync_Error__c = null
    patch Case 500000000000001AAA
      Goodays_Sync_Status__c = "Nothing to send: already handled in Goodays"
      Goodays_Sync_Error__c = null
    patch Case 500000000000001AAA
      Goodays_Sync_Status__c = "Unclear: please check in Goodays"
      Goodays_Sync_Error__c = "No answer."
    patch Case 500000000000001AAA
      Goodays_Sync_Status__c = "Not sent"
      Goodays_Sync_Error__c = "Not allowed."
    patch Case 500000000000001AAA
      Goodays_Sync_Status__c = "Would be sent: private message"
      Goodays_Sync_Error__c = null
    "#);
    assert_eq!(of(&[all[3].clone(), all[0].clone()]), of(&all[..1]));
    let without = Seen { notes: &all, ..Seen::default() }.plan();
    assert_eq!(shown(&without), "skipped: no Case to tell it on\nno write");
}

#[test]
fn the_view_after_an_action_brings_fields_and_marks_up_to_date() {
    let mut link = linked(&[]);
    let talk = [said("b1", 'b', 1, "Hello.")];
    link.learn(id("b1"), Some(GoodaysTime::from_millis(minute(1))), MessageOrigin::Sent);
    let notes = [note(Feedback::Sent, "reply", "", Some(response(&talk)))];
    let plan = Seen { notes: &notes, link: Some(&link), ..Seen::default() }.plan();
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      Goodays_Next_Action__c = "Private message"
      Goodays_Sync_Status__c = "Sent: public reply"
      Goodays_Sync_Error__c = null
      Goodays_Message_Ids__c = "b1"
    "#);
    let link = learned(&plan, Some(&link));
    assert_eq!(link.waiting_since, None);
    assert_eq!(link.replied, Some(RepliedBy::Us));
    assert_eq!(shown(&after(&link, &talk)), "no write");
}
