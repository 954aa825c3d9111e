//! What a note about a command writes beside its words: the command field is emptied, and the answer that the customer
//! has becomes a comment.

use serde_json::{Map, Value, json};

use crate::decide::inbound::Planner;
use crate::decide::outbound::commands::answer_hash;
use crate::decide::{AnswerSent, Note};
use crate::goodays::event::{Message, Response, Whose};
use crate::mapping::Facts;
use crate::messages::Words;
use crate::salesforce::describe::Purpose;

impl Planner<'_> {
    /// Empties the command that the note reports on. The answer is emptied too once the customer has it, unless the
    /// agent changed it meanwhile. The words say what stays.
    pub(super) fn empty_command(&mut self, note: &Note, fields: &mut Map<String, Value>) -> Words {
        let (Some(done), Some(link)) = (&note.command, self.link()) else { return Words::default() };
        let actions = self.context.mapping.actions();
        let Some(field) = actions.command.as_ref().filter(|_| self.case().is_some()) else {
            return Words::default();
        };
        // A later command is another note's matter.
        if !link.command.stands(done.number) {
            return Words::default();
        }
        let mut stays = Words::default();
        if self.empty(field, Value::Null, fields) {
            self.plan.link_update.emptied_command = Some(done.number);
        } else {
            stays = Words::new("command-not-emptied").with("field", field);
        }
        let Some(answer) = &done.answer else { return stays };
        if link.command.text != answer_hash(&answer.text) {
            return stays.and(Words::new("answer-changed"));
        }
        let mut kept = actions.answer_fields();
        kept.retain(|field| !self.empty(field, Value::Null, fields));
        if kept.is_empty() {
            return stays;
        }
        stays.and(Words::new("answer-not-emptied").with("fields", kept.join(", ")))
    }

    /// Takes the approval off the Case. The words say that it stays.
    pub(super) fn reset_approval(&mut self, note: &Note, fields: &mut Map<String, Value>) -> Words {
        let field = self.context.mapping.actions().approved.as_ref().filter(|_| note.resets_approval);
        let Some(field) = field.filter(|_| self.link().is_some_and(|link| link.approved)) else {
            return Words::default();
        };
        if self.empty(field, Value::Bool(false), fields) {
            self.plan.link_update.reset_approval = true;
            return Words::default();
        }
        Words::new("approval-not-reset").with("field", field)
    }

    /// Whether the field becomes empty. One that is hidden, that we may not write, or that Salesforce refused is left
    /// out and reported, as all others are.
    fn empty(&mut self, field: &str, empty: Value, fields: &mut Map<String, Value>) -> bool {
        let fitted = self.fitted(field, empty, self.context.case, Purpose::Update);
        let is_emptied = fitted.is_some();
        fields.extend(fitted.map(|value| (field.to_owned(), value)));
        is_emptied
    }

    /// The answers of commands that the customer has, beside `others` in the same transaction. One that stands as a
    /// comment already is not written again. What does not fit follows in the next transaction.
    pub(super) fn answer_comments(&mut self, facts: &Facts, others: usize) -> Vec<Map<String, Value>> {
        let mut comments = Vec::new();
        for note in self.input.notes {
            let Some(answer) = note.command.as_ref().and_then(|done| done.answer.as_ref()) else { continue };
            let turn = self.sent_turn(note, answer);
            let stands = !self.unclaimed.is_empty() && self.claim(facts, &turn);
            if stands {
                continue;
            }
            let parts = self.parts_left(facts, &turn);
            let room = self.most_comments().max(1).saturating_sub(others + comments.len());
            if parts.len() > room {
                (self.plan.more, self.plan.notes_stay, self.plan.link_update.begun) = (true, true, true);
                comments.extend(parts.into_iter().take(room));
                break;
            }
            comments.extend(parts);
        }
        comments
    }

    /// The message as Goodays shows it; as we sent it when no view has it.
    fn sent_turn(&self, note: &Note, answer: &AnswerSent) -> Message {
        let view = note.view.as_ref().and_then(|view| Response::from_value(view).ok());
        let of_view = view.into_iter().flat_map(|view| view.turns.into_iter().chain(view.reply));
        let of_events = self.turns.iter().map(|turn| turn.clone().into_owned());
        let shown = of_view.chain(of_events).find(|turn| turn.id == answer.id);
        shown.unwrap_or_else(|| Message {
            id: answer.id.clone(),
            at: None,
            kind: None,
            content: answer.text.clone(),
            attachment: None,
            sender_email: None,
            whose: Whose::Brand,
            raw: json!({ "id": answer.id.as_str(), "content": answer.text }),
        })
    }
}
