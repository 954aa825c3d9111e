//! What each step does to the world.

use super::*;

impl World {
    /// Does a step. `false`: the step is not possible now.
    pub(super) fn apply(&mut self, step: Step) -> bool {
        match step {
            Step::Publishes if self.comment.as_ref().is_none_or(|(published, _)| !published) => {
                let text = self.comment.take().map_or(ANSWER.to_owned(), |(_, text)| text);
                (self.comment, self.commented_ms) = (Some((true, text)), self.now_ms);
            }
            Step::Unpublishes if self.comment.as_ref().is_some_and(|(published, _)| *published) => {
                self.comment.as_mut().unwrap().0 = false;
                self.commented_ms = self.now_ms;
            }
            Step::Edits if self.comment.as_ref().is_some_and(|(_, text)| text == ANSWER) => {
                "Another text altogether.".clone_into(&mut self.comment.as_mut().unwrap().1);
                self.commented_ms = self.now_ms;
            }
            Step::Closes if !self.closed => {
                (self.closed, self.closed_ms, self.ever_closed) = (true, self.now_ms, true);
            }
            Step::Reopens if self.closed => (self.closed, self.closed_ms) = (false, self.now_ms),
            Step::SavesEdit if self.edited_ms.is_none() => {
                // Later acts of people have a later time.
                self.edited_ms = Some(self.now_ms);
                self.now_ms += 1_000;
            }
            // One poll at a time.
            Step::PollSees if self.on_the_way.is_none() => self.poll(),
            Step::Presses | Step::Empties | Step::PollAsks | Step::PollAnswers | Step::Writes => {
                if !self.command_step(step) {
                    return false;
                }
            }
            Step::Webhook => self.webhook(),
            Step::CustomerWrites if !self.customer_wrote && self.replied() => self.customer_wrote = true,
            Step::LookAnswered if self.look.is_some() => self.look_answered(),
            Step::PutAnswered if self.put.is_some() => self.put_ends(true, true),
            Step::PutCutDone if self.put.is_some() => self.put_ends(true, false),
            Step::PutCutUndone if self.put.is_some() => self.put_ends(false, false),
            Step::Shows if self.shown < self.done.len() => self.shown = self.done.len(),
            Step::TimePasses => self.now_ms += 20_000,
            Step::OperatorRetries => return self.operator_retries(),
            Step::Kill if self.look.is_some() || self.put.is_some() => self.kill(),
            _ => return false,
        }
        self.dispatch();
        true
    }

    pub(super) fn replied(&self) -> bool {
        self.done.iter().any(|(verb, _)| *verb == Verb::Reply)
    }

    pub(super) fn poll(&mut self) {
        self.see(&self.case_row(), self.now_ms);
    }

    /// A poll's answer, with the row of the Case as it was when the poll asked.
    pub(super) fn see(&mut self, case: &Value, asked_ms: i64) {
        let (now, earlier) = self.rules();
        let rules = Rules { now, earlier: &earlier };
        let (perimeter, names) = (Perimeter::default(), Names::new());
        let closed = ["Closed".to_owned()];
        let context = PlanContext {
            mapping: now,
            case: None,
            comment: None,
            perimeter: &perimeter,
            closed: &closed,
            fixes: &[],
            names: &names,
            messages: &Messages::default(),
        };
        let at = SalesforceTime::from_millis(0);
        let since = Since {
            first_start: at,
            seen_until: at,
            us: &[],
            now_ms: self.now_ms,
            now: at,
            asked_ms,
            merged: MergedCase::default(),
        };
        let comment = self.comment_row();
        let mut conversation = self.conversation();
        let mut seq = self.next_seq;
        let mut next = || {
            seq += 1;
            seq
        };
        conversation.see_case(case, (rules, &context), &since, &mut next);
        if let Some(row) = &comment {
            conversation.see_comment((row, case), rules, &since, false, &mut next);
        }
        self.next_seq = seq;
        self.keep(&conversation);
    }

    fn webhook(&mut self) {
        let body = json!({"event_type": "response", "response": self.view(self.done.len())});
        let event = read(&body).unwrap();
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
            events: &[event],
            notes: &[],
            link: conversation.link.as_ref(),
            intents: &conversation.intents,
            comments: &[],
            first_start: Some(GoodaysTime::default()),
            goodays_now: None,
        };
        let plan = plan(&input, &context);
        if let Some(link) = &mut conversation.link {
            plan.link_update.clone().apply(link, None);
        }
        for (seq, verb, proof) in &plan.settles {
            conversation.delivered(*seq, *verb, proof.as_ref(), None, self.now_ms);
        }
        self.keep(&conversation);
    }

    /// What the dispatcher begins when it has a free place.
    pub(super) fn dispatch(&mut self) {
        if self.look.is_some() || self.put.is_some() {
            return;
        }
        let mut conversation = self.conversation();
        let now = self.circumstances();
        for intent in conversation.intents.clone() {
            let goes = match &intent.state {
                IntentState::Sending(sending) => {
                    sending.ended_ms.is_none_or(|ended_ms| self.now_ms >= ended_ms + SETTLE_MS)
                }
                IntentState::Unclear { since_ms, .. } => self.now_ms >= since_ms + SETTLE_MS,
                _ => match eligibility(&conversation, intent.seq, None, &now) {
                    Eligibility::Look => true,
                    Eligibility::NotYet(Wait::ReadAgain) => {
                        let (rules, earlier) = self.rules();
                        let rules = Rules { now: rules, earlier: &earlier };
                        let row =
                            if intent.kind.is_answer() { self.comment_row() } else { Some(self.case_row()) };
                        conversation.see_again(intent.seq, row.as_ref(), rules, self.now_ms).unwrap();
                        self.keep(&conversation);
                        conversation.notes.clear();
                        eligibility(&conversation, intent.seq, None, &now) == Eligibility::Look
                    }
                    _ => false,
                },
            };
            if goes {
                self.look = Some((intent.seq, self.shown, self.now_ms));
                return;
            }
        }
    }

    fn look_answered(&mut self) {
        let (seq, shown, asked_ms) = self.look.take().unwrap();
        let view = Response::from_value(&self.view(shown)).unwrap();
        let mut conversation = self.conversation();
        let state = conversation.intent(seq).map(|intent| intent.state.clone());
        if matches!(state, Some(IntentState::Sending(_) | IntentState::Unclear { .. })) {
            conversation.attempt_ended(seq, self.now_ms);
            conversation.read_back(seq, Self::reading(&view, asked_ms), self.now_ms);
        } else {
            let look = Look { view: &view, asked_ms, beside: Beside::default() };
            let decided = conversation.begin(seq, look, Attempt::default(), &self.circumstances());
            if let Eligibility::Send(action) = decided {
                assert!(view.allows(action.verb()), "sent what Goodays does not list");
                let text = action.content().unwrap_or_default().to_owned();
                let waits = |i: &Intent| i.kind.is_answer() && (i.state.is_open() || i.state.is_parked());
                self.overtaken |= action.verb() == Verb::Close && conversation.intents.iter().any(waits);
                self.put = Some((seq, action.verb(), text));
            }
        }
        self.keep(&conversation);
    }

    /// The remote does the action, if it is still allowed, and answers or not.
    fn put_ends(&mut self, done: bool, answered: bool) {
        let (seq, verb, text) = self.put.take().unwrap();
        let allowed = Response::from_value(&self.view(self.done.len())).unwrap().allows(verb);
        if done && allowed {
            self.done.push((verb, text));
        }
        let mut conversation = self.conversation();
        if answered && done && !allowed {
            let view = Response::from_value(&self.view(self.done.len())).unwrap();
            if !conversation.shown_after_refusal(seq, &view, self.now_ms) {
                let why = Words::plain("Goodays refused it.");
                conversation.refused(seq, "status_400", why, &view, self.now_ms);
            }
        } else {
            conversation.attempt_ended(seq, self.now_ms);
        }
        if answered && allowed {
            self.shown = self.done.len();
            let view = Response::from_value(&self.view(self.shown)).unwrap();
            conversation.read_back(seq, Self::reading(&view, self.now_ms), self.now_ms);
        }
        self.keep(&conversation);
    }

    /// `retry ID`: an unclear action is read back, and not sent without a further command.
    fn operator_retries(&mut self) -> bool {
        let mut conversation = self.conversation();
        let Some(intent) = conversation.intents.iter().find(|intent| intent.state.is_parked()).cloned()
        else {
            return false;
        };
        conversation.try_again(intent.seq, self.now_ms);
        self.keep(&conversation);
        self.dispatch();
        true
    }

    /// The process dies: looks and PUTs are lost, but the disk has the attempts that were begun.
    pub(super) fn kill(&mut self) {
        self.look = None;
        if let Some((seq, _, _)) = self.put.take() {
            let mut conversation = self.conversation();
            conversation.attempt_ended(seq, self.now_ms);
            self.keep(&conversation);
        }
    }
}
