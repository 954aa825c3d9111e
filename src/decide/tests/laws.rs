//! Laws for every conversation, in every order.

use crate::decide::outbound::rows::MergedCase;
use crate::messages::Words;
use proptest::prelude::*;

use crate::decide::ledger::marker::{read_marker, write_marker};
use crate::decide::outbound::permitted::seen;
use crate::decide::outbound::rows::Since;
use crate::decide::outbound::{Beside, Outcome, Permitted, Reading, Rules, outcome, permitted};
use crate::decide::tests::*;
use crate::decide::{Answered, Conversation, RepliedBy};

/// Texts that repeat, that Salesforce or Goodays may change, or that are long.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["Hello.", "Thank you!", "Tom &amp; Jerry", "a\r\nb", "@{x}", " ", "😊"])
            .prop_map(str::to_owned),
        2 => "\\PC{0,40}",
        1 => (300usize..900).prop_map(|n| "long words ".repeat(n)),
    ]
}

/// A conversation, oldest first. Some messages have the same minute.
fn talk() -> impl Strategy<Value = Vec<Said>> {
    let one = (prop::sample::select(vec!['c', 'b', 'u']), 0..3i64, words());
    prop::collection::vec(one, 0..9).prop_map(|all| {
        let mut at = 1;
        all.into_iter()
            .enumerate()
            .map(|(i, (by, later, words))| {
                at += later;
                said(&format!("m{i}"), by, at, &words)
            })
            .collect()
    })
}

/// The events of a conversation in some order, some twice, some missing, but never the last one.
fn told() -> impl Strategy<Value = (Vec<Said>, Vec<usize>)> {
    talk().prop_flat_map(|talk| {
        let n = talk.len();
        let order = prop::collection::vec(0..=n, 0..8).prop_map(move |mut order| {
            order.insert(order.len() / 2, n);
            order
        });
        (Just(talk), order)
    })
}

/// What Salesforce has after a plan.
#[derive(Default, Clone, Debug)]
struct Org {
    fields: Map<String, Value>,
    comments: Vec<String>,
    inserts: usize,
}

impl Org {
    fn take(&mut self, plan: &Plan) {
        let Some(write) = &plan.write else { return };
        self.inserts += usize::from(write.patch.is_none());
        self.fields.extend(write.fields.clone());
        let texts = write.comments.iter().map(|c| c["CommentBody"].as_str().unwrap().to_owned());
        self.comments.extend(texts);
    }

    fn sorted(&self) -> Vec<String> {
        let mut texts = self.comments.clone();
        texts.sort();
        texts
    }
}

fn carry(org: &mut Org, link: &mut Option<Link>, events: &[Event]) {
    loop {
        let plan = Seen { events, link: link.as_ref(), ..Seen::default() }.plan();
        org.take(&plan);
        *link = Some(learned(&plan, link.as_ref()));
        if !plan.more {
            return;
        }
    }
}

fn known(link: &Link) -> Vec<&str> {
    let mut ids: Vec<&str> = link.known.iter().map(|k| k.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// An attempt: when it is applied (milliseconds after it began; `None`: never), how long it stays hidden after that,
/// and when it is read back.
#[derive(Debug, Clone)]
struct Attempt {
    applied: Option<i64>,
    hidden: i64,
    looks: Vec<i64>,
}

const SETTLE_MS: i64 = 1000;

/// An attempt that settles within `settle` (design, rule 2), read back at any time.
fn attempt() -> impl Strategy<Value = Attempt> {
    let looks = prop::collection::vec(0..2 * SETTLE_MS, 1..6);
    (prop::option::of(0..SETTLE_MS / 2), 0..SETTLE_MS / 2, looks)
        .prop_map(|(applied, hidden, looks)| Attempt { applied, hidden, looks })
}

/// A Case's row as a poll reads it.
fn case_shown(status: &str) -> Value {
    json!({"Id": case_id(), "CaseNumber": "00001001", "Status": status, "IsClosed": status.starts_with("Closed")})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_marker_gives_back_what_was_written(ids in prop::collection::btree_set("\\PC{1,12}|[ ,;%\n]{1,3}|[A-Za-z0-9]{8,12}", 0..20)) {
        let ids: Vec<MessageId> = ids.into_iter().map(MessageId::new).collect();
        let text = write_marker(&ids, 32_000);
        prop_assert_eq!(&read_marker(&text), &ids);
        for max in [0, 10, 100] {
            let short = write_marker(&ids, max);
            prop_assert!(short.len() <= max);
            prop_assert!(ids.ends_with(&read_marker(&short)), "the newest ones, whole");
        }
    }

    #[test]
    fn our_own_write_is_followed_by_none(talk in talk()) {
        let events = [event(&talk)];
        let (mut org, mut link) = (Org::default(), None);
        carry(&mut org, &mut link, &events);
        let again = Seen { events: &events, link: link.as_ref(), ..Seen::default() }.plan();
        prop_assert_eq!(&again.write, &None);
        prop_assert_eq!(learned(&again, link.as_ref()), link.unwrap());
    }

    #[test]
    fn any_order_of_events_comes_to_the_same((talk, order) in told()) {
        let events: Vec<Event> = (0..=talk.len()).map(|n| event(&talk[..n])).collect();
        let (mut straight, mut expected) = (Org::default(), None);
        carry(&mut straight, &mut expected, &events[talk.len()..]);
        let expected = expected.unwrap();
        // One by one, and all in one batch.
        let (mut org, mut link) = (Org::default(), None);
        for i in &order {
            carry(&mut org, &mut link, &events[*i..=*i]);
        }
        let all: Vec<Event> = order.iter().map(|i| events[*i].clone()).collect();
        let (mut batch, mut together) = (Org::default(), None);
        carry(&mut batch, &mut together, &all);
        for (org, link) in [(org, link.unwrap()), (batch, together.unwrap())] {
            prop_assert_eq!(org.inserts, 1);
            prop_assert_eq!(org.sorted(), straight.sorted());
            prop_assert_eq!(known(&link), known(&expected));
            prop_assert_eq!(&link.fields, &expected.fields);
            prop_assert_eq!(link.fresh, expected.fresh);
            prop_assert_eq!((link.waiting_since, &link.last_customer), (expected.waiting_since, &expected.last_customer));
            prop_assert_eq!(link.replied, expected.replied);
            for (field, value) in &straight.fields {
                // The status depends on the order in which the events came.
                if field != "Status" && field != "Goodays_Message_Ids__c" {
                    prop_assert_eq!(org.fields.get(field), Some(value), "{}", field);
                }
            }
        }
    }

    #[test]
    fn after_loss_of_state_nothing_is_written_twice(talk in talk(), marked in any::<prop::sample::Index>()) {
        let events = [event(&talk)];
        let (mut org, mut link) = (Org::default(), None);
        carry(&mut org, &mut link, &events);
        // The marker has some of the ids; the comments show the others.
        let mut lost = Link::unread(response_id());
        lost.case = link.and_then(|l| l.case);
        let keep = marked.index(talk.len() + 1);
        for one in &talk[talk.len() - keep..] {
            lost.learn(id(&one.id), None, crate::decide::MessageOrigin::Imported);
        }
        lost.marked = u32::try_from(keep).unwrap();
        let seen = Seen { events: &events, link: Some(&lost), comments: &org.comments, ..Seen::default() };
        let plan = seen.plan();
        prop_assert_eq!(plan.write.as_ref().map_or(0, |w| w.comments.len()), 0, "{}", shown(&plan));
        if let Some(write) = &plan.write {
            let fields: Vec<&str> = write.fields.keys().map(String::as_str).collect();
            prop_assert_eq!(fields, ["Goodays_Message_Ids__c"], "agents' work stands");
        }
    }

    #[test]
    fn our_answer_is_never_a_comment(talk in talk(), words in words(), unclear in any::<bool>()) {
        prop_assume!(!words.trim().is_empty());
        let link = linked(&talk);
        let ids: Vec<&str> = talk.iter().map(|s| s.id.as_str()).collect();
        let sending = on_its_way(Verb::Message, &ids);
        let state = if unclear {
            IntentState::Unclear { since_ms: 0, why: Words::default(), sending }
        } else {
            IntentState::Sending(sending)
        };
        let intents = [intent(7, answer(&words, Audience::Private), state)];
        let mut longer = talk.clone();
        let escaped = if words.contains(';') { words.clone() } else { words.replace('&', "&amp;") };
        longer.push(said("ours", 'b', 99, &escaped.replace('\n', "\r\n")));
        longer.push(said("theirs", 'c', 100, &words));
        let events = [event(&longer)];
        let plan = Seen { events: &events, link: Some(&link), intents: &intents, ..Seen::default() }.plan();
        prop_assert_eq!(plan.settles.len(), 1);
        let (seq, verb, proof) = &plan.settles[0];
        prop_assert_eq!((*seq, *verb, &proof.as_ref().unwrap().id), (7, Verb::Message, &id("ours")));
        let after = learned(&plan, Some(&link));
        let how = |one: &str| after.known.iter().find(|k| k.id == id(one)).unwrap().origin;
        prop_assert_eq!((how("ours"), how("theirs")), (crate::decide::MessageOrigin::Sent, crate::decide::MessageOrigin::Imported));
    }

    #[test]
    fn nothing_is_sent_that_goodays_does_not_list(
        verbs in prop::sample::subsequence(Verb::ALL.to_vec(), 0..=5),
        state in prop::sample::select(vec!["open", "closed", "spam", "new"]),
        source in prop::sample::select(vec!["email", "google", "facebook"]),
        talk in talk(),
        wish in 0..5usize,
        content in words(),
        ours in any::<bool>(),
    ) {
        let mut body = response(&talk);
        let listed: Map<String, Value> = verbs.iter().map(|v| (v.to_string(), json!(format!("https://x.example/{v}")))).collect();
        body["actions"] = Value::Object(listed);
        body["state"] = json!(state);
        body["source"] = json!(source);
        let wish = match wish {
            0 => answer(&content, Audience::Public),
            1 => answer(&content, Audience::Private),
            2 => ActionKind::Close { remark_type: Some(content), after: None },
            3 => ActionKind::Spam { after: None },
            _ => ActionKind::Call { rating: None, note: Some(content), left_out: Words::default(), after: None },
        };
        let mut link = linked(&talk);
        link.replied = ours.then_some(RepliedBy::Us);
        link.answers = vec![Answered { comment: comment_id(), intent: 1, text: 0, told: false, told_of: None }];
        let one = intent(1, wish.clone(), ready());
        let view = Response::from_value(&body).unwrap();
        match permitted(&one, &view, Beside { link: Some(&link), ..Beside::default() }) {
            Permitted::Send(action) => {
                prop_assert!(view.allows(action.verb()));
                let public = matches!(wish, ActionKind::Answer { audience: Audience::Public, .. });
                prop_assert!(public || action.verb() != Verb::Reply);
                prop_assert!(action.content().is_none_or(|c| !c.is_empty()));
            }
            Permitted::Settled(_) => prop_assert!(!wish.is_answer(), "an answer is never settled unsent"),
            Permitted::NotSent { why, .. } => prop_assert!(!why.is_empty()),
        }
    }

    /// Law 4: a written field is not written again while Goodays' value is the same, whatever is repeated.
    #[test]
    fn no_later_event_touches_what_an_agent_may_have_corrected((talk, order) in told()) {
        let events: Vec<Event> = (0..=talk.len()).map(|n| event(&talk[..n])).collect();
        let (mut org, mut link) = (Org::default(), None);
        carry(&mut org, &mut link, &events[order[0]..=order[0]]);
        for i in &order[1..] {
            let plan = Seen { events: &events[*i..=*i], link: link.as_ref(), ..Seen::default() }.plan();
            let written = plan.write.iter().flat_map(|w| w.fields.keys());
            for field in written {
                // The status, the next action and the connector's own marker.
                let ours = ["Status", "Goodays_Next_Action__c", "Goodays_Message_Ids__c"];
                prop_assert!(ours.contains(&field.as_str()), "{}", field);
            }
            carry(&mut org, &mut link, &events[*i..=*i]);
        }
    }

    /// Law 5: whatever happens to the attempts, and whenever they are read back, the customer gets one answer.
    #[test]
    fn an_answer_arrives_once(attempts in prop::collection::vec(attempt(), 1..5), colleague in any::<bool>()) {
        let wish = answer("Our answer.", Audience::Private);
        let mut talk = vec![said("m", 'b', 1, "Hello."), said("n", 'c', 2, "And now?")];
        let (mut applied, mut now_ms, mut arrived) = (Vec::new(), 0, false);
        for (n, attempt) in attempts.iter().enumerate() {
            let began_ms = now_ms;
            let sending = Sending {
                since_ms: began_ms,
                ended_ms: Some(began_ms),
                seen: seen(&view(&talk)),
                as_author: true,
                ..on_its_way(Verb::Message, &[])
            };
            let mut sent = intent(1, wish.clone(), IntentState::Sending(sending.clone()));
            sent.author = Some("eve@brand.example".to_owned());
            if colleague && n == 0 {
                talk.push(said("theirs", 'b', 3, "A colleague's answer."));
            }
            applied.extend(attempt.applied.map(|after| began_ms + after));
            let mut looks = attempt.looks.iter();
            loop {
                now_ms += looks.next().copied().unwrap_or(SETTLE_MS);
                let shown = attempt.applied.is_some_and(|after| began_ms + after + attempt.hidden <= now_ms);
                let mut talk = talk.clone();
                talk.extend(shown.then(|| said("ours", 'b', 4, "Our answer.")));
                let view = view(&talk);
                let reading =
                    Reading { view: &view, asked_ms: now_ms, settle_ms: SETTLE_MS, message_ends_turn: Some(true) };
                match outcome(&sent, &sending, None, reading) {
                    Outcome::Arrived(found) => {
                        prop_assert_eq!(found.map(|proof| proof.id), Some(id("ours")));
                        arrived = true;
                        break;
                    }
                    Outcome::NotYet { look_again_ms } => prop_assert!(look_again_ms <= began_ms + SETTLE_MS),
                    Outcome::DidNotArrive => break,
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            if arrived {
                break;
            }
        }
        prop_assert_eq!(applied.len(), usize::from(arrived));
    }

    /// Law 7: repeated rows (overlaps, mass touches, restarts) add no action; each rule that becomes active adds one.
    #[test]
    fn rows_that_are_met_again_wish_nothing_new(
        states in prop::collection::vec(
            (prop::sample::select(vec!["New", "Customer Replied", "Closed", "Closed by phone", "Spam"]), 1..4usize),
            1..8,
        ),
    ) {
        let ends = |status: &str| matches!(status, "Closed" | "Closed by phone" | "Spam");
        let mut conversation = Conversation { link: Some(linked(&[])), ..Conversation::new(response_id()) };
        let since = Since {
            first_start: SalesforceTime::default(), seen_until: SalesforceTime::default(),
            us: &[],
            now_ms: minute(10),
            now: SalesforceTime::default(),
            asked_ms: minute(10),
            merged: MergedCase::default(),
        };
        let (mut before, mut next) = ("New", 0);
        for (status, times) in states {
            for time in 0..times {
                // The earlier action has ended, so it may be added again.
                for intent in &mut conversation.intents {
                    intent.state = IntentState::Cancelled { at_ms: 0, why: String::new() };
                }
                let row = case_shown(status);
                let came = conversation.see_case(&row, (Rules::only(&SHIPPED), &plan_context()), &since, &mut || {
                    next += 1;
                    next
                });
                let edge = time == 0 && status != before && ends(status);
                prop_assert_eq!(came.fired.is_some(), edge, "{} after {}", status, before);
            }
            before = status;
        }
    }

    /// Laws 6 and 7: a comment is answered once, however often its row is read; our own comments never are.
    #[test]
    fn a_comment_is_answered_once(text in words(), ours in any::<bool>(), times in 1..4usize) {
        let us = RecordId::new("005000000000001").unwrap();
        let by = if ours { "005000000000001" } else { "005000000000002" };
        let row = json!({"Id": comment_id(), "CommentBody": text, "IsPublished": true,
                         "CreatedDate": stamp(minute(5)), "CreatedById": by, "CreatedBy": {"UserType": "Standard"}, "ParentId": case_id()});
        let at = |n| SalesforceTime::from_millis(minute(n));
        let us = [us];
        let since = Since { first_start: at(0), seen_until: at(0), us: &us, now_ms: minute(10), now: at(10), asked_ms: minute(10), merged: MergedCase::default() };
        let mut conversation = Conversation { link: Some(linked(&[])), ..Conversation::new(response_id()) };
        let mut answers = 0;
        for _ in 0..times {
            let rows = (&row, &case_shown("New"));
            let came = conversation.see_comment(rows, Rules::only(&SHIPPED), &since, false, &mut || 7);
            answers += usize::from(came.fired.is_some());
            conversation.delivered(7, Verb::Reply, None, None, 0);
        }
        prop_assert_eq!(answers, usize::from(!ours));
        prop_assert!(conversation.notes.iter().all(|note| note.told == crate::decide::Feedback::Sent));
    }
}
