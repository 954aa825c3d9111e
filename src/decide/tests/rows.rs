mod edited;

use crate::decide::outbound::Rules;
use crate::decide::outbound::comment_rows::addressee;
use crate::decide::outbound::rows::MergedCase;
use crate::decide::outbound::rows::{Seen as Came, Since};
use crate::decide::tests::*;
use crate::decide::{Answered, CallSent, CaseRef, Conversation, Feedback, RepliedBy, hash64};
use crate::messages::Words;

fn row(status: &str) -> Value {
    json!({"Id": case_id(), "CaseNumber": "00001001", "Status": status,
           "IsClosed": status.starts_with("Closed"), "Goodays_Call_Note__c": "A good talk.",
           "Goodays_Call_Rating__c": 4.0, "Goodays_Remark_Type__c": "Problem"})
}

fn conversation(link: Option<Link>, intents: &[Intent]) -> Conversation {
    Conversation { link, intents: intents.to_vec(), ..Conversation::new(response_id()) }
}

fn since(us: &[RecordId]) -> Since<'_> {
    let at = |n| SalesforceTime::from_millis(minute(n));
    Since {
        first_start: at(0),
        seen_until: at(0),
        us,
        now_ms: minute(10),
        now: at(10),
        asked_ms: minute(10),
        merged: MergedCase::default(),
    }
}

/// Applies a row of the Case by rules that never changed.
fn see(conversation: &mut Conversation, row: &Value) -> Came {
    see_by(conversation, row, Rules::only(&SHIPPED), &plan_context())
}

fn see_by(conversation: &mut Conversation, row: &Value, rules: Rules<'_>, context: &PlanContext<'_>) -> Came {
    let mut next = conversation.intents.iter().map(|i| i.seq).max().unwrap_or(100);
    conversation.see_case(row, (rules, context), &since(&[]), &mut || {
        next += 1;
        next
    })
}

fn saw(row: &Value, link: Option<&Link>) -> (Conversation, Came) {
    let mut conversation = conversation(link.cloned(), &[]);
    let came = see(&mut conversation, row);
    (conversation, came)
}

/// Which actions begin, and which are taken back, when a Case goes through these states.
fn through(link: Option<Link>, states: &[&str]) -> Vec<String> {
    let mut conversation = conversation(link, &[]);
    let mut out = Vec::new();
    for status in states {
        let came = see(&mut conversation, &row(status));
        let back = if came.taken_back > 0 { ", take back" } else { "" };
        out.push(format!("{status}: {}{back}", came.fired.unwrap_or("-")));
    }
    out
}

/// A Case of ours, as the ledger has it.
fn ours() -> Link {
    let mut link = linked(&[]);
    link.last_customer = Some(id("c1"));
    link
}

#[test]
fn a_rule_fires_when_it_begins_to_hold() {
    let states = ["New", "Closed", "Closed", "New", "Spam", "Closed by phone", "Customer Replied", "Closed"];
    assert_eq!(
        through(Some(ours()), &states),
        [
            "New: -",
            "Closed: close",
            "Closed: -",
            "New: -, take back",
            "Spam: spam",
            "Closed by phone: call, take back",
            "Customer Replied: -, take back",
            "Closed: close",
        ]
    );
}

#[test]
fn the_baseline_is_what_we_wrote_or_what_was_read_first() {
    // A Case of ours: the first row may already show an agent's change.
    assert_eq!(through(Some(ours()), &["Spam"]), ["Spam: spam"]);
    // Another Case: its first state fires nothing, the next one does.
    assert_eq!(through(None, &["Closed", "New", "Closed"]), ["Closed: -", "New: -", "Closed: close"]);
    // The same for a Case that is linked by hand instead of the other.
    let mut other = ours();
    other.case = Some(CaseRef { id: RecordId::new("500000000000002").unwrap(), number: None });
    assert_eq!(through(Some(other), &["Closed", "Spam"]), ["Closed: -", "Spam: spam"]);
    // Our own write fires nothing either.
    let mut closed = ours();
    closed.active_status_rule = Some(Verb::Close);
    assert_eq!(through(Some(closed), &["Closed"]), ["Closed: -"]);
}

#[test]
fn a_case_of_ours_is_told_from_one_that_was_there() {
    assert!(saw(&row("New"), None).0.link.unwrap().unread);
    let link = saw(&row("New"), Some(&ours())).0.link.unwrap();
    assert!(!link.unread);
    assert_eq!(link.case.unwrap().number.as_deref(), Some("00001001"));
    assert_eq!(
        json!(link.last_seen_fields),
        json!({"IsClosed": false, "Status": "New"}),
        "texts are not kept"
    );
    assert_eq!(saw(&json!({"Id": "no id"}), None), (conversation(None, &[]), Came::default()));
}

/// The action of a Case that is set to this status.
fn wish(status: &str) -> ActionKind {
    saw(&row(status), Some(&ours())).0.intents.remove(0).kind
}

#[test]
fn wishes_carry_what_the_mapping_says_and_who_wrote_last() {
    let after = Some(id("c1"));
    assert_eq!(wish("Spam"), ActionKind::Spam { after: after.clone() });
    let remark_type = Some("Problem".to_owned());
    assert_eq!(wish("Closed"), ActionKind::Close { remark_type, after: after.clone() });
    let note = Some("A good talk.".to_owned());
    assert_eq!(
        wish("Closed by phone"),
        ActionKind::Call { rating: Some(4), note, left_out: Words::default(), after }
    );
    let identities = ["Spam", "Closed", "Closed by phone"].map(|s| wish(s).identity(&case_id()));
    assert_eq!(identities, ["spam", "close", "call"].map(|v| format!("{v} {} c1", case_id())));
}

#[test]
fn ratings_are_whole_numbers_from_0_to_5() {
    let table = [
        (json!(0), Some(0)),
        (json!(5.0), Some(5)),
        (json!("3"), Some(3)),
        (json!(" 4.0 "), Some(4)),
        (json!(6), None),
        (json!(-1), None),
        (json!("good"), None),
        (json!(null), None),
    ];
    for (value, expected) in table {
        let mut case = row("Closed by phone");
        case["Goodays_Call_Rating__c"] = value.clone();
        case["Goodays_Call_Note__c"] = json!("n".repeat(5000));
        let wish = saw(&case, Some(&ours())).0.intents.remove(0).kind;
        let ActionKind::Call { rating, note, left_out, .. } = wish else { panic!() };
        assert_eq!((rating, note.unwrap().len()), (expected, 4000), "{value}");
        // Nothing is left out without a note (design, rule 8).
        let left_out = left_out.to_string();
        assert_eq!(left_out.contains("rating"), rating.is_none() && !value.is_null(), "{value}: {left_out}");
        assert!(left_out.contains("4000 characters"), "{left_out}");
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_fires_nothing_and_forgets_nothing() {
    let mut odd = row("Closed");
    odd["IsClosed"] = json!("perhaps");
    let mut link = ours();
    link.active_status_rule = Some(Verb::Spam);
    let (after, came) = saw(&odd, Some(&link));
    assert!(came.problem.is_some() && came.fired.is_none() && came.taken_back == 0);
    assert_eq!(after.link.unwrap().active_status_rule, Some(Verb::Spam));
}

/// The agent expects that something is done; and his buttons are rules of their own.
#[test]
fn a_rule_that_cannot_be_evaluated_is_told_once_and_stops_no_button() {
    let mut odd = row("Closed");
    odd["IsClosed"] = json!("perhaps");
    let mut now = conversation(Some(ours()), &[]);
    let told = |now: &Conversation| now.notes.iter().map(|note| note.code.clone()).collect::<Vec<_>>();
    for _ in 0..3 {
        assert!(see(&mut now, &odd).problem.is_some_and(|failure| failure.is_in_force));
        assert_eq!(told(&now), ["rule_fails"]);
    }
    odd["Goodays_Command__c"] = json!("spam");
    assert_eq!(see(&mut now, &odd).fired, Some("spam"));
    let mut heard = conversation(Some(ours()), &[]);
    let mut comment = comment("Hello.", true);
    comment["IsPublished"] = json!("maybe");
    for _ in 0..3 {
        assert!(hear(&mut heard, &comment).problem.is_some());
        assert_eq!(told(&heard), ["rule_fails"]);
    }
}

fn us() -> RecordId {
    RecordId::new("005000000000001").unwrap()
}

/// An agent's comment on a Case of ours.
fn comment(text: &str, published: bool) -> Value {
    json!({"Id": comment_id(), "CommentBody": text, "IsPublished": published, "CreatedDate": stamp(minute(5)),
           "CreatedById": "005000000000002", "CreatedBy": {"UserType": "Standard"}, "ParentId": case_id()})
}

/// Applies a comment's row.
fn hear(conversation: &mut Conversation, row: &Value) -> Came {
    hear_by(conversation, row, Rules::only(&SHIPPED))
}

fn hear_by(conversation: &mut Conversation, row: &Value, rules: Rules<'_>) -> Came {
    let case = self::row("New");
    conversation.see_comment((row, &case), rules, &since(&[us()]), false, &mut || 7)
}

/// The ledger and the outbox with an action for the comment with this text.
fn taken(text: &str, state: IntentState) -> Conversation {
    let mut link = ours();
    link.answers.push(Answered {
        comment: comment_id(),
        intent: 7,
        text: hash64(text),
        told: false,
        told_of: None,
    });
    conversation(Some(link), &[intent(7, answer(text, Audience::Public), state)])
}

#[test]
fn a_published_comment_is_an_answer() {
    let heard = |link: Link| {
        let mut conversation = conversation(Some(link), &[]);
        assert_eq!(hear(&mut conversation, &comment("Hello.", true)).fired, Some("answer"));
        conversation
    };
    let conversation = heard(ours());
    let one = conversation.intent(7).unwrap();
    let ActionKind::Answer { comment: of, content, remark_type, audience } = &one.kind else { panic!() };
    assert_eq!((of, content.as_str(), *audience), (&Some(comment_id()), "Hello.", Audience::Public));
    assert_eq!(remark_type.as_deref(), Some("Problem"));
    assert_eq!(one.acted, SalesforceTime::from_millis(minute(5)));
    assert_eq!(conversation.link.unwrap().answer(&comment_id()).unwrap().intent, 7);
    for who in [RepliedBy::Us, RepliedBy::Other] {
        let mut link = ours();
        link.replied = Some(who);
        let wish = &heard(link).intents[0].kind;
        assert!(matches!(wish, ActionKind::Answer { audience: Audience::Private, .. }));
    }
}

#[test]
fn comments_that_are_nobodys_answer() {
    let with = |key: &str, value: Value| {
        let mut row = comment("Hello.", true);
        row[key] = value;
        row
    };
    let table = [
        ("unpublished", comment("Hello.", false)),
        ("ours, whoever published it", with("CreatedById", json!(us()))),
        ("ours, by its short id", with("CreatedById", json!("005000000000001"))),
        ("older than the first start", with("CreatedDate", json!("2026-01-01T09:59:59.000+0000"))),
        ("of unknown age", with("CreatedDate", json!(null))),
        ("without an id", with("Id", json!(null))),
        ("a customer's", with("CreatedBy", json!({"UserType": "CspLitePortal"}))),
        ("a partner's", with("CreatedBy", json!({"UserType": "PowerPartner"}))),
        ("a guest's", with("CreatedBy", json!({"UserType": "Guest"}))),
    ];
    for (what, row) in table {
        let mut conversation = conversation(Some(ours()), &[]);
        assert_eq!(hear(&mut conversation, &row), Came::default(), "{what}");
        assert_eq!(conversation.intents, [], "{what}");
    }
    let young = with("CreatedDate", json!("2026-01-01T10:00:00.000+0000"));
    assert_eq!(hear(&mut conversation(None, &[]), &young).fired, Some("answer"));
    let internal = with("CreatedBy", json!({"UserType": "Standard"}));
    assert_eq!(hear(&mut conversation(None, &[]), &internal).fired, Some("answer"));
    assert!(hear(&mut conversation(None, &[]), &with("IsPublished", json!("maybe"))).problem.is_some());
}

/// A customer of a portal may have written it: nothing goes out before a human looked.
#[test]
fn a_comment_whose_author_cannot_be_seen_is_parked_and_says_why() {
    let hidden = [json!(null), json!({}), json!({"UserType": null}), json!({"Email": "ann@x.example"})];
    for by in hidden {
        let mut row = comment("Hello.", true);
        row["CreatedBy"] = by.clone();
        let mut conversation = conversation(Some(ours()), &[]);
        assert_eq!(hear(&mut conversation, &row).fired, Some("answer"), "{by}");
        let IntentState::Parked { code, why, .. } = &conversation.intents[0].state else {
            panic!("{by}: {:?}", conversation.intents[0].state)
        };
        assert_eq!(code, "author_unseen");
        assert!(why.to_string().contains("View All Users"), "{why}");
        assert_eq!(conversation.notes[0].told, Feedback::Failed);
        // The same row again leaves it to the human.
        assert_eq!(hear(&mut conversation, &row), Came::default());
        assert!(conversation.intents[0].state.is_parked());
    }
}

#[test]
fn unpublished_before_it_was_sent_is_taken_back() {
    for state in [ready(), parked()] {
        let mut conversation = taken("Hello.", state);
        assert_eq!(hear(&mut conversation, &comment("Hello.", false)).taken_back, 1);
        assert!(matches!(conversation.intents[0].state, IntentState::Cancelled { .. }));
    }
    let sending = IntentState::Sending(on_its_way(Verb::Reply, &[]));
    for state in [sending, delivered(), cancelled()] {
        let mut conversation = taken("Hello.", state.clone());
        assert_eq!(hear(&mut conversation, &comment("Hello.", false)), Came::default());
        assert_eq!(conversation.intents[0].state, state);
    }
}

fn delivered() -> IntentState {
    IntentState::Delivered { at_ms: 0, verb: Verb::Reply, message: None }
}

fn parked() -> IntentState {
    IntentState::Parked { since_ms: 0, code: "wait_for_customer".to_owned(), why: Words::default() }
}

fn cancelled() -> IntentState {
    IntentState::Cancelled { at_ms: 0, why: String::new() }
}

#[test]
fn published_again_after_it_was_taken_back_is_an_answer_again() {
    let mut conversation = taken("Hello.", cancelled());
    assert_eq!(hear(&mut conversation, &comment("Hello.", true)).fired, Some("answer"));
    assert_eq!(conversation.intents.len(), 1);
    assert!(matches!(conversation.intents[0].state, IntentState::Ready { .. }));
}

#[test]
fn edited_before_it_was_sent_it_is_sent_as_it_is_now() {
    for state in [ready(), parked()] {
        let mut conversation = taken("Hello.", state.clone());
        hear(&mut conversation, &comment("Hello, Ann.", true));
        let ActionKind::Answer { content, .. } = &conversation.intents[0].kind else { panic!() };
        assert_eq!((content.as_str(), &conversation.intents[0].state), ("Hello, Ann.", &state));
        assert_eq!(conversation.link.unwrap().answers[0].text, hash64("Hello, Ann."));
    }
}

#[test]
fn edited_afterwards_the_agent_is_told_once_what_the_customer_has() {
    let sending = || on_its_way(Verb::Reply, &[]);
    let unclear = IntentState::Unclear { since_ms: 0, why: Words::default(), sending: sending() };
    let settled = IntentState::Settled { at_ms: 0, why: "dropped by an operator".to_owned() };
    let observed = IntentState::Observed { at_ms: 0, verb: Verb::Reply };
    let table = [
        (Some(delivered()), true),
        (Some(IntentState::Sending(sending())), true),
        (None, true),
        (Some(unclear), false),
        (Some(settled), false),
        (Some(observed), false),
    ];
    for (state, has_it) in table {
        let mut conversation = taken("Hello.", state.clone().unwrap_or_else(delivered));
        if state.is_none() {
            conversation.intents.clear();
        }
        for same in ["Hello.", " Hello.\r\n"] {
            hear(&mut conversation, &comment(same, true));
            assert_eq!(conversation.notes, []);
        }
        hear(&mut conversation, &comment("Bye.", true));
        let note = conversation.notes.pop().unwrap();
        assert_eq!(note.told, Feedback::Failed);
        assert_eq!(
            note.reason.to_string().contains("the customer has the first text"),
            has_it,
            "{state:?}: {}",
            note.reason
        );
        hear(&mut conversation, &comment("Bye.", true));
        assert_eq!(conversation.notes, [], "told once");
    }
}

/// A09: a change while the call waits is sent with it; for a later change there is a note.
#[test]
fn a_calls_note_is_followed_while_it_waits_and_named_when_it_is_late() {
    let with = |note: &str| {
        let mut row = row("Closed by phone");
        row["Goodays_Call_Note__c"] = json!(note);
        row
    };
    let mut conversation = conversation(Some(ours()), &[]);
    assert_eq!(see(&mut conversation, &with("")).fired, Some("call"));
    conversation.intents[0].seen_ms = 0;
    see(&mut conversation, &with("She is happy."));
    let waiting = &conversation.intents[0];
    assert!(matches!(&waiting.kind, ActionKind::Call { note: Some(note), .. } if note == "She is happy."));
    assert_eq!(waiting.seen_ms, minute(10), "close_grace counts from the last change");
    let seq = waiting.seq;
    conversation.delivered(seq, Verb::Call, None, None, 0);
    conversation.notes.clear();
    see(&mut conversation, &with("She is happy."));
    assert_eq!(conversation.notes, []);
    for _ in 0..2 {
        see(&mut conversation, &with("She is unhappy."));
    }
    let [note] = conversation.notes.as_slice() else { panic!("{:?}", conversation.notes) };
    assert!(note.told == Feedback::Sent && note.reason.to_string().contains("does not travel"), "{note:?}");
    assert!(matches!(conversation.link.unwrap().call, Some(CallSent { told: true, .. })));
}

/// `retry` of a call that Goodays refused sends what the agent corrected meanwhile.
#[test]
fn a_call_that_is_tried_again_has_the_agents_last_words() {
    let with = |note: &str| {
        let mut row = row("Closed by phone");
        row["Goodays_Call_Note__c"] = json!(note);
        row
    };
    let mut conversation = conversation(Some(ours()), &[]);
    see(&mut conversation, &with("Too long."));
    let seq = conversation.intents[0].seq;
    conversation.park(seq, "400", Words::default(), None, minute(10));
    see(&mut conversation, &with("Short."));
    conversation.intents[0].state = IntentState::Ready { not_before_ms: 0 };
    let rules = Rules::only(&SHIPPED);
    assert_eq!(conversation.see_again(seq, Some(&with("Short.")), rules, minute(11)), Ok(true));
    let ActionKind::Call { note, after, .. } = &conversation.intents[0].kind else { panic!() };
    assert_eq!((note.as_deref(), after.clone()), (Some("Short."), Some(id("c1"))));
}

#[test]
fn what_waits_is_judged_by_the_case_into_which_its_own_was_merged() {
    let again = |status: &str, command: Option<u64>| {
        let mut conversation = conversation(Some(ours()), &[]);
        see(&mut conversation, &row("Closed"));
        conversation.intents[0].command = command;
        let mut kept = row(status);
        kept["Id"] = json!("500000000000002AAA");
        let seq = conversation.intents[0].seq;
        conversation.see_again(seq, Some(&kept), Rules::only(&SHIPPED), minute(11))
    };
    assert_eq!(again("Closed", None), Ok(true));
    assert_eq!(again("New", None), Ok(false), "open again, for the agent's eyes");
    assert_eq!(again("New", Some(1)), Ok(true), "its button is gone with its Case");
}

/// The ledger lost the Case: a comment on it is read before the Case itself.
#[test]
fn the_first_state_of_a_case_is_the_baseline_also_after_its_comment() {
    let mut conversation = conversation(None, &[]);
    assert_eq!(hear(&mut conversation, &comment("Hello.", true)).fired, Some("answer"));
    assert_eq!(see(&mut conversation, &row("Closed")).fired, None, "it stood there before");
    assert_eq!(see(&mut conversation, &row("New")).fired, None);
    assert_eq!(see(&mut conversation, &row("Closed")).fired, Some("close"));
}

#[test]
fn a_merged_cases_comment_answers_the_one_that_waits() {
    let links = |waiting: &[Option<i64>]| -> Vec<Link> {
        let one = |(i, w): (usize, &Option<i64>)| {
            let mut link = Link::new(ResponseId::new(format!("r{i}")).unwrap());
            link.waiting_since = w.map(GoodaysTime::from_millis);
            link
        };
        waiting.iter().enumerate().map(one).collect()
    };
    let table = [
        (vec![None], Some("r0")),
        (vec![Some(1)], Some("r0")),
        (vec![None, Some(1)], Some("r1")),
        (vec![Some(1), Some(1)], None),
        (vec![None, None], None),
        (vec![], None),
    ];
    for (waiting, expected) in table {
        let links = links(&waiting);
        assert_eq!(addressee(&links).map(|l| l.response_id.as_str()), expected, "{waiting:?}");
    }
}
