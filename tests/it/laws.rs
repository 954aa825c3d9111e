//! The laws as properties of the pure plan, over random conversations, orders, repeats and losses.

use goodays_salesforce::messages::Messages;
use goodays_salesforce::messages::Words;
use std::collections::{BTreeMap, BTreeSet};

use goodays_salesforce::decide::inbound::{Input, Plan, plan};
use goodays_salesforce::decide::ledger::marker::{read_marker, write_marker};
use goodays_salesforce::decide::outbound::permitted::seen;
use goodays_salesforce::decide::outbound::{
    Beside, Circumstances, Eligibility, Outcome, Permitted, Reading, eligibility, outcome, permitted,
};
use goodays_salesforce::decide::pace::{LooksBack, poll_back};
use goodays_salesforce::decide::reconcile::{adopt, read_row};
use goodays_salesforce::decide::{
    ActionKind, Audience, Conversation, Intent, IntentState, Link, Names, Perimeter, PlanContext, RepliedBy,
    Sending,
};
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::goodays::event::{self, Event, Response};
use goodays_salesforce::goodays::{MessageId, ResponseId, Verb};
use goodays_salesforce::mapping::{Mapping, Source};
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::salesforce::query::{comment_bytes, split_comment};
use goodays_salesforce::time::{GoodaysTime, SalesforceTime};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value, json};

const RESPONSE: &str = "vdOpL1NJ74l";
const MARKER: &str = "Goodays_Message_Ids__c";

fn mapping() -> Mapping {
    let sources = MAPPINGS
        .iter()
        .map(|(name, text)| Source { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    Mapping::from_sources(sources).unwrap().0
}

fn with_desk<T>(work: impl FnOnce(&PlanContext<'_>) -> T) -> T {
    let (mapping, perimeter) = (mapping(), Perimeter::default());
    let closed = ["Closed".to_owned(), "Closed by phone".to_owned(), "Spam".to_owned()];
    work(&PlanContext {
        mapping: &mapping,
        case: None,
        comment: None,
        perimeter: &perimeter,
        closed: &closed,
        fixes: &[],
        names: &Names::new(),
        messages: &Messages::default(),
    })
}

/// One message of the private exchange, by the customer or by a colleague in the back office.
#[derive(Debug, Clone)]
struct Said {
    customer: bool,
    text: String,
    /// Seconds after the one before. 0: the same stamp.
    later: i64,
}

fn said() -> impl Strategy<Value = Said> {
    let text = prop_oneof![4 => "[a-z&<' é]{1,40}", 1 => "[a-z]{1,9} (?s:.){0,60}", 1 => "x{3800,4400}"];
    (any::<bool>(), text, 0..50i64).prop_map(|(customer, text, later)| Said { customer, text, later })
}

fn date(second: i64) -> String {
    jiff::Timestamp::from_second(1_700_000_000 + second).unwrap().to_string()
}

/// The event that contains the conversation's first `count` messages.
fn told(conversation: &[Said], count: usize) -> Value {
    let mut second = 0;
    let mut attached = Vec::new();
    for (n, said) in conversation.iter().take(count).enumerate() {
        second += said.later;
        attached.push(json!({
            "id": format!("m{n}"),
            "created_date": date(second),
            "type": "Message",
            "content": format!("[{n}] {}", said.text),
            "attachment": null,
            "sender": sender(said.customer),
        }));
    }
    let newest = attached.last().cloned();
    attached.reverse();
    let mut body = json!({
        "event_type": if count == 0 { "response" } else { "message" },
        "response": {
            "id": RESPONSE,
            "created_date": date(-60),
            "updated_date": date(-60),
            "source": "email",
            "answers": [],
            "message": { "id": "first", "created_date": date(-60), "type": "Problem", "content": "First words",
                "sender": sender(true) },
            "reply": null,
            "user": { "email": "customer@customer.example", "first_name": "C", "last_name": "C" },
            "place": { "partner_id": "1", "name": "A place" },
            "attached_messages": attached,
            "state": "open",
            "actions": {},
        }
    });
    if let Some(newest) = newest {
        body["message"] = newest;
    }
    body
}

fn sender(customer: bool) -> Value {
    let email = if customer { "customer@customer.example" } else { "colleague@brand.example" };
    json!({ "email": email, "first_name": "A", "last_name": "B" })
}

fn events(conversation: &[Said], which: &[usize]) -> Vec<Event> {
    which.iter().map(|count| event::read(&told(conversation, *count)).unwrap()).collect()
}

/// Salesforce and the ledger, without the real ones.
#[derive(Default)]
struct Both {
    link: Option<Link>,
    case: Map<String, Value>,
    comments: Vec<String>,
    /// Ids read back for this conversation, as after a loss of the ledger.
    read: Vec<String>,
    inserts: usize,
    writes: usize,
}

impl Both {
    fn take(&mut self, events: &[Event], context: &PlanContext<'_>) {
        let response_id = ResponseId::new(RESPONSE).unwrap();
        for _ in 0..50 {
            let input = Input {
                response_id: &response_id,
                events,
                notes: &[],
                link: self.link.as_ref(),
                intents: &[],
                comments: &self.read,
                first_start: Some(GoodaysTime::default()),
                goodays_now: None,
            };
            let plan = plan(&input, context);
            let more = plan.more;
            self.apply(plan, &response_id);
            self.read.clear();
            if !more {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    fn apply(&mut self, plan: Plan, response_id: &ResponseId) {
        let mut inserted = None;
        if let Some(write) = plan.write {
            self.writes += 1;
            if write.patch.is_none() {
                self.inserts += 1;
                inserted = RecordId::new("500000000000001");
            }
            self.case.extend(write.fields);
            let bodies = write.comments.iter().map(|c| c["CommentBody"].as_str().unwrap().to_owned());
            self.comments.extend(bodies);
        }
        let mut link = self.link.take().unwrap_or_else(|| Link::new(response_id.clone()));
        plan.link_update.apply(&mut link, inserted);
        self.link = Some(link);
    }

    /// The ledger is lost. Salesforce is read again.
    fn lose(&mut self, context: &PlanContext<'_>) {
        let mut row = self.case.clone();
        row.insert("Id".to_owned(), json!("500000000000001AAA"));
        let row = read_row(&Value::Object(row), MARKER).unwrap();
        self.link = Some(adopt(None, &ResponseId::new(RESPONSE).unwrap(), &row, context));
        self.read.clone_from(&self.comments);
    }

    /// Fields that follow Goodays. The status is left out, as it depends on the order of events.
    fn lasting(&self) -> BTreeMap<String, Value> {
        let fields = self.case.iter().filter(|(name, _)| !["Status", MARKER].contains(&name.as_str()));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn marked(&self) -> BTreeSet<String> {
        let text = self.case[MARKER].as_str().unwrap_or_default();
        read_marker(text).iter().map(|id| id.as_str().to_owned()).collect()
    }
}

fn conversation() -> impl Strategy<Value = Vec<Said>> {
    prop::collection::vec(said(), 0..7)
}

/// A conversation and its events in any order, in batches. Some are lost and some repeated, but the last one arrives.
fn heard() -> impl Strategy<Value = (Vec<Said>, Vec<Vec<usize>>)> {
    conversation().prop_flat_map(|conversation| {
        let all: Vec<usize> = (0..=conversation.len()).collect();
        let last = conversation.len();
        let some = subsequence(all.clone(), 0..=all.len());
        let twice = subsequence(all.clone(), 0..=all.len());
        let order = (some, twice).prop_flat_map(move |(some, twice)| {
            let mut which: Vec<usize> = some.into_iter().chain(twice).collect();
            which.push(last);
            Just(which).prop_shuffle()
        });
        let batches = order.prop_flat_map(|order| {
            prop::collection::vec(1..4usize, order.len()).prop_map(move |sizes| {
                let (mut batches, mut rest) = (Vec::new(), order.as_slice());
                for size in sizes {
                    let (batch, after) = rest.split_at(size.min(rest.len()));
                    if !batch.is_empty() {
                        batches.push(batch.to_vec());
                    }
                    rest = after;
                }
                batches
            })
        });
        (Just(conversation), batches)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Laws 2 and 3: any order, any losses but the last, any repeats: one Case, each message once, the same fields.
    #[test]
    fn any_order_of_events_ends_in_the_same_case((conversation, batches) in heard()) {
        with_desk(|context| {
            let mut straight = Both::default();
            straight.take(&events(&conversation, &[conversation.len()]), context);
            let mut crooked = Both::default();
            for batch in &batches {
                crooked.take(&events(&conversation, batch), context);
            }
            prop_assert_eq!(crooked.inserts, 1);
            let sorted = |both: &Both| { let mut all = both.comments.clone(); all.sort(); all };
            prop_assert_eq!(sorted(&crooked), sorted(&straight));
            prop_assert_eq!(crooked.lasting(), straight.lasting());
            prop_assert_eq!(crooked.marked(), straight.marked());
            Ok(())
        })?;
    }

    /// Law 2: a repeated event changes nothing, and costs no call.
    #[test]
    fn what_was_taken_in_causes_no_further_write((conversation, batches) in heard()) {
        with_desk(|context| {
            let mut both = Both::default();
            for batch in &batches {
                both.take(&events(&conversation, batch), context);
            }
            let writes = both.writes;
            for batch in batches.iter().rev() {
                both.take(&events(&conversation, batch), context);
            }
            prop_assert_eq!(both.writes, writes);
            Ok(())
        })?;
    }

    /// Law 4 and rule 5: after loss of the ledger nothing is duplicated or undone, with the marker or with the texts
    /// alone.
    #[test]
    fn a_lost_ledger_doubles_and_undoes_nothing(
        (conversation, batches) in heard(),
        again in prop::collection::vec(0..7usize, 1..5),
        keep_marker in any::<bool>(),
    ) {
        with_desk(|context| {
            let mut both = Both::default();
            for batch in &batches {
                both.take(&events(&conversation, batch), context);
            }
            both.case.insert("Description".to_owned(), json!("Corrected by the agent"));
            if !keep_marker {
                both.case.insert(MARKER.to_owned(), Value::Null);
            }
            let before = both.comments.clone();
            both.lose(context);
            let again: Vec<usize> = again.iter().map(|n| n.min(&conversation.len()).to_owned()).collect();
            if keep_marker {
                for count in &again {
                    both.take(&events(&conversation, &[*count]), context);
                }
            } else {
                both.take(&events(&conversation, &again), context);
            }
            prop_assert_eq!(&both.comments, &before);
            prop_assert_eq!(&both.case["Description"], &json!("Corrected by the agent"));
            prop_assert_eq!(both.inserts, 1);
            Ok(())
        })?;
    }

    /// Splitting a text into several comments loses nothing.
    #[test]
    fn split_comments_lose_nothing(text in "(?s:.){0,400}", limit in 20..200usize) {
        let parts = split_comment(&text, limit);
        let total = parts.len();
        let mut whole = String::new();
        for (n, part) in parts.iter().enumerate() {
            prop_assert!(comment_bytes(part) <= limit || text.chars().count() <= 1);
            let number = format!("({}/{total}) ", n + 1);
            whole += if total == 1 { part } else { part.strip_prefix(&number).unwrap() };
        }
        prop_assert_eq!(whole, text);
    }

    /// The marker reads back as written, for ids of any form.
    #[test]
    fn the_marker_says_what_was_written(ids in prop::collection::btree_set("(?s:.){1,12}", 0..30)) {
        let ids: Vec<MessageId> = ids.into_iter().map(MessageId::new).collect();
        prop_assert_eq!(read_marker(&write_marker(&ids, usize::MAX)), ids);
    }

    /// A marker that is too short for all ids keeps the newest, complete.
    #[test]
    fn a_short_marker_keeps_the_newest(ids in prop::collection::btree_set("[a-zA-Z0-9 ]{1,12}", 1..30), room in 0..200usize) {
        let ids: Vec<MessageId> = ids.into_iter().map(MessageId::new).collect();
        let text = write_marker(&ids, room);
        prop_assert!(text.chars().count() <= room);
        let kept = read_marker(&text);
        prop_assert_eq!(&kept[..], &ids[ids.len() - kept.len()..]);
    }

    /// Law 9: no action is sent that Goodays does not list at that moment.
    #[test]
    fn nothing_is_sent_that_is_not_listed(view in view(), wish in wish(), link in link(), user in prop::option::of("[a-z]{3}")) {
        let intent = intent(wish);
        let beside = Beside { link: link.as_ref(), user: user.as_deref(), ..Beside::default() };
        if let Permitted::Send(action) = permitted(&intent, &view, beside) {
            prop_assert!(view.actions.contains(action.verb().as_str()), "{:?}", action.verb());
            let answers = matches!(action.verb(), Verb::Reply | Verb::Message);
            prop_assert_eq!(answers, intent.kind.is_answer());
            if let ActionKind::Answer { audience: Audience::Private, .. } = &intent.kind {
                prop_assert_eq!(action.verb(), Verb::Message, "a private text never becomes public");
            }
        }
    }

    /// Law 5: after an attempt without an answer nothing is sent again before `settle` has passed.
    #[test]
    fn not_done_is_only_believed_after_settling(view in view(), wish in wish(), asked_ms in 0..60_000i64, settle_ms in 0..30_000i64) {
        let intent = intent(wish);
        let verb = match &intent.kind {
            ActionKind::Answer { .. } => Verb::Message,
            ActionKind::Call { .. } => Verb::Call,
            ActionKind::Close { .. } => Verb::Close,
            ActionKind::Spam { .. } => Verb::Spam,
        };
        let sending = sending(verb, Some(1000), seen(&view));
        let reading = Reading { view: &view, asked_ms, settle_ms, message_ends_turn: Some(true) };
        match outcome(&intent, &sending, None, reading) {
            Outcome::DidNotArrive => {
                prop_assert!(asked_ms >= 1000 + settle_ms);
                prop_assert!(view.allows(verb) || verb == Verb::Spam, "what is not taken any more may have arrived");
            }
            Outcome::CannotBeTold(_) | Outcome::Displaced => prop_assert!(asked_ms >= 1000 + settle_ms),
            Outcome::NotYet { look_again_ms } => prop_assert_eq!(look_again_ms, 1000 + settle_ms),
            Outcome::Arrived(_) => {}
        }
    }

    /// Rules 7 and 9: one action of a response at a time, and answers in the order in which they were given.
    #[test]
    fn one_at_a_time_and_answers_first(wishes in prop::collection::vec((wish(), 0..5i64, 0..4u8), 1..6)) {
        let all: Vec<Intent> = wishes
            .into_iter()
            .enumerate()
            .map(|(n, (wish, acted, state))| {
                let mut intent = intent(wish);
                intent.seq = n as u64;
                intent.acted = SalesforceTime::from_millis(acted);
                if let ActionKind::Answer { comment, .. } = &mut intent.kind {
                    *comment = Some(RecordId::new(&format!("00a00000000{n:04}")).unwrap());
                }
                if state == 3 && n == 0 {
                    intent.state = IntentState::Sending(sending(Verb::Reply, None, Vec::new()));
                }
                intent
            })
            .collect();
        let sending = all.iter().any(|i| matches!(i.state, IntentState::Sending(_)));
        let mut conversation = Conversation::new(ResponseId::new(RESPONSE).unwrap());
        for intent in &all {
            conversation.put(intent.clone());
        }
        let now = Circumstances {
            now_ms: 100,
            close_grace_ms: 0,
            settle_ms: 0,
            poll_ms: 1000,
        polled_ms: i64::MAX,
            observe: false,
            undo_reply_ms: 0,
            undo_message_ms: 0,
            approval: false,
            goodays_away_ms: None,
            refuses: None,
            message_ends_turn: None,
        };
        let may_go = |i: &&Intent| eligibility(&conversation, i.seq, None, &now) == Eligibility::Look;
        let goes: Vec<&Intent> = all.iter().filter(may_go).collect();
        prop_assert!(!sending || goes.is_empty());
        let answers: Vec<&&Intent> = goes.iter().filter(|i| i.kind.is_answer()).collect();
        prop_assert!(answers.len() <= 1);
        if let Some(first) = answers.first() {
            let oldest = all.iter().filter(|i| i.kind.is_answer()).map(|i| i.acted).min();
            prop_assert_eq!(Some(first.acted), oldest);
            prop_assert_eq!(goes.len(), 1, "a status waits for answers");
        }
    }

    /// Law 7: some poll reads a row that becomes visible late, up to the overlap less one minute and one poll.
    #[test]
    fn late_rows_are_read(
        stamp in 0..1_000_000i64,
        delay in 0..530_000i64,
        polls in prop::collection::vec(1_000..10_000i64, 300),
    ) {
        const OVERLAP: i64 = 600_000;
        let mut looks = LooksBack::default();
        let (mut now, mut read) = (0, false);
        // The worst cursor: other rows are always visible at once, and every poll sees one.
        for step in polls {
            let cursor = now;
            now += step;
            let from = cursor - poll_back(OVERLAP, &mut looks, now);
            read |= now >= stamp + delay && from <= stamp;
        }
        prop_assert!(read || now < stamp + delay + 70_000);
    }
}

fn sending(verb: Verb, ended_ms: Option<i64>, seen: Vec<MessageId>) -> Sending {
    Sending { ended_ms, ..Sending::new(verb, 0, seen) }
}

fn intent(wish: ActionKind) -> Intent {
    let case = RecordId::new("500000000000001").unwrap();
    Intent::new(1, ResponseId::new(RESPONSE).unwrap(), case, wish, 0)
}

fn wish() -> impl Strategy<Value = ActionKind> {
    let comment = RecordId::new("00a000000000001").unwrap();
    let audience = prop_oneof![Just(Audience::Public), Just(Audience::Private)];
    prop_oneof![
        3 => ("[ a-z]{0,20}", audience).prop_map(move |(content, audience)| ActionKind::Answer {
            comment: Some(comment.clone()),
            content,
            remark_type: None,
            audience,
        }),
        1 => Just(ActionKind::Close { remark_type: None, after: None }),
        1 => Just(ActionKind::Spam { after: None }),
        1 => Just(ActionKind::Call { rating: Some(3), note: None, left_out: Words::default(), after: None }),
    ]
}

/// A response in any state with any actions.
fn view() -> impl Strategy<Value = Response> {
    let verbs = vec!["reply", "message", "close", "spam", "call", "unheard-of"];
    let state = prop_oneof![Just("open"), Just("closed"), Just("spam"), Just("pending"), Just("new state")];
    (subsequence(verbs, 0..=6), state, any::<bool>(), any::<bool>()).prop_map(
        |(verbs, state, replied, call)| {
            let mut body = told(&[], 0)["response"].clone();
            body["state"] = json!(state);
            body["actions"] =
                verbs.iter().map(|v| ((*v).to_owned(), json!(format!("https://x.example/{v}")))).collect();
            if replied {
                let kind = if call { "call" } else { "text" };
                body["reply"] =
                    json!({ "id": "r", "type": kind, "content": "Said", "created_date": date(5) });
            }
            Response::from_value(&body).unwrap()
        },
    )
}

fn link() -> impl Strategy<Value = Option<Link>> {
    let replied = prop_oneof![Just(None), Just(Some(RepliedBy::Us)), Just(Some(RepliedBy::Other))];
    prop::option::of(replied.prop_map(|replied| {
        let mut link = Link::new(ResponseId::new(RESPONSE).unwrap());
        link.replied = replied;
        link
    }))
}
