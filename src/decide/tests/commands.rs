use crate::decide::outbound::Rules;
use crate::decide::outbound::rows::{MergedCase, Seen, Since};
use crate::decide::tests::*;
use crate::decide::{Conversation, Feedback};

/// Applies a row with this command and answer, as asked for at that minute.
fn see(conversation: &mut Conversation, command: Option<&str>, answer: &str, asked: i64) -> Seen {
    let row = json!({
        "Id": case_id(), "Status": "New", "IsClosed": false,
        "Goodays_Command__c": command, "Goodays_Answer__c": answer,
    });
    let now = SalesforceTime::from_millis(minute(20));
    let since = Since {
        first_start: SalesforceTime::from_millis(minute(0)),
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

#[test]
fn of_a_merged_case_the_one_who_waits_is_answered() {
    let command = |merged| {
        let mut conversation = known();
        let row = json!({ "Id": case_id(), "Goodays_Command__c": "answer", "Goodays_Answer__c": "Hello." });
        let at = SalesforceTime::from_millis(minute(20));
        let since =
            Since { first_start: at, us: &[], now_ms: minute(20), now: at, asked_ms: minute(20), merged };
        conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || 1);
        conversation.intents.first().map(|intent| intent.state.name())
    };
    assert_eq!(command(MergedCase::AnswersThis), Some("pending"));
    assert_eq!(command(MergedCase::AnswersAnother), None);
    assert_eq!(command(MergedCase::Unsure), Some("parked"));
}
