//! Commands: what an agent asks for with a button on the Case, through one field that we empty afterwards.
//!
//! A command begins when the field gets a value, and again when it gets another. Each is an action of its own, so none
//! is compared with an earlier one. Emptying the field takes a command back that was not sent.

use serde_json::Value;

use crate::decide::outbound::comment_rows::{AUTHOR_UNSEEN, Author, answer_kind, author_of_kind};
use crate::decide::outbound::rows::{
    MergedCase, RuleFailure, Seen, Since, author_of_case, path, record, status_wish,
};
use crate::decide::outbound::rules::{Rules, modified};
use crate::decide::outbound::waiting::text_of;
use crate::decide::{
    ActionKind, CommandDone, CommandSeen, Conversation, Feedback, Intent, IntentState, Note, Sending, hash64,
};
use crate::goodays::event::normalised;
use crate::mapping::{Act, ActionMapping, CASE_USER_TYPE, Wanted};
use crate::messages::Words;
use crate::salesforce::RecordId;

/// How much of an unknown command the Case repeats (characters).
const MAX_SHOWN: usize = 80;

impl Author {
    /// Why he cannot be seen, if he cannot.
    fn unseen(self) -> Option<Words> {
        match self {
            Self::Unseen => Some(Words::new("author-unseen")),
            Self::Covered => Some(Words::new("author-covered")),
            Self::MayAnswer | Self::MayNot => None,
        }
    }
}

impl Conversation {
    /// Applies the command of a Case's row. `known`: the Case was known before this row; otherwise the command stood
    /// there before we knew the Case.
    pub(super) fn see_command(
        &mut self,
        row: &Value,
        rules: Rules<'_>,
        since: &Since<'_>,
        known: bool,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Seen {
        let Some(field) = rules.now.actions().command.as_deref() else { return Seen::default() };
        let Some(link) = &mut self.link else { return Seen::default() };
        let before = link.command.clone();
        // A row that was asked for before we emptied the field may still have the old command.
        if since.asked_ms < before.emptied_ms && before.emptied_ms <= since.now_ms {
            return Seen::default();
        }
        let value = path(row, Some(field));
        let by = rules.of_case(row, since);
        let wanted = by.actions().on_command(row);
        link.command.value.clone_from(&value);
        link.command.field = Some(field.to_owned());
        let was_unread = std::mem::take(&mut link.command.unread);
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(problem) => {
                // Seen nevertheless: once the rule is mended, nothing goes out that nobody waits for any more.
                let failure = RuleFailure::of(&problem, by, rules);
                let is_told = known && !was_unread && value != before.value;
                if is_told
                    && let Some(note) = self.failure_note(&failure, "command", &since.asked_ms.to_string())
                {
                    self.nothing_done(note);
                }
                return Seen { problem: Some(failure), ..Seen::default() };
            }
        };
        link.command.text = wanted.as_ref().map_or(0, text_hash);
        if value == before.value {
            let author = author_of_command(row, rules, since.us);
            self.follow_command(&before, wanted.as_ref(), author, since.now_ms);
            return Seen::default();
        }
        let taken_back = self.take_command_back(&before, since.now_ms);
        let known = known && !before.unread;
        let Some(wanted) = wanted else {
            if let Some(value) = value.filter(|_| known) {
                self.tell_unknown_command(&value, by.actions());
            }
            return Seen { taken_back, ..Seen::default() };
        };
        let fired = self.begin_command(row, &wanted, rules, since, known, next_seq);
        Seen { fired, taken_back, ..Seen::default() }
    }

    /// No rule carries the command out: the Case says so, since the agent expects that something is done.
    fn tell_unknown_command(&mut self, value: &str, actions: &ActionMapping) {
        let known = actions.known_commands();
        let shown = value.chars().take(MAX_SHOWN).collect::<String>();
        let (code, words) = if known.iter().any(|one| one == value) {
            ("command_does_not_fit", Words::new("command-does-not-fit").with("value", shown))
        } else {
            let words = Words::new("unknown-command").with("value", shown);
            ("unknown_command", words.with("known", known.join(", ")))
        };
        self.nothing_done(Note::new(Feedback::Failed, "command", code, words));
    }

    /// Tells that nothing was done with a command. It counts as one, so that the field is emptied with the note, and the
    /// same command can be chosen again.
    fn nothing_done(&mut self, mut note: Note) {
        let Some(link) = &mut self.link else { return };
        link.command.count += 1;
        note.command = Some(CommandDone { number: link.command.count, answer: None });
        self.tell(note);
    }

    fn begin_command(
        &mut self,
        row: &Value,
        wanted: &Wanted,
        rules: Rules<'_>,
        since: &Since<'_>,
        known: bool,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Option<&'static str> {
        let case_id = record(row, "Id")?;
        let answers = wanted.act == Act::Answer;
        if answers && since.merged == MergedCase::AnswersAnother {
            return None;
        }
        let kind = command_kind(wanted, self.link.as_ref()?)?;
        let author = if answers { author_of_command(row, rules, since.us) } else { Author::MayAnswer };
        let untouched = match author {
            // It may have been carried out before our state was lost.
            _ if !known => Some((Feedback::Unclear, "stood_before", Words::new("command-stood-before"))),
            Author::MayNot => Some((Feedback::Failed, "author_may_not", Words::new("author-may-not"))),
            Author::MayAnswer | Author::Unseen | Author::Covered => None,
        };
        if let Some((told, code, why)) = untouched {
            self.nothing_done(Note::new(told, kind.name(), code, why));
            return None;
        }
        let link = self.link.as_mut()?;
        link.command.count += 1;
        let number = link.command.count;
        let seq = next_seq();
        self.begin_behind_earlier(seq, &kind, since.now_ms);
        let name = kind.name();
        self.put(Intent {
            author: author_of_case(row, rules.of_case(row, since), since),
            acted: modified(row).unwrap_or(since.now),
            command: Some(number),
            ..Intent::new(seq, self.response_id.clone(), case_id, kind, since.now_ms)
        });
        if let Some(why) = author.unseen() {
            self.park(seq, AUTHOR_UNSEEN, why, None, since.now_ms);
        } else if answers && since.merged == MergedCase::Unsure {
            self.park(seq, "merged", Words::new("merged"), None, since.now_ms);
        }
        Some(name)
    }

    /// The same command with other words or another rating: one that waits gets them, and waits anew, since the agent
    /// is still writing. What was sent once keeps the words that may have arrived. Words that somebody else put there are
    /// not sent, and neither are the earlier ones before a human looked.
    fn follow_command(&mut self, before: &CommandSeen, wanted: Option<&Wanted>, author: Author, now_ms: i64) {
        let Some(seq) = before.intent else { return };
        let kind = wanted.zip(self.link.as_ref()).and_then(|(wanted, link)| command_kind(wanted, link));
        let Some(intent) = self.intent_mut(seq) else { return };
        if let (IntentState::Ready { .. }, Some(kind)) = (&intent.state, kind)
            && intent.kind.name() == kind.name()
            && intent.unconfirmed.as_ref().is_none_or(Sending::is_refused)
        {
            let kind = kind.with_audience_of(&intent.kind);
            let is_new = intent.kind != kind;
            if is_new && kind.is_answer() && author != Author::MayAnswer {
                let (code, why) = match author.unseen() {
                    Some(why) => (AUTHOR_UNSEEN, why),
                    None => ("author_may_not", Words::new("author-may-not")),
                };
                self.park(seq, code, why, None, now_ms);
            } else if is_new {
                intent.change(kind);
                (intent.seen_ms, intent.told_waiting) = (now_ms, None);
            }
        }
    }

    /// Notes the new command. Earlier ones stay with the conversation while they are on their way or wait for a human: a
    /// parked answer holds a later close back, however many commands came between.
    fn begin_behind_earlier(&mut self, seq: u64, kind: &ActionKind, now_ms: i64) {
        let before: Vec<u64> = self.link.iter().flat_map(|link| link.command.intents()).collect();
        for earlier in &before {
            self.ask_again(*earlier, kind, now_ms);
        }
        let stays = |seq: &u64| {
            self.intent(*seq).is_some_and(|intent| intent.state.is_open() || intent.state.is_parked())
        };
        let earlier = before.into_iter().filter(stays).collect();
        if let Some(link) = &mut self.link {
            (link.command.intent, link.command.earlier) = (Some(seq), earlier);
        }
    }

    /// The agent asks again for what was parked: the new command is meant, so the parked one must not be sent as well. One
    /// that may have arrived stays for a human.
    fn ask_again(&mut self, earlier: u64, kind: &ActionKind, now_ms: i64) {
        let Some(old) = self.intent_mut(earlier) else { return };
        let surely_not_sent = old.unconfirmed.as_ref().is_none_or(Sending::is_refused);
        if old.state.is_parked() && old.kind.name() == kind.name() && surely_not_sent {
            old.state = IntentState::Cancelled { at_ms: now_ms, why: "the agent asked again".to_owned() };
        }
    }

    /// The outcome of this command for another response is about to empty the field of their common Case: what waits here
    /// is not taken back by that.
    pub fn outlive_command(&mut self, value: &str) {
        let command = self.link.as_ref().map(|link| &link.command);
        let same = command.filter(|command| command.value.as_deref() == Some(value));
        let Some(seq) = same.and_then(|command| command.intent) else { return };
        if let Some(intent) = self.intent_mut(seq).filter(|intent| intent.state.is_open()) {
            intent.outlives_command = true;
        }
    }

    fn take_command_back(&mut self, before: &CommandSeen, now_ms: i64) -> usize {
        let intent = before.intent.and_then(|seq| self.intent(seq));
        let waits =
            |intent: &&Intent| matches!(intent.state, IntentState::Ready { .. }) && !intent.outlives_command;
        let Some(seq) = intent.filter(waits).map(|intent| intent.seq) else { return 0 };
        self.take_back(seq, "the command was taken back by the agent", now_ms);
        1
    }

    /// Applies the approval of a Case's row: it counts when it is set, for the answers that wait then, as they read then.
    pub(super) fn see_approval(&mut self, row: &Value, rules: Rules<'_>, since: &Since<'_>, known: bool) {
        let Some(field) = rules.now.actions().approved.as_deref() else { return };
        let Some(link) = &mut self.link else { return };
        let emptied_ms = link.command.emptied_ms;
        if since.asked_ms < emptied_ms && emptied_ms <= since.now_ms {
            return;
        }
        let approved = row.get(field) == Some(&Value::Bool(true));
        let set_now = approved && !link.approved && known;
        link.approved = approved;
        for intent in self.intents.iter_mut().filter(|intent| set_now && intent.kind.is_answer()) {
            if matches!(intent.state, IntentState::Ready { .. }) {
                intent.approved_text = Some(text_of(intent));
            }
        }
    }

    /// Whether the Case's row still has the command of this action; its content follows the row.
    pub(super) fn command_stays(
        &mut self,
        seq: u64,
        row: &Value,
        rules: Rules<'_>,
        now_ms: i64,
    ) -> Result<bool, String> {
        let Some(intent) = self.intent(seq) else { return Ok(false) };
        // It is sent again after we emptied the field, by an operator or since Goodays refused everything.
        if intent.approved || intent.outlives_command {
            return Ok(true);
        }
        let (name, number) = (intent.kind.name(), intent.command);
        let wanted = rules.of_action(Some(intent), row).actions().on_command(row);
        let wanted = wanted.map_err(|problem| problem.to_string())?;
        let command = self.link.as_ref().map(|link| link.command.clone()).unwrap_or_default();
        let field = rules.now.actions().command.as_deref();
        if wanted.as_ref().is_none_or(|wanted| wanted.act.name() != name)
            || Some(command.count) != number
            || path(row, field) != command.value
        {
            return Ok(false);
        }
        if let Some(link) = &mut self.link {
            link.command.text = wanted.as_ref().map_or(0, text_hash);
        }
        let author = author_of_command(row, rules, &[]);
        self.follow_command(&command, wanted.as_ref(), author, now_ms);
        Ok(true)
    }
}

/// Who last changed the Case: as far as Salesforce shows, that user gave the command. Behind what we write ourselves he
/// cannot be seen.
fn author_of_command(row: &Value, rules: Rules<'_>, us: &[RecordId]) -> Author {
    if record(row, "LastModifiedById").is_some_and(|by| us.contains(&by)) {
        return Author::Covered;
    }
    author_of_kind(path(row, Some(CASE_USER_TYPE)).as_deref(), &rules.now.actions().comments)
}

fn command_kind(wanted: &Wanted, link: &crate::decide::Link) -> Option<ActionKind> {
    match wanted.act {
        Act::Answer => Some(answer_kind(wanted, link, None)),
        _ => status_wish(wanted, link.last_customer.clone()),
    }
}

/// Hash of an answer's text, to notice a later change.
pub fn answer_hash(text: &str) -> u64 {
    hash64(&normalised(text))
}

fn text_hash(wanted: &Wanted) -> u64 {
    answer_hash(wanted.content.as_deref().unwrap_or_default())
}
