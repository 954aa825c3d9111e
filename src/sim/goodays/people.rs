//! Actions of people (a customer, a store, a colleague in the back office), and those of the API.

use serde_json::{Map, Value, json};

use super::ids::date;
use super::options::{Feedback, UpdatedDate};
use super::rules::{self, Order, Refusal, Verb};
use super::show;
use super::state::{Message, Person, Phase, Response, State};

/// Who acts for the brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Api,
    Colleague,
}

impl State {
    /// Adds a participation. The event `response` is sent.
    pub fn leaves(&mut self, feedback: Feedback) -> String {
        let email = feedback.email.clone().unwrap_or_else(|| self.new_address());
        if self.switches.new_participation_ends {
            self.end_older(&email);
        }
        let response = self.participation(feedback, email);
        let id = response.id.clone();
        self.responses.push(response);
        self.fire(&id, "response");
        id
    }

    fn new_address(&self) -> String {
        match self.responses.len() {
            0 => "chester.copperpot@customer.example".to_owned(),
            count => format!("chester.copperpot{}@customer.example", count + 1),
        }
    }

    /// Reference, 3.9: the older private exchange of the same customer ends, without any event.
    fn end_older(&mut self, email: &str) {
        let same = |other: &Person| !email.is_empty() && other.email.eq_ignore_ascii_case(email);
        for older in self.responses.iter_mut().filter(|response| same(&response.customer)) {
            older.superseded = true;
        }
    }

    fn participation(&mut self, feedback: Feedback, email: String) -> Response {
        let created = self.moment();
        let customer = Person { email, first_name: feedback.first_name, last_name: feedback.last_name };
        let message = feedback.content.map(|content| Message {
            id: self.ids.id(),
            created,
            kind: feedback.remark_type,
            content,
            attachment: feedback.attachment,
            sender: customer.clone(),
            by_customer: true,
            visible_ms: 0,
        });
        Response {
            id: self.ids.id(),
            token: self.ids.token(),
            created,
            updated: created,
            source: feedback.source,
            answers: feedback.nps.map(|nps| self.answer(nps)).into_iter().collect(),
            message,
            reply: None,
            customer,
            phone: feedback.phone,
            crm_id: feedback.crm_id,
            extra: feedback.extra,
            place: self.place_of(&feedback.place_partner_id, &feedback.place_name),
            delegated_to: None,
            attached: Vec::new(),
            phase: Phase::Open,
            thread: self.ids.id(),
            alert: feedback.alert,
            customer_waits: true,
            superseded: false,
            taken_back: false,
            patch: feedback.patch,
            omit: feedback.omit,
            processed: Vec::new(),
            received: Vec::new(),
            before: None,
        }
    }

    fn answer(&mut self, nps: u8) -> Value {
        json!({"id": self.ids.id(), "value": nps, "question": show::question()})
    }

    /// A private message, possible only after an answer (reference, 2.1). The event `message` is sent.
    pub fn writes(&mut self, id: &str, content: &str, attachment: Option<String>) -> Result<String, String> {
        let created = self.moment();
        let message_id = self.ids.id();
        let always = self.switches.updated_date == UpdatedDate::Always;
        let response = self.response_mut(id)?;
        if !response.has_text_reply() {
            return Err(format!("the brand has not answered {id} yet"));
        }
        if response.superseded {
            return Err(format!("the exchange on {id} ended with a newer participation"));
        }
        response.customer_waits = true;
        if always {
            response.updated = created;
        }
        response.attached.push(Message {
            id: message_id.clone(),
            created,
            kind: "Message".to_owned(),
            content: content.to_owned(),
            attachment,
            sender: response.customer.clone(),
            by_customer: true,
            visible_ms: 0,
        });
        self.fire(id, "message");
        Ok(message_id)
    }

    /// A store delegates the response to customer service. The event `delegated` is sent.
    pub fn delegates(&mut self, id: &str) -> Result<(), String> {
        let service = super::state::customer_service();
        let moment = self.moment();
        let moves = self.switches.updated_date != UpdatedDate::Never;
        let response = self.response_mut(id)?;
        response.delegated_to = Some(service);
        response.taken_back = false;
        if moves {
            response.updated = moment;
        }
        self.fire(id, "delegated");
        Ok(())
    }

    /// The delegation is undone, without any event (reference, 6).
    pub fn takes_back(&mut self, id: &str) -> Result<(), String> {
        let response = self.response_mut(id)?;
        if response.delegated_to.take().is_none() {
            return Err(format!("{id} is not delegated"));
        }
        response.taken_back = true;
        Ok(())
    }

    /// The first verbatim changes. The event `response` is sent again.
    pub fn edits(&mut self, id: &str, content: &str) -> Result<(), String> {
        let message = self.response_mut(id)?.message.as_mut();
        content.clone_into(&mut message.ok_or_else(|| format!("{id} has no verbatim"))?.content);
        self.fire(id, "response");
        Ok(())
    }

    /// The response disappears, without any event.
    pub fn removes(&mut self, id: &str) -> Result<(), String> {
        self.response_mut(id)?;
        self.responses.retain(|response| response.id != id);
        Ok(())
    }

    /// Somebody puts the response on hold, without any event.
    pub fn holds(&mut self, id: &str) -> Result<(), String> {
        let response = self.response_mut(id)?;
        if response.phase != Phase::Open {
            return Err(format!("{id} is not open"));
        }
        response.phase = Phase::Pending;
        Ok(())
    }

    /// A colleague acts in the back office, under the same rules as the API.
    pub fn colleague(&mut self, id: &str, verb: Verb, fields: &Value) -> Result<Option<String>, String> {
        let mut body = fields.as_object().cloned().unwrap_or_default();
        body.entry("user").or_insert_with(|| json!(self.colleague));
        // The back office has a list to choose from, so its actions always have a type.
        body.entry("remark_type").or_insert_with(|| json!("Message"));
        self.act(id, verb, &body, Actor::Colleague)
            .map(|(_, message_id)| message_id)
            .map_err(|refusal| refusal.body().to_string())
    }

    /// An action with all its rules and effects. Repetitions are not recognised: an action that is allowed twice is
    /// done twice (reference, 3.12). Returns the parsed order and the new message's id.
    pub fn act(
        &mut self,
        id: &str,
        verb: Verb,
        body: &Map<String, Value>,
        actor: Actor,
    ) -> Result<(Order, Option<String>), Refusal> {
        let response = self.response(id).ok_or(Refusal::UnknownResponse)?;
        let order = rules::read(verb, body, response, &self.users, &self.switches)?;
        if !rules::allowed(response, &self.switches).contains(&verb) {
            return Err(Refusal::NotAllowed(verb));
        }
        let message_id = self.apply(id, verb, &order, actor);
        if verb == Verb::Reply || verb == Verb::Message {
            self.echo(id, actor);
        }
        Ok((order, message_id))
    }

    fn echo(&mut self, id: &str, actor: Actor) {
        let switches = &self.switches;
        if switches.reply_event && (actor == Actor::Colleague || switches.reply_event_echo) {
            self.fire(id, "reply");
        }
    }

    fn apply(&mut self, id: &str, verb: Verb, order: &Order, actor: Actor) -> Option<String> {
        let message = self.brand_message(verb, order, actor);
        let (now_ms, switches) = (self.clock.now_ms(), self.switches.clone());
        let response = self.responses.iter_mut().find(|response| response.id == id)?;
        if actor == Actor::Api && switches.whole_response_late && switches.visible_after_ms > 0 {
            remember(response, now_ms, delay(switches.visible_after_ms));
        }
        response.processed.push(record(verb, order, actor, &message));
        let moves = switches.updated_date;
        if moves == UpdatedDate::Always || (moves == UpdatedDate::Processing && verb != Verb::Message) {
            response.updated = message.created;
        }
        take_type(response, order);
        response.customer_waits = false;
        // A private message keeps the response closed.
        response.phase = if verb == Verb::Spam { Phase::Spam } else { Phase::Closed };
        if matches!(verb, Verb::Reply | Verb::Message) {
            response.received.push(delivered(verb.name(), order, &message));
            response.attached.push(message.clone());
        }
        match verb {
            Verb::Reply => response.reply = Some(Message { kind: "text".to_owned(), ..message.clone() }),
            Verb::Call => response.reply = Some(Message { kind: "call".to_owned(), ..message.clone() }),
            Verb::Message | Verb::Close | Verb::Spam => {}
        }
        matches!(verb, Verb::Reply | Verb::Message | Verb::Call).then_some(message.id)
    }

    fn brand_message(&mut self, verb: Verb, order: &Order, actor: Actor) -> Message {
        let user = order.user.as_deref().unwrap_or(&self.token_user);
        let sender = self.user(user).map_or_else(
            || Person { email: String::new(), first_name: String::new(), last_name: String::new() },
            |user| user.person.clone(),
        );
        let late = if actor == Actor::Api { delay(self.switches.visible_after_ms) } else { 0 };
        let text = if verb == Verb::Call { &order.note } else { &order.content };
        Message {
            id: self.ids.id(),
            created: self.moment(),
            kind: "Message".to_owned(),
            content: self.switches.altered.text(text.as_deref().unwrap_or_default()),
            attachment: None,
            sender,
            by_customer: false,
            visible_ms: if late == 0 { 0 } else { self.clock.now_ms() + late },
        }
    }
}

fn delay(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX / 2)
}

/// Keeps the former state, which the API still shows for a while.
fn remember(response: &mut Response, now_ms: i64, late: i64) {
    let before = match response.before.take() {
        Some((until, before)) if until > now_ms => before,
        _ => Box::new(response.clone()),
    };
    response.before = Some((now_ms + late, before));
}

/// A review from another source gets its type from the answer.
fn take_type(response: &mut Response, order: &Order) {
    if let (true, Some(kind), Some(message)) =
        (rules::is_outside(&response.source), &order.remark_type, &mut response.message)
    {
        message.kind.clone_from(kind);
    }
}

fn record(verb: Verb, order: &Order, actor: Actor, message: &Message) -> Value {
    let mut record = Map::new();
    record.insert("action".to_owned(), json!(verb.name()));
    record.insert("by".to_owned(), json!(if actor == Actor::Api { "api" } else { "colleague" }));
    for name in ["user", "content", "remark_type", "rating", "note"] {
        if !order.field(name).is_null() {
            record.insert(name.to_owned(), order.field(name));
        }
    }
    record.insert("at".to_owned(), json!(date(message.created)));
    Value::Object(record)
}

fn delivered(kind: &str, order: &Order, message: &Message) -> Value {
    json!({
        "kind": kind,
        "content": message.content,
        "user": order.user,
        "at": date(message.created),
        "message_id": message.id,
    })
}
