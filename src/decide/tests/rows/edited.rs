//! Rows beside an edit of actions.yaml (design, rule 19).

use super::*;
use crate::decide::outbound::EarlierRules;

/// A row that was last changed at this minute.
fn changed_at(mut row: Value, at: i64) -> Value {
    row["LastModifiedDate"] = json!(stamp(minute(at)));
    row
}

fn edited_at_5(before: &Mapping) -> [EarlierRules; 1] {
    let text = [("on: case, when: case.IsClosed", "on: case, when: not case.IsClosed")];
    assert_ne!(before.rules_version(), mapping_with(&text).rules_version());
    [EarlierRules { until: SalesforceTime::from_millis(minute(5)), mapping: Some(mapping_with(&[]).into()) }]
}

/// A06: an edited rule acts on what people do after the edit.
#[test]
fn an_edited_status_rule_leaves_alone_what_stands() {
    let edited = mapping_with(&[("on: case, when: case.IsClosed", "on: case, when: not case.IsClosed")]);
    let earlier = edited_at_5(&SHIPPED);
    let rules = Rules { now: &edited, earlier: &earlier };
    let mut conversation = conversation(Some(ours()), &[]);
    see(&mut conversation, &changed_at(row("New"), 1));
    let mut fired = |status: &str, at: i64| {
        see_by(&mut conversation, &changed_at(row(status), at), rules, &context_of(&edited)).fired
    };
    assert_eq!(fired("New", 1), None, "a mass touch after the edit");
    assert_eq!(fired("New", 6), None, "somebody changed something else");
    assert_eq!(fired("Closed", 7), None, "by the new rule that is no close");
    assert_eq!(fired("New", 8), Some("close"), "reopened after the edit: the new rule begins to hold");
}

#[test]
fn what_was_done_before_an_edit_is_judged_by_the_rules_of_then() {
    let edited = mapping_with(&[("on: case, when: case.IsClosed", "on: case, when: not case.IsClosed")]);
    let earlier = edited_at_5(&SHIPPED);
    let rules = Rules { now: &edited, earlier: &earlier };
    let mut conversation = conversation(Some(ours()), &[]);
    see(&mut conversation, &changed_at(row("New"), 1));
    let came = see_by(&mut conversation, &changed_at(row("Closed"), 4), rules, &context_of(&edited));
    assert_eq!(came.fired, Some("close"), "closed before the edit, and seen after it");
}

/// A05, A06: an edit does not publish existing internal notes.
#[test]
fn an_edited_comment_rule_leaves_alone_what_stands() {
    let edited = mapping_with(&[("when: comment.IsPublished", "when: \"true\"")]);
    let earlier = edited_at_5(&SHIPPED);
    let rules = Rules { now: &edited, earlier: &earlier };
    let at = |published: bool, created: i64, modified: i64| {
        let mut row = changed_at(comment("Hello.", published), modified);
        row["CreatedDate"] = json!(stamp(minute(created)));
        hear_by(&mut conversation(Some(ours()), &[]), &row, rules).fired
    };
    assert_eq!(at(false, 1, 1), None, "an internal note of before");
    assert_eq!(at(false, 1, 6), None, "its typing error was mended");
    assert_eq!(at(true, 1, 1), Some("answer"), "published before, seen after");
    assert_eq!(at(false, 6, 6), Some("answer"), "written after the edit");
    let back = [EarlierRules { until: SalesforceTime::from_millis(minute(5)), mapping: Some(edited.into()) }];
    let rules = Rules { now: &SHIPPED, earlier: &back };
    let mut row = changed_at(comment("Hello.", true), 6);
    row["CreatedDate"] = json!(stamp(minute(1)));
    let fired = hear_by(&mut conversation(Some(ours()), &[]), &row, rules).fired;
    assert_eq!(fired, Some("answer"), "published after the edit");
}

/// Only the last edits' rules are kept: what somebody did before those was seen long ago, or is not judged.
#[test]
fn a_comment_of_before_the_kept_rules_is_no_answer() {
    let edited = mapping_with(&[("when: comment.IsPublished", "when: \"true\"")]);
    let at = |n| SalesforceTime::from_millis(minute(n));
    let earlier = [
        EarlierRules { until: at(3), mapping: None },
        EarlierRules { until: at(5), mapping: Some(edited.into()) },
    ];
    let rules = Rules { now: &SHIPPED, earlier: &earlier };
    let at = |published: bool, modified: i64| {
        let mut row = changed_at(comment("Hello.", published), modified);
        row["CreatedDate"] = json!(stamp(minute(1)));
        hear_by(&mut conversation(Some(ours()), &[]), &row, rules).fired
    };
    assert_eq!(at(false, 2), None, "an internal note, by rules that came after it");
    assert_eq!(at(true, 2), None);
    assert_eq!(at(false, 4), Some("answer"), "by the rules of then");
    assert_eq!(at(true, 6), Some("answer"), "published now");
}

/// Our own write of minute 6 hides when the agent closed the Case.
#[test]
fn behind_our_own_write_an_edit_does_not_act_on_what_may_have_been_done_before_it() {
    let edited =
        mapping_with(&[("on: case, when: case.IsClosed", "on: case, when: case.Status == 'Closed'")]);
    let none = mapping_with(&[("on: case, when: case.IsClosed", "on: case, when: case.Status == 'Nobody'")]);
    let earlier =
        [EarlierRules { until: SalesforceTime::from_millis(minute(5)), mapping: Some(none.into()) }];
    let rules = Rules { now: &edited, earlier: &earlier };
    let us = [RecordId::new("005000000000009").unwrap()];
    let fired = |polled: i64, by: &str| {
        let mut conversation = conversation(Some(ours()), &[]);
        let since = Since { seen_until: SalesforceTime::from_millis(minute(polled)), ..since(&us) };
        let mut row = changed_at(row("Closed"), 6);
        row["LastModifiedById"] = json!(by);
        conversation.see_case(&row, (rules, &context_of(&edited)), &since, &mut || 7).fired
    };
    assert_eq!(fired(4, "005000000000009"), None);
    assert_eq!(fired(5, "005000000000002"), Some("close"), "an agent's change after the edit");
    assert_eq!(fired(6, "005000000000009"), Some("close"), "a poll after the edit has not seen it yet");
}

/// A close that waits is judged by the rules of when it was asked for, whatever is changed on the Case later.
#[test]
fn an_edit_takes_nothing_back_that_was_asked_for_before_it() {
    let edited =
        mapping_with(&[("on: case, when: case.IsClosed", "on: case, when: case.Status == 'Nobody'")]);
    let earlier = edited_at_5(&SHIPPED);
    let rules = Rules { now: &edited, earlier: &earlier };
    let mut conversation = conversation(Some(ours()), &[]);
    let closed = changed_at(row("Closed"), 4);
    assert_eq!(see_by(&mut conversation, &closed, rules, &context_of(&edited)).fired, Some("close"));
    let seq = conversation.intents[0].seq;
    let touched = changed_at(row("Closed"), 7);
    assert_eq!(conversation.see_again(seq, Some(&touched), rules, minute(8)), Ok(true));
    let reopened = changed_at(row("New"), 9);
    assert_eq!(conversation.see_again(seq, Some(&reopened), rules, minute(9)), Ok(false));
}
