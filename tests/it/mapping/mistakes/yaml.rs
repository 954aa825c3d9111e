//! Mistakes in YAML itself, and keys with the wrong name or kind.

use super::{fields, mistake};

#[test]
fn yaml_that_is_none() {
    insta::assert_snapshot!(fields("Y001", "Subject: { template: {{ response.place.name }} }}"), @r#"
    error[Y001]: this is not YAML: misplaced bracket
     --> mappings/case.yaml:4:51
      |
    4 |   Subject: { template: {{ response.place.name }} }}
      |                                                   ^
      |
      = help: put the template in double quotes: "{{ ... }}"
    "#);
}

#[test]
fn two_colons() {
    insta::assert_snapshot!(fields("Y001", r"Subject:
  template: Goodays: {{ response.place.name }}"), @r#"
    error[Y001]: this is not YAML: mapping values are not allowed in this context
     --> mappings/case.yaml:5:22
      |
    5 |     template: Goodays: {{ response.place.name }}
      |                      ^
      |
      = help: put the template in double quotes: "{{ ... }}"
    "#);
}

#[test]
fn a_key_twice() {
    insta::assert_snapshot!(fields("Y002", r"Subject: { value: a }
Origin: { value: b }
Subject: { value: c }"), @r"
    error[Y002]: `Subject` stands twice in this mapping
     --> mappings/case.yaml:6:3
      |
    6 |   Subject: { value: c }
      |   ^^^^^^^ first on line 4
      |
      = help: keep one of them; several rules for one field are a list, `- { ... }` under one key
    ");
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(fields("Y003", "Subject: { valeu: a, value: b, on: create }"), @r"
    error[Y003]: unknown key `valeu` in a rule
     --> mappings/case.yaml:4:14
      |
    4 |   Subject: { valeu: a, value: b, on: create }
      |              ^^^^^
      |
      = help: did you mean `value`?
    ");
}

#[test]
fn unknown_keys_at_the_top() {
    insta::assert_snapshot!(mistake("Y003", "case.yaml", r"object: Case
key: { feild: K__c, field: K__c }
marker: M__c
assignement: create
fields: {}
"), @r"
    error[Y003]: unknown key `feild` in `key`
     --> mappings/case.yaml:2:8
      |
    2 | key: { feild: K__c, field: K__c }
      |        ^^^^^
      |
      = help: did you mean `field`?
    error[Y003]: unknown key `assignement` in a case mapping
     --> mappings/case.yaml:4:1
      |
    4 | assignement: create
      | ^^^^^^^^^^^
      |
      = help: did you mean `assignment`?
    ");
}

#[test]
fn a_missing_key() {
    insta::assert_snapshot!(mistake("Y004", "case.yaml", r"key: { from: response.id }
fields: {}
"), @"
    error[Y004]: a case mapping needs the key `marker`
     --> mappings/case.yaml:1:1
      |
    1 | key: { from: response.id }
      | ^^^
      |
      = help: add `marker: ...`; the shipped files and docs show how it looks
    error[Y004]: `key` needs the key `field`
     --> mappings/case.yaml:1:6
      |
    1 | key: { from: response.id }
      |      ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: add `field: ...`; the shipped files and docs show how it looks
    ");
}

#[test]
fn actions_that_lack_what_they_need() {
    insta::assert_snapshot!(mistake("Y004", "actions.yaml", r"actions:
  - { do: answer, on: comment }
  - { do: close, on: case }
"), @r#"
    error[M040]: rules on comments need `comments.when`: which comments may go to the customer
     --> mappings/actions.yaml:1:1
      |
    1 | actions:
      | ^^^^^^^
      |
      = help: write `when: comment.IsPublished`, or `when: "true"` to send all of them, internal notes too
    warning[M038]: agents are never told of what is `sent`, `settled`, `unclear` or `failed`: `feedback` has no field for it
     --> mappings/actions.yaml:1:1
      |
    1 | actions:
      | ^^^^^^^
      |
      = help: add `sent: { Goodays_Sync_Status__c: "..." }` under `feedback`
    error[Y004]: `answer` needs `content`, the text for the customer
     --> mappings/actions.yaml:2:5
      |
    2 |   - { do: answer, on: comment }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: for a comment: `content: comment.CommentBody`
    error[Y004]: an action on a Case needs `when`, or every Case would cause it
     --> mappings/actions.yaml:3:5
      |
    3 |   - { do: close, on: case }
      |     ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: for example `when: case.IsClosed`
    "#);
}

#[test]
fn a_comment_without_text() {
    insta::assert_snapshot!(mistake("Y004", "comment.yaml", r"fields:
  IsPublished: { value: false }
"), @r"
    error[Y004]: `fields` needs `CommentBody`, the comment's text
     --> mappings/comment.yaml:1:1
      |
    1 | fields:
      | ^^^^^^
      |
      = help: map it, or name another field with `body:`
    ");
}

#[test]
fn a_text_where_rules_belong() {
    insta::assert_snapshot!(fields("Y005", r#"Subject: Goodays
Description: "{{ response.message.content }}"
Origin: { value: [a, b] }
Priority: { from: response.id, clear: maybe }"#), @r#"
    error[Y005]: a rule must be a mapping, this is a text
     --> mappings/case.yaml:4:12
      |
    4 |   Subject: Goodays
      |            ^^^^^^^
      |
      = help: write { value: "Goodays" }, or { from: ... } for an expression
    error[Y005]: a rule must be a mapping, this is a text
     --> mappings/case.yaml:5:16
      |
    5 |   Description: "{{ response.message.content }}"
      |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write { template: "{{ response.message.content }}" }, or { from: ... } for an expression
    error[Y005]: `value` must be a text, a number, true or false, this is a list
     --> mappings/case.yaml:6:20
      |
    6 |   Origin: { value: [a, b] }
      |                    ^^^^^^
      |
      = help: write a text, a number, true or false
    error[Y005]: `clear` must be `true` or `false`, this is a text
     --> mappings/case.yaml:7:41
      |
    7 |   Priority: { from: response.id, clear: maybe }
      |                                         ^^^^^
      |
      = help: write `true` or `false`
    "#);
}

#[test]
fn an_unquoted_template() {
    insta::assert_snapshot!(fields("Y006", r"Subject:
  template: {{ response.place.name }}"), @r#"
    error[Y006]: YAML reads this unquoted `{{` of `template` as a mapping
     --> mappings/case.yaml:5:15
      |
    5 |     template: {{ response.place.name }}
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: put the whole text in double quotes: "{{ ... }}"
    "#);
}

#[test]
fn an_expression_cut_at_a_hash() {
    insta::assert_snapshot!(fields("Y006", r"Subject:
  from: response.place.name ~ ' #1'"), @r"
    error[Y006]: YAML takes `#1'` for a comment, so this expression is cut
     --> mappings/case.yaml:5:11
      |
    5 |     from: response.place.name ~ ' #1'
      |           ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: put the whole expression in double quotes
    ");
}

#[test]
fn a_template_cut_at_a_hash() {
    insta::assert_snapshot!(fields("Y006", r"Subject:
  template: Ticket #1 from Goodays"), @r"
    warning[Y006]: YAML takes `#1 from Goodays` for a comment
     --> mappings/case.yaml:5:15
      |
    5 |     template: Ticket #1 from Goodays
      |               ^^^^^^
      |
      = help: put the whole text in double quotes if it belongs to it
    ");
}

#[test]
fn an_expression_cut_at_a_comma() {
    let text = "A: { from: response.created_date | date('Europe/Paris', format='%d') }";
    insta::assert_snapshot!(fields("Y006", text), @"
    error[Y006]: YAML ends this expression at the comma
     --> mappings/case.yaml:4:14
      |
    4 |   A: { from: response.created_date | date('Europe/Paris', format='%d') }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a comma inside of { } or [ ] needs double quotes around the whole text
    error[Y003]: unknown key `format='%d')` in a rule
     --> mappings/case.yaml:4:59
      |
    4 |   A: { from: response.created_date | date('Europe/Paris', format='%d') }
      |                                                           ^^^^^^^^^^^^
      |
      = help: use one of `from`, `template`, `value`, `when`, `map`, `default`, `on` or `clear`
    ");
}
