//! Expressions, templates and the names in them.

use super::{fields, mistake};

#[test]
fn expressions_that_are_none() {
    insta::assert_snapshot!(fields("M007", r#"A: { from: "response.place." }
B: { from: "{{ response.place.name }}" }
C: { value: x, when: "response.state = 'open'" }
D: { from: "(response.id" }"#), @r#"
    error[M007]: this expression cannot be read: a name is missing after the dot
     --> mappings/case.yaml:4:29
      |
    4 |   A: { from: "response.place." }
      |                             ^
      |
      = help: write the name, or take the dot away
    error[M007]: `from` is an expression already
     --> mappings/case.yaml:5:14
      |
    5 |   B: { from: "{{ response.place.name }}" }
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: leave out the `{{ }}`, or use `template:` for a text
    error[M007]: this expression cannot be read: `=` compares nothing
     --> mappings/case.yaml:6:40
      |
    6 |   C: { value: x, when: "response.state = 'open'" }
      |                                        ^
      |
      = help: to compare, write `==`
    error[M007]: this expression cannot be read: a bracket is not closed
     --> mappings/case.yaml:7:25
      |
    7 |   D: { from: "(response.id" }
      |                         ^^
      |
      = help: end it with `)`
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
    error[M008]: this template cannot be read: a bracket is missing
     --> mappings/case.yaml:4:34
      |
    4 |   A: { template: "{{ response.id }" }
      |                                  ^
      |
      = help: `{{` ends with `}}`, `{%` ends with `%}`
    error[M008]: this template cannot be read: `{%` or its block is not closed
     --> mappings/case.yaml:5:44
      |
    5 |   B: { template: "{% if response.message %}yes" }
      |                                            ^^^
      |
      = help: `{% if ... %}` ends with `{% endif %}`, `{% for ... %}` with `{% endfor %}`
    error[M008]: this template cannot be read: `.` is not expected here
     --> mappings/case.yaml:9:25
      |
    9 |       {{ response.place..name }}
      |                         ^
      |
      = help: texts need quotes and are joined with `~`; conditions are joined with `and` or `or`
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
      = help: use one of `email`, `first_name`, `last_name`, `phone`, `crm_id`, `cz_tag` or `extra`; a customer's own keys are under `response.context.extra`
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
       |
       = help: write `response.id` alone
    error[M009]: there is no `Goodays`
      --> mappings/case.yaml:11:14
       |
    11 |   H: { from: Goodays }
       |              ^^^^^^^
       |
       = help: for the fixed text use `value: Goodays`; for a value use `event` or `response`
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
B: { value: x, when: case.IsClosed }"), @"
    error[M013]: `message` is not known in this place
     --> mappings/case.yaml:4:14
      |
    4 |   A: { from: message.content }
      |              ^^^^^^^
      |
      = help: use `event` or `response`
    error[M013]: `case` is not known in this place
     --> mappings/case.yaml:5:24
      |
    5 |   B: { value: x, when: case.IsClosed }
      |                        ^^^^
      |
      = help: use `event` or `response`
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
      |
      = help: only case.yaml and comment.yaml see the survey; write the score to a field of the Case and ask for that
    error[M013]: `comment` is not known in this place
     --> mappings/actions.yaml:3:33
      |
    3 |   - { do: spam, on: case, when: comment.IsPublished }
      |                                 ^^^^^^^
      |
      = help: use `case`
    warning[M038]: agents are never told of what is `settled`, `unclear` or `failed`: `feedback` has no field for it
     --> mappings/actions.yaml:4:1
      |
    4 | feedback:
      | ^^^^^^^^
      |
      = help: add `settled: { Goodays_Sync_Status__c: "..." }` under `feedback`
    error[M013]: `case` is not known in this place
     --> mappings/actions.yaml:5:24
      |
    5 |   sent: { Note__c: "{{ case.Status }}" }
      |                        ^^^^
      |
      = help: use `action`, `reason`, `code` or `status`
    "#);
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

/// Mistakes of people who know another language, or who stop too early.
#[test]
fn expressions_as_other_languages_write_them() {
    insta::assert_snapshot!(fields("M007", r#"A: { value: x, when: "response.alert_triggered && response.id" }
B: { value: x, when: "response.alert_triggered AND response.id" }
C: { value: x, when: "!response.alert_triggered" }
D: { from: "if response.id then 'x'" }
E: { from: "“x”" }
F: { from: "response.id response.state" }
G: { from: "'abc" }
H: { from: "response.id ~" }
I: { from: "response.answers[0" }"#), @r#"
    error[M007]: this expression cannot be read: `&&` is no word here
     --> mappings/case.yaml:4:50
      |
    4 |   A: { value: x, when: "response.alert_triggered && response.id" }
      |                                                  ^
      |
      = help: write `and`
    error[M007]: this expression cannot be read: `AND` is no word here
     --> mappings/case.yaml:5:50
      |
    5 |   B: { value: x, when: "response.alert_triggered AND response.id" }
      |                                                  ^^^
      |
      = help: write `and`
    error[M007]: this expression cannot be read: `!` is no word here
     --> mappings/case.yaml:6:25
      |
    6 |   C: { value: x, when: "!response.alert_triggered" }
      |                         ^
      |
      = help: write `not`
    error[M007]: this expression cannot be read: `if` comes after the value
     --> mappings/case.yaml:7:18
      |
    7 |   D: { from: "if response.id then 'x'" }
      |                  ^^^^^^^^
      |
      = help: write `'x' if response.alert_triggered else 'y'`
    error[M007]: this expression cannot be read: curly quotes are no quotes here
     --> mappings/case.yaml:8:15
      |
    8 |   E: { from: "“x”" }
      |               ^
      |
      = help: use straight ones: ' or "
    error[M007]: this expression cannot be read: `response` is not expected here
     --> mappings/case.yaml:9:27
      |
    9 |   F: { from: "response.id response.state" }
      |                           ^^^^^^^^
      |
      = help: texts need quotes and are joined with `~`; conditions are joined with `and` or `or`
    error[M007]: this expression cannot be read: a quote is not closed
      --> mappings/case.yaml:10:19
       |
    10 |   G: { from: "'abc" }
       |                   ^
       |
       = help: end the text with the quote that it began with
    error[M007]: this expression cannot be read: something is missing at the end of the expression
      --> mappings/case.yaml:11:27
       |
    11 |   H: { from: "response.id ~" }
       |                           ^
       |
       = help: finish it, or take its last sign away
    error[M007]: this expression cannot be read: a bracket is not closed
      --> mappings/case.yaml:12:32
       |
    12 |   I: { from: "response.answers[0" }
       |                                ^
       |
       = help: end it with `]`
    "#);
}

#[test]
fn templates_that_are_not_closed_or_closed_twice() {
    insta::assert_snapshot!(fields("M008", r#"A: { template: "{{ }}" }
B: { template: "a = b {{ response.id" }
C: { template: "{% iff response.id %}x{% endif %}" }
D: { template: "x{% endif %}" }
E: { template: "{% if response.id %}x{% else if response.state %}y{% endif %}" }
F: { template: "{% if response.state = 'open' %}y{% endif %}" }"#), @r#"
    error[M008]: this template cannot be read: nothing stands between `{{` and `}}`
     --> mappings/case.yaml:4:22
      |
    4 |   A: { template: "{{ }}" }
      |                      ^^
      |
      = help: write there what is wanted: `{{ response.place.name }}`
    error[M008]: this template cannot be read: `{{` is not closed
     --> mappings/case.yaml:5:37
      |
    5 |   B: { template: "a = b {{ response.id" }
      |                                     ^^
      |
      = help: end it with `}}`
    error[M008]: this template cannot be read: there is no `{% iff %}`
     --> mappings/case.yaml:6:22
      |
    6 |   C: { template: "{% iff response.id %}x{% endif %}" }
      |                      ^^^
      |
      = help: use `{% if ... %}`, `{% for ... %}` or `{% set ... %}`
    error[M008]: this template cannot be read: `{% endif %}` ends nothing
     --> mappings/case.yaml:7:23
      |
    7 |   D: { template: "x{% endif %}" }
      |                       ^^^^^
      |
      = help: take it away, or begin before it with `{% if ... %}`
    error[M008]: this template cannot be read: `else if` is one word here
     --> mappings/case.yaml:8:48
      |
    8 |   E: { template: "{% if response.id %}x{% else if response.state %}y{% endif %}" }
      |                                                ^^
      |
      = help: write `{% elif ... %}`
    error[M008]: this template cannot be read: `=` compares nothing
     --> mappings/case.yaml:9:40
      |
    9 |   F: { template: "{% if response.state = 'open' %}y{% endif %}" }
      |                                        ^
      |
      = help: to compare, write `==`
    "#);
}
