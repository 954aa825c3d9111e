//! Rules that can never apply or give no value, and tables that cannot decide.

use super::super::with;
use super::{fields, mistake, said};

#[test]
fn ranges_that_overlap() {
    insta::assert_snapshot!(fields("M014", r#"Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low }, default: x }"#), @r#"
    error[M014]: `6..8` and `0..6` overlap
     --> mappings/case.yaml:4:64
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low }, default: x }
      |                                                                ^^^^^^ both ends belong to a range
      |
      = help: a value in both would be 0..6's or 6..8's by chance; move one end
    error[M014]: `8` and `6..8` overlap
     --> mappings/case.yaml:4:80
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low }, default: x }
      |                                                                                ^ both ends belong to a range
      |
      = help: a value in both would be 6..8's or 8's by chance; move one end
    "#);
}

#[test]
fn ranges_with_a_gap() {
    insta::assert_snapshot!(fields("M015", r#"Priority: { from: "answer(type='nps')", map: { "0..6": High, "9..": Low } }"#), @r#"
    warning[M015]: nothing stands for values between `0..6` and `9..`
     --> mappings/case.yaml:4:64
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "0..6": High, "9..": Low } }
      |                                                                ^^^^^
      |
      = help: close the gap, or say with `default:` what they become
    "#);
}

#[test]
fn ranges_that_are_none() {
    insta::assert_snapshot!(fields("M016", r#"Priority: { from: "answer(type='nps')", map: { "6..0": High, "7..x": Medium, "..": Low } }"#), @r#"
    error[M016]: `6..0` is no range: 6 is above 0
     --> mappings/case.yaml:4:50
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "6..0": High, "7..x": Medium, "..": Low } }
      |                                                  ^^^^^^
      |
      = help: ranges are written "0..6", "..6" or "9.."; both ends belong to them
    error[M016]: `7..x` is no range: one of its ends is no number
     --> mappings/case.yaml:4:64
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "6..0": High, "7..x": Medium, "..": Low } }
      |                                                                ^^^^^^
      |
      = help: ranges are written "0..6", "..6" or "9.."; both ends belong to them
    error[M016]: `..` is no range: it has no end at all
     --> mappings/case.yaml:4:80
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "6..0": High, "7..x": Medium, "..": Low } }
      |                                                                                ^^^^
      |
      = help: ranges are written "0..6", "..6" or "9.."; both ends belong to them
    "#);
}

#[test]
fn no_value_or_two() {
    insta::assert_snapshot!(fields("M017", r"A: { on: create }
B: { value: a, from: response.id }"), @"
    error[M017]: this rule has no value
     --> mappings/case.yaml:4:6
      |
    4 |   A: { on: create }
      |      ^^^^^^^^^^^^^^
      |
      = help: give it `from:` (an expression), `template:` (a text) or `value:` (fixed)
    error[M017]: this rule has more than one of `from`, `template` and `value`
     --> mappings/case.yaml:5:6
      |
    5 |   B: { value: a, from: response.id }
      |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: keep one of them; several rules for one field are a list
    ");
}

#[test]
fn a_rule_after_one_that_always_holds() {
    insta::assert_snapshot!(fields("M018", r"Status:
  - { value: New }
  - { value: Customer Replied, on: message }"), @"
    error[M018]: this rule is never reached: the one on line 5 always holds
     --> mappings/case.yaml:6:7
      |
    6 |     - { value: Customer Replied, on: message }
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the first rule that holds wins: put the one without `when` last, or give it a `when`
    ");
}

#[test]
fn an_action_after_one_that_always_holds() {
    insta::assert_snapshot!(mistake("M018", "actions.yaml", r#"comments: { when: "true" }
actions:
  - { do: answer, on: comment, content: comment.CommentBody }
  - { do: close, on: comment, when: case.IsClosed }
feedback: { sent: { A__c: x }, settled: { A__c: x }, unclear: { A__c: x }, failed: { A__c: x } }
"#), @"
    error[M018]: this rule is never reached: the one on line 3 always holds
     --> mappings/actions.yaml:4:5
      |
    4 |   - { do: close, on: comment, when: case.IsClosed }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the first rule that holds wins: put the one without `when` last, or give it a `when`
    ");
}

#[test]
fn the_same_rule_twice() {
    insta::assert_snapshot!(fields("M019", r"Status:
  - { value: New, when: response.message is none }
  - { when: response.message is none, value: New }"), @"
    error[M019]: the same rule stands on line 5
     --> mappings/case.yaml:6:7
      |
    6 |     - { when: response.message is none, value: New }
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: remove one of them
    ");
}

#[test]
fn a_map_on_a_fixed_value() {
    insta::assert_snapshot!(fields("M025", "A: { value: x, map: { x: y } }"), @r"
    error[M025]: `map` on a fixed `value` always gives the same
     --> mappings/case.yaml:4:8
      |
    4 |   A: { value: x, map: { x: y } }
      |        ^^^^^
      |
      = help: use `from:` with an expression, or drop `map`
    ");
}

/// `comments.when` applies to a comment's rule without `when`, so later rules may still apply.
#[test]
fn a_rule_under_a_condition_leaves_others_their_turn() {
    let text = r#"
comments: { when: comment.IsPublished }
actions:
  - { do: answer, on: comment, content: comment.CommentBody }
  - { do: close, on: comment, when: "comment.CommentBody == 'close'" }
feedback: { sent: { A__c: x }, settled: { A__c: x }, unclear: { A__c: x }, failed: { A__c: x } }
"#;
    assert_eq!(said(with("actions.yaml", text)), (Vec::new(), String::new()));
}

#[test]
fn templates_that_fail_on_a_sample() {
    insta::assert_snapshot!(fields("M023", r#"A: { value: x, when: "response.created_date < 5" }
B: { from: "response.place.name | date" }
C: { from: "response.place" }
E: { from: "response.answers[0].value | abs" }"#), @r#"
    error[M023]: fails on a sample event: a text is ordered against a number
     --> mappings/case.yaml:4:24
      |
    4 |   A: { value: x, when: "response.created_date < 5" }
      |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a text becomes a number with `| int` or `| float`; for times take `| date`
    error[M023]: fails on a sample event: what should be a date is not one
     --> mappings/case.yaml:5:14
      |
    5 |   B: { from: "response.place.name | date" }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: `date` takes times such as `response.created_date`
    error[M023]: fails on a sample event: a field needs one value, this gives an object
     --> mappings/case.yaml:6:14
      |
    6 |   C: { from: "response.place" }
      |              ^^^^^^^^^^^^^^^^
      |
      = help: name one part of it, as in `response.place.name`
    warning[M023]: fails on an event with a rating only: it cannot be computed from these values
     --> mappings/case.yaml:7:14
      |
    7 |   E: { from: "response.answers[0].value | abs" }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: what may be absent can get a value with `| default(...)`
    "#);
}

#[test]
fn conditions_that_are_none() {
    insta::assert_snapshot!(fields("M024", "A: { value: x, when: response.message }"), @r"
    error[M024]: `when` must give true or false
     --> mappings/case.yaml:4:24
      |
    4 |   A: { value: x, when: response.message }
      |                        ^^^^^^^^^^^^^^^^
      |
      = help: compare it with something, or ask whether it is there: `... is not none`
    ");
}

#[test]
fn an_answer_from_the_case_without_a_command() {
    let actions = |case: &str, when: &str| {
        format!(
            "case: {{ {case} }}\ncomments: {{ when: comment.IsPublished }}\nactions:\n  - {{ do: answer, on: case, when: \"{when}\", content: case.Answer__c }}\n"
        )
    };
    insta::assert_snapshot!(mistake("M043", "actions.yaml", &actions("fields: [Status]", "case.IsClosed")), @r#"
    warning[M038]: agents are never told of what is `sent`, `settled`, `unclear` or `failed`: `feedback` has no field for it
     --> mappings/actions.yaml:3:1
      |
    3 | actions:
      | ^^^^^^^
      |
      = help: add `sent: { Goodays_Sync_Status__c: "..." }` under `feedback`
    error[M043]: an answer from the Case needs a command, or it would be sent again and again
     --> mappings/actions.yaml:4:5
      |
    4 |   - { do: answer, on: case, when: "case.IsClosed", content: case.Answer__c }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: name the field as `case.command`, and ask for it: `when: "case.Goodays_Command__c == 'answer'"`
    "#);
    mistake("M043", "actions.yaml", &actions("command: Command__c", "case.IsClosed"));
}

#[test]
fn a_match_that_finds_nobody() {
    let with = |text: &str| {
        format!("key: {{ field: Key__c }}\nmarker: Marker__c\n{text}\nfields:\n  A__c: {{ value: x }}\n")
    };
    insta::assert_snapshot!(mistake("M048", "case.yaml", &with("match: { object: Contact }")), @"
    error[M048]: `match` does not say how the customer is found
     --> mappings/case.yaml:3:8
      |
    3 | match: { object: Contact }
      |        ^^^^^^^^^^^^^^^^^^^
      |
      = help: add `external_id: { field: ..., from: response.context.crm_id }`, or `email: { from: response.user.email }`
    ");
    mistake("M006", "case.yaml", &with("match: { object: Lead, email: { from: response.user.email } }"));
    mistake("Y004", "case.yaml", &with("match: { external_id: { from: response.context.crm_id } }"));
    mistake("M009", "case.yaml", &with("match: { email: { from: response.user.mail } }"));
    let taken = "match: { email: { from: response.user.email } }\nfields:\n  ContactId: { value: x }";
    let text = with(taken).replace("\nfields:\n  A__c: { value: x }", "");
    mistake("M029", "case.yaml", &text);
}
