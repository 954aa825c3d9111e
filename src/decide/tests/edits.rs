//! Which existing rows an edit of actions.yaml would touch (design, rule 19).

use crate::decide::ledger::joined::{Joined, KeyOfSurvivor};
use crate::decide::outbound::rows::MergedCase;
use crate::decide::outbound::rows::Since;
use crate::decide::outbound::{EarlierRules, Rules};
use crate::decide::tests::*;
use crate::decide::{ActionKind, Answered, CaseRef, Conversation, IntentState, Link, Verb};
use crate::messages::Words;

const CLOSE: (&str, &str) = ("on: case, when: case.IsClosed", "on: case, when: not case.IsClosed");
const NOTES: (&str, &str) = ("when: comment.IsPublished", "when: \"true\"");
const PORTAL: (&str, &str) =
    ("  parent: ParentId", "  parent: ParentId\n  authors: [Standard, CspLitePortal]");

fn since() -> Since<'static> {
    let at = |n| SalesforceTime::from_millis(minute(n));
    Since {
        first_start: at(0),
        seen_until: at(0),
        us: &[],
        now_ms: minute(10),
        now: at(10),
        asked_ms: minute(10),
        merged: MergedCase::default(),
    }
}

fn row(created: i64, modified: i64) -> Value {
    json!({"Id": case_id(), "CaseNumber": "00001001", "Status": "New", "IsClosed": false,
           "CreatedDate": stamp(minute(created)), "LastModifiedDate": stamp(minute(modified))})
}

fn note(created: i64) -> Value {
    json!({"Id": comment_id(), "CommentBody": "Hello.", "IsPublished": false, "ParentId": case_id(),
           "CreatedById": "005000000000002", "CreatedBy": {"UserType": "Standard"},
           "CreatedDate": stamp(minute(created)),
           "LastModifiedDate": stamp(minute(created))})
}

fn ours() -> Conversation {
    Conversation { link: Some(linked(&[])), ..Conversation::new(response_id()) }
}

/// Calls `f` with the current rules and the rules that were in force until each minute.
fn with_rules<T>(
    before: &[(i64, &[(&str, &str)])],
    now: &[(&str, &str)],
    f: impl FnOnce(Rules<'_>) -> T,
) -> T {
    let until = |n: i64| SalesforceTime::from_millis(minute(n));
    let earlier = before
        .iter()
        .map(|(n, changes)| EarlierRules { until: until(*n), mapping: Some(mapping_with(changes).into()) });
    let (earlier, now) = (earlier.collect::<Vec<_>>(), mapping_with(now));
    f(Rules { now: &now, earlier: &earlier })
}

fn case_by(conversation: &Conversation, row: &Value, rules: Rules<'_>) -> Option<Verb> {
    conversation.touched_case(row, rules, &since()).unwrap().and_then(|wish| wish.verb())
}

/// The action that an edit at minute 5 touches.
fn touched(conversation: &Conversation, row: &Value) -> Option<Verb> {
    with_rules(&[(5, &[])], &[CLOSE], |rules| case_by(conversation, row, rules))
}

#[test]
fn a06_a_case_that_stood_is_touched_and_one_that_came_later_is_not() {
    assert_eq!(touched(&ours(), &row(1, 1)), Some(Verb::Close));
    assert_eq!(touched(&ours(), &row(1, 7)), Some(Verb::Close), "changed in something else after the edit");
    assert_eq!(touched(&ours(), &row(6, 6)), None, "made after the edit");
    assert_eq!(touched(&ours(), &row(-1, 1)), None, "made before the first start");
    assert_eq!(with_rules(&[], &[CLOSE], |rules| case_by(&ours(), &row(1, 1), rules)), None, "no edit");
    let closed = json!({"IsClosed": true, "Status": "Closed"});
    let mut closed_row = row(1, 1);
    closed_row.as_object_mut().unwrap().extend(closed.as_object().unwrap().clone());
    assert_eq!(touched(&ours(), &closed_row), None, "the new rule does not hold");
    assert_eq!(with_rules(&[(5, &[CLOSE])], &[], |rules| case_by(&ours(), &row(1, 1), rules)), None);
}

#[test]
fn a06_a_second_edit_of_something_else_hides_nothing() {
    let before: [(i64, &[(&str, &str)]); 2] = [(5, &[]), (6, &[CLOSE, NOTES])];
    assert_eq!(with_rules(&before, &[CLOSE], |rules| case_by(&ours(), &row(1, 1), rules)), Some(Verb::Close));
}

#[test]
fn a06_what_is_not_in_the_ledger_is_not_touched() {
    assert_eq!(touched(&Conversation::new(response_id()), &row(1, 1)), None);
    let mut elsewhere = ours();
    let other = CaseRef { id: RecordId::new("500000000000009").unwrap(), number: None };
    elsewhere.link.as_mut().unwrap().case = Some(other);
    assert_eq!(touched(&elsewhere, &row(1, 1)), None);
}

fn every_state() -> Vec<IntentState> {
    let sending = || on_its_way(Verb::Close, &[]);
    vec![
        ready(),
        IntentState::Sending(sending()),
        IntentState::Unclear { since_ms: 0, why: Words::default(), sending: sending() },
        IntentState::Parked { since_ms: 0, code: "not_allowed".to_owned(), why: Words::default() },
        IntentState::Delivered { at_ms: 0, verb: Verb::Close, message: None },
        IntentState::Settled { at_ms: 0, why: String::new() },
        IntentState::Cancelled { at_ms: 0, why: String::new() },
        IntentState::Observed { at_ms: 0, verb: Verb::Close },
    ]
}

#[test]
fn a06_an_action_that_was_ever_begun_is_not_begun_by_an_edit() {
    let after = ours().link.unwrap().last_customer;
    for state in every_state() {
        let mut known = ours();
        known.put(intent(7, ActionKind::Close { remark_type: None, after: after.clone() }, state.clone()));
        assert_eq!(touched(&known, &row(1, 1)), None, "{state:?}");
        let mut known = ours();
        known.put(intent(7, answer("Hello.", Audience::Public), state.clone()));
        let by = |rules: Rules<'_>| known.touched_comment((&note(1), &row(1, 1)), rules, &since()).unwrap();
        assert_eq!(with_rules(&[(5, &[])], &[NOTES], by), None, "{state:?}");
    }
    let mut damaged = ours();
    damaged
        .unreadable
        .push(ActionKind::Close { remark_type: None, after: after.clone() }.identity(&case_id()));
    assert_eq!(touched(&damaged, &row(1, 1)), None);
    let mut other = ours();
    other.put(intent(7, ActionKind::Spam { after }, ready()));
    assert_eq!(touched(&other, &row(1, 1)), None, "another status action is under way");
}

#[test]
fn a06_a_note_that_stood_is_touched_unless_it_is_nobodys_answer() {
    let by = |conversation: &Conversation, row: &Value, edit| {
        with_rules(&[(5, &[])], &[edit], |rules| {
            conversation.touched_comment((row, &self::row(1, 1)), rules, &since()).unwrap().is_some()
        })
    };
    assert!(by(&ours(), &note(1), NOTES));
    assert!(!by(&ours(), &note(6), NOTES), "written after the edit");
    assert!(!by(&ours(), &note(-1), NOTES), "written before the first start");
    assert!(!by(&Conversation::new(response_id()), &note(1), NOTES));
    let mut known = ours();
    known.link.as_mut().unwrap().answers.push(Answered {
        comment: comment_id(),
        intent: 7,
        text: 0,
        told: false,
        told_of: None,
    });
    assert!(!by(&known, &note(1), NOTES));
    let mut portal = note(1);
    portal["CreatedBy"] = json!({"UserType": "CspLitePortal"});
    assert!(!by(&ours(), &portal, NOTES));
    portal["IsPublished"] = json!(true);
    assert!(by(&ours(), &portal, PORTAL), "an edit that admits its author");
}

/// A05, A06: an edit that admits authors sends nothing that they wrote before.
#[test]
fn a06_an_author_that_an_edit_admits_answers_with_what_he_writes_after_it() {
    let fired = |created: i64, modified: i64| {
        let mut row = note(created);
        row["CreatedBy"] = json!({"UserType": "CspLitePortal"});
        row["IsPublished"] = json!(true);
        row["LastModifiedDate"] = json!(stamp(minute(modified)));
        with_rules(&[(5, &[])], &[PORTAL], |rules| {
            let case = self::row(1, 1);
            ours().see_comment((&row, &case), rules, &since(), false, &mut || 7).fired
        })
    };
    assert_eq!(fired(1, 1), None);
    assert_eq!(fired(1, 7), None, "a typing error was mended after the edit");
    assert_eq!(fired(6, 6), Some("answer"));
}

#[test]
fn a06_what_an_operator_asked_for_is_judged_by_todays_rules() {
    let (row, note) = (row(1, 1), note(1));
    with_rules(&[(5, &[])], &[CLOSE, NOTES], |rules| {
        let mut conversation = ours();
        let next = &mut (100..);
        let next_seq = &mut || next.next().unwrap();
        let fired = conversation.apply_to_comment((&note, &row), rules, &since(), false, next_seq).unwrap();
        assert_eq!(fired, Some("answer"));
        assert_eq!(conversation.apply_to_case(&row, rules, &since(), next_seq).unwrap(), Some("close"));
        assert_eq!(conversation.apply_to_case(&row, rules, &since(), next_seq).unwrap(), None, "once");
        assert!(conversation.intents.iter().all(|intent| intent.by_operator));
        let seen = conversation.see_comment((&note, &row), rules, &since(), false, next_seq);
        assert_eq!((seen.fired, seen.taken_back), (None, 0), "the poll reads the note again");
        let seen = conversation.see_case(&row, (rules, &context_of(rules.now)), &since(), next_seq);
        assert_eq!((seen.fired, seen.taken_back), (None, 0), "and the Case");
        let mut again = note.clone();
        again["Parent"] = row.clone();
        assert_eq!(conversation.see_again(100, Some(&again), rules, minute(11)), Ok(true));
        assert_eq!(conversation.see_again(101, Some(&row), rules, minute(11)), Ok(true));
    });
}

#[test]
fn a06_a_merged_cases_note_waits_for_a_human() {
    with_rules(&[(5, &[])], &[NOTES], |rules| {
        let mut conversation = ours();
        conversation.apply_to_comment((&note(1), &row(1, 1)), rules, &since(), true, &mut || 7).unwrap();
        assert!(conversation.intents[0].state.is_parked());
        let Link { answers, .. } = conversation.link.unwrap();
        assert_eq!(answers.len(), 1);
    });
}

/// Our Case was merged into another one: what was written there before the merge was for somebody else.
#[test]
fn a_note_of_the_surviving_case_from_before_the_merge_is_not_touched() {
    let at = |n| SalesforceTime::from_millis(minute(n));
    let applied = |created: i64| {
        with_rules(&[(5, &[])], &[NOTES], |rules| {
            let mut conversation = ours();
            let joined = Joined { from: at(2), at: at(4), key: KeyOfSurvivor::Ours };
            conversation.link.as_mut().unwrap().joined = Some(joined);
            let (note, row) = (note(created), row(1, 1));
            let fired =
                conversation.apply_to_comment((&note, &row), rules, &since(), false, &mut || 7).unwrap();
            (fired, conversation.intents.first().map(|intent| intent.state.is_parked()))
        })
    };
    assert_eq!(applied(1), (None, None), "written on the other Case");
    assert_eq!(applied(3), (Some("answer"), Some(true)), "on one of the two: a human decides");
    assert_eq!(applied(4), (Some("answer"), Some(false)), "after the merge");
}

/// Rules before which a closed Case was done with, if its status said so.
const ONLY_DONE: (&str, &str) = (CLOSE.0, "on: case, when: case.IsClosed and case.Status == 'Done'");

/// What a touch after the edit of minute 5 begins, of a Case that was last seen like this before it.
fn begun_by_a_touch(is_closed: bool, meanwhile: impl FnOnce(&mut Link)) -> Option<&'static str> {
    let status = |row: &mut Value, is_closed: bool| {
        row["IsClosed"] = json!(is_closed);
        row["Status"] = json!(if is_closed { "Closed" } else { "New" });
    };
    with_rules(&[(5, &[ONLY_DONE])], &[], |rules| {
        let mut conversation = ours();
        let see = |conversation: &mut Conversation, row: &Value| {
            conversation.see_case(row, (rules, &context_of(rules.now)), &since(), &mut || 7).fired
        };
        let (mut before, mut after) = (row(1, 3), row(1, 7));
        status(&mut before, is_closed);
        status(&mut after, true);
        assert_eq!(see(&mut conversation, &before), None);
        meanwhile(conversation.link.as_mut().unwrap());
        see(&mut conversation, &after)
    })
}

/// Law 10 and A06: what was seen of the Case was forgotten, so nobody knows whether it was closed before the edit.
#[test]
fn a06_an_edit_after_a_forget_closes_nothing_that_stood() {
    assert_eq!(begun_by_a_touch(true, |_| ()), None, "it was closed before");
    assert_eq!(begun_by_a_touch(false, |_| ()), Some("close"), "it was closed after the edit");
    assert_eq!(begun_by_a_touch(true, Link::forget_values), None);
    // Of a Case that we made, what was not written was empty.
    assert_eq!(begun_by_a_touch(false, |link| link.last_seen_fields.clear()), Some("close"));
}
