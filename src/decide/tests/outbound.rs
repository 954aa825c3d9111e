mod attempts;
mod outcomes;

use crate::messages::Words;
use insta::assert_snapshot;

use crate::decide::outbound::eligibility::fresh_ms;
use crate::decide::outbound::outcome::arrived;
use crate::decide::outbound::permitted::seen;
use crate::decide::outbound::{
    Beside, Circumstances, Eligibility, Outcome, Permitted, Proof, Reading, Wait, eligibility, outcome,
    permitted,
};
use crate::decide::tests::*;
use crate::decide::{Conversation, Feedback, MessageOrigin, RepliedBy, hash64};
use crate::goodays::action::Action;

/// A response that lists these verbs, in this state, with or without a reply.
fn listing(verbs: &str, state: &str, replied: bool) -> Value {
    let talk = [said("b1", 'b', 1, "Hello.")];
    let mut body = response(if replied { &talk } else { &[] });
    let verbs: Map<String, Value> =
        verbs.split_whitespace().map(|v| (v.to_owned(), json!(format!("https://x.example/{v}")))).collect();
    body["actions"] = Value::Object(verbs);
    body["state"] = json!(state);
    body
}

fn read_view(body: &Value) -> Response {
    Response::from_value(body).unwrap()
}

fn told(decision: &Permitted) -> String {
    match decision {
        Permitted::Send(action) => format!("send {} {}", action.path_segment(), action.body()),
        Permitted::Settled(why) => format!("settled {why}").trim_end().to_owned(),
        Permitted::NotSent { code, why } => format!("not sent ({code}) {why}"),
    }
}

fn decided(wish: &ActionKind, body: &Value, link: Option<&Link>) -> Permitted {
    permitted(&intent(1, wish.clone(), ready()), &read_view(body), Beside { link, ..Beside::default() })
}

fn replied_by(who: Option<RepliedBy>) -> Link {
    let mut link = Link::new(response_id());
    link.replied = who;
    link
}

fn statuses() -> [ActionKind; 4] {
    [
        ActionKind::Close { remark_type: None, after: None },
        ActionKind::Spam { after: None },
        ActionKind::Call { rating: None, note: None, left_out: Words::default(), after: None },
        ActionKind::Call {
            rating: Some(4),
            note: Some("A good talk.".to_owned()),
            left_out: Words::default(),
            after: None,
        },
    ]
}

/// Views that Goodays may show: verbs, state, whether there is a reply.
const SHOWN: [(&str, &str, bool); 8] = [
    ("reply close spam call", "open", false),
    ("reply message", "open", true),
    ("message", "closed", true),
    ("", "closed", true),
    ("", "closed", false),
    ("", "spam", false),
    ("", "open", false),
    ("call", "open", false),
];

fn table(wishes: &[(&str, ActionKind)], links: &[(&str, Option<Link>)]) -> String {
    let mut out = String::new();
    for (verbs, state, replied) in SHOWN {
        let reply = if replied { ", replied" } else { "" };
        let _ = writeln!(out, "{state}{reply}, lists [{verbs}]");
        for (name, wish) in wishes {
            for (who, link) in links.iter().take(if replied { links.len() } else { 1 }) {
                let decision = decided(wish, &listing(verbs, state, replied), link.as_ref());
                let who = if replied { format!(", {who} replied") } else { String::new() };
                let _ = writeln!(out, "  {name}{who}: {}", told(&decision));
            }
        }
    }
    out
}

#[test]
fn answers_by_what_goodays_lists() {
    let wishes = [("public", answer("Hi.", Audience::Public)), ("private", answer("Hi.", Audience::Private))];
    let links = [("nobody known", None), ("we", Some(replied_by(Some(RepliedBy::Us))))];
    assert_snapshot!(table(&wishes, &links), @r#"
    open, lists [reply close spam call]
      public: send reply {"content":"Hi."}
      private: not sent (would_be_public) The text was meant as a private message, but Goodays takes only the public reply.
    open, replied, lists [reply message]
      public, nobody known replied: not sent (answered_by_other) Somebody else answered in Goodays first; this text was written as the public reply.
      public, we replied: send reply {"content":"Hi."}
      private, nobody known replied: send message {"content":"Hi."}
      private, we replied: send message {"content":"Hi."}
    closed, replied, lists [message]
      public, nobody known replied: not sent (answered_by_other) Somebody else answered in Goodays first; this text was written as the public reply.
      public, we replied: send message {"content":"Hi."}
      private, nobody known replied: send message {"content":"Hi."}
      private, we replied: send message {"content":"Hi."}
    closed, replied, lists []
      public, nobody known replied: not sent (answered_by_other) Somebody else answered in Goodays first; this text was written as the public reply.
      public, we replied: not sent (wait_for_customer) Goodays takes the next one after the customer writes.
      private, nobody known replied: not sent (wait_for_customer) Goodays takes the next one after the customer writes.
      private, we replied: not sent (wait_for_customer) Goodays takes the next one after the customer writes.
    closed, lists []
      public: not sent (closed_in_goodays) The feedback was closed in Goodays without an answer, and Goodays cannot open it again. It takes an answer after the customer writes; until then please reach the customer another way.
      private: not sent (closed_in_goodays) The feedback was closed in Goodays without an answer, and Goodays cannot open it again. It takes an answer after the customer writes; until then please reach the customer another way.
    spam, lists []
      public: not sent (spam) The feedback stands as spam in Goodays: it takes no answer.
      private: not sent (spam) The feedback stands as spam in Goodays: it takes no answer.
    open, lists []
      public: not sent (not_allowed) Goodays lists no answer for this feedback at the moment.
      private: not sent (not_allowed) Goodays lists no answer for this feedback at the moment.
    open, lists [call]
      public: not sent (not_allowed) Goodays lists no answer for this feedback at the moment. Goodays still takes: call.
      private: not sent (not_allowed) Goodays lists no answer for this feedback at the moment. Goodays still takes: call.
    "#);
}

#[test]
fn status_actions_by_what_goodays_lists() {
    let [close, spam, call, call_with] = statuses();
    let wishes = [("close", close), ("spam", spam), ("call", call), ("call with note", call_with)];
    assert_snapshot!(table(&wishes, &[("somebody", None)]), @r#"
    open, lists [reply close spam call]
      close: send close {}
      spam: send spam {}
      call: send call {}
      call with note: send call {"rating":4,"note":"A good talk."}
    open, replied, lists [reply message]
      close, somebody replied: settled
      spam, somebody replied: settled It was not reported as spam: Goodays takes that only for feedback that nobody has handled.
      call, somebody replied: settled
      call with note, somebody replied: settled The call's note and rating did not travel: please enter them in Goodays.
    closed, replied, lists [message]
      close, somebody replied: settled
      spam, somebody replied: settled It was not reported as spam: Goodays takes that only for feedback that nobody has handled.
      call, somebody replied: settled
      call with note, somebody replied: settled The call's note and rating did not travel: please enter them in Goodays.
    closed, replied, lists []
      close, somebody replied: settled
      spam, somebody replied: settled It was not reported as spam: Goodays takes that only for feedback that nobody has handled.
      call, somebody replied: settled
      call with note, somebody replied: settled The call's note and rating did not travel: please enter them in Goodays.
    closed, lists []
      close: settled
      spam: settled It was not reported as spam: Goodays takes that only for feedback that nobody has handled.
      call: settled
      call with note: settled The call's note and rating did not travel: please enter them in Goodays.
    spam, lists []
      close: settled
      spam: settled
      call: settled
      call with note: settled The call's note and rating did not travel: please enter them in Goodays.
    open, lists []
      close: not sent (not_allowed) Goodays does not list "close" for this feedback at the moment.
      spam: not sent (not_allowed) Goodays does not list "spam" for this feedback at the moment.
      call: not sent (not_allowed) Goodays does not list "call" for this feedback at the moment.
      call with note: not sent (not_allowed) Goodays does not list "call" for this feedback at the moment.
    open, lists [call]
      close: not sent (not_allowed) Goodays does not list "close" for this feedback at the moment.
      spam: not sent (not_allowed) Goodays does not list "spam" for this feedback at the moment.
      call: send call {}
      call with note: send call {"rating":4,"note":"A good talk."}
    "#);
}

#[test]
fn a_reply_is_ours_by_id_by_text_or_by_memory() {
    let body = listing("message", "closed", true);
    let wish = answer("More.", Audience::Public);
    let mut by_id = replied_by(None);
    by_id.learn(id("b1"), None, MessageOrigin::Sent);
    let mut by_text = replied_by(None);
    by_text.unidentified.push(hash64("Hello."));
    let mut imported = replied_by(Some(RepliedBy::Other));
    imported.learn(id("b1"), None, MessageOrigin::Imported);
    let table = [
        (by_id, true),
        (by_text, true),
        (replied_by(Some(RepliedBy::Us)), true),
        (imported, false),
        (replied_by(None), false),
    ];
    for (link, ours) in table {
        let sent = matches!(decided(&wish, &body, Some(&link)), Permitted::Send(Action::Message { .. }));
        assert_eq!(sent, ours, "{link:?}");
    }
}

#[test]
fn after_loss_of_state_a_text_behind_the_customers_message_is_private() {
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "And now?")];
    let link = Link::unread(response_id());
    let one = intent(1, answer("Now it works.", Audience::Public), ready());
    let decided = |link: &Link, acted: Option<i64>| {
        let acted = acted.map(GoodaysTime::from_millis);
        permitted(&one, &view(&talk), Beside { link: Some(link), acted, ..Beside::default() })
    };
    for (acted, sent) in
        [(Some(minute(3)), true), (Some(minute(2)), true), (Some(minute(1)), false), (None, false)]
    {
        let decision = decided(&link, acted);
        assert_eq!(matches!(decision, Permitted::Send(Action::Message { .. })), sent, "{acted:?}");
    }
    let known = replied_by(Some(RepliedBy::Other));
    assert_eq!(
        told(&decided(&known, Some(minute(3)))),
        "not sent (answered_by_other) Somebody else answered in Goodays first; this text was written as the \
         public reply."
    );
}

#[test]
fn newer_feedback_and_spam_name_themselves() {
    let of = |body: &Value, newer| {
        let wish = intent(1, answer("Hi.", Audience::Private), ready());
        told(&permitted(&wish, &read_view(body), Beside { newer_case: newer, ..Beside::default() }))
    };
    assert_snapshot!(of(&listing("", "closed", true), Some("00001002")), @"not sent (newer_feedback) The customer left newer feedback: please answer on Case 00001002.");
    // The reason names the newer Case only when nothing can be sent.
    assert_snapshot!(of(&listing("message", "closed", true), Some("00001002")), @r#"send message {"content":"Hi."}"#);
    assert_snapshot!(of(&listing("", "spam", true), None), @"not sent (spam) The feedback stands as spam in Goodays: it takes no answer.");
}

#[test]
fn remark_types_by_source_and_verb() {
    let sources =
        [json!(null), json!("email"), json!("sdk"), json!("google"), json!("Google "), json!("facebook")];
    let chosen = [None, Some("problem"), Some("Complaint")];
    let mut out = String::new();
    for source in sources {
        let _ = writeln!(out, "{source}");
        for remark_type in chosen {
            let remark_type = remark_type.map(str::to_owned);
            let wishes = [
                answer_with(remark_type.clone(), Audience::Public),
                answer_with(remark_type.clone(), Audience::Private),
                ActionKind::Close { remark_type, after: None },
            ];
            let mut each = Vec::new();
            for (wish, verbs) in wishes.iter().zip(["reply", "message", "close"]) {
                let mut body = listing(verbs, "open", false);
                body["source"] = source.clone();
                let Permitted::Send(action) = decided(wish, &body, None) else { panic!("{verbs}") };
                let body = action.body();
                each.push(format!(
                    "{} {}",
                    action.path_segment(),
                    body.get("remark_type").unwrap_or(&json!("-"))
                ));
            }
            let _ = writeln!(out, "  {}", each.join(", "));
        }
    }
    assert_snapshot!(out, @r#"
    null
      reply "Message", message "-", close "Message"
      reply "Problem", message "-", close "Problem"
      reply "Message", message "-", close "Message"
    "email"
      reply "-", message "-", close "-"
      reply "Problem", message "-", close "Problem"
      reply "-", message "-", close "-"
    "sdk"
      reply "-", message "-", close "-"
      reply "Problem", message "-", close "Problem"
      reply "-", message "-", close "-"
    "google"
      reply "Message", message "Message", close "Message"
      reply "Problem", message "Problem", close "Problem"
      reply "Message", message "Message", close "Message"
    "Google "
      reply "Message", message "Message", close "Message"
      reply "Problem", message "Problem", close "Problem"
      reply "Message", message "Message", close "Message"
    "facebook"
      reply "Message", message "-", close "Message"
      reply "Problem", message "-", close "Problem"
      reply "Message", message "-", close "Message"
    "#);
}

fn answer_with(remark_type: Option<String>, audience: Audience) -> ActionKind {
    ActionKind::Answer { comment: Some(comment_id()), content: "Hi.".to_owned(), remark_type, audience }
}

#[test]
fn the_customer_reads_plain_text() {
    let body = listing("reply", "open", false);
    let send = |text: &str| told(&decided(&answer(text, Audience::Public), &body, None));
    assert_snapshot!(send("  Dear Ann,\r\nall is well.\rBob \n"), @r#"send reply {"content":"Dear Ann,\nall is well.\nBob"}"#);
    assert_snapshot!(send(" \r\n\t"), @"not sent (empty) The answer is empty.");
    assert_snapshot!(send("\u{200b} \u{feff}\n"), @"not sent (empty) The answer is empty.");
    assert_snapshot!(send("I <3 it"), @r#"send reply {"content":"I <3 it"}"#);
    assert_snapshot!(send("❤\u{fe0f}"), @r#"send reply {"content":"❤️"}"#);
}

#[test]
fn a_text_that_shows_nothing_is_not_sent() {
    let body = listing("reply", "open", false);
    let blank = [
        "\u{200e}",
        "\u{2063}",
        "\u{180e}",
        "\u{2800}",
        "\u{3164}",
        "\u{fe0f}",
        "\u{202e}\u{34f}\u{e0020}",
        "&nbsp;",
        "&#8203; &zwj;",
        "<p></p>",
        "<p>&nbsp;</p>\n<br/>",
        "<!-- nothing -->",
    ];
    for text in blank {
        let said = told(&decided(&answer(text, Audience::Public), &body, None));
        assert_eq!(said, "not sent (empty) The answer is empty.", "{text:?}");
    }
}

#[test]
fn a_type_that_goodays_does_not_take_is_named_on_the_case() {
    let view = |source: &str| {
        let mut body = listing("reply", "open", false);
        body["source"] = json!(source);
        read_view(&body)
    };
    let named = |chosen: &str, verb: Verb, source: &str| {
        let wish = answer_with(Some(chosen.to_owned()), Audience::Public);
        let mut conversation =
            Conversation { intents: vec![intent(7, wish, ready())], ..Conversation::new(response_id()) };
        conversation.delivered(7, verb, None, Some(&view(source)), 0);
        conversation.notes[0].reason.to_string().contains(&format!("“{chosen}” did not travel"))
    };
    assert!(named("Complaint", Verb::Reply, "google") && named("Complaint", Verb::Reply, "email"));
    for known in ["Praise", " problem ", "NoType", ""] {
        assert!(!named(known, Verb::Reply, "google"), "{known}");
    }
    assert!(!named("Complaint", Verb::Message, "email"), "a message takes no type");
}

#[test]
fn what_was_seen_is_every_id_once() {
    let talk = [said("b1", 'b', 1, "Hello."), said("c1", 'c', 2, "Hi.")];
    assert_eq!(seen(&view(&talk)), [id("b1"), id("c1"), id("v")]);
}

/// The eligibility of `one` in a conversation with these actions.
fn at(one: &Intent, others: &[Intent], now_ms: i64) -> Eligibility {
    at_fresh(one, others, now_ms, 1_000_000)
}

/// The same, if a read of Salesforce may be that old.
fn at_fresh(one: &Intent, others: &[Intent], now_ms: i64, poll_ms: i64) -> Eligibility {
    let mut conversation = Conversation::new(response_id());
    others.iter().chain([one]).for_each(|intent| conversation.put(intent.clone()));
    eligibility(&conversation, one.seq, None, &circumstances(now_ms, poll_ms))
}

/// What applies at that time when nothing is out of order.
fn at_ms(now_ms: i64) -> Circumstances {
    circumstances(now_ms, 10_000)
}

fn circumstances(now_ms: i64, poll_ms: i64) -> Circumstances {
    Circumstances {
        now_ms,
        close_grace_ms: 15_000,
        settle_ms: 10_000,
        poll_ms,
        polled_ms: i64::MAX,
        observe: false,
        undo_reply_ms: 0,
        undo_message_ms: 0,
        approval: false,
        goodays_away_ms: None,
        refuses: None,
        message_ends_turn: None,
    }
}

fn text(seq: u64, acted: i64, comment: &str, state: IntentState) -> Intent {
    let wish = ActionKind::Answer {
        comment: Some(RecordId::new(comment).unwrap()),
        content: "x".to_owned(),
        remark_type: None,
        audience: Audience::Public,
    };
    Intent { acted: SalesforceTime::from_millis(acted), ..intent(seq, wish, state) }
}

/// With 60 ms for each request to the store, what is decided on is older than a poll of 100 ms.
#[test]
fn behind_a_slow_store_what_was_just_read_is_not_read_again_for_ever() {
    let read = Intent { read_ms: 50_000, ..text(1, 10, "00a000000000001", ready()) };
    let after = |ms: i64, trip_ms| at_fresh(&read, &[], 50_000 + ms, fresh_ms(100, trip_ms));
    assert_eq!(after(100, 0), Eligibility::Look);
    assert_eq!(
        after(101, 0),
        Eligibility::NotYet(Wait::ReadAgain),
        "a store that answers at once changes nothing"
    );
    assert_eq!(after(400, 60), Eligibility::Look);
    assert_eq!(after(601, 60), Eligibility::NotYet(Wait::ReadAgain));
    assert_eq!((fresh_ms(10_000, 60), fresh_ms(100, 60_000)), (10_000, 10_000));
}

#[test]
fn whose_turn_it_is() {
    let first = || text(1, 10, "00a000000000001", ready());
    let second = || text(2, 20, "00a000000000002", ready());
    let same_second = || text(3, 10, "00a000000000003", ready());
    let close = || Intent { seen_ms: 1_000, ..intent(4, ActionKind::Spam { after: None }, ready()) };
    let with = |mut one: Intent, state: IntentState| {
        one.state = state;
        one
    };
    let sending = |one: Intent| with(one, IntentState::Sending(on_its_way(Verb::Reply, &[])));
    let unclear = |one: Intent| {
        let sending = on_its_way(Verb::Reply, &[]);
        with(one, IntentState::Unclear { since_ms: 0, why: Words::default(), sending })
    };
    let parked = |one: Intent| {
        with(one, IntentState::Parked { since_ms: 0, code: String::new(), why: Words::default() })
    };
    let later = Intent { state: IntentState::Ready { not_before_ms: 70_000 }, ..first() };
    let both = [first(), second(), same_second(), close()];
    let of = |one: &Intent, others: &[Intent]| at(one, others, 60_000);
    let waits = Eligibility::NotYet;
    // Answers by CreatedDate, then id, each after the one before.
    assert_eq!(of(&first(), &both), Eligibility::Look);
    assert_eq!(of(&same_second(), &both), waits(Wait::EarlierAnswer));
    assert_eq!(of(&same_second(), &[second(), close()]), Eligibility::Look);
    assert_eq!(of(&second(), &both), waits(Wait::EarlierAnswer));
    assert_eq!(of(&second(), &[close()]), Eligibility::Look);
    assert_eq!(of(&later, &[]), waits(Wait::Until { at_ms: 70_000 }));
    // One action at a time, of any kind.
    assert_eq!(of(&first(), &[sending(second())]), waits(Wait::OtherUnderWay));
    assert_eq!(of(&first(), &[unclear(second())]), waits(Wait::OtherUnderWay));
    assert_eq!(of(&first(), &[sending(close())]), waits(Wait::OtherUnderWay));
    assert_eq!(of(&sending(first()), &[]), waits(Wait::UnderWay));
    assert_eq!(of(&first(), &[parked(same_second())]), Eligibility::Look);
    // Status actions come after every answer, parked ones too, and after their grace.
    for other in [first(), second(), sending(first()), unclear(first()), later.clone()] {
        assert_eq!(of(&close(), &[other]), waits(Wait::Answer));
    }
    assert_eq!(of(&close(), &[parked(first())]), waits(Wait::ParkedAnswer));
    assert_eq!(of(&close(), &[]), Eligibility::Look);
    assert_eq!(at(&close(), &[], 15_999), waits(Wait::Until { at_ms: 16_000 }));
    assert_eq!(at(&close(), &[], 16_000), Eligibility::Look);
}

#[test]
fn a_close_goes_only_when_a_poll_that_began_after_its_grace_has_shown_what_came_with_it() {
    let close = || Intent { seen_ms: 1_000, ..intent(4, ActionKind::Spam { after: None }, ready()) };
    let polled = |one: &Intent, now_ms: i64, polled_ms: i64| {
        let mut conversation = Conversation::new(response_id());
        conversation.put(one.clone());
        let now = Circumstances { polled_ms, ..circumstances(now_ms, 1_000_000) };
        let told = conversation.has_waiting_to_tell(&now);
        (eligibility(&conversation, one.seq, None, &now), conversation.wants_poll(&now), told)
    };
    let waits = |look_again_ms| Eligibility::NotYet(Wait::Poll { look_again_ms });
    assert_eq!(polled(&close(), 15_999, 0).1, None, "its grace is not over");
    assert_eq!(polled(&close(), 16_000, 15_999), (waits(16_100), Some(16_000), false));
    assert_eq!(polled(&close(), 16_000, 16_000), (Eligibility::Look, None, false));
    // For longer than the budget spaces polls, it is told, and looked for less often.
    assert_eq!(polled(&close(), 136_000, 15_999), (waits(146_000), Some(16_000), true));
    let answer = text(1, 10, "00a000000000001", ready());
    assert_eq!(polled(&answer, 16_000, 0).0, Eligibility::Look, "an answer waits for nothing else");
}

/// What the Case says of an answer is said again when nothing came of what was told over it.
#[test]
fn a08_a_note_that_covered_the_answers_uncovers_it() {
    let note = |told, action: &str, reason: Words| Note::new(told, action, "", reason);
    let quiet = || Words::default();
    let shown = |notes: Vec<Note>| {
        let mut now = Conversation::new(response_id());
        now.link = Some(Link::new(response_id()));
        for note in notes {
            now.tell(note);
        }
        let last = now.notes.pop().unwrap();
        (last.told, last.action)
    };
    let sent = || note(Feedback::Sent, "reply", quiet());
    let waits = |action| note(Feedback::Waiting, action, Words::new("needs-approval"));
    let ends = [Feedback::Settled, Feedback::TakenBack];
    for action in ["close", "call", "spam"] {
        for end in ends {
            let last = shown(vec![sent(), waits(action), note(end, action, quiet())]);
            assert_eq!(last, (Feedback::Sent, "reply".to_owned()), "{action} {end:?}");
        }
        let last = shown(vec![waits(action), note(Feedback::Settled, action, quiet())]);
        assert_eq!(last, (Feedback::Settled, action.to_owned()), "there is no answer");
        let partly = note(Feedback::Settled, action, Words::new("call-not-carried"));
        assert_eq!(
            shown(vec![sent(), waits(action), partly]).0,
            Feedback::Settled,
            "it has something to say"
        );
    }
    let last = shown(vec![sent(), note(Feedback::Settled, "close", quiet())]);
    assert_eq!(last.0, Feedback::Nothing, "nothing covers it");
}
