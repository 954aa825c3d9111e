//! Every kind of mistake: a wrong file, and what is said about it.

use goodays_salesforce::mapping::{Mapping, Source, codes};

use super::{case_with, shipped, with};

/// What is said about a set of files, of which one is wrong.
fn said(sources: Vec<Source>) -> (Vec<&'static str>, String) {
    let found = match Mapping::from_sources(sources) {
        Ok((_, warnings)) => warnings,
        Err(found) => found,
    };
    let rendered: Vec<String> = found.iter().map(goodays_salesforce::mapping::Diagnostic::render).collect();
    (found.iter().map(|one| one.code).collect(), rendered.join("\n"))
}

/// What is said when a shipped file has this text instead; `code` must be among it.
fn mistake(code: &str, file: &str, text: &str) -> String {
    let mut sources = with(file, text);
    if !sources.iter().any(|source| source.name.ends_with(file)) {
        sources.push(Source { name: format!("mappings/{file}"), text: text.to_owned() });
    }
    checked(code, sources)
}

/// The same for the fields of a case mapping.
fn fields(code: &str, text: &str) -> String {
    mistake(code, "case.yaml", &case_with(text))
}

fn checked(code: &str, sources: Vec<Source>) -> String {
    let (codes, said) = said(sources);
    assert!(codes.contains(&code), "{code} is not among {codes:?}:\n{said}");
    said
}

#[test]
fn every_code_has_a_wrong_file() {
    let tests = include_str!("mistakes.rs");
    let tested = |code: &str| {
        ["fields", "mistake", "checked"]
            .iter()
            .any(|with| tests.contains(&format!("snapshot!({with}(\"{code}\"")))
    };
    let without: Vec<_> = codes().iter().filter(|code| !tested(code)).collect();
    assert!(without.is_empty(), "no wrong file for {without:?}");
}

#[test]
fn codes_are_told_apart() {
    let mut all = codes().to_vec();
    all.extend(goodays_salesforce::config::codes());
    all.sort_unstable();
    all.dedup();
    let own = codes().iter().filter(|code| code.starts_with('M')).count();
    let shared = codes().len() - own;
    assert_eq!(all.iter().filter(|code| code.starts_with('M')).count(), own);
    assert_eq!(all.iter().filter(|code| code.starts_with('Y')).count(), shared);
}

/// A mistake in one file hides none of another.
#[test]
fn all_files_are_told_at_once() {
    let mut sources = shipped().sources().to_vec();
    for source in &mut sources {
        source.text = "a: [b\n".to_owned();
    }
    assert_eq!(said(sources).0, ["Y001", "Y001", "Y001"]);
}

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
"), @r"
    error[Y004]: a case mapping needs the key `marker`
     --> mappings/case.yaml:1:1
      |
    1 | key: { from: response.id }
      | ^^^
    error[Y004]: `key` needs the key `field`
     --> mappings/case.yaml:1:6
      |
    1 | key: { from: response.id }
      |      ^
    ");
}

#[test]
fn actions_that_lack_what_they_need() {
    insta::assert_snapshot!(mistake("Y004", "actions.yaml", r"actions:
  - { do: answer, on: comment }
  - { do: close, on: case }
"), @r"
    error[Y004]: `answer` needs `content`, the text for the customer
     --> mappings/actions.yaml:2:5
      |
    2 |   - { do: answer, on: comment }
      |     ^
      |
      = help: for a comment: `content: comment.CommentBody`
    error[Y004]: an action on a Case needs `when`, or every Case would cause it
     --> mappings/actions.yaml:3:5
      |
    3 |   - { do: close, on: case }
      |     ^
      |
      = help: for example `when: case.IsClosed`
    ");
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
      |                    ^
    error[Y005]: `clear` must be `true` or `false`, this is a text
     --> mappings/case.yaml:7:41
      |
    7 |   Priority: { from: response.id, clear: maybe }
      |                                         ^^^^^
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
      |               ^
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
"), @r"
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
    insta::assert_snapshot!(mistake("M003", "customer.yaml", ""), @r"
    error[M003]: a mapping file of this name is not read
    --> mappings/customer.yaml
     = help: files are case.yaml, or several case-something.yaml, and comment.yaml and actions.yaml
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
    insta::assert_snapshot!(mistake("M006", "actions.yaml", r"actions:
  - { do: reply, on: comment, content: comment.CommentBody }
  - { do: clsoe, on: cases, when: case.IsClosed }
"), @r"
    error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `reply`
     --> mappings/actions.yaml:2:11
      |
    2 |   - { do: reply, on: comment, content: comment.CommentBody }
      |           ^^^^^
      |
      = help: use `answer`: it replies while Goodays lists that, and sends a message afterwards
    error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `clsoe`
     --> mappings/actions.yaml:3:11
      |
    3 |   - { do: clsoe, on: cases, when: case.IsClosed }
      |           ^^^^^
      |
      = help: did you mean `close`?
    error[M006]: `on` can be `comment` or `case`, not `cases`
     --> mappings/actions.yaml:3:22
      |
    3 |   - { do: clsoe, on: cases, when: case.IsClosed }
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
fn expressions_that_are_none() {
    insta::assert_snapshot!(fields("M007", r#"A: { from: "response.place." }
B: { from: "{{ response.place.name }}" }
C: { value: x, when: "response.state = 'open'" }
D: { from: "(response.id" }"#), @r#"
    error[M007]: this expression cannot be read: unexpected end of input, expected identifier or integer
     --> mappings/case.yaml:4:29
      |
    4 |   A: { from: "response.place." }
      |                             ^
    error[M007]: `from` is an expression already
     --> mappings/case.yaml:5:14
      |
    5 |   B: { from: "{{ response.place.name }}" }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: leave out the `{{ }}`, or use `template:` for a text
    error[M007]: this expression cannot be read: unexpected input after expression
     --> mappings/case.yaml:6:40
      |
    6 |   C: { value: x, when: "response.state = 'open'" }
      |                                        ^
      |
      = help: to compare, write `==`
    error[M007]: this expression cannot be read: unexpected end of input, expected `)`
     --> mappings/case.yaml:7:25
      |
    7 |   D: { from: "(response.id" }
      |                         ^^
    "#);
}

#[test]
fn templates_that_are_none() {
    insta::assert_snapshot!(fields("M008", r#"A: { template: "{{ response.id }" }
B: { template: "{% if response.message %}yes" }
C:
  template: |
    Hello,
    {{ response.place..name }}"#), @r#"
    error[M008]: this template cannot be read: unexpected `}`, expected end of variable block
     --> mappings/case.yaml:4:34
      |
    4 |   A: { template: "{{ response.id }" }
      |                                  ^
    error[M008]: this template cannot be read: unexpected end of input, expected end of block
     --> mappings/case.yaml:5:44
      |
    5 |   B: { template: "{% if response.message %}yes" }
      |                                            ^^^
    error[M008]: this template cannot be read: unexpected `.`, expected identifier or integer
     --> mappings/case.yaml:9:25
      |
    9 |       {{ response.place..name }}
      |                         ^
    "#);
}

#[test]
fn names_that_are_none() {
    insta::assert_snapshot!(fields("M009", r#"A: { from: response.plcae.name }
B: { template: "Shop {{ respnse.place.name }}" }
C: { from: response.place.nam }
D: { from: response.answers.nps }
E: { from: response.context.loyalty_card }
F: { template: "{% for m in response.attached_messages %}{{ m.sendr.email }}{% endfor %}" }
G: { from: response.id.short }
H: { from: Goodays }
I: { template: "line\n\"quoted\" {{ response.stat }}" }
J: { from: response.token }"#), @r#"
    error[M009]: `response` has no `plcae`
     --> mappings/case.yaml:4:23
      |
    4 |   A: { from: response.plcae.name }
      |                       ^^^^^
      |
      = help: did you mean `place`?
    error[M009]: there is no `respnse`
     --> mappings/case.yaml:5:27
      |
    5 |   B: { template: "Shop {{ respnse.place.name }}" }
      |                           ^^^^^^^
      |
      = help: did you mean `response`?
    error[M009]: `response.place` has no `nam`
     --> mappings/case.yaml:6:29
      |
    6 |   C: { from: response.place.nam }
      |                             ^^^
      |
      = help: did you mean `name`?
    error[M009]: `response.answers` is a list and has no `nps`
     --> mappings/case.yaml:7:31
      |
    7 |   D: { from: response.answers.nps }
      |                               ^^^
      |
      = help: one answer by its question: answer(type='nps') or answer(id='12AB34')
    error[M009]: `response.context` has no `loyalty_card`
     --> mappings/case.yaml:8:31
      |
    8 |   E: { from: response.context.loyalty_card }
      |                               ^^^^^^^^^^^^
      |
      = help: known here: `email`, `first_name`, `last_name`, `phone`, `crm_id`, `cz_tag`, `extra`; a customer's own keys are under `response.context.extra`
    error[M009]: `m` has no `sendr`
     --> mappings/case.yaml:9:65
      |
    9 |   F: { template: "{% for m in response.attached_messages %}{{ m.sendr.email }}{% endfor %}" }
      |                                                                 ^^^^^
      |
      = help: did you mean `sender`?
    error[M009]: `response.id` is a single value and has no `short`
      --> mappings/case.yaml:10:26
       |
    10 |   G: { from: response.id.short }
       |                          ^^^^^
    error[M009]: there is no `Goodays`
      --> mappings/case.yaml:11:14
       |
    11 |   H: { from: Goodays }
       |              ^^^^^^^
       |
       = help: for the fixed text use `value: Goodays`; names known here: `event` or `response`
    error[M009]: `response` has no `stat`
      --> mappings/case.yaml:12:48
       |
    12 |   I: { template: "line\n\"quoted\" {{ response.stat }}" }
       |                                                ^^^^
       |
       = help: did you mean `state`?
    error[M009]: `response` has no `token`
      --> mappings/case.yaml:13:23
       |
    13 |   J: { from: response.token }
       |                       ^^^^^
       |
       = help: whoever has this token may open the conversation; it is not handed on
    "#);
}

#[test]
fn filters_that_are_none() {
    insta::assert_snapshot!(fields("M010", r"A: { from: response.created_date | dat }
B: { from: response.id | shorten }"), @r"
    error[M010]: there is no filter `dat`
     --> mappings/case.yaml:4:38
      |
    4 |   A: { from: response.created_date | dat }
      |                                      ^^^
      |
      = help: did you mean `date`?
    error[M010]: there is no filter `shorten`
     --> mappings/case.yaml:5:28
      |
    5 |   B: { from: response.id | shorten }
      |                            ^^^^^^^
      |
      = help: filters for Goodays texts: `date`, `strip_markdown`, `strip_html`, `place` or `answers_text`
    ");
}

#[test]
fn functions_that_are_none() {
    insta::assert_snapshot!(fields("M011", r#"A: { from: "anwser(type='nps')" }"#), @r#"
    error[M011]: there is no function `anwser`
     --> mappings/case.yaml:4:15
      |
    4 |   A: { from: "anwser(type='nps')" }
      |               ^^^^^^
      |
      = help: did you mean `answer`?
    "#);
}

#[test]
fn tests_that_are_none() {
    insta::assert_snapshot!(fields("M012", r"A: { value: x, when: response.message is definde }
B: { value: x, when: response.message is not nothing }"), @r"
    error[M012]: there is no test `definde`
     --> mappings/case.yaml:4:44
      |
    4 |   A: { value: x, when: response.message is definde }
      |                                            ^^^^^^^
      |
      = help: did you mean `defined`?
    error[M012]: there is no test `nothing`
     --> mappings/case.yaml:5:48
      |
    5 |   B: { value: x, when: response.message is not nothing }
      |                                                ^^^^^^^
      |
      = help: ask for example `is defined`, `is none` or `is number`
    ");
}

#[test]
fn names_of_another_place() {
    insta::assert_snapshot!(fields("M013", r"A: { from: message.content }
B: { value: x, when: case.IsClosed }"), @r"
    error[M013]: `message` is not known in this place
     --> mappings/case.yaml:4:14
      |
    4 |   A: { from: message.content }
      |              ^^^^^^^
      |
      = help: known here: `event` or `response`
    error[M013]: `case` is not known in this place
     --> mappings/case.yaml:5:24
      |
    5 |   B: { value: x, when: case.IsClosed }
      |                        ^^^^
      |
      = help: known here: `event` or `response`
    ");
}

#[test]
fn answers_are_not_known_in_actions() {
    insta::assert_snapshot!(mistake("M013", "actions.yaml", r#"actions:
  - { do: close, on: case, when: "answer(type='nps') > 6" }
  - { do: spam, on: case, when: comment.IsPublished }
feedback:
  sent: { Note__c: "{{ case.Status }}" }
"#), @r#"
    error[M013]: answers are not known in this place
     --> mappings/actions.yaml:2:35
      |
    2 |   - { do: close, on: case, when: "answer(type='nps') > 6" }
      |                                   ^^^^^^
    error[M013]: `comment` is not known in this place
     --> mappings/actions.yaml:3:33
      |
    3 |   - { do: spam, on: case, when: comment.IsPublished }
      |                                 ^^^^^^^
      |
      = help: known here: `case`
    error[M013]: `case` is not known in this place
     --> mappings/actions.yaml:5:24
      |
    5 |   sent: { Note__c: "{{ case.Status }}" }
      |                        ^^^^
      |
      = help: known here: `action` or `reason`
    "#);
}

#[test]
fn ranges_that_overlap() {
    insta::assert_snapshot!(fields("M014", r#"Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low } }"#), @r#"
    error[M014]: `6..8` and `0..6` overlap
     --> mappings/case.yaml:4:64
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low } }
      |                                                                ^^^^^^ both ends belong to a range
      |
      = help: a value in both would be 0..6's or 6..8's by chance; move one end
    error[M014]: `8` and `6..8` overlap
     --> mappings/case.yaml:4:80
      |
    4 |   Priority: { from: "answer(type='nps')", map: { "0..6": High, "6..8": Medium, 8: Low } }
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
B: { value: a, from: response.id }"), @r"
    error[M017]: this rule has no value
     --> mappings/case.yaml:4:6
      |
    4 |   A: { on: create }
      |      ^
      |
      = help: give it `from:` (an expression), `template:` (a text) or `value:` (fixed)
    error[M017]: this rule has more than one of `from`, `template` and `value`
     --> mappings/case.yaml:5:6
      |
    5 |   B: { value: a, from: response.id }
      |      ^
      |
      = help: keep one of them; several rules for one field are a list
    ");
}

#[test]
fn a_rule_after_one_that_always_holds() {
    insta::assert_snapshot!(fields("M018", r"Status:
  - { value: New }
  - { value: Customer Replied, on: message }"), @r"
    error[M018]: this rule is never reached: the one on line 5 always holds
     --> mappings/case.yaml:6:7
      |
    6 |     - { value: Customer Replied, on: message }
      |       ^
      |
      = help: the first rule that holds wins: put the one without `when` last, or give it a `when`
    ");
}

#[test]
fn an_action_after_one_that_always_holds() {
    insta::assert_snapshot!(mistake("M018", "actions.yaml", r"actions:
  - { do: answer, on: comment, content: comment.CommentBody }
  - { do: close, on: comment, when: case.IsClosed }
"), @r"
    error[M018]: this rule is never reached: the one on line 2 always holds
     --> mappings/actions.yaml:3:5
      |
    3 |   - { do: close, on: comment, when: case.IsClosed }
      |     ^
      |
      = help: the first rule that holds decides: put the one without `when` last
    ");
}

#[test]
fn the_same_rule_twice() {
    insta::assert_snapshot!(fields("M019", r"Status:
  - { value: New, when: response.message is none }
  - { when: response.message is none, value: New }"), @r"
    error[M019]: the same rule stands on line 5
     --> mappings/case.yaml:6:7
      |
    6 |     - { when: response.message is none, value: New }
      |       ^
      |
      = help: remove one of them
    ");
}

#[test]
fn null_in_another_spelling() {
    insta::assert_snapshot!(fields("M020", r"A: { value: x, when: response.message == null }
B: { value: None }"), @r"
    error[M020]: `null` is no word here
     --> mappings/case.yaml:4:44
      |
    4 |   A: { value: x, when: response.message == null }
      |                                            ^^^^
      |
      = help: the word is `none`: `x is none`, `x is not none`
    error[M020]: `value` would be the text `None`
     --> mappings/case.yaml:5:15
      |
    5 |   B: { value: None }
      |               ^^^^
      |
      = help: leave the rule out to write nothing, or put the word in quotes if the text is meant
    ");
}

#[test]
fn answer_asked_wrongly() {
    insta::assert_snapshot!(fields("M021", r#"A: { from: answer('nps') }
B: { from: "answer(typ='nps')" }
C: { from: answer.nps }"#), @r#"
    error[M021]: `answer` wants to know by what: `type` or `id`
     --> mappings/case.yaml:4:14
      |
    4 |   A: { from: answer('nps') }
      |              ^^^^^^
      |
      = help: write answer(type='nps') or answer(id='12AB34')
    error[M021]: `answer` finds by `type` or `id`, not by `typ`
     --> mappings/case.yaml:5:22
      |
    5 |   B: { from: "answer(typ='nps')" }
      |                      ^^^
      |
      = help: did you mean `type`?
    error[M021]: `answer` is a function
     --> mappings/case.yaml:6:14
      |
    6 |   C: { from: answer.nps }
      |              ^^^^^^
      |
      = help: write answer(type='nps') or answer(id='12AB34')
    "#);
}

#[test]
fn a_question_type_that_goodays_does_not_document() {
    insta::assert_snapshot!(fields("M022", r#"A: { from: "answer(type='npss')" }"#), @r#"
    warning[M022]: Goodays documents no question type `npss`
     --> mappings/case.yaml:4:27
      |
    4 |   A: { from: "answer(type='npss')" }
      |                           ^^^^^^
      |
      = help: did you mean `nps`?
    "#);
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
    error[M023]: fails on a sample event: what should be a date is none
     --> mappings/case.yaml:5:14
      |
    5 |   B: { from: "response.place.name | date" }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    error[M023]: fails on a sample event: a field needs one value, this gives an object
     --> mappings/case.yaml:6:14
      |
    6 |   C: { from: "response.place" }
      |              ^^^^^^^^^^^^^^^^
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
"), @r"
    error[M030]: Goodays takes no `note` with `spam`
     --> mappings/actions.yaml:2:48
      |
    2 |   - { do: spam, on: case, when: case.IsClosed, note: case.Note__c }
      |                                                ^^^^
      |
      = help: with `spam` it takes nothing
    ");
}

#[test]
fn an_expression_cut_at_a_comma() {
    let text = "A: { from: response.created_date | date('Europe/Paris', format='%d') }";
    insta::assert_snapshot!(fields("Y006", text), @r"
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
      = help: known here: `from`, `template`, `value`, `when`, `map`, `default`, `on`, `clear`
    ");
}

/// A comment's rule without `when` stands under `comments.when`: another may still have its turn.
#[test]
fn a_rule_under_a_condition_leaves_others_their_turn() {
    let text = r#"
comments: { when: comment.IsPublished }
actions:
  - { do: answer, on: comment, content: comment.CommentBody }
  - { do: close, on: comment, when: "comment.CommentBody == 'close'" }
"#;
    assert_eq!(said(with("actions.yaml", text)), (Vec::new(), String::new()));
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
