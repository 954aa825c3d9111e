//! The button on the Case, in every order: presses, a command that the agent empties, polls whose answers are late, and
//! the write of an outcome, which empties the command.

use goodays_salesforce::decide::ActionKind;

use super::*;

/// Without the acts that concern comments' edits, closes and rules, which the other orders have.
const WITH_BUTTONS: [Step; 16] = [
    Step::Presses,
    Step::Empties,
    Step::PollAsks,
    Step::PollAnswers,
    Step::PollSees,
    Step::Writes,
    Step::LookAnswered,
    Step::PutAnswered,
    Step::PutCutDone,
    Step::PutCutUndone,
    Step::Shows,
    Step::TimePasses,
    Step::Kill,
    Step::Publishes,
    Step::CustomerWrites,
    Step::Webhook,
];

/// Steps in a row behind a press that was seen, which is two steps already.
const AFTER_A_PRESS: usize = 5;

/// How often the button is pressed at most.
const PRESSES: usize = 2;

/// The words of a press.
pub(super) fn words(press: usize) -> String {
    format!("By the button, number {press}.")
}

fn text(intent: &Intent) -> Option<&String> {
    match &intent.kind {
        ActionKind::Answer { content, .. } => Some(content),
        _ => None,
    }
}

impl World {
    pub(super) fn command_step(&mut self, step: Step) -> bool {
        match step {
            Step::Presses if self.command.is_none() && self.presses < PRESSES => {
                self.presses += 1;
                (self.command, self.command_ms) = (Some(self.presses), self.now_ms);
            }
            Step::Empties if self.command.is_some() => {
                (self.command, self.command_ms) = (None, self.now_ms);
            }
            Step::PollAsks if self.on_the_way.is_none() => {
                self.on_the_way = Some((self.case_row().to_string(), self.now_ms));
            }
            Step::PollAnswers if self.on_the_way.is_some() => {
                let (row, asked_ms) = self.on_the_way.take().unwrap();
                self.see(&serde_json::from_str(&row).unwrap(), asked_ms);
            }
            Step::Writes if !self.notes.is_empty() => self.write(),
            _ => return false,
        }
        true
    }

    /// One transaction at Salesforce, and its record in the ledger.
    fn write(&mut self) {
        let notes: Vec<Note> =
            self.notes.drain(..).map(|note| serde_json::from_str(&note).unwrap()).collect();
        let (now, _) = self.rules();
        let (perimeter, names) = (Perimeter::default(), Names::new());
        let context = PlanContext {
            mapping: now,
            case: None,
            comment: None,
            perimeter: &perimeter,
            closed: &[],
            fixes: &[],
            names: &names,
            messages: &Messages::default(),
        };
        let mut conversation = self.conversation();
        let input = Input {
            response_id: &response_id(),
            events: &[],
            notes: &notes,
            link: conversation.link.as_ref(),
            intents: &conversation.intents,
            comments: &[],
            first_start: Some(GoodaysTime::default()),
            goodays_now: None,
        };
        let plan = plan(&input, &context);
        let written = plan.write.map(|write| write.fields).unwrap_or_default();
        // What is asked for from here on shows the Case as it is now.
        self.now_ms += 1;
        if written.get("Goodays_Command__c") == Some(&Value::Null) {
            let seen =
                |press: usize| conversation.intents.iter().any(|intent| text(intent) == Some(&words(press)));
            self.unseen |= self.command.is_some_and(|press| !seen(press));
            self.command = None;
        }
        if let Some(link) = &mut conversation.link {
            let emptied = plan.link_update.emptied_command.is_some();
            plan.link_update.apply(link, None);
            if emptied {
                link.command.emptied_ms = self.now_ms;
            }
        }
        self.keep(&conversation);
    }

    /// Every press ends: sent and told, or told why not; the command is emptied.
    fn judge_buttons_at_rest(mut self) -> Option<String> {
        let standing = self.command;
        for _ in 0..8 {
            self.shown = self.done.len();
            for step in [
                Step::PollAnswers,
                Step::PollSees,
                Step::TimePasses,
                Step::LookAnswered,
                Step::PutAnswered,
                Step::Writes,
            ] {
                self.apply(step);
                if let Some(breach) = self.judge().or_else(|| self.judge_buttons()) {
                    return Some(breach);
                }
            }
        }
        let conversation = self.conversation();
        let of = |press: usize| {
            let words = words(press);
            conversation.intents.iter().find(move |intent| text(intent) == Some(&words))
        };
        if standing.is_some_and(|press| of(press).is_none()) && !self.unseen {
            return Some("a command on the Case was never taken up".to_owned());
        }
        if self.command.is_some() {
            return Some("a command stays on the Case".to_owned());
        }
        let said = |word: &str| self.told.iter().any(|(told, _)| told == word);
        (1..=self.presses).filter_map(of).find_map(|intent| match &intent.state {
            IntentState::Ready { .. } | IntentState::Sending(_) => Some("it never comes to rest".to_owned()),
            IntentState::Delivered { .. } if !said("Sent") => Some("sent, and nobody was told".to_owned()),
            IntentState::Parked { .. } if !said("Failed") => Some("parked, and nobody was told".to_owned()),
            IntentState::Unclear { .. } if !said("Unclear") => {
                Some("unclear, and nobody was told".to_owned())
            }
            _ => None,
        })
    }

    /// What holds at every moment: what was taken back is not sent, and what counts as sent was received.
    fn judge_buttons(&self) -> Option<String> {
        let received = |text: &str| self.done.iter().any(|(_, done)| done == text);
        let conversation = self.conversation();
        conversation.intents.iter().filter(|intent| intent.command.is_some()).find_map(|intent| {
            let text = text(intent)?;
            match &intent.state {
                // An attempt that settled reads did not show, and that Goodays shows later, is a limit that
                // docs/guarantees.md names: it may be taken back between the two.
                IntentState::Cancelled { .. } if received(text) && intent.unconfirmed.is_none() => {
                    Some(format!("taken back and sent: {text}"))
                }
                IntentState::Delivered { .. } if !received(text) => {
                    Some(format!("called sent, and not received: {text}"))
                }
                _ => None,
            }
        })
    }
}

/// The button was pressed, and a poll has seen it.
fn pressed() -> World {
    let mut world = World::new();
    world.apply(Step::Presses);
    world.apply(Step::PollSees);
    world
}

#[test]
fn every_order_of_six_steps_with_a_button() {
    every_order_of(&World::new(), &WITH_BUTTONS, DEPTH, World::judge_buttons_at_rest);
}

#[test]
fn every_order_of_five_steps_after_a_button_was_seen() {
    every_order_of(&pressed(), &WITH_BUTTONS, AFTER_A_PRESS, World::judge_buttons_at_rest);
}
