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
    assert_eq!(plan.link_update.fields.len(), 5, "it is remembered from now on");
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

#[test]
fn our_own_answer_coming_back_settles_its_intent_and_is_no_comment() {
    let link = linked(&[]);
    let sending = on_its_way(Verb::Reply, &["v"]);
    let unclear = IntentState::Unclear { since_ms: 0, why: String::new(), sending: sending.clone() };
    for state in [IntentState::Sending(sending), unclear] {
        let intents = [intent(7, answer("We are sorry.\r\n  Tom & Jerry", Audience::Public), state)];
        let talk = [said("b1", 'b', 1, "We are sorry. Tom &amp; Jerry "), said("c1", 'c', 2, "Thanks.")];
        let events = [event(&talk)];
        let plan = Seen { events: &events, link: Some(&link), intents: &intents, ..Seen::default() }.plan();
        insta::allow_duplicates! {
            assert_snapshot!(shown(&plan), @r#"
            patch Case 500000000000001AAA
              Status = "Customer Replied"
              Goodays_Next_Action__c = "Private message"
              Goodays_Message_Ids__c = "b1 c1"
              + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:02:\nThanks."
            settles 7 (reply) with b1
            "#);
        }
        let after = learned(&plan, Some(&link));
        assert_eq!(how(&after), [("b1", MessageOrigin::Sent), ("c1", MessageOrigin::Imported)]);
        assert_eq!(after.replied, Some(RepliedBy::Us));
    }
}

#[test]
fn a_colleagues_text_is_news_while_ours_is_on_its_way() {
    let link = linked(&[]);
    let sending = Sending { as_author: true, ..on_its_way(Verb::Reply, &["v", "b0"]) };
    let mut ours = [intent(7, answer("We are sorry.", Audience::Public), IntentState::Sending(sending))];
    ours[0].author = Some("eve@brand.example".to_owned());
    let plan_of = |talk: &[Said]| {
        Seen { events: &[event(talk)], link: Some(&link), intents: &ours, ..Seen::default() }.plan()
    };
    // Another text by another user; the same text seen before the attempt; the same text from the customer.
    for talk in [
        said("b1", 'b', 1, "Sorry, that is us."),
        said("b0", 'b', 1, "We are sorry."),
        said("c1", 'c', 1, "We are sorry."),
    ] {
        let plan = plan_of(&[talk]);
        assert_eq!(plan.settles, []);
        assert_eq!(plan.write.unwrap().comments.len(), 1);
    }
    // The same text twice: one was ours.
    let plan = plan_of(&[said("b1", 'b', 1, "We are sorry."), said("b2", 'b', 2, "We are sorry.")]);
    assert_eq!(settled(&plan), [(7, id("b1"))]);
    assert_eq!(plan.write.unwrap().comments.len(), 1);
}

/// A04: the author is not known until the action is settled; the customer's messages do not wait for that.
#[test]
fn a_message_that_may_be_ours_waits_and_holds_nobody_up() {
    let link = linked(&[]);
    let words = answer("We are sorry, and send a voucher.", Audience::Public);
    let talk = [said("b1", 'b', 1, "Please call us."), said("c1", 'c', 2, "Hello?")];
    let sending = on_its_way(Verb::Reply, &["v"]);
    let unclear = IntentState::Unclear { since_ms: 0, why: String::new(), sending: sending.clone() };
    for (state, waits) in [(IntentState::Sending(sending), true), (unclear, false)] {
        let ours = [intent(7, words.clone(), state)];
        let plan =
            Seen { events: &[event(&talk)], link: Some(&link), intents: &ours, ..Seen::default() }.plan();
        assert_eq!((plan.waits, plan.settles.len()), (waits, 0));
        let known: Vec<&str> = plan.link_update.known.iter().map(|k| k.id.as_str()).collect();
        assert_eq!(known, ["c1"]);
        assert_eq!(plan.write.unwrap().comments.len(), 1);
    }
}

#[test]
fn who_replied_is_remembered() {
    assert_eq!(linked(&[]).replied, None);
    let link = linked(&[said("b1", 'b', 1, "Hello.")]);
    assert_eq!(link.replied, Some(RepliedBy::Other));
}

#[test]
fn a_sent_text_gets_its_id_later() {
    let mut link = linked(&[]);
    link.unidentified = vec![hash64("Hello."), hash64("Bye.")];
    let plan = after(&link, &[said("b1", 'b', 1, "Hello.\n")]);
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      Goodays_Next_Action__c = "Private message"
      Goodays_Message_Ids__c = "b1"
    "#);
    let link = learned(&plan, Some(&link));
    assert_eq!(how(&link), [("b1", MessageOrigin::Sent)]);
    assert_eq!(link.unidentified, [hash64("Bye.")]);
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

fn note(told: Feedback, action: &str, reason: &str, view: Option<Value>) -> Note {
    Note { told, action: action.to_owned(), reason: reason.to_owned(), view }
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
      Goodays_Sync_Status__c = "Sent: reply"
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
      Goodays_Sync_Status__c = "Would be sent: message"
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
      Goodays_Sync_Status__c = "Sent: reply"
      Goodays_Sync_Error__c = null
      Goodays_Message_Ids__c = "b1"
    "#);
    let link = learned(&plan, Some(&link));
    assert_eq!(link.waiting_since, None);
    assert_eq!(link.replied, Some(RepliedBy::Us));
    assert_eq!(shown(&after(&link, &talk)), "no write");
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

#[test]
fn values_fit_what_the_org_says_of_its_fields() {
    let names = ["Subject", "Description", "SuppliedName", "Origin", "Status", "Goodays_Next_Action__c"];
    let mut fields: Vec<Value> =
        names.iter().map(|n| json!({"name": n, "type": "string", "length": 10})).collect();
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
fn our_own_write_is_the_baseline_of_status_rules() {
    let closing = mapping_with(&[("{ value: New, on: create }", "{ value: Closed, on: create }")]);
    let plan = Seen { events: &[event(&[])], ..Seen::default() }.plan_with(&context_of(&closing));
    let link = learned(&plan, None);
    assert_eq!(link.active_status_rule, Some(Verb::Close));
    assert_eq!(json!(link.last_seen_fields), json!({"Status": "Closed", "IsClosed": true}));
    // The customer writes: our new status makes the rule inactive.
    let talk = [said("c1", 'c', 1, "Hi.")];
    let plan = Seen { events: &[event(&talk)], link: Some(&link), ..Seen::default() }
        .plan_with(&context_of(&closing));
    let link = learned(&plan, Some(&link));
    assert_eq!(link.active_status_rule, None);
    assert_eq!(json!(link.last_seen_fields), json!({"Status": "Customer Replied", "IsClosed": false}));
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
fn a_read_back_view_does_not_turn_back_who_wrote_last() {
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Hm."), said("c2", 'c', 3, "Well.")];
    let link = linked(&talk);
    let notes = [note(Feedback::Failed, "answer", "No.", Some(response(&talk)))];
    let late = [event(&talk[..2])];
    let plan = Seen { events: &late, notes: &notes, link: Some(&link), ..Seen::default() }.plan();
    assert_eq!(learned(&plan, Some(&link)).last_customer, Some(id("c2")));
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
fn our_own_answer_stays_ours_when_the_case_was_read_back_meanwhile() {
    let link = relearned(&[]);
    let intents =
        [intent(7, answer("Hello.", Audience::Public), IntentState::Sending(on_its_way(Verb::Reply, &[])))];
    let comments = ["Hello.".to_owned()];
    let events = [event(&[said("b1", 'b', 1, "Hello.")])];
    let seen =
        Seen { events: &events, link: Some(&link), intents: &intents, comments: &comments, notes: &[] };
    let plan = seen.plan();
    assert_eq!(settled(&plan), [(7, id("b1"))]);
    let link = learned(&plan, Some(&link));
    assert_eq!((how(&link), link.replied), (vec![("b1", MessageOrigin::Sent)], Some(RepliedBy::Us)));
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

#[test]
fn one_text_sent_twice_is_not_a_colleagues_either_time() {
    let mut link = linked(&[]);
    link.unidentified = vec![hash64("Hello."); 2];
    let talk = [said("b1", 'b', 1, "Hello."), said("b2", 'b', 2, "Hello."), said("b3", 'b', 3, "Hello.")];
    let one = learned(&after(&link, &talk[..1]), Some(&link));
    assert_eq!(how(&one), [("b1", MessageOrigin::Sent)]);
    let two = learned(&after(&one, &talk[..2]), Some(&one));
    assert_eq!(how(&two), [("b1", MessageOrigin::Sent), ("b2", MessageOrigin::Sent)]);
    let all = [("b1", MessageOrigin::Sent), ("b2", MessageOrigin::Sent), ("b3", MessageOrigin::Imported)];
    assert_eq!(how(&learned(&after(&two, &talk), Some(&two))), all);
    assert_eq!(how(&learned(&after(&link, &talk), Some(&link))), all);
}
