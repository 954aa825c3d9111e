//! The state of Goodays: responses, users, places, and the waiting webhooks.

use serde_json::{Map, Value};

use super::ids::Ids;
use super::options::{Options, Switches};
use super::webhook::Line;
use crate::clock::Clock;

/// `state` of a response (reference, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Open,
    Pending,
    Closed,
    Spam,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Closed => "closed",
            Self::Spam => "spam",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Person {
    pub email: String,
    pub first_name: String,
    pub last_name: String,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    /// Microseconds since the epoch, like all times here whose names do not end with `_ms`.
    pub created: i64,
    pub kind: String,
    pub content: String,
    pub attachment: Option<String>,
    pub sender: Person,
    pub by_customer: bool,
    /// The API shows the message from this time on.
    pub visible_ms: i64,
}

#[derive(Debug, Clone)]
pub struct Place {
    pub id: String,
    pub partner_id: String,
    pub name: String,
}

#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub person: Person,
    pub phone: String,
    pub read_only: bool,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Response {
    pub id: String,
    pub token: String,
    pub created: i64,
    pub updated: i64,
    pub source: String,
    pub answers: Vec<Value>,
    pub message: Option<Message>,
    /// The public answer (type `text`) or the phone call (`call`).
    pub reply: Option<Message>,
    pub customer: Person,
    pub phone: Option<String>,
    pub crm_id: String,
    pub extra: Map<String, Value>,
    pub place: Place,
    pub delegated_to: Option<Place>,
    /// The private exchange and our reply, oldest first.
    pub attached: Vec<Message>,
    pub phase: Phase,
    pub thread: String,
    pub alert: bool,
    /// Whether the customer wrote last.
    pub customer_waits: bool,
    /// Whether the same customer has left a newer participation.
    pub superseded: bool,
    /// Whether the store has taken it back.
    pub taken_back: bool,
    pub patch: Value,
    pub omit: Vec<String>,
    pub processed: Vec<Value>,
    pub received: Vec<Value>,
    /// Until this moment (ms) the API shows the response in its state before the last action.
    pub before: Option<(i64, Box<Response>)>,
}

impl Response {
    pub fn has_text_reply(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.kind == "text")
    }

    /// Whether the customer waits for the brand.
    pub fn waits(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Pending => true,
            Phase::Closed => self.customer_waits,
            Phase::Spam => false,
        }
    }
}

pub struct State {
    pub token: String,
    pub clock: Clock,
    pub ids: Ids,
    pub switches: Switches,
    /// In order of creation.
    pub responses: Vec<Response>,
    pub users: Vec<User>,
    pub places: Vec<Place>,
    pub line: Line,
    /// The id of the user for requests without `user`.
    pub token_user: String,
    /// The id of the user who works in the back office.
    pub colleague: String,
    last_moment: i64,
    /// The start of the window in milliseconds and the calls in it, for `switches.rate`.
    pub window: (i64, u32),
}

impl State {
    pub fn new(options: &Options) -> Self {
        Self {
            token: options.token.clone(),
            clock: options.clock.clone(),
            ids: Ids::new(options.seed),
            switches: options.switches.clone(),
            responses: Vec::new(),
            users: default_users(),
            places: vec![place("12AB34", "1234", "place name"), customer_service()],
            line: Line::new(options.webhook_url.clone(), options.webhook_secret.clone()),
            token_user: "9k8j7h6".to_owned(),
            colleague: "2b3c4d5".to_owned(),
            last_moment: 0,
            window: (i64::MIN, 0),
        }
    }

    /// Now in microseconds, never the same twice. The dates of the samples are as precise.
    pub fn moment(&mut self) -> i64 {
        self.last_moment = self.clock.now().as_microsecond().max(self.last_moment + 1);
        self.last_moment
    }

    pub fn response(&self, id: &str) -> Option<&Response> {
        self.responses.iter().find(|response| response.id == id)
    }

    pub fn response_mut(&mut self, id: &str) -> Result<&mut Response, String> {
        let found = self.responses.iter_mut().find(|response| response.id == id);
        found.ok_or_else(|| format!("no response {id}"))
    }

    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Adds a user, or replaces the one with the same id.
    pub fn add_user(&mut self, user: User) {
        self.users.retain(|known| known.id != user.id);
        self.users.push(user);
    }

    /// The place with this code. It is created on first use.
    pub fn place_of(&mut self, partner_id: &str, name: &str) -> Place {
        if let Some(known) = self.places.iter().find(|place| place.partner_id == partner_id) {
            return known.clone();
        }
        let new = Place { id: self.ids.id(), partner_id: partner_id.to_owned(), name: name.to_owned() };
        self.places.push(new.clone());
        new
    }
}

pub fn customer_service() -> Place {
    place("ap4M7B1w82", "CustomerService", "Customer Service")
}

fn place(id: &str, partner_id: &str, name: &str) -> Place {
    Place { id: id.to_owned(), partner_id: partner_id.to_owned(), name: name.to_owned() }
}

fn default_users() -> Vec<User> {
    let user = |id: &str, email: &str, first: &str, last: &str, read_only| User {
        id: id.to_owned(),
        person: Person { email: email.to_owned(), first_name: first.to_owned(), last_name: last.to_owned() },
        phone: String::new(),
        read_only,
    };
    vec![
        user("1a2b3c4", "jennifer.parker@brand.example", "Jennifer", "Parker", false),
        user("2b3c4d5", "paul.martin@brand.example", "Paul", "Martin", false),
        user("3c4d5e6", "reader@brand.example", "Rita", "Reader", true),
        user("9k8j7h6", "customer.service@brand.example", "Customer", "Service", false),
    ]
}
