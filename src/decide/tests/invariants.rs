use crate::decide::CaseRef;
use crate::decide::invariants::{breach_of_action, breach_of_write};
use crate::decide::tests::*;
use crate::goodays::action::Action;

#[test]
fn no_write_leaves_that_lacks_its_key_or_marker_or_is_for_another_case() {
    let events = [event(&[said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Thank you.")])];
    let id = events[0].response.id.clone();
    let write = Seen { events: &events, ..Seen::default() }.plan().write.unwrap();
    let breach = |write: &CaseWrite, link: Option<&Link>| breach_of_write(write, &id, link, &SHIPPED);
    assert!(!write.comments.is_empty());
    assert_eq!(breach(&write, None), None);
    for field in ["Goodays_Response_Id__c", "Goodays_Message_Ids__c"] {
        let mut broken = write.clone();
        assert!(broken.fields.remove(field).is_some(), "{field}");
        assert!(breach(&broken, None).is_some(), "{field}");
    }
    let mut of_another = write.clone();
    of_another.fields.insert("Goodays_Response_Id__c".to_owned(), json!("another"));
    assert!(breach(&of_another, None).is_some());
    let patch = CaseWrite { patch: Some(case_id()), ..write };
    let mut link = Link::new(id.clone());
    assert!(breach(&patch, Some(&link)).is_some(), "the ledger names no Case");
    link.case = Some(CaseRef { id: case_id(), number: None });
    assert_eq!(breach(&patch, Some(&link)), None);
}

#[test]
fn no_action_leaves_that_goodays_does_not_list_or_that_is_for_another_response() {
    let one = intent(1, ActionKind::Spam { after: None }, IntentState::Ready { not_before_ms: 0 });
    let spam = Action::Spam { user: None, remark_type: None };
    let mut view = Response::from_value(&response(&[])).unwrap();
    view.actions = ["spam".to_owned()].into();
    assert_eq!(breach_of_action(&spam, &one, &view), None);
    view.actions = ["close".to_owned()].into();
    assert!(breach_of_action(&spam, &one, &view).is_some());
    view.actions = ["spam".to_owned()].into();
    view.id = ResponseId::new("another").unwrap();
    assert!(breach_of_action(&spam, &one, &view).is_some());
}
