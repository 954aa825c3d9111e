mod fields;
mod lost_state;
mod own_answers;
mod several;

use crate::messages::Words;
use insta::assert_snapshot;

use crate::decide::inbound::MAX_COMMENTS;
use crate::decide::tests::*;
use crate::decide::{CaseRef, Feedback, MessageOrigin, RepliedBy, hash64};
use crate::salesforce::describe::Describe;
use crate::salesforce::field_fix::FieldFix;

/// The first plan for an event; the second plan must be empty.
fn first(event: &Value) -> String {
    let events = [read(event).unwrap()];
    let plan = Seen { events: &events, ..Seen::default() }.plan();
    let link = learned(&plan, None);
    let again = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan();
    assert_eq!(shown(&again), "no write", "a repeat changes nothing");
    assert_eq!(learned(&again, Some(&link)), link, "a repeat teaches nothing");
    shown(&plan)
}

fn after(link: &Link, talk: &[Said]) -> Plan {
    Seen { events: &[event(talk)], link: Some(link), ..Seen::default() }.plan()
}

fn how(link: &Link) -> Vec<(&str, MessageOrigin)> {
    link.known.iter().map(|k| (k.id.as_str(), k.origin)).collect()
}

/// A Case that was read back, without other facts in the ledger.
fn relearned(marked: &[&str]) -> Link {
    let mut link = Link::new(response_id());
    link.case = Some(CaseRef { id: case_id(), number: None });
    for one in marked {
        link.learn(id(one), None, MessageOrigin::Imported);
    }
    link.marked = u32::try_from(marked.len()).unwrap();
    link
}

fn note(told: Feedback, action: &str, reason: &str, view: Option<Value>) -> Note {
    Note { view, ..Note::new(told, action, "", Words::plain(reason)) }
}

#[test]
fn the_documented_first_contact() {
    assert_snapshot!(first(&fixture!("response")), @r#"
    insert Case (assignment Create)
      Subject = "Problem - place name"
      Description = "The seller needs to respond in a timely manner and respond to my needs. Often t…"
      SuppliedName = "Chester COPPERPOT"
      SuppliedEmail = "[email protected]"
      Origin = "Goodays"
      Priority = "High"
      Status = "New"
      Goodays_Next_Action__c = "Public reply"
      Goodays_Alert__c = false
      Goodays_Message_Ids__c = ""
      Goodays_Response_Id__c = "vdOpL1NJ74l"
    "#);
    assert_snapshot!(first(&fixture!("response_context_phone_crm_id")), @r#"
    insert Case (assignment Create)
      Subject = "Problem - place name"
      Description = "The seller needs to respond in a timely manner and respond to my needs. Often t…"
      SuppliedName = "Chester COPPERPOT"
      SuppliedEmail = "[email protected]"
      Origin = "Goodays"
      Priority = "High"
      Status = "New"
      Goodays_Next_Action__c = "Public reply"
      Goodays_Alert__c = false
      Goodays_Message_Ids__c = ""
      Goodays_Response_Id__c = "vdOpL1NJ74l"
    "#);
}

#[test]
fn the_documented_delegation() {
    assert_snapshot!(first(&fixture!("delegated")), @r#"
    insert Case (assignment Create)
      Subject = "Problem - place name"
      Description = "The seller needs to respond in a timely manner and respond to my needs. Often t…"
      SuppliedName = "Chester COPPERPOT"
      SuppliedEmail = "[email protected]"
      Origin = "Goodays"
      Priority = "High"
      Status = "New"
      Goodays_Next_Action__c = "Public reply"
      Goodays_Alert__c = false
      Goodays_Message_Ids__c = ""
      Goodays_Response_Id__c = "vdOpL1NJ74l"
    "#);
    assert_eq!(first(&fixture!("delegated_malformed_urls")), first(&fixture!("delegated")));
}

#[test]
fn the_documented_messages() {
    assert_snapshot!(first(&fixture!("message_first")), @r#"
    insert Case (assignment Create)
      Subject = "Problem - place name"
      Description = "The seller needs to respond in a timely manner and respond to my needs. Often t…"
      SuppliedName = "Chester COPPERPOT"
      SuppliedEmail = "[email protected]"
      Origin = "Goodays"
      Priority = "High"
      Status = "New"
      Goodays_Next_Action__c = "Private message"
      Goodays_Alert__c = false
      Goodays_Message_Ids__c = "54EjZ70lxy vdJmjjLk8D"
      Goodays_Response_Id__c = "vdOpL1NJ74l"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Jennifer Parker, 2020-02-05 12:20:\nDear Customer, thank you for your feedback.…"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Chester Copperpot, 2020-02-06 09:20:\nThank you for your response. I need more …"
    "#);
    assert_snapshot!(first(&fixture!("message_second_customer_turn")), @r#"
    insert Case (assignment Create)
      Subject = "Problem - place name"
      Description = "The seller needs to respond in a timely manner and respond to my needs. Often t…"
      SuppliedName = "Chester COPPERPOT"
      SuppliedEmail = "[email protected]"
      Origin = "Goodays"
      Priority = "High"
      Status = "New"
      Goodays_Next_Action__c = "Private message"
      Goodays_Alert__c = false
      Goodays_Message_Ids__c = "54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY"
      Goodays_Response_Id__c = "vdOpL1NJ74l"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Jennifer Parker, 2020-02-05 12:20:\nDear Customer, thank you for your feedback.…"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Chester Copperpot, 2020-02-06 09:20:\nThank you for your response. I need more …"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Jennifer Parker, 2020-02-06 13:33:\nDear customer, thank you for your interest …"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Chester Copperpot, 2020-02-10 16:20:\nThank you! See you soon 😊"
    "#);
}

#[test]
fn the_documented_conversation_event_by_event() {
    let mut link = None;
    let mut all = Vec::new();
    for body in [fixture!("response"), fixture!("message_first"), fixture!("message_second_customer_turn")] {
        let events = [read(&body).unwrap()];
        let plan = Seen { events: &events, link: link.as_ref(), ..Seen::default() }.plan();
        all.push(shown(&plan));
        link = Some(learned(&plan, link.as_ref()));
    }
    assert_snapshot!(all[1..].join("\n"), @r#"
    patch Case 500000000000001AAA
      Status = "Customer Replied"
      Goodays_Next_Action__c = "Private message"
      Goodays_Message_Ids__c = "54EjZ70lxy vdJmjjLk8D"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Jennifer Parker, 2020-02-05 12:20:\nDear Customer, thank you for your feedback.…"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Chester Copperpot, 2020-02-06 09:20:\nThank you for your response. I need more …"
    patch Case 500000000000001AAA
      Status = "Customer Replied"
      Goodays_Message_Ids__c = "54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Jennifer Parker, 2020-02-06 13:33:\nDear customer, thank you for your interest …"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Chester Copperpot, 2020-02-10 16:20:\nThank you! See you soon 😊"
    "#);
}

#[test]
fn several_events_make_one_write_whatever_their_order() {
    let events = [fixture!("response"), fixture!("message_first"), fixture!("message_second_customer_turn")]
        .map(|body| read(&body).unwrap());
    let one = Seen { events: &events[2..], ..Seen::default() }.plan();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let shuffled = order.map(|i| events[i].clone());
        let all = Seen { events: &shuffled, ..Seen::default() }.plan();
        assert_eq!(all.write, one.write, "{order:?}");
        assert_eq!(all.link_update, one.link_update, "{order:?}");
    }
}

#[test]
fn a_long_conversation_goes_in_several_transactions_oldest_first() {
    let n = i64::try_from(MAX_COMMENTS).unwrap() * 2 + 7;
    let talk: Vec<Said> =
        (0..n).map(|i| said(&format!("m{i}"), if i % 2 == 0 { 'b' } else { 'c' }, i + 1, "words")).collect();
    let events = [event(&talk)];
    let (mut link, mut sizes) = (None, Vec::new());
    loop {
        let plan = Seen { events: &events, link: link.as_ref(), ..Seen::default() }.plan();
        let Some(write) = &plan.write else { break };
        let status = write.fields.get("Status").and_then(Value::as_str).map(str::to_owned);
        sizes.push((write.patch.is_some(), write.comments.len(), plan.more, status));
        link = Some(learned(&plan, link.as_ref()));
    }
    assert_snapshot!(format!("{sizes:#?}"), @r#"
    [
        (
            false,
            150,
            true,
            Some(
                "New",
            ),
        ),
        (
            true,
            150,
            true,
            None,
        ),
        (
            true,
            7,
            false,
            None,
        ),
    ]
    "#);
    let known: Vec<String> = link.unwrap().known.iter().map(|k| k.id.to_string()).collect();
    assert_eq!(known, talk.iter().map(|s| s.id.clone()).collect::<Vec<_>>());
}

#[test]
fn a_long_message_is_numbered_parts_with_one_mark() {
    let talk = [said("c1", 'c', 1, &"long words ".repeat(800))];
    let plan = Seen { events: &[event(&talk)], ..Seen::default() }.plan();
    assert_snapshot!(shown(&plan), @r#"
    insert Case (assignment Create)
      Subject = "Problem - Lille"
      Description = "It is broken."
      SuppliedName = "Ann Lee"
      SuppliedEmail = "ann@customer.example"
      Origin = "Goodays"
      Priority = "Medium"
      Status = "New"
      Goodays_Next_Action__c = "Public reply"
      Goodays_Message_Ids__c = "c1"
      Goodays_Response_Id__c = "r1"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "(1/3) Ann Lee, 2026-01-01 10:01:\nlong words long words long words long words l…"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "(2/3) words long words long words long words long words long words long words l…"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "(3/3) words long words long words long words long words long words long words l…"
    "#);
    let link = linked(&talk);
    assert_eq!(shown(&after(&link, &talk)), "no write");
    // The parts are recognised as this message when they are read back.
    let texts = plan.write.unwrap().comments;
    let texts: Vec<String> = texts.iter().map(|c| c["CommentBody"].as_str().unwrap().to_owned()).collect();
    let events = [event(&talk)];
    let lost = relearned(&[]);
    let seen = Seen { events: &events, link: Some(&lost), comments: &texts, ..Seen::default() };
    assert_eq!(seen.plan().write.unwrap().comments.len(), 0);
    let seen = Seen { comments: &texts[1..], ..seen };
    assert_eq!(seen.plan().write.unwrap().comments.len(), 3, "one part is missing");
}

#[test]
fn the_reply_event_changes_no_status() {
    let link = linked(&[]);
    let talk = [said("c1", 'c', 1, "One more thing."), said("b1", 'b', 2, "Hello.")];
    assert_snapshot!(shown(&after(&link, &talk)), @r#"
    patch Case 500000000000001AAA
      Goodays_Next_Action__c = "Private message"
      Goodays_Message_Ids__c = "c1 b1"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:01:\nOne more thing."
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Bob Ray, 2026-01-01 10:02:\nHello."
    "#);
    // Also when its newest message is a customer's (design, rule 15).
    let reply = read(&json!({"event_type": "reply", "response": response(&talk[..1])})).unwrap();
    let plan = Seen { events: &[reply], link: Some(&link), ..Seen::default() }.plan();
    assert_eq!(plan.write.unwrap().fields.get("Status"), None);
}

#[test]
fn what_is_not_imported_is_known_but_not_marked() {
    let customers = mapping_with(&[("import: [customer, brand]", "import: [customer]")]);
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Hi."), said("u1", 'u', 3, "Who am I?")];
    let plan = Seen { events: &[event(&talk)], ..Seen::default() }.plan_with(&context_of(&customers));
    assert_eq!(plan.write.as_ref().unwrap().fields["Goodays_Message_Ids__c"], "c1 u1");
    let link = learned(&plan, None);
    assert_eq!(
        how(&link),
        [("b1", MessageOrigin::Skipped), ("c1", MessageOrigin::Imported), ("u1", MessageOrigin::Imported)]
    );
}

#[test]
fn perimeter_and_when_decide_only_about_what_has_no_case() {
    let delegated = Perimeter { delegated_only: true, places: vec!["18".to_owned()] };
    let shops = Perimeter { delegated_only: true, places: vec!["17".to_owned()] };
    let picky = mapping_with(&[("when: \"true\"", "when: \"response.place.partner_id == '18'\"")]);
    let talk = [said("c1", 'c', 1, "Hi.")];
    let events = [event(&talk)];
    let link = linked(&[]);
    let of = |context: &PlanContext<'_>, link| {
        let plan = Seen { events: &events, link, ..Seen::default() }.plan_with(context);
        plan.skipped.unwrap_or(if plan.write.is_some_and(|w| w.patch.is_some()) { "patch" } else { "insert" })
    };
    let outside = PlanContext { perimeter: &delegated, ..plan_context() };
    let inside = PlanContext { perimeter: &shops, ..plan_context() };
    assert_eq!(of(&outside, None), "outside the perimeter");
    assert_eq!(of(&outside, Some(&link)), "patch");
    assert_eq!(of(&inside, None), "insert");
    assert_eq!(of(&context_of(&picky), None), "no mapping wants it");
    assert_eq!(of(&context_of(&picky), Some(&link)), "patch");
    let delegation = [read(&fixture!("delegated")).unwrap()];
    assert!(Seen { events: &delegation, ..Seen::default() }.plan_with(&outside).write.is_some());
}

#[test]
fn a_late_event_brings_what_is_missing_and_changes_no_field() {
    let talk =
        [said("b1", 'b', 1, "We are sorry."), said("c1", 'c', 2, "Thanks."), said("c2", 'c', 3, "Bye.")];
    let mut link = linked(&talk);
    let before = link.clone();
    link.known.retain(|k| k.id != id("c1"));
    link.marked -= 1;
    let mut late = response(&talk[..2]);
    late["user"]["first_name"] = json!("Anna");
    let late = read(&json!({"event_type": "message", "response": late})).unwrap();
    let plan = Seen { events: &[late], link: Some(&link), ..Seen::default() }.plan();
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      Goodays_Message_Ids__c = "b1 c2 c1"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:02:\nThanks."
    "#);
    let after = learned(&plan, Some(&link));
    assert_eq!(after.fields, before.fields);
    assert_eq!((after.fresh, after.waiting_since), (before.fresh, before.waiting_since));
    assert_eq!(after.last_customer, Some(id("c2")), "an old view does not know the newest message");
}

#[test]
fn a_message_dated_ahead_of_goodays_clock_does_not_hide_that_the_customer_wrote_last() {
    let ahead = said("b2", 'b', 63, "An hour ahead.");
    let begin = [said("b1", 'b', 1, "Hello."), ahead];
    let link = linked(&begin);
    let talk = |ids: &[&str]| {
        let new = ids.iter().zip(3..).map(|(id, at)| said(id, 'c', at, "Still broken."));
        begin.iter().cloned().chain(new).collect::<Vec<_>>()
    };
    let status = |link: &Link, talk: &[Said], now: Option<i64>| {
        let now = now.map(|at| GoodaysTime::from_millis(minute(at)));
        let plan = Seen { events: &[event(talk)], link: Some(link), now, ..Seen::default() }.plan();
        let status = plan.write.as_ref().unwrap().fields.get("Status").cloned();
        (status, learned(&plan, Some(link)))
    };
    let replied = Some(json!("Customer Replied"));
    let (first, link_after) = status(&link, &talk(&["c1"]), Some(3));
    assert_eq!(first, replied);
    assert_eq!(status(&link_after, &talk(&["c1", "c2"]), Some(4)).0, replied);
    assert_eq!(status(&linked(&begin[..1]), &talk(&["c1"]), Some(3)).0, replied, "it is new as well");
    assert_eq!(status(&link, &talk(&["c1"]), Some(63)).0, None, "the date is reached");
    assert_eq!(status(&link, &talk(&["c1"]), None).0, None, "only the dates are known");
}

#[test]
fn a_read_back_view_does_not_turn_back_who_wrote_last() {
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Hm."), said("c2", 'c', 3, "Well.")];
    let link = linked(&talk);
    let notes = [note(Feedback::Failed, "answer", "No.", Some(response(&talk)))];
    let late = [event(&talk[..2])];
    let plan = Seen { events: &late, notes: &notes, link: Some(&link), ..Seen::default() }.plan();
    assert_eq!(learned(&plan, Some(&link)).last_customer, Some(id("c2")));
}

#[test]
fn messages_come_in_the_order_of_the_conversation() {
    // Newest first; a message without a time is placed after the one before it.
    let body = json!({"event_type": "message", "response": {"id": "r1", "created_date": stamp(minute(0)),
    "user": {"email": "ann@customer.example"}, "attached_messages": [
        {"id": "three", "content": "3", "sender": {"email": "ann@customer.example"}},
        {"id": "two", "content": "2", "created_date": stamp(minute(2))},
        {"id": "one", "content": "1", "created_date": stamp(minute(1))},
    ]}});
    let plan = Seen { events: &[read(&body).unwrap()], ..Seen::default() }.plan();
    assert_eq!(how(&learned(&plan, None)).iter().map(|k| k.0).collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[test]
fn a_speaker_who_is_known_to_one_event_is_known() {
    let link = linked(&[]);
    let masked = json!({"id": "c1", "content": "Still broken.", "created_date": stamp(minute(1)),
                        "sender": {"email": "[email protected]"}});
    let mut told = response(&[]);
    told["attached_messages"] = json!([masked]);
    // The sweep does not say who wrote it; the webhook does.
    let bodies = [
        json!({"event_type": "sweep", "response": told}),
        json!({"event_type": "message", "response": told, "message": masked}),
    ];
    for order in [[0, 1], [1, 0]] {
        let events = order.map(|i: usize| read(&bodies[i]).unwrap());
        let plan = Seen { events: &events, link: Some(&link), ..Seen::default() }.plan();
        assert_eq!(plan.write.unwrap().fields.get("Status"), Some(&json!("Customer Replied")), "{order:?}");
    }
}
