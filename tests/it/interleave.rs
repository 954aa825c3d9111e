//! Everything that can happen to one conversation, in every order: exhaustively, over the pure decisions and a store
//! in memory. The laws are checked after each step.
//!
//! The conversation in [`World`] is the stored one. Between two steps the dispatcher begins a look if it may. Answers
//! of remotes, acts of people and deaths of processes happen only as steps, so every order of them is tested.

mod commands;
mod steps;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use goodays_salesforce::decide::inbound::{Input, plan};
use goodays_salesforce::decide::outbound::changes::Attempt;
use goodays_salesforce::decide::outbound::rows::{MergedCase, Since};
use goodays_salesforce::decide::outbound::{
    Beside, Circumstances, EarlierRules, Eligibility, Look, Reading, Rules, Wait, eligibility,
};
use goodays_salesforce::decide::{
    CaseRef, Conversation, Feedback, Intent, IntentState, Link, Names, Note, Perimeter, PlanContext,
};
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::goodays::event::{Response, read};
use goodays_salesforce::goodays::{ResponseId, Verb};
use goodays_salesforce::mapping::{Mapping, Source};
use goodays_salesforce::messages::Messages;
use goodays_salesforce::messages::Words;
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::time::{GoodaysTime, SalesforceTime};
use serde_json::{Value, json};

const CASE: &str = "500000000000001AAA";
const COMMENT: &str = "00a000000000001AAA";
const ANSWER: &str = "We are sorry, and we will make it good.";
const SETTLE_MS: i64 = 10_000;
const GRACE_MS: i64 = 15_000;
/// The number of steps in a row, in every order.
const DEPTH: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Publishes,
    Unpublishes,
    Edits,
    Closes,
    Reopens,
    /// The rule for closing is inverted.
    SavesEdit,
    PollSees,
    /// A webhook with the present conversation.
    Webhook,
    CustomerWrites,
    LookAnswered,
    PutAnswered,
    /// The action is done, and the connection is cut.
    PutCutDone,
    /// Nothing is done, and the connection is cut.
    PutCutUndone,
    /// Goodays shows what it has done but not yet shown.
    Shows,
    TimePasses,
    OperatorRetries,
    Kill,
    /// The agent chooses *Answer the customer*, with words of their own each time.
    Presses,
    /// The agent empties the command.
    Empties,
    /// Salesforce takes the query of a poll; its answer is on the way.
    PollAsks,
    PollAnswers,
    /// The outcomes that wait are written on the Case, which empties the command.
    Writes,
}

const STEPS: [Step; 17] = [
    Step::Publishes,
    Step::Unpublishes,
    Step::Edits,
    Step::Closes,
    Step::Reopens,
    Step::SavesEdit,
    Step::PollSees,
    Step::Webhook,
    Step::CustomerWrites,
    Step::LookAnswered,
    Step::PutAnswered,
    Step::PutCutDone,
    Step::PutCutUndone,
    Step::Shows,
    Step::TimePasses,
    Step::OperatorRetries,
    Step::Kill,
];

static RULES: LazyLock<[Arc<Mapping>; 2]> = LazyLock::new(|| {
    let mapping = |turned: bool| {
        let sources = MAPPINGS.iter().map(|(name, text)| {
            let text = if turned {
                text.replace("when: case.IsClosed", "when: not case.IsClosed")
            } else {
                (*text).to_owned()
            };
            Source { name: (*name).to_owned(), text }
        });
        Arc::new(Mapping::from_sources(sources.collect()).unwrap().0)
    };
    [mapping(false), mapping(true)]
});

/// Both remotes, the people, and the connector's stored state.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that happens at most once")]
#[derive(Debug, Clone, Hash)]
struct World {
    now_ms: i64,
    /// The agent's comment: whether it is published, and its text.
    comment: Option<(bool, String)>,
    commented_ms: i64,
    closed: bool,
    closed_ms: i64,
    ever_closed: bool,
    /// When the rule was inverted.
    edited_ms: Option<i64>,
    customer_wrote: bool,
    /// What Goodays did: the verb, and the text if any.
    done: Vec<(Verb, String)>,
    /// How many of them the API shows.
    shown: usize,
    /// The conversation as JSON, to compare states.
    kept: String,
    /// A look in progress: the action, and how much Goodays showed at the time of the request.
    look: Option<(u64, usize, i64)>,
    /// A PUT in progress.
    put: Option<(u64, Verb, String)>,
    /// The outcomes shown to the agent, in order.
    told: Vec<(String, String)>,
    /// A close was sent while an answer of the same Case was in the outbox.
    overtaken: bool,
    next_seq: u64,
    /// How often the button was pressed, and whose words the Case shows with its command.
    presses: usize,
    command: Option<usize>,
    command_ms: i64,
    /// A press that no poll saw was emptied by the write of an earlier outcome.
    unseen: bool,
    /// A poll's answer on the way: the Case's row, and when it was asked for.
    on_the_way: Option<(String, i64)>,
    /// The notes that wait to be written on the Case, as JSON.
    notes: Vec<String>,
}

fn stamp(ms: i64) -> String {
    SalesforceTime::from_millis(1_767_261_600_000 + ms).to_string()
}

impl World {
    fn new() -> Self {
        let mut link = Link::new(response_id());
        link.case = Some(CaseRef { id: RecordId::new(CASE).unwrap(), number: None });
        let mut world = Self {
            now_ms: 0,
            comment: None,
            commented_ms: 0,
            closed: false,
            closed_ms: 0,
            ever_closed: false,
            edited_ms: None,
            customer_wrote: false,
            done: Vec::new(),
            shown: 0,
            kept: String::new(),
            look: None,
            put: None,
            told: Vec::new(),
            overtaken: false,
            next_seq: 0,
            presses: 0,
            command: None,
            command_ms: 0,
            unseen: false,
            on_the_way: None,
            notes: Vec::new(),
        };
        world.keep(&Conversation { link: Some(link), ..Conversation::new(response_id()) });
        world.apply(Step::PollSees);
        world
    }

    /// The agent has answered and closed, and no poll has seen it yet.
    fn answered_and_closed() -> Self {
        let mut world = Self::new();
        world.apply(Step::Publishes);
        world.apply(Step::Closes);
        world
    }

    /// The close is in the outbox and its look is in progress. The answer follows now.
    fn closing() -> Self {
        let mut world = Self::new();
        for step in [Step::Closes, Step::PollSees, Step::TimePasses, Step::PollSees] {
            world.apply(step);
        }
        world
    }

    fn conversation(&self) -> Conversation {
        let (link, intents): (Option<Link>, _) = serde_json::from_str(&self.kept).unwrap();
        Conversation { link, intents, ..Conversation::new(response_id()) }
    }

    fn keep(&mut self, conversation: &Conversation) {
        self.told.extend(conversation.notes.iter().map(told));
        self.notes.extend(conversation.notes.iter().map(|note| serde_json::to_string(note).unwrap()));
        self.kept = serde_json::to_string(&(&conversation.link, &conversation.intents)).unwrap();
    }

    fn rules(&self) -> (&'static Mapping, Vec<EarlierRules>) {
        let Some(edited_ms) = self.edited_ms else { return (&RULES[0], Vec::new()) };
        let until = SalesforceTime::from_millis(1_767_261_600_000 + edited_ms);
        (&RULES[1], vec![EarlierRules { until, mapping: Some(RULES[0].clone()) }])
    }

    fn case_row(&self) -> Value {
        json!({"Id": CASE, "CaseNumber": "00001001", "Status": if self.closed { "Closed" } else { "New" },
               "IsClosed": self.closed, "LastModifiedDate": stamp(self.closed_ms.max(self.command_ms)),
               "LastModifiedBy": {"UserType": "Standard"},
               "Goodays_Command__c": self.command.map(|_| "answer"),
               "Goodays_Answer__c": self.command.map(commands::words)})
    }

    fn comment_row(&self) -> Option<Value> {
        let (published, text) = self.comment.as_ref()?;
        Some(json!({"Id": COMMENT, "ParentId": CASE, "CommentBody": text, "IsPublished": published,
                    "CreatedDate": stamp(0), "LastModifiedDate": stamp(self.commented_ms),
                    "CreatedById": "005000000000002AAA", "CreatedBy": {"UserType": "Standard"}}))
    }

    /// The response as the API shows it with the first `shown` actions.
    fn view(&self, shown: usize) -> Value {
        let person =
            |by: &str| json!({"email": format!("{by}@x.example"), "first_name": by, "last_name": "X"});
        let mut attached = Vec::new();
        let (mut reply, mut state, mut waits) = (Value::Null, "open", true);
        for (n, (verb, text)) in self.done.iter().take(shown).enumerate() {
            let message = json!({"id": format!("b{n}"), "type": "Message", "content": text,
                                 "created_date": stamp(1_000), "sender": person("agent")});
            match verb {
                Verb::Reply => (reply, waits, state) = (message.clone(), false, "closed"),
                Verb::Message => waits = false,
                Verb::Close => state = "closed",
                _ => {}
            }
            if matches!(verb, Verb::Reply | Verb::Message) {
                attached.push(message);
            }
            if *verb == Verb::Reply && self.customer_wrote {
                waits = true;
                attached.push(json!({"id": "c1", "type": "Message", "content": "And now?",
                                     "created_date": stamp(2_000), "sender": person("ann")}));
            }
        }
        let verbs: &[&str] = match (state, reply.is_null(), waits) {
            ("open", true, _) => &["reply", "close", "spam", "call"],
            (_, false, true) => &["message"],
            _ => &[],
        };
        attached.reverse();
        let actions: serde_json::Map<String, Value> =
            verbs.iter().map(|v| ((*v).to_owned(), json!(format!("https://x.example/{v}")))).collect();
        json!({"id": "r1", "source": "email", "state": state, "created_date": stamp(0), "reply": reply,
               "user": person("ann"), "actions": actions, "attached_messages": attached,
               "message": {"id": "v", "content": "It is broken.", "created_date": stamp(0)}})
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            now_ms: self.now_ms,
            close_grace_ms: GRACE_MS,
            settle_ms: SETTLE_MS,
            poll_ms: 100_000,
            polled_ms: i64::MAX,
            observe: false,
            undo_reply_ms: 0,
            undo_message_ms: 0,
            approval: false,
            goodays_away_ms: None,
            refuses: None,
            message_ends_turn: Some(true),
        }
    }

    fn reading(view: &Response, asked_ms: i64) -> Reading<'_> {
        Reading { view, asked_ms, settle_ms: SETTLE_MS, message_ends_turn: Some(true) }
    }

    /// The laws that hold at every moment.
    fn judge(&self) -> Option<String> {
        let texts: Vec<&String> = self.done.iter().map(|(_, text)| text).filter(|t| !t.is_empty()).collect();
        let mut once = HashSet::new();
        if let Some(twice) = texts.iter().find(|text| !once.insert(**text)) {
            return Some(format!("the customer received twice: {twice}"));
        }
        let closes = self.done.iter().filter(|(verb, _)| *verb == Verb::Close).count();
        if closes > 0 && !self.ever_closed {
            return Some("closed, and nobody closed the Case".to_owned());
        }
        self.overtaken.then(|| "a close went out before an answer".to_owned())
    }

    /// The laws that hold when nothing is left to do: no published answer is lost without being reported.
    fn judge_at_rest(mut self) -> Option<String> {
        for _ in 0..6 {
            let before = (self.kept.clone(), self.done.len());
            self.shown = self.done.len();
            for step in [Step::PollSees, Step::TimePasses, Step::LookAnswered, Step::PutAnswered] {
                self.apply(step);
                if let Some(breach) = self.judge() {
                    return Some(breach);
                }
            }
            if before == (self.kept.clone(), self.done.len()) && self.look.is_none() && self.put.is_none() {
                break;
            }
        }
        let conversation = self.conversation();
        let answer = conversation.intents.iter().find(|intent| intent.kind.is_answer());
        let published = self.comment.as_ref().is_some_and(|(published, _)| *published);
        let received = self.done.iter().any(|(verb, _)| matches!(verb, Verb::Reply | Verb::Message));
        let said = |word: &str| self.told.iter().any(|(told, _)| told == word);
        match answer.map(|intent| &intent.state) {
            None if published => Some("a published answer was never taken up".to_owned()),
            Some(IntentState::Delivered { .. }) if !received => {
                Some("called sent, and not received".to_owned())
            }
            Some(IntentState::Delivered { .. }) if !said("Sent") => {
                Some("sent, and nobody was told".to_owned())
            }
            Some(IntentState::Parked { .. }) if !said("Failed") => {
                Some("parked, and nobody was told".to_owned())
            }
            Some(IntentState::Parked { .. }) if received => {
                // Received, then edited and published again: the agent reads both outcomes.
                (!said("Sent")).then(|| "received, and called not sent".to_owned())
            }
            Some(IntentState::Unclear { .. }) if !said("Unclear") => {
                Some("unclear, and nobody was told".to_owned())
            }
            Some(IntentState::Ready { .. } | IntentState::Sending(_)) => {
                Some("it never comes to rest".to_owned())
            }
            _ => None,
        }
    }
}

fn response_id() -> ResponseId {
    ResponseId::new("r1").unwrap()
}

fn told(note: &Note) -> (String, String) {
    let told = match note.told {
        Feedback::Waiting => "waiting",
        Feedback::TakenBack => "taken back",
        Feedback::Sent => "Sent",
        Feedback::Settled => "Settled",
        Feedback::Unclear => "Unclear",
        Feedback::Failed => "Failed",
        Feedback::Observed => "Observed",
        Feedback::Nothing => "Nothing",
    };
    (told.to_owned(), note.reason.to_string())
}

struct Search {
    steps: &'static [Step],
    /// The laws that hold when nothing is left to do.
    at_rest: fn(World) -> Option<String>,
    /// States that were explored, with the most steps that were left at the time.
    met: HashMap<u64, usize>,
    path: Vec<Step>,
    breach: Option<String>,
}

impl Search {
    fn explore(&mut self, world: &World, left: usize) {
        if self.breach.is_some() {
            return;
        }
        let at_rest = || if left == 0 { (self.at_rest)(world.clone()) } else { None };
        if let Some(breach) = world.judge().or_else(at_rest) {
            self.breach = Some(format!("{breach}\nafter {:?}\n{world:#?}", self.path));
            return;
        }
        if left == 0 {
            return;
        }
        for step in self.steps.iter().copied() {
            let mut next = world.clone();
            if !next.apply(step) {
                continue;
            }
            let mut hasher = DefaultHasher::new();
            next.hash(&mut hasher);
            let met = self.met.entry(hasher.finish()).or_insert(0);
            if *met >= left {
                continue;
            }
            *met = left;
            self.path.push(step);
            self.explore(&next, left - 1);
            self.path.pop();
        }
    }
}

fn every_order(from: &World) {
    every_order_of(from, &STEPS, DEPTH, World::judge_at_rest);
}

fn every_order_of(from: &World, steps: &'static [Step], depth: usize, at_rest: fn(World) -> Option<String>) {
    let mut search = Search { steps, at_rest, met: HashMap::new(), path: Vec::new(), breach: None };
    search.explore(from, depth);
    println!("{} states", search.met.len());
    assert!(search.breach.is_none(), "{}", search.breach.unwrap_or_default());
    assert!(search.met.len() > 1_000, "only {} states", search.met.len());
}

#[test]
fn every_order_of_six_steps_on_a_new_case() {
    every_order(&World::new());
}

#[test]
fn every_order_of_six_steps_after_an_answer_and_a_close() {
    every_order(&World::answered_and_closed());
}

#[test]
fn every_order_of_six_steps_while_a_close_is_looked_at() {
    every_order(&World::closing());
}
