//! What became of an attempt.

use super::*;
use crate::decide::ledger::intent::Refusal;
use crate::decide::outbound::Look;
use crate::decide::outbound::changes::Attempt;
use crate::decide::outbound::outcome::{Doubt, message_ends_turn};

fn looked(wish: &ActionKind, sending: &Sending, view: &Response) -> Option<Outcome> {
    arrived(&intent(1, wish.clone(), IntentState::Sending(sending.clone())), sending, None, view)
}

fn proof(id: &str, at: Option<i64>) -> Outcome {
    let (id, at) = (crate::decide::tests::id(id), at.map(GoodaysTime::from_millis));
    Outcome::Arrived(Some(Proof { id, at, earlier: None }))
}

#[test]
fn a_text_arrived_when_a_new_message_of_the_brand_has_it() {
    let sending = on_its_way(Verb::Message, &["v", "b1"]);
    let wish = answer("Dear Ann,\r\nTom & Jerry say: it’s 5 < 6.  Café", Audience::Private);
    let arrived = |by: char, words: &str, id: &str| {
        let talk = [said("b1", 'b', 1, "Hello."), said(id, by, 2, words)];
        looked(&wish, &sending, &view(&talk)).is_some()
    };
    let same = [
        "Dear Ann,\r\nTom & Jerry say: it’s 5 < 6.  Café",
        "Dear Ann,\nTom &amp; Jerry say: it&rsquo;s 5 &lt; 6. Café",
        " Dear Ann, Tom &#38; Jerry say:&nbsp;it’s 5 < 6. Cafe\u{301}\n",
    ];
    for words in same {
        assert!(arrived('b', words, "b2") && arrived('u', words, "b2"), "{words}");
        assert!(!arrived('c', words, "c1"), "the customer says the same");
        assert!(!arrived('b', words, "v"), "its id was seen before");
    }
    // Goodays' changes to the text do not make it another author's.
    for words in [
        "dear ann, Tom & Jerry say: it’s 5 < 6. Café",
        "Dear Ann,Tom & Jerry say: it’s * < *.",
        "Dear Ann, Tom & Jerry",
    ] {
        assert!(arrived('b', words, "b2"), "{words:?} is the same text");
    }
    for words in ["We have sent you a voucher.", ""] {
        assert!(!arrived('b', words, "b2"), "{words:?} is another text");
    }
    let old = [said("b1", 'b', 1, "Dear Ann, Tom & Jerry say: it’s 5 < 6. Café")];
    assert_eq!(looked(&wish, &sending, &view(&old)), None);
}

#[test]
fn a_reply_that_stands_beside_the_exchange_arrived_too() {
    let mut body = response(&[]);
    body["reply"] = json!({"id": "b1", "type": "text", "content": "Hello."});
    let sending = on_its_way(Verb::Reply, &["v"]);
    assert_eq!(
        looked(&answer("Hello.", Audience::Public), &sending, &read_view(&body)),
        Some(proof("b1", None))
    );
}

#[test]
fn status_actions_arrive_as_a_state_or_as_a_call() {
    let [close, spam, call, _] = statuses();
    let state = |state: &str| listing("", state, false);
    let called = |id: &str, kind: &str| {
        let mut body = state("closed");
        body["reply"] = json!({"id": id, "type": kind, "content": "A good talk."});
        body
    };
    let table = [
        (&close, Verb::Close, state("closed"), true),
        (&close, Verb::Close, state("open"), false),
        (&close, Verb::Close, state("spam"), false),
        (&spam, Verb::Spam, state("spam"), true),
        (&spam, Verb::Spam, state("closed"), false),
        (&call, Verb::Call, called("k1", "call"), true),
        (&call, Verb::Call, called("k1", "Call"), true),
        (&call, Verb::Call, called("k0", "call"), false),
        (&call, Verb::Call, called("k1", "text"), false),
        (&call, Verb::Call, state("closed"), false),
    ];
    for (wish, verb, body, arrived) in table {
        let found = looked(wish, &on_its_way(verb, &["v", "k0"]), &read_view(&body));
        assert_eq!(found == Some(Outcome::Arrived(None)), arrived, "{verb} {body}");
    }
}

#[test]
fn applied_is_believed_at_once_not_applied_after_settling() {
    let wish = answer("Hello.", Audience::Public);
    let of = |since_ms, ended_ms, view: &Response, now_ms| {
        let sending = Sending { since_ms, ended_ms, ..on_its_way(Verb::Reply, &["v"]) };
        let one = intent(1, wish.clone(), IntentState::Sending(sending.clone()));
        outcome(&one, &sending, None, reading(view, now_ms, None))
    };
    let there = view(&[said("b1", 'b', 1, "Hello.")]);
    let not = view(&[]);
    let arrived = proof("b1", Some(minute(1)));
    assert_eq!(of(0, None, &there, 0), arrived);
    assert_eq!(of(0, Some(5_000), &not, 14_999), Outcome::NotYet { look_again_ms: 15_000 });
    assert_eq!(of(0, Some(5_000), &not, 15_000), Outcome::DidNotArrive);
    assert_eq!(of(0, Some(5_000), &there, 15_000), arrived);
    assert_eq!(of(2_000, None, &not, 11_999), Outcome::NotYet { look_again_ms: 12_000 });
    assert_eq!(of(2_000, None, &not, 12_000), Outcome::DidNotArrive);
}

/// The Case's marker has ids only: a call of ours without an answer may have written that of our own answer there.
#[test]
fn an_id_that_only_the_marker_has_may_be_our_own_answer() {
    let sending = Sending { ended_ms: Some(0), ..on_its_way(Verb::Message, &["v"]) };
    let one = intent(1, answer("Hello.", Audience::Private), IntentState::Sending(sending.clone()));
    let of = |at: Option<i64>, origin: MessageOrigin, words: &str| {
        let mut link = Link::new(response_id());
        link.learn(crate::decide::tests::id("b1"), at.map(GoodaysTime::from_millis), origin);
        let shown = view(&[said("b1", 'b', 1, words)]);
        outcome(&one, &sending, Some(&link), reading(&shown, 60_000, Some(true)))
    };
    let ours = proof("b1", Some(minute(1)));
    assert_eq!(of(None, MessageOrigin::Imported, "Hello."), ours);
    assert_ne!(of(Some(minute(1)), MessageOrigin::Imported, "Hello."), ours, "a comment of ours has it");
    assert_ne!(of(None, MessageOrigin::Sent, "Hello."), ours, "another action sent it");
}

/// The end that it noted may be by the clock of another machine, which may be hours behind or ahead.
#[test]
fn an_attempt_of_another_term_settles_from_when_this_one_began() {
    for noted_ms in [None, Some(0), Some(9_000_000)] {
        let found =
            found_under_way(Sending { epoch: 1, ended_ms: noted_ms, ..on_its_way(Verb::Reply, &["v"]) });
        assert_eq!(settles(&found), 60_000);
        assert_eq!(found.attempt().map(|sending| sending.epoch), Some(2), "from here on it is this term's");
    }
}

/// What this term itself noted is by this process's clock, and stands.
#[test]
fn an_attempt_of_this_term_settles_from_its_own_end() {
    let of = |ended_ms| Sending { epoch: 2, ended_ms, ..on_its_way(Verb::Reply, &["v"]) };
    assert_eq!(settles(&found_under_way(of(Some(55_000)))), 65_000);
    assert_eq!(settles(&found_under_way(of(None))), 80_000, "it ended at the latest when it was found");
}

/// The action as the second term has it, which began at 50,000 and finds it at 70,000 milliseconds.
fn found_under_way(sending: Sending) -> Intent {
    let one = intent(1, answer("Hello.", Audience::Public), IntentState::Sending(sending));
    let mut conversation = Conversation { intents: vec![one], ..Conversation::new(response_id()) };
    conversation.found_under_way(1, 2, 50_000, 70_000);
    conversation.intents.remove(0)
}

/// When a read that does not show the attempt proves that it did not arrive (milliseconds).
fn settles(found: &Intent) -> i64 {
    let of = |asked_ms| outcome(found, found.attempt().unwrap(), None, reading(&view(&[]), asked_ms, None));
    let Outcome::NotYet { look_again_ms } = of(0) else { panic!("{:?}", of(0)) };
    assert_eq!(of(look_again_ms), Outcome::DidNotArrive);
    look_again_ms
}

/// A gateway may hand on the refusal of a repetition: only our own words prove that the first call arrived.
#[test]
fn what_was_refused_arrived_if_our_own_words_are_shown() {
    let ours = answer("We are sorry, and send a voucher.", Audience::Private);
    let sending = Sending {
        refusal: Some(Refusal::This),
        ended_ms: Some(0),
        as_author: true,
        ..on_its_way(Verb::Message, &["v"])
    };
    let sending = Sending { looked: Some(GoodaysTime::from_millis(minute(1))), ..sending };
    let of = |author: &str, words: &str| {
        let mut one = intent(1, ours.clone(), IntentState::Sending(sending.clone()));
        one.author = Some(author.to_owned());
        let shown = view(&[said("b1", 'b', 1, words)]);
        outcome(&one, &sending, None, reading(&shown, 60_000, None))
    };
    let (same, another) = ("bob@brand.example", "eve@brand.example");
    let arrived = proof("b1", Some(minute(1)));
    assert_eq!(of(same, "We are sorry, and send a voucher."), arrived);
    assert_eq!(of(same, "We are sorry, and send"), arrived);
    assert_eq!(
        of(same, "Please call us."),
        Outcome::CannotBeTold(Doubt::MayBeOurs),
        "the same user's other words"
    );
    assert_eq!(of(another, "Please call us."), Outcome::DidNotArrive, "a colleague's");
    let one = intent(1, ours.clone(), IntentState::Sending(sending.clone()));
    let nothing = outcome(
        &one,
        &sending,
        None,
        reading(&read_view(&listing("message", "closed", false)), 60_000, None),
    );
    assert_eq!(nothing, Outcome::DidNotArrive, "the refusal is believed, also where `message` stays listed");
}

fn reading(view: &Response, asked_ms: i64, message_ends_turn: Option<bool>) -> Reading<'_> {
    Reading { view, asked_ms, settle_ms: 10_000, message_ends_turn }
}

/// After our reply it stays closed, also when the customer writes again.
#[test]
fn a_response_that_was_closed_before_is_closed_again_when_close_is_not_listed() {
    let close = ActionKind::Close { remark_type: None, after: None };
    let state_before = Some("closed".to_owned());
    let sending = Sending { state_before, ended_ms: Some(0), ..on_its_way(Verb::Close, &["v", "b1"]) };
    let one = intent(1, close, IntentState::Sending(sending.clone()));
    let of = |listed: &str| {
        let view = read_view(&listing(listed, "closed", true));
        outcome(&one, &sending, None, reading(&view, 60_000, None))
    };
    assert_eq!(of("message close"), Outcome::DidNotArrive);
    assert_eq!(of("message"), Outcome::Arrived(None));
}

/// An attempt whose verb is not listed any more is never *not arrived*: it may be shown later (design, rule 8).
#[test]
fn what_is_not_shown_and_not_taken_any_more_cannot_be_told() {
    let of = |verb: Verb, body: &Value, ends_turn: Option<bool>| {
        let wish = match verb {
            Verb::Reply | Verb::Message => answer("Our words.", Audience::Private),
            Verb::Call => {
                ActionKind::Call { rating: None, note: None, left_out: Words::default(), after: None }
            }
            Verb::Close => ActionKind::Close { remark_type: None, after: None },
            Verb::Spam => ActionKind::Spam { after: None },
        };
        let sending = Sending { ended_ms: Some(0), ..on_its_way(verb, &["v", "b1"]) };
        let one = intent(1, wish, IntentState::Sending(sending.clone()));
        match outcome(&one, &sending, None, reading(&read_view(body), 60_000, ends_turn)) {
            Outcome::CannotBeTold(_) => "cannot be told",
            Outcome::DidNotArrive => "did not arrive",
            other => panic!("{other:?}"),
        }
    };
    let table = [
        (Verb::Reply, listing("reply", "open", false), None, "did not arrive"),
        (Verb::Reply, listing("", "closed", false), None, "cannot be told"),
        (Verb::Message, listing("", "closed", true), Some(true), "cannot be told"),
        (Verb::Message, listing("message", "closed", true), Some(true), "did not arrive"),
        // An account that still lists `message`, or for which that is not known.
        (Verb::Message, listing("message", "closed", true), Some(false), "cannot be told"),
        (Verb::Message, listing("message", "closed", true), None, "cannot be told"),
        (Verb::Call, listing("reply call", "open", false), None, "did not arrive"),
        (Verb::Call, listing("", "closed", false), None, "cannot be told"),
        (Verb::Close, listing("close", "open", false), None, "did not arrive"),
        (Verb::Spam, listing("spam", "open", false), None, "did not arrive"),
        (Verb::Spam, listing("", "closed", false), None, "did not arrive"),
    ];
    for (verb, body, ends_turn, expected) in table {
        assert_eq!(of(verb, &body, ends_turn), expected, "{verb} {body} {ends_turn:?}");
    }
}

/// What a view shows after our message `b2`, with `message` listed or not.
#[test]
fn only_a_private_message_shows_that_message_ends_the_turn() {
    let of = |last: char, listed: bool, verb: Option<Verb>| {
        let mut body = response(&[said("b1", 'b', 1, "Hello."), said("b2", last, 2, "Blue.")]);
        body["actions"] = if listed { json!({"message": "https://x.example/message"}) } else { json!({}) };
        let b2 = crate::decide::tests::id("b2");
        message_ends_turn(&read_view(&body), verb.map(|verb| (&b2, Some(verb))))
    };
    assert_eq!(of('b', false, Some(Verb::Message)), Some(true));
    assert_eq!(of('b', false, Some(Verb::Reply)), None, "of private messages it says nothing");
    assert_eq!(of('b', false, None), None, "a colleague's");
    for verb in [Some(Verb::Message), Some(Verb::Reply), None] {
        assert_eq!(of('b', true, verb), Some(false), "{verb:?}");
    }
    assert_eq!(of('u', true, Some(Verb::Message)), Some(false), "ours, under another name");
    assert_eq!((of('u', true, None), of('c', true, None)), (None, None), "the customer may have written");
}

/// Dates are compared with dates; `Date` is another machine's.
#[test]
fn an_altered_answer_is_ours_unless_it_is_older_than_what_was_shown_before_it() {
    let of = |newest: Option<i64>, looked_ms: i64, at: i64| {
        let time = |ms| GoodaysTime::from_millis(ms);
        let sending = Sending {
            ended_ms: Some(0),
            looked: Some(time(looked_ms)),
            newest: newest.map(|n| time(minute(n))),
            ..on_its_way(Verb::Message, &["v"])
        };
        let one =
            intent(1, answer("Call 0612345678.", Audience::Private), IntentState::Sending(sending.clone()));
        let shown = view(&[said("b1", 'b', at, "Call **********.")]);
        outcome(&one, &sending, None, reading(&shown, 60_000, Some(true))) == proof("b1", Some(minute(at)))
    };
    assert!(of(Some(5), minute(5), 5) && of(Some(5), minute(5) + 10_000, 5), "a gateway that is ahead");
    assert!(of(Some(5), minute(5) + 59_000, 5), "dates that are cut to minutes");
    assert!(of(Some(5), minute(305), 5), "dates of another zone, without its name");
    assert!(!of(Some(6), minute(5), 5), "something newer was shown before");
    assert!(of(None, minute(5) + 59_000, 5) && !of(None, minute(6) + 1_000, 5), "no date was shown");
}

/// The attempt was refused, and the agent wrote other words since. The customer may have the first ones.
#[test]
fn an_attempt_is_recognised_by_the_words_that_it_was_made_with() {
    let sending =
        Sending { refusal: Some(Refusal::This), ended_ms: Some(0), ..on_its_way(Verb::Message, &["v"]) };
    let parked = IntentState::Parked { since_ms: 0, code: "status_400".to_owned(), why: Words::default() };
    let one = intent(1, answer("The colour is blue.", Audience::Private), parked);
    let mut one = Intent { unconfirmed: Some(sending), ..one };
    one.change(answer("It is green, and other words.", Audience::Private));
    let of = |one: &Intent, words: &str| {
        let shown = view(&[said("b1", 'b', 1, words)]);
        outcome(one, one.attempt().unwrap(), None, reading(&shown, 60_000, None))
    };
    let earlier = |place| {
        let proof = Proof { id: crate::decide::tests::id("b1"), at: None, earlier: Some(place) };
        Outcome::Arrived(Some(Proof { at: Some(GoodaysTime::from_millis(minute(1))), ..proof }))
    };
    assert_eq!(of(&one, "The colour is blue."), earlier(0));
    assert_eq!(of(&one, "It is green, and other words."), Outcome::DidNotArrive, "these never went out");
    one.change(answer("The colour is blue.", Audience::Private));
    assert_eq!(of(&one, "The colour is blue."), proof("b1", Some(minute(1))), "the agent took it back");

    one.change(answer("It is red.", Audience::Private));
    let mut now = Conversation::new(response_id());
    now.put(one);
    let proof = Proof { id: crate::decide::tests::id("b1"), at: None, earlier: Some(0) };
    now.delivered(1, Verb::Message, Some(&proof), None, 9);
    let told = now.notes.pop().unwrap();
    assert!(told.reason.to_string().contains("the customer has the first text"), "{}", told.reason);
    let mut one = now.intents.remove(0);
    assert_eq!(one.kind.words(), Some("The colour is blue."));
    assert!(one.forget_texts());
    assert_eq!((one.kind.words(), one.unconfirmed.unwrap().words), (Some(""), Vec::new()));
}

/// A human let an unclear answer go again. A parked one whose earlier attempt is in doubt nobody has judged.
#[test]
fn only_an_unclear_action_is_sent_again_in_doubt() {
    let attempt = Sending { ended_ms: Some(0), ..on_its_way(Verb::Message, &["v"]) };
    let parked = IntentState::Parked { since_ms: 0, code: "no_answer".to_owned(), why: Words::default() };
    let unclear = IntentState::Unclear { since_ms: 0, why: Words::default(), sending: attempt.clone() };
    let doubtful = read_view(&listing("message", "closed", true));
    let begun = |state: IntentState| {
        let one = intent(1, answer("Our words.", Audience::Private), state);
        let mut now = Conversation::new(response_id());
        now.put(Intent { unconfirmed: Some(attempt.clone()), ..one });
        now.try_again(1, 90_000);
        now.intent_mut(1).unwrap().read_ms = 90_000;
        let look = Look { view: &doubtful, asked_ms: 90_000, beside: Beside::default() };
        now.begin(1, look, Attempt::default(), &super::at_ms(90_000));
        now.intents.remove(0).state
    };
    assert!(matches!(begun(unclear), IntentState::Sending(_)));
    assert!(matches!(begun(parked), IntentState::Unclear { .. }));
}
