//! Several Case mappings: which one's rules are written when none takes the response any more.

use super::*;

const PRAISE: &str = r#"
key: { field: Goodays_Response_Id__c }
marker: Goodays_Message_Ids__c
when: response.message.type == 'Praise'
fields:
  Description: { template: "Praise - {{ response.message.content }}" }
  Status: { value: Escalated, on: message }
"#;

/// The shipped files, whose case.yaml takes problems alone, with others before it.
fn problems(others: &[(&str, &str)]) -> Mapping {
    let mut sources =
        mapping_with(&[("when: \"true\"", "when: response.message.type == 'Problem'")]).sources().to_vec();
    let others = others.iter().map(|(name, text)| (format!("mappings/{name}"), (*text).to_owned()));
    sources.extend(others.map(|(name, text)| Source { name, text }));
    Mapping::from_sources(sources).unwrap().0
}

/// The customer writes, and the response is neither a problem nor praise any more.
fn unwanted() -> [Event; 1] {
    let mut event = json!({"event_type": "message", "response": response(&[said("c1", 'c', 1, "Hello?")])});
    event["response"]["message"]["type"] = json!("Question");
    event["response"]["user"]["last_name"] = json!("Leigh");
    [read(&event).unwrap()]
}

fn plan_of(mapping: &Mapping, events: &[Event], link: Option<&Link>) -> Plan {
    Seen { events, link, ..Seen::default() }.plan_with(&context_of(mapping))
}

#[test]
fn a_case_that_no_mapping_takes_any_more_keeps_its_own() {
    let mapping = problems(&[("case-praise.yaml", PRAISE)]);
    let link = learned(&plan_of(&mapping, &[event(&[])], None), None);
    assert_eq!(link.case_file.as_deref(), Some("case.yaml"));
    let plan = plan_of(&mapping, &unwanted(), Some(&link));
    assert_snapshot!(shown(&plan), @r#"
    patch Case 500000000000001AAA
      SuppliedName = "Ann Leigh"
      Status = "Customer Replied"
      Goodays_Message_Ids__c = "c1"
      + CaseComment by ParentId: IsPublished = false, CommentBody = "Ann Lee, 2026-01-01 10:01:\nHello?"
    "#);
    assert_eq!(learned(&plan, Some(&link)).case_file.as_deref(), Some("case.yaml"));
}

/// A state of an earlier version does not say which mapping made the Case, and a file may be gone: another one's rules
/// could undo what an agent wrote.
#[test]
fn a_case_of_an_unknown_mapping_keeps_its_fields_and_gets_its_messages() {
    let mapping = problems(&[("case-praise.yaml", PRAISE)]);
    let link = learned(&plan_of(&mapping, &[event(&[])], None), None);
    for unknown in [None, Some("case-gone.yaml".to_owned())] {
        let link = Link { case_file: unknown, ..link.clone() };
        let plan = plan_of(&mapping, &unwanted(), Some(&link));
        let write = plan.write.as_ref().unwrap();
        let fields: Vec<&String> = write.fields.keys().collect();
        assert_eq!(fields, ["Goodays_Message_Ids__c"], "{:?}", link.case_file);
        assert_eq!((write.comments.len(), &plan.reports[..]), (1, &[][..]));
        assert_eq!(learned(&plan, Some(&link)).case_file, link.case_file);
        // Once a mapping takes it again, that one is remembered.
        let talk = [said("c1", 'c', 1, "Hello?"), said("c2", 'c', 2, "Anybody?")];
        let link = learned(&plan_of(&mapping, &[event(&talk)], Some(&link)), Some(&link));
        assert_eq!(link.case_file.as_deref(), Some("case.yaml"));
    }
}

#[test]
fn the_only_mapping_is_that_of_a_case_of_an_earlier_version() {
    let mapping = problems(&[]);
    let link = learned(&plan_of(&mapping, &[event(&[])], None), None);
    let link = Link { case_file: None, ..link };
    let plan = plan_of(&mapping, &unwanted(), Some(&link));
    assert_eq!(plan.write.as_ref().unwrap().fields["Status"], json!("Customer Replied"));
}

/// In place of a deleted Case: it has no field that an agent corrected, and an empty one would say nothing.
#[test]
fn a_new_case_of_an_unknown_mapping_gets_the_fields_of_the_first() {
    let mapping = problems(&[("case-praise.yaml", PRAISE)]);
    let mut link = learned(&plan_of(&mapping, &[event(&[])], None), None);
    (link.case_file, link.gone) = (None, link.case.take().into_iter().collect());
    let plan = plan_of(&mapping, &unwanted(), Some(&link));
    let write = plan.write.as_ref().unwrap();
    assert_eq!((&write.patch, &write.fields["Description"]), (&None, &json!("Praise - It is broken.")));
}
