//! Files, words from fixed lists, and fields that cannot be written.

use super::{checked, fields, mistake};

#[test]
fn missing_files() {
    insta::assert_snapshot!(checked("M001", Vec::new()), @r"
    error[M001]: `actions.yaml` is missing
    --> mappings/actions.yaml
     = help: the repository's mappings/ folder holds one to start from
    error[M001]: `case.yaml` is missing
    --> mappings/case.yaml
     = help: the repository's mappings/ folder holds one to start from
    error[M001]: `comment.yaml` is missing
    --> mappings/comment.yaml
     = help: the repository's mappings/ folder holds one to start from
    ");
}

#[test]
fn a_mapping_that_is_never_chosen() {
    insta::assert_snapshot!(mistake("M002", "case.yml", r"object: Case
key: { field: Goodays_Response_Id__c }
marker: Goodays_Message_Ids__c
fields: {}
"), @"
    error[M035]: `case.yaml` stands beside it: one of them would be edited in vain
    --> mappings/case.yml
     = help: keep one of them, and remove the other
    error[M002]: never chosen: `mappings/case.yaml` takes every response
     --> mappings/case.yml:1:1
      |
    1 | object: Case
      | ^^^^^^^^^^^^
      |
      = help: files are tried in the order of their names; give that one a `when`, or a later name
    ");
}

#[test]
fn a_file_of_another_name() {
    insta::assert_snapshot!(mistake("M003", "customer.yaml", ""), @"
    warning[M003]: `customer.yaml` is not read: that is no mapping's name
    --> mappings/customer.yaml
     = help: read are case.yaml, case-NAME.yaml (NAME of letters, digits, `_` and `-`), comment.yaml and actions.yaml: remove a copy, or give it such a name
    ");
}

#[test]
fn case_mappings_that_differ_in_what_they_share() {
    let text = "key: { field: Other__c }\nmarker: M__c\nwhen: response.source == 'web'\nfields: {}\n";
    insta::assert_snapshot!(mistake("M004", "case-a.yaml", text), @r"
    error[M004]: `key.field` is `Goodays_Response_Id__c` here and `Other__c` in `mappings/case-a.yaml`
      --> mappings/case.yaml:24:1
       |
    24 | object: Case
       | ^^^^^^^^^^^^
       |
       = help: all Case mappings share them: a response is looked up before one is chosen
    error[M004]: `marker` is `Goodays_Message_Ids__c` here and `M__c` in `mappings/case-a.yaml`
      --> mappings/case.yaml:24:1
       |
    24 | object: Case
       | ^^^^^^^^^^^^
       |
       = help: all Case mappings share them: a response is looked up before one is chosen
    ");
}

#[test]
fn a_field_of_feedback_in_a_case_mapping() {
    insta::assert_snapshot!(fields("M005", "Goodays_Sync_Error__c: { from: response.id }"), @r"
    error[M005]: `Goodays_Sync_Error__c` is written by `feedback` in actions.yaml, too
     --> mappings/case.yaml:4:26
      |
    4 |   Goodays_Sync_Error__c: { from: response.id }
      |                          ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: one of them would undo the other; take another field
    ");
}

#[test]
fn words_that_are_none() {
    insta::assert_snapshot!(fields("M006", "Subject: { value: a, on: created }"), @r"
    error[M006]: `on` can be `create` or `message`, not `created`
     --> mappings/case.yaml:4:28
      |
    4 |   Subject: { value: a, on: created }
      |                            ^^^^^^^
      |
      = help: did you mean `create`?
    ");
}

#[test]
fn verbs_that_are_none() {
    insta::assert_snapshot!(mistake("M006", "actions.yaml", r"comments: { when: comment.IsPublished }
actions:
  - { do: reply, on: comment, content: comment.CommentBody }
  - { do: clsoe, on: cases, when: case.IsClosed }
"), @"
    error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `reply`
     --> mappings/actions.yaml:3:11
      |
    3 |   - { do: reply, on: comment, content: comment.CommentBody }
      |           ^^^^^
      |
      = help: use `answer`: it replies while Goodays lists that, and sends a message afterwards
    error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `clsoe`
     --> mappings/actions.yaml:4:11
      |
    4 |   - { do: clsoe, on: cases, when: case.IsClosed }
      |           ^^^^^
      |
      = help: did you mean `close`?
    error[M006]: `on` can be `comment` or `case`, not `cases`
     --> mappings/actions.yaml:4:22
      |
    4 |   - { do: clsoe, on: cases, when: case.IsClosed }
      |                      ^^^^^
      |
      = help: did you mean `case`?
    ");
}

#[test]
fn an_assignment_that_is_none() {
    insta::assert_snapshot!(mistake("M006", "case.yaml", r"key: { field: K__c }
marker: M__c
assignment: creating
fields: {}
"), @r"
    error[M006]: `assignment` cannot be `creating`
     --> mappings/case.yaml:3:13
      |
    3 | assignment: creating
      |             ^^^^^^^^
      |
      = help: `create`, `never`, or the id of a rule, which begins with 01Q
    ");
}

#[test]
fn sides_that_are_none() {
    insta::assert_snapshot!(mistake("M006", "comment.yaml", r"import: [customers, brand]
fields: { CommentBody: { from: message.content } }
"), @r"
    error[M006]: `import` can be `customer` or `brand`, not `customers`
     --> mappings/comment.yaml:1:10
      |
    1 | import: [customers, brand]
      |          ^^^^^^^^^
      |
      = help: did you mean `customer`?
    ");
}

#[test]
fn another_key() {
    insta::assert_snapshot!(mistake("M027", "case.yaml", r"key: { field: K__c, from: response.thread }
marker: M__c
fields: {}
"), @r"
    error[M027]: the key is always `response.id`: it tells one Case from another
     --> mappings/case.yaml:1:27
      |
    1 | key: { field: K__c, from: response.thread }
      |                           ^^^^^^^^^^^^^^^
      |
      = help: write `from: response.id`
    ");
}

#[test]
fn names_that_no_field_has() {
    insta::assert_snapshot!(fields("M028", r"Case Origin: { value: x }
Store__c.Partner_Id__c: { from: response.place.partner_id }
RecordType.Name: { value: Complaint }"), @r"
    error[M028]: `Case Origin` is no Salesforce field name
     --> mappings/case.yaml:4:3
      |
    4 |   Case Origin: { value: x }
      |   ^^^^^^^^^^^
      |
      = help: use the API name, such as `Subject` or `Goodays_Score__c`, not the label
    error[M028]: `Store__c` is a field; a relation's name ends in __r
     --> mappings/case.yaml:5:3
      |
    5 |   Store__c.Partner_Id__c: { from: response.place.partner_id }
      |   ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `Store__r.Partner_Id__c`?
    error[M028]: `RecordType` is not found by `Name`
     --> mappings/case.yaml:6:3
      |
    6 |   RecordType.Name: { value: Complaint }
      |   ^^^^^^^^^^^^^^^
      |
      = help: by `DeveloperName`
    ");
}

#[test]
fn fields_written_by_others() {
    insta::assert_snapshot!(fields("M029", r"K__c: { from: response.id }
Subject: { value: a }
subject: { value: b }"), @r"
    error[M029]: `K__c` is the key; the connector writes it itself
     --> mappings/case.yaml:4:3
      |
    4 |   K__c: { from: response.id }
      |   ^^^^
      |
      = help: remove it from `fields`
    error[M029]: `Subject` is mapped already
     --> mappings/case.yaml:6:3
      |
    6 |   subject: { value: b }
      |   ^^^^^^^
      |
      = help: Salesforce takes one value for a field and one external id for a relation; keep one of them
    ");
}

#[test]
fn what_goodays_does_not_take() {
    insta::assert_snapshot!(mistake("M030", "actions.yaml", r"actions:
  - { do: spam, on: case, when: case.IsClosed, note: case.Note__c }
"), @r#"
    warning[M038]: agents are never told of what is `sent`, `settled`, `unclear` or `failed`: `feedback` has no field for it
     --> mappings/actions.yaml:1:1
      |
    1 | actions:
      | ^^^^^^^
      |
      = help: add `sent: { Goodays_Sync_Status__c: "..." }` under `feedback`
    error[M030]: Goodays takes no `note` with `spam`
     --> mappings/actions.yaml:2:48
      |
    2 |   - { do: spam, on: case, when: case.IsClosed, note: case.Note__c }
      |                                                ^^^^
      |
      = help: with `spam` it takes nothing
    "#);
}
