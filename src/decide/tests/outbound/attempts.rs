//! What each answer of Goodays to a call leads to.

use crate::decide::outbound::Outcome;
use crate::decide::outbound::attempt::*;
use crate::goodays::ResponseId;
use crate::goodays::action::Action;
use crate::http::{Failure, Problem};
use crate::messages::Words;

fn refused() -> Failure {
    Failure::Refused { status: 403, problem: Problem::new("", "no") }
}

#[test]
fn only_what_surely_was_not_done_is_sent_again_without_reading_back() {
    let id = ResponseId::new("AbCdEf").unwrap();
    let busy = Failure::Busy { reason: String::new(), retry_after: None, daily_limit: false };
    let table = [
        (Ok(()), AfterPut::ReadBack),
        (Err(Failure::no_answer("502")), AfterPut::ReadBackLater { blocked: false }),
        (Err(Failure::Road("a page".to_owned())), AfterPut::ReadBackLater { blocked: true }),
        (Err(Failure::NotSent("no way".to_owned())), AfterPut::SendLater),
        (Err(busy), AfterPut::PutOff),
        (Err(Failure::login("401", "token")), AfterPut::PutOff),
    ];
    for (result, expected) in table {
        assert_eq!(after_put(&id, &close(None, None), &result), expected, "{result:?}");
    }
    let why = Words::new("refused").with("status", 403).with("message", "no");
    assert_eq!(why.to_string(), "Goodays refused it (403): no");
    let code = "status_403".to_owned();
    let all = Refused { code, why, like: Some("no".to_owned()), mend: None };
    assert_eq!(after_put(&id, &close(None, None), &Err(refused())), AfterPut::Refused(all.clone()));
    let of = |action: &Action, fields: &[&str]| {
        let mut named = Problem::new("", "no");
        named.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let AfterPut::Refused(refused) =
            after_put(&id, action, &Err(Failure::Refused { status: 403, problem: named }))
        else {
            panic!("{fields:?}")
        };
        assert_eq!((&refused.code, &refused.why), (&all.code, &all.why));
        (refused.like, refused.mend)
    };
    let (bare, full) = (close(None, None), close(Some("u1"), Some("Idea")));
    assert_eq!(of(&bare, &["content"]), (None, None), "of this text");
    let typed = Mend { remark_type: true, user: None };
    assert_eq!(of(&bare, &["remark_type"]), (None, Some(typed.clone())));
    assert_eq!(of(&full, &["remark_type"]), (None, None), "it had one");
    let of_user = Mend { remark_type: false, user: Some("u1".to_owned()) };
    assert_eq!(of(&full, &["user"]), (Some("user".to_owned()), Some(of_user.clone())), "of no text");
    assert_eq!(of(&bare, &["user"]), (Some("user".to_owned()), None), "it wants one, and there is none");
    let both = Mend { remark_type: true, ..of_user };
    assert_eq!(of(&close(Some("u1"), None), &["remark_type", "user"]), (None, Some(both)));
    assert_eq!(of(&close(Some("u1"), None), &["content", "user"]), (None, None));
    let call = Action::Call { user: None, rating: None, note: None };
    assert_eq!(of(&call, &["remark_type"]), (None, None), "a call takes none");
}

fn close(user: Option<&str>, remark_type: Option<&str>) -> Action {
    Action::Close { user: user.map(str::to_owned), remark_type: remark_type.map(str::to_owned) }
}

#[test]
fn an_outage_is_waited_out_and_one_response_is_given_to_a_human() {
    let silent = Failure::no_answer("cut");
    let reads = |times, others_are_shown| FailedReads { times, refused: 0, others_are_shown };
    let refusals = |refused| FailedReads { times: 9, refused, others_are_shown: true };
    let code = |failure: &Failure, reads| unread_before_put(failure, reads).map(|park| park.code);
    assert_eq!(code(&refused(), refusals(3)), None, "it may be so for a moment");
    assert_eq!(code(&refused(), refusals(4)).as_deref(), Some("status_403"));
    assert_eq!(code(&silent, reads(15, true)), None);
    assert_eq!(code(&silent, reads(16, false)), None, "nobody else was shown either");
    assert_eq!(code(&silent, reads(16, true)).as_deref(), Some("no_answer"));
    let large = Failure::TooLarge("too long".to_owned());
    assert_eq!(code(&large, reads(15, false)), None);
    assert_eq!(code(&large, reads(16, false)).as_deref(), Some("no_answer"), "it is shown");
    assert_eq!(code(&Failure::NotSent("no way".to_owned()), reads(16, true)), None);
    assert_eq!(unread_after_put(&silent, 600_000, FailedReads::default()), None);
    assert!(
        unread_after_put(&silent, 600_001, FailedReads::default()).is_some()
            && unread_after_put(&refused(), 0, FailedReads::default()).is_none()
            && unread_after_put(&refused(), 0, refusals(4)).is_some()
    );
}

#[test]
fn a_text_that_something_on_the_way_refuses_is_given_to_a_human() {
    let code = |found: &Outcome, times| blocked_on_the_way(Some(found), times).map(|park| park.code);
    assert_eq!(code(&Outcome::DidNotArrive, 3), None);
    assert_eq!(code(&Outcome::DidNotArrive, 4).as_deref(), Some("blocked_on_the_way"));
    assert_eq!(code(&Outcome::Arrived(None), 4), None);
}
