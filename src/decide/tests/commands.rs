use crate::decide::outbound::Rules;
use crate::decide::outbound::rows::{MergedCase, Seen, Since};
use crate::decide::tests::*;
use crate::decide::{Conversation, Feedback};

/// Applies a row with this command and answer, as asked for at that minute.
fn see(conversation: &mut Conversation, command: Option<&str>, answer: &str, asked: i64) -> Seen {
    see_by(conversation, command, answer, asked, &json!({ "UserType": "Standard" }))
}

/// The same, last changed by this user.
fn see_by(
    conversation: &mut Conversation,
    command: Option<&str>,
    answer: &str,
    asked: i64,
    by: &Value,
) -> Seen {
    let row = json!({
        "Id": case_id(), "Status": "New", "IsClosed": false, "LastModifiedBy": by,
        "Goodays_Command__c": command, "Goodays_Answer__c": answer,
    });
    let now = SalesforceTime::from_millis(minute(20));
    let since = Since {
        first_start: SalesforceTime::from_millis(minute(0)),
        seen_until: SalesforceTime::from_millis(minute(0)),
        us: &[],
        now_ms: minute(20),
        now,
        asked_ms: minute(asked),
        merged: MergedCase::default(),
    };
    let mut next = conversation.intents.iter().map(|i| i.seq).max().unwrap_or(100);
    conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || {
        next += 1;
        next
    })
}

fn known() -> Conversation {
    Conversation { link: Some(linked(&[])), ..Conversation::new(response_id()) }
}

/// The outcome was written, which emptied the command at that minute.
fn emptied(conversation: &mut Conversation, at: i64) {
    let link = conversation.link.as_mut().unwrap();
    (link.command.value, link.command.emptied_ms) = (None, minute(at));
    let delivered = IntentState::Delivered { at_ms: minute(at), verb: Verb::Reply, message: None };
    conversation.intents.iter_mut().for_each(|intent| intent.state = delivered.clone());
}

#[test]
fn a_row_from_before_the_command_was_emptied_sends_nothing_again() {
    let mut conversation = known();
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.", 1).fired, Some("answer"));
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.", 2).fired, None);
    emptied(&mut conversation, 5);
    assert_eq!(
        see(&mut conversation, Some("answer"), "Hello.", 4).fired,
        None,
        "it may show the old command"
    );
    assert_eq!(see(&mut conversation, None, "", 6).fired, None);
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.", 7).fired, Some("answer"), "another one");
    assert_eq!(conversation.intents.len(), 2);
    assert_ne!(conversation.intents[0].identity(), conversation.intents[1].identity());
}

#[test]
fn a_command_whose_fate_is_not_known_is_told_and_not_sent() {
    let mut conversation = known();
    conversation.link.as_mut().unwrap().command.unread = true;
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.", 1).fired, None);
    assert_eq!(conversation.intents, []);
    let note = &conversation.notes[0];
    assert_eq!((note.told, note.code.as_str()), (Feedback::Unclear, "stood_before"));
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.", 2).fired, None, "told once");
    assert_eq!(conversation.notes.len(), 1);
}

/// A12: a customer of a portal who may edit the Case presses no button of agents.
#[test]
fn a_command_of_who_may_not_answer_is_told_and_not_sent() {
    let portal = json!({ "UserType": "CspLitePortal" });
    let mut conversation = known();
    assert_eq!(see_by(&mut conversation, Some("answer"), "Buy!", 1, &portal).fired, None);
    assert_eq!(conversation.intents, []);
    let note = &conversation.notes[0];
    assert_eq!((note.told, note.code.as_str()), (Feedback::Failed, "author_may_not"));
    assert!(note.command.is_some(), "the field is emptied, so an agent can press the button");
    assert_eq!(
        see(&mut conversation, Some("answer"), "Buy!", 2).fired,
        None,
        "an agent changes another field"
    );
    assert_eq!(conversation.intents, []);
}

#[test]
fn a_command_whose_author_cannot_be_seen_is_parked() {
    for by in [json!(null), json!({ "Email": "ann@x.example" })] {
        let mut conversation = known();
        assert_eq!(see_by(&mut conversation, Some("answer"), "Hello.", 1, &by).fired, Some("answer"));
        let state = &conversation.intents[0].state;
        assert!(matches!(state, IntentState::Parked { code, .. } if code == "author_unseen"), "{state:?}");
        let mut closes = known();
        assert_eq!(see_by(&mut closes, Some("close"), "", 1, &by).fired, Some("close"));
        assert!(matches!(closes.intents[0].state, IntentState::Ready { .. }), "only words need an author");
    }
}

#[test]
fn words_that_somebody_else_puts_into_a_waiting_answer_are_not_sent() {
    for (by, expected) in [(json!({ "UserType": "Guest" }), "author_may_not"), (json!(null), "author_unseen")]
    {
        let mut conversation = known();
        see(&mut conversation, Some("answer"), "Hello.", 1);
        see_by(&mut conversation, Some("answer"), "Hello.", 2, &by);
        assert!(
            matches!(conversation.intents[0].state, IntentState::Ready { .. }),
            "the words are the agent's"
        );
        see_by(&mut conversation, Some("answer"), "Buy!", 3, &by);
        let intent = &conversation.intents[0];
        assert!(matches!(&intent.state, IntentState::Parked { code, .. } if code == expected), "{intent:?}");
        assert!(matches!(&intent.kind, ActionKind::Answer { content, .. } if content == "Hello."));
    }
}

#[test]
fn of_a_merged_case_the_one_who_waits_is_answered() {
    let command = |merged| {
        let mut conversation = known();
        let row = json!({ "Id": case_id(), "Goodays_Command__c": "answer", "Goodays_Answer__c": "Hello.",
                          "LastModifiedBy": {"UserType": "Standard"} });
        let at = SalesforceTime::from_millis(minute(20));
        let since = Since {
            first_start: at,
            seen_until: at,
            us: &[],
            now_ms: minute(20),
            now: at,
            asked_ms: minute(20),
            merged,
        };
        conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || 1);
        conversation.intents.first().map(|intent| intent.state.name())
    };
    assert_eq!(command(MergedCase::AnswersThis), Some("pending"));
    assert_eq!(command(MergedCase::AnswersAnother), None);
    assert_eq!(command(MergedCase::Unsure), Some("parked"));
}

/// Who gave the command cannot be told from the row any more.
#[test]
fn a_command_behind_our_own_write_is_parked_with_what_covered_it() {
    let us = [RecordId::new("005000000000001").unwrap()];
    let see = |conversation: &mut Conversation, command: Option<&str>, answer: &str| {
        let row = json!({ "Id": case_id(), "Status": "New", "IsClosed": false, "LastModifiedById": us[0].as_str(),
                          "LastModifiedBy": {"UserType": "Standard"}, "Goodays_Command__c": command,
                          "Goodays_Answer__c": answer });
        let at = SalesforceTime::from_millis(minute(20));
        let since = Since {
            first_start: at,
            seen_until: at,
            us: &us,
            now_ms: minute(20),
            now: at,
            asked_ms: minute(20),
            merged: MergedCase::default(),
        };
        conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || 7)
    };
    let mut conversation = known();
    assert_eq!(see(&mut conversation, Some("answer"), "Hello.").fired, Some("answer"));
    let parked = |intent: &Intent| match &intent.state {
        IntentState::Parked { code, why, .. } => (code.clone(), why.to_string()),
        other => panic!("{other:?}"),
    };
    let (code, why) = parked(&conversation.intents[0]);
    assert_eq!(
        (code.as_str(), why.contains("the connector itself changed the Case")),
        ("author_unseen", true)
    );
    let mut waiting = known();
    self::see(&mut waiting, Some("answer"), "Hello.", 1);
    see(&mut waiting, Some("answer"), "Hello.");
    assert!(matches!(waiting.intents[0].state, IntentState::Ready { .. }), "the words are the agent's");
    see(&mut waiting, Some("answer"), "Buy!");
    assert_eq!(parked(&waiting.intents[0]).0, "author_unseen");
}

/// Behind our own write nobody can be seen, and what an agent did is not credited to the connector's user.
#[test]
fn what_stands_behind_our_own_write_has_no_author() {
    let us = [RecordId::new("005000000000001").unwrap()];
    for (by, author) in [(us[0].as_str(), None), ("005000000000002", Some("ann@x.example".to_owned()))] {
        let mut conversation = known();
        let row = json!({ "Id": case_id(), "Status": "New", "IsClosed": false, "LastModifiedById": by,
                          "LastModifiedBy": {"UserType": "Standard", "Email": "ann@x.example"},
                          "Goodays_Command__c": "close" });
        let at = SalesforceTime::from_millis(minute(20));
        let since = Since {
            first_start: at,
            seen_until: at,
            us: &us,
            now_ms: minute(20),
            now: at,
            asked_ms: minute(20),
            merged: MergedCase::default(),
        };
        conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || 7);
        assert_eq!(conversation.intents[0].author, author);
    }
}

/// The outcome of this very command for another response empties the field, and nothing else does so for us.
#[test]
fn only_the_same_commands_outcome_elsewhere_keeps_it_from_being_taken_back() {
    for (told, expected) in [("close", "pending"), ("answer", "cancelled")] {
        let mut conversation = known();
        see(&mut conversation, Some("close"), "", 1);
        conversation.outlive_command(told);
        see(&mut conversation, None, "", 2);
        assert_eq!(conversation.intents[0].state.name(), expected, "{told}");
    }
}
