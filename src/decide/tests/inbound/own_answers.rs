//! Our own answers coming back, and our own writes.

use super::*;
use crate::decide::Conversation;
use crate::decide::ledger::intent::Refusal;
use crate::decide::outbound::Rules;

#[test]
fn our_own_answer_coming_back_settles_its_intent_and_is_no_comment() {
    let link = linked(&[]);
    let sending = on_its_way(Verb::Reply, &["v"]);
    let unclear = IntentState::Unclear { since_ms: 0, why: Words::default(), sending: sending.clone() };
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
    let unclear = IntentState::Unclear { since_ms: 0, why: Words::default(), sending: sending.clone() };
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

#[test]
fn our_own_answer_stays_ours_when_the_case_was_read_back_meanwhile() {
    let link = relearned(&[]);
    let intents =
        [intent(7, answer("Hello.", Audience::Public), IntentState::Sending(on_its_way(Verb::Reply, &[])))];
    let comments = ["Hello.".to_owned()];
    let events = [event(&[said("b1", 'b', 1, "Hello.")])];
    let seen = Seen {
        events: &events,
        link: Some(&link),
        intents: &intents,
        comments: &comments,
        notes: &[],
        now: None,
    };
    let plan = seen.plan();
    assert_eq!(settled(&plan), [(7, id("b1"))]);
    let link = learned(&plan, Some(&link));
    assert_eq!((how(&link), link.replied), (vec![("b1", MessageOrigin::Sent)], Some(RepliedBy::Us)));
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

/// A message whose answer was refused; its words never went out, as far as is known.
fn refused(seq: u64, words: &str) -> Intent {
    let attempt =
        Sending { refusal: Some(Refusal::This), ended_ms: Some(1), ..on_its_way(Verb::Message, &["b0"]) };
    let state = IntentState::Parked { since_ms: 0, code: "status_400".to_owned(), why: Words::default() };
    Intent { unconfirmed: Some(attempt), ..intent(seq, answer(words, Audience::Private), state) }
}

#[test]
fn a_refused_answer_takes_no_proof_from_the_one_that_was_sent_after_it() {
    let link = linked(&[said("b0", 'b', 1, "Hello.")]);
    let words = ["We will refund you on Monday, please call us.", "We will refund you on Monday, call us."];
    let sent = IntentState::Sending(on_its_way(Verb::Message, &["b0"]));
    for shown in [words[1], "We will refund you on Monday, call  us"] {
        for later in [words[1], words[0]] {
            let intents = [refused(7, words[0]), intent(8, answer(later, Audience::Private), sent.clone())];
            let events = [event(&[said("b1", 'b', 2, shown), said("c1", 'c', 3, "Thanks.")])];
            let plan =
                Seen { events: &events, link: Some(&link), intents: &intents, ..Seen::default() }.plan();
            assert_eq!(settled(&plan), [(8, id("b1"))], "{shown} of {later}");
        }
    }
}

#[test]
fn a_colleagues_answer_is_news_while_a_refused_one_waits_for_a_human() {
    let link = linked(&[said("b0", 'b', 1, "Hello.")]);
    let intents = [refused(7, "We will refund you on Monday.")];
    let talk = [said("b1", 'b', 2, "Please come by: we keep it for you."), said("c1", 'c', 3, "Thanks.")];
    let plan =
        Seen { events: &[event(&talk)], link: Some(&link), intents: &intents, ..Seen::default() }.plan();
    assert_eq!((settled(&plan), plan.write.unwrap().comments.len()), (vec![], 2));
}

#[test]
fn a_dropped_answer_that_is_shown_at_last_is_no_colleagues() {
    let link = linked(&[said("b0", 'b', 1, "Hello.")]);
    let sending = on_its_way(Verb::Message, &["b0"]);
    let mut now = Conversation { link: Some(link), ..Conversation::new(response_id()) };
    now.put(intent(7, answer("It is on its way.", Audience::Private), IntentState::Sending(sending.clone())));
    now.unclear(7, sending, Words::default(), 4);
    now.drop_action(7, "dropped by an operator", 5);
    let [_, note] = now.notes.as_slice() else { panic!("{:?}", now.notes) };
    assert_eq!((note.told, note.code.as_str()), (Feedback::Settled, "dropped"));
    let events = [event(&[said("b1", 'b', 2, "It is on its way.")])];
    let plan =
        Seen { events: &events, link: now.link.as_ref(), intents: &now.intents, ..Seen::default() }.plan();
    let link = learned(&plan, now.link.as_ref());
    assert!(link.sent(&id("b1")) && plan.write.is_none_or(|write| write.comments.is_empty()));
}

/// An operator let it be sent again, and the agent took it back before that.
#[test]
fn an_answer_that_was_taken_back_after_an_unclear_attempt_is_no_colleagues_when_it_is_shown() {
    let link = linked(&[said("b0", 'b', 1, "Hello.")]);
    let mut again = intent(7, answer("It is on its way.", Audience::Private), ready());
    again.unconfirmed = Some(on_its_way(Verb::Message, &["b0"]));
    let mut now = Conversation { link: Some(link), ..Conversation::new(response_id()) };
    now.put(again);
    assert_eq!(now.see_again(7, None, Rules::only(&SHIPPED), minute(5)), Ok(false));
    let events = [event(&[said("b1", 'b', 2, "It is on its way.")])];
    let plan =
        Seen { events: &events, link: now.link.as_ref(), intents: &now.intents, ..Seen::default() }.plan();
    let link = learned(&plan, now.link.as_ref());
    assert!(link.sent(&id("b1")) && plan.write.is_none_or(|write| write.comments.is_empty()));
}

#[test]
fn a_message_without_a_date_is_the_newest_where_it_is_shown_last() {
    let link = linked(&[said("b1", 'b', 2, "Hello.")]);
    let talk = [said("b1", 'b', 2, "Hello."), said("c1", 'c', 3, "Still broken!")];
    let mut body = response(&talk);
    body["attached_messages"][0].as_object_mut().unwrap().remove("created_date");
    let mut event = event(&talk);
    event.response = Response::from_value(&body).unwrap();
    let plan = Seen { events: &[event], link: Some(&link), ..Seen::default() }.plan();
    assert!(plan.write.as_ref().unwrap().fields.contains_key("Status"), "{}", shown(&plan));
    assert_eq!(learned(&plan, Some(&link)).last_customer, Some(id("c1")));
}

/// The gateway refused a repetition of a call that had arrived, and Goodays cut the emoji off.
#[test]
fn a_refused_answer_that_is_shown_altered_at_once_is_ours() {
    let link = linked(&[said("b0", 'b', 1, "Hello.")]);
    let mut again = refused(7, "It is on its way 😊");
    again.state = ready();
    again.unconfirmed.as_mut().unwrap().looked = Some(GoodaysTime::from_millis(minute(2)));
    let events = [event(&[said("b1", 'b', 2, "It is on its way")])];
    let plan = Seen { events: &events, link: Some(&link), intents: &[again], ..Seen::default() }.plan();
    assert_eq!(settled(&plan), [(7, id("b1"))]);
}
