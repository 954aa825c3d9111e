use super::*;
use crate::plan::observe::{CaseNews, CommentNews, Since, addressee, case_row, comment_row, millis};
use crate::plan::{Answered, CaseRef, RepliedBy, Told, hash64};

fn row(status: &str) -> Value {
    json!({"Id": case_id(), "CaseNumber": "00001001", "Status": status,
           "IsClosed": status.starts_with("Closed"), "Goodays_Call_Note__c": "A good talk.",
           "Goodays_Call_Rating__c": 4.0, "Goodays_Remark_Type__c": "Problem"})
}

fn saw(row: &Value, link: Option<&Link>) -> CaseNews {
    case_row(row, link, &response_id(), &desk()).unwrap()
}

/// The wishes of a Case that goes through these states, and what is taken back.
fn through(link: Option<Link>, states: &[&str]) -> Vec<String> {
    let mut link = link;
    let mut out = Vec::new();
    for status in states {
        let news = saw(&row(status), link.as_ref());
        let wish = news.wish.as_ref().map_or("-", Wish::name);
        out.push(format!("{status}: {wish}{}", if news.take_back { ", take back" } else { "" }));
        link = Some(news.link);
    }
    out
}

/// A Case of ours, as the ledger knows it.
fn ours() -> Link {
    let mut link = linked(&[]);
    link.last_customer = Some(id("c1"));
    link
}

#[test]
fn a_rule_fires_when_it_begins_to_hold() {
    let states = ["New", "Closed", "Closed", "New", "Spam", "Closed by phone", "Customer Replied", "Closed"];
    assert_eq!(
        through(Some(ours()), &states),
        [
            "New: -",
            "Closed: close",
            "Closed: -",
            "New: -, take back",
            "Spam: spam",
            "Closed by phone: call, take back",
            "Customer Replied: -, take back",
            "Closed: close",
        ]
    );
}

#[test]
fn the_baseline_is_what_we_wrote_or_what_was_read_first() {
    // A Case of ours: the very first row may be an agent's doing.
    assert_eq!(through(Some(ours()), &["Spam"]), ["Spam: spam"]);
    // Somebody else's: its first state is no edge, the next one is.
    assert_eq!(
        through(None, &["Closed", "New", "Closed"]),
        ["Closed: -", "New: -, take back", "Closed: close"]
    );
    // So for a Case that is linked by hand in place of the other.
    let mut other = ours();
    other.case = Some(CaseRef { id: RecordId::new("500000000000002").unwrap(), number: None });
    assert_eq!(through(Some(other), &["Closed", "Spam"]), ["Closed: -", "Spam: spam, take back"]);
    // What our own write put there is none either.
    let mut held = ours();
    held.held = Some(Verb::Close);
    assert_eq!(through(Some(held), &["Closed"]), ["Closed: -"]);
}

#[test]
fn a_case_of_ours_is_told_from_one_that_was_there() {
    assert!(saw(&row("New"), None).link.unread);
    let news = saw(&row("New"), Some(&ours()));
    assert!(!news.link.unread);
    assert_eq!(news.link.case.unwrap().number.as_deref(), Some("00001001"));
    assert_eq!(json!(news.link.row), json!({"IsClosed": false, "Status": "New"}), "texts are not kept");
    assert_eq!(case_row(&json!({"Id": "no id"}), None, &response_id(), &desk()), None);
}

#[test]
fn wishes_carry_what_the_mapping_says_and_who_wrote_last() {
    let wish = |status: &str| saw(&row(status), Some(&ours())).wish.unwrap();
    let after = Some(id("c1"));
    assert_eq!(wish("Spam"), Wish::Spam { after: after.clone() });
    let remark_type = Some("Problem".to_owned());
    assert_eq!(wish("Closed"), Wish::Close { remark_type, after: after.clone() });
    let note = Some("A good talk.".to_owned());
    assert_eq!(wish("Closed by phone"), Wish::Call { rating: Some(4), note, left_out: String::new(), after });
    let identities = ["Spam", "Closed", "Closed by phone"].map(|s| wish(s).identity(&case_id()));
    assert_eq!(identities, ["spam", "close", "call"].map(|v| format!("{v} {} c1", case_id())));
}

#[test]
fn ratings_are_whole_numbers_from_0_to_5() {
    let table = [
        (json!(0), Some(0)),
        (json!(5.0), Some(5)),
        (json!("3"), Some(3)),
        (json!(" 4.0 "), Some(4)),
        (json!(6), None),
        (json!(-1), None),
        (json!("good"), None),
        (json!(null), None),
    ];
    for (value, expected) in table {
        let mut case = row("Closed by phone");
        case["Goodays_Call_Rating__c"] = value.clone();
        case["Goodays_Call_Note__c"] = json!("n".repeat(5000));
        let Some(Wish::Call { rating, note, left_out, .. }) = saw(&case, Some(&ours())).wish else {
            panic!()
        };
        assert_eq!((rating, note.unwrap().len()), (expected, 4000), "{value}");
        // Nothing is left out silently (design, rule 8).
        assert_eq!(left_out.contains("rating"), rating.is_none() && !value.is_null(), "{value}: {left_out}");
        assert!(left_out.contains("4000 characters"), "{left_out}");
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_fires_nothing_and_forgets_nothing() {
    let mut odd = row("Closed");
    odd["IsClosed"] = json!("perhaps");
    let mut link = ours();
    link.held = Some(Verb::Spam);
    let news = saw(&odd, Some(&link));
    assert!(news.problem.is_some() && news.wish.is_none() && !news.take_back);
    assert_eq!(news.link.held, Some(Verb::Spam));
}

fn us() -> RecordId {
    RecordId::new("005000000000001").unwrap()
}

/// An agent's comment on a Case of ours.
fn comment(text: &str, published: bool) -> Value {
    json!({"Id": comment_id(), "CommentBody": text, "IsPublished": published, "CreatedDate": stamp(minute(5)),
           "CreatedById": "005000000000002", "ParentId": case_id()})
}

fn heard(row: &Value, link: Option<&Link>, intent: Option<&Intent>) -> CommentNews {
    let since = Since { first_start_ms: minute(0), us: vec![us()], now_ms: minute(10) };
    comment_row(row, &self::row("New"), link, intent, &desk(), &since)
}

/// The ledger and the outbox after the comment was taken over with this text.
fn taken(text: &str, state: IntentState) -> (Link, Intent) {
    let mut link = ours();
    link.answers.push(Answered { comment: comment_id(), intent: 7, text: hash64(text), told: false });
    (link, intent(7, answer(text, Meant::Public), state))
}

#[test]
fn a_published_comment_is_an_answer() {
    let CommentNews::Answer(Wish::Answer { comment: of, content, remark_type, meant }) =
        heard(&comment("Hello.", true), Some(&ours()), None)
    else {
        panic!()
    };
    assert_eq!((of, content.as_str(), meant), (comment_id(), "Hello.", Meant::Public));
    assert_eq!(remark_type.as_deref(), Some("Problem"));
    for who in [RepliedBy::Us, RepliedBy::Other] {
        let mut link = ours();
        link.replied = Some(who);
        let news = heard(&comment("Hello.", true), Some(&link), None);
        assert!(matches!(news, CommentNews::Answer(Wish::Answer { meant: Meant::Private, .. })));
    }
}

#[test]
fn comments_that_are_nobodys_answer() {
    let with = |key: &str, value: Value| {
        let mut row = comment("Hello.", true);
        row[key] = value;
        row
    };
    let table = [
        ("unpublished", comment("Hello.", false)),
        ("ours, whoever published it", with("CreatedById", json!(us()))),
        ("ours, by its short id", with("CreatedById", json!("005000000000001"))),
        ("older than the first start", with("CreatedDate", json!("2026-01-01T09:59:59.000+0000"))),
        ("of unknown age", with("CreatedDate", json!(null))),
        ("without an id", with("Id", json!(null))),
    ];
    for (what, row) in table {
        assert_eq!(heard(&row, Some(&ours()), None), CommentNews::Ignore, "{what}");
    }
    let young = with("CreatedDate", json!("2026-01-01T10:00:00.000+0000"));
    assert!(matches!(heard(&young, None, None), CommentNews::Answer(_)));
    assert!(matches!(heard(&with("IsPublished", json!("maybe")), None, None), CommentNews::Problem(_)));
}

#[test]
fn unpublished_before_it_was_sent_is_taken_back() {
    for state in [ready(), parked()] {
        let (link, intent) = taken("Hello.", state);
        assert_eq!(heard(&comment("Hello.", false), Some(&link), Some(&intent)), CommentNews::TakeBack(7));
    }
    let sending = IntentState::Sending(on_its_way(Verb::Reply, &[]));
    for state in [sending, delivered(), cancelled()] {
        let (link, intent) = taken("Hello.", state);
        assert_eq!(heard(&comment("Hello.", false), Some(&link), Some(&intent)), CommentNews::Ignore);
    }
}

fn delivered() -> IntentState {
    IntentState::Delivered { at_ms: 0, verb: Verb::Reply, message: None }
}

fn parked() -> IntentState {
    IntentState::Parked { since_ms: 0, code: "wait_for_customer".to_owned(), why: String::new() }
}

fn cancelled() -> IntentState {
    IntentState::Cancelled { at_ms: 0, why: String::new() }
}

#[test]
fn published_again_after_it_was_taken_back_is_an_answer_again() {
    let (link, intent) = taken("Hello.", cancelled());
    assert!(matches!(heard(&comment("Hello.", true), Some(&link), Some(&intent)), CommentNews::Answer(_)));
}

#[test]
fn edited_before_it_was_sent_it_is_sent_as_it_is_now() {
    for state in [ready(), parked()] {
        let (link, intent) = taken("Hello.", state);
        assert_eq!(
            heard(&comment("Hello, Ann.", true), Some(&link), Some(&intent)),
            CommentNews::Retext(7, "Hello, Ann.".to_owned())
        );
        for same in ["Hello.", " Hello.\r\n"] {
            assert_eq!(heard(&comment(same, true), Some(&link), Some(&intent)), CommentNews::Ignore);
        }
    }
}

#[test]
fn edited_afterwards_the_agent_is_told_once_what_the_customer_has() {
    let sending = || on_its_way(Verb::Reply, &[]);
    let unclear = IntentState::Unclear { since_ms: 0, why: String::new(), sending: sending() };
    let settled = IntentState::Settled { at_ms: 0, why: "dropped by an operator".to_owned() };
    let observed = IntentState::Observed { at_ms: 0, verb: Verb::Reply };
    let table = [
        (Some(delivered()), true),
        (Some(IntentState::Sending(sending())), true),
        (None, true),
        (Some(unclear), false),
        (Some(settled), false),
        (Some(observed), false),
    ];
    for (state, has_it) in table {
        let (mut link, intent) = taken("Hello.", state.clone().unwrap_or_else(delivered));
        let intent = state.is_some().then_some(&intent);
        let CommentNews::Edited(note) = heard(&comment("Bye.", true), Some(&link), intent) else { panic!() };
        assert_eq!(note.told, Told::Failed);
        assert_eq!(
            note.reason.contains("the customer has the first text"),
            has_it,
            "{state:?}: {}",
            note.reason
        );
        link.answers[0].told = true;
        assert_eq!(heard(&comment("Bye.", true), Some(&link), intent), CommentNews::Ignore);
        link.answers[0].told = false;
        assert_eq!(heard(&comment("Hello.", true), Some(&link), intent), CommentNews::Ignore);
    }
}

#[test]
fn a_merged_cases_comment_answers_the_one_that_waits() {
    let links = |waiting: &[Option<i64>]| -> Vec<Link> {
        let one = |(i, w): (usize, &Option<i64>)| {
            let mut link = Link::new(ResponseId::new(format!("r{i}")).unwrap());
            link.waiting_since = *w;
            link
        };
        waiting.iter().enumerate().map(one).collect()
    };
    let table = [
        (vec![None], Some("r0")),
        (vec![Some(1)], Some("r0")),
        (vec![None, Some(1)], Some("r1")),
        (vec![Some(1), Some(1)], None),
        (vec![None, None], None),
        (vec![], None),
    ];
    for (waiting, expected) in table {
        let links = links(&waiting);
        assert_eq!(addressee(&links).map(|l| l.response_id.as_str()), expected, "{waiting:?}");
    }
}

#[test]
fn salesforces_times() {
    assert_eq!(millis("2026-01-01T10:00:00.000+0000"), Some(minute(0)));
    assert_eq!(millis("2026-01-01T11:00:00.000+0100"), Some(minute(0)));
    assert_eq!(millis("2026-01-01T10:00:00Z"), Some(minute(0)));
    assert_eq!(millis("yesterday"), None);
}
