use crate::decide::ledger::link_update::LinkUpdate;
use crate::decide::reconcile::{Found, adopt, bury, find, read_row};
use crate::decide::tests::*;
use crate::decide::{CaseRef, MessageOrigin};

const KEY: &str = "Goodays_Response_Id__c";
const MARKER: &str = "Goodays_Message_Ids__c";

fn row(number: u32, key: &str, marker: &str) -> Value {
    let id = RecordId::new(&format!("500{number:012}")).unwrap();
    json!({"Id": id, "CaseNumber": format!("{number:08}"), "IsDeleted": false, "MasterRecordId": null,
           "Status": "Closed", "IsClosed": true, KEY: key, MARKER: marker})
}

fn deleted(mut row: Value, master: Option<&RecordId>) -> Value {
    row["IsDeleted"] = json!(true);
    row["MasterRecordId"] = json!(master);
    row
}

fn found(rows: &[Value], key: &str) -> Found {
    find(rows, &ResponseId::new(key).unwrap(), KEY, MARKER)
}

fn number(found: &Found) -> Option<&str> {
    match found {
        Found::Live(row) | Found::Deleted(row) => row.case.number.as_deref(),
        _ => None,
    }
}

#[test]
fn keys_are_compared_exactly() {
    let rows = [row(1, "abc", ""), row(2, "ABC", ""), row(3, "aBc", ""), json!({"Id": "x"})];
    assert_eq!(number(&found(&rows, "ABC")), Some("00000002"));
    assert_eq!(number(&found(&rows, "aBc")), Some("00000003"));
    assert_eq!(found(&rows, "AbC"), Found::Absent);
    assert_eq!(found(&[], "abc"), Found::Absent);
}

#[test]
fn a_live_case_comes_before_deleted_ones_and_the_last_deleted_counts() {
    let master = case_id();
    let gone = [deleted(row(1, "r1", ""), None), deleted(row(2, "r1", "m1"), None)];
    let live = row(3, "r1", "m1 m2");
    let of = |rows: &[Value]| found(rows, "r1");
    assert!(matches!(of(&gone), Found::Deleted(_)));
    assert_eq!(number(&of(&gone)), Some("00000002"));
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let all = [gone[0].clone(), gone[1].clone(), live.clone()];
        let Found::Live(row) = of(&order.map(|i| all[i].clone())) else { panic!("{order:?}") };
        assert_eq!(row.marked, [id("m1"), id("m2")]);
    }
    let merged = deleted(row(4, "r1", ""), Some(&master));
    assert_eq!(of(std::slice::from_ref(&merged)), Found::Merged(master.clone()));
    assert_eq!(of(&[gone[0].clone(), merged.clone()]), Found::Merged(master));
    assert_eq!(number(&of(&[live.clone(), merged.clone()])), Some("00000003"));
    // An org may keep a Case that was merged away.
    let mut kept = row(5, "r1", "");
    kept["MasterRecordId"] = json!(RecordId::new("500000000000099"));
    let other = RecordId::new("500000000000099").unwrap();
    assert_eq!(of(&[merged, kept.clone()]), Found::Merged(other));
    assert_eq!(number(&of(&[kept, live])), Some("00000003"));
}

#[test]
fn a_row_is_read_as_far_as_it_goes() {
    assert_eq!(read_row(&json!({"Status": "New"}), MARKER), None);
    let bare = read_row(&json!({"Id": case_id()}), MARKER).unwrap();
    assert_eq!((bare.case, bare.marked), (CaseRef { id: case_id(), number: None }, vec![]));
}

#[test]
fn adopting_starts_from_what_was_read() {
    let read = read_row(&row(1, "r1", "m1 m2"), MARKER).unwrap();
    let link = adopt(None, &response_id(), &read, &plan_context());
    assert!(link.unread);
    assert_eq!(link.case, Some(read.case.clone()));
    assert_eq!(
        link.known.iter().map(|k| (k.id.as_str(), k.origin)).collect::<Vec<_>>(),
        [("m1", MessageOrigin::Imported), ("m2", MessageOrigin::Imported)]
    );
    assert_eq!((link.marked, link.active_status_rule), (2, Some(Verb::Close)), "closed before us: no edge");
    assert_eq!(json!(link.last_seen_fields), json!({"IsClosed": true, "Status": "Closed"}));
    assert_eq!(adopt(Some(link.clone()), &response_id(), &read, &plan_context()), link);
}

#[test]
fn adopting_keeps_what_the_ledger_knows() {
    let read = read_row(&row(1, "r1", "m1 m2"), MARKER).unwrap();
    let mut link = adopt(None, &response_id(), &read, &plan_context());
    link.known[0].origin = MessageOrigin::Sent;
    link.active_status_rule = None;
    link.unread = false;
    link.learn(id("m3"), None, MessageOrigin::Sent);
    // The same Case: the poll has to see the change, so the baseline stays.
    let again = adopt(Some(link.clone()), &response_id(), &read, &plan_context());
    assert_eq!(again, link);
    // Its marker lacks m3: the next plan writes it.
    let plan = Seen { notes: &[], link: Some(&again), ..Seen::default() }.plan();
    assert_eq!(plan.write.unwrap().fields[MARKER], "m1 m2 m3");
    // Another Case: its state is the baseline.
    let other = read_row(&row(2, "r1", "m1"), MARKER).unwrap();
    let moved = adopt(Some(link), &response_id(), &other, &plan_context());
    assert_eq!((moved.active_status_rule, moved.marked, moved.known.len()), (Some(Verb::Close), 1, 3));
}

#[test]
fn an_unknown_number_does_not_replace_a_known_one() {
    let read = read_row(&row(1, "r1", ""), MARKER).unwrap();
    let link = adopt(None, &response_id(), &read, &plan_context());
    let mut nameless = read;
    nameless.case.number = None;
    let link = adopt(Some(link), &response_id(), &nameless, &plan_context());
    assert_eq!(link.case.as_ref().unwrap().number.as_deref(), Some("00000001"));
    // Another Case does not get this number.
    let mut other = read_row(&row(2, "r1", ""), MARKER).unwrap();
    other.case.number = None;
    assert_eq!(adopt(Some(link), &response_id(), &other, &plan_context()).case, Some(other.case));
}

#[test]
fn a_number_that_a_poll_read_before_the_insert_was_answered_stays() {
    let mut link = linked(&[]);
    let polled = read_row(&row(1, "r1", ""), MARKER).unwrap().case;
    link.case = Some(polled.clone());
    LinkUpdate::default().apply(&mut link, Some(polled.id.clone()));
    assert_eq!(link.case, Some(polled));
}

#[test]
fn burying_keeps_messages_and_names_the_dead() {
    let read = read_row(&deleted(row(1, "r1", "m1"), None), MARKER).unwrap();
    let link = bury(None, &response_id(), &read);
    assert_eq!((&link.case, link.gone.as_slice()), (&None, &[read.case.clone()][..]));
    assert!(link.knows(&id("m1")) && !link.unread && link.active_status_rule.is_none() && link.marked == 0);
    assert_eq!(bury(Some(link.clone()), &response_id(), &read), link, "once");
    let mut nameless = read.clone();
    nameless.case.number = None;
    let mut alive = linked(&[]);
    alive.case = Some(read.case.clone());
    assert_eq!(bury(Some(alive), &response_id(), &nameless).gone, [read.case]);
}

#[test]
fn a_marker_that_names_one_id_twice_hides_no_other() {
    let read = read_row(&row(1, "r1", "m1 m1"), MARKER).unwrap();
    let mut link = adopt(None, &response_id(), &read, &plan_context());
    link.learn(id("m2"), None, MessageOrigin::Sent);
    let plan = Seen { link: Some(&link), ..Seen::default() }.plan();
    assert_eq!(plan.write.unwrap().fields[MARKER], "m1 m2");
}
