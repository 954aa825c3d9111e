//! Which actions are allowed when, and which requests are invalid (reference, section 3).
//!
//! The bodies of refusals are not documented. They have the shapes of Django REST Framework, which the reference
//! (4.1) infers.

use serde_json::{Map, Value, json};

use super::options::Switches;
use super::state::{Phase, Response, User};

/// Sources other than Goodays itself. They require `remark_type` (reference, 3.7 and 5.3).
const OUTSIDE: [&str; 11] = [
    "google",
    "google_messaging",
    "tripadvisor",
    "pagesjaunes",
    "facebook",
    "facebook_reviews",
    "facebook_messenger",
    "google_play_store",
    "apple_app_store",
    "uber_eats",
    "whatsapp",
];

/// Accepted values of `remark_type`. `NoType` occurs only in answers.
const REMARK_TYPES: [&str; 5] = ["Praise", "Question", "Idea", "Problem", "Message"];

pub fn is_outside(source: &str) -> bool {
    OUTSIDE.contains(&source)
}

/// An action of the brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Reply,
    Spam,
    Close,
    Call,
    Message,
}

impl Verb {
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Reply, Self::Spam, Self::Close, Self::Call, Self::Message];
        all.into_iter().find(|verb| verb.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Spam => "spam",
            Self::Close => "close",
            Self::Call => "call",
            Self::Message => "message",
        }
    }

    /// The fields that the answer echoes, in the order of the reference.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Reply => &["user", "content", "remark_type"],
            Self::Message => &["user", "content"],
            Self::Call => &["user", "rating", "note"],
            Self::Close | Self::Spam => &["user", "remark_type"],
        }
    }
}

/// The actions that a response offers now, in the order of the samples.
pub fn allowed(response: &Response, switches: &Switches) -> Vec<Verb> {
    match response.phase {
        Phase::Open | Phase::Pending if response.delegated_to.is_some() => {
            vec![Verb::Reply, Verb::Spam, Verb::Close]
        }
        Phase::Open | Phase::Pending => vec![Verb::Reply, Verb::Spam, Verb::Close, Verb::Call],
        Phase::Closed if may_message(response, switches) => vec![Verb::Message],
        Phase::Closed | Phase::Spam => vec![],
    }
}

fn may_message(response: &Response, switches: &Switches) -> bool {
    let open_exchange = response.has_text_reply() && !response.superseded;
    open_exchange && (response.customer_waits || switches.message_stays_allowed)
}

/// A valid request.
#[derive(Debug, Clone, Default)]
pub struct Order {
    pub user: Option<String>,
    pub content: Option<String>,
    pub remark_type: Option<String>,
    pub rating: Option<i64>,
    pub note: Option<String>,
}

impl Order {
    pub fn field(&self, name: &str) -> Value {
        match name {
            "user" => json!(self.user),
            "content" => json!(self.content),
            "remark_type" => json!(self.remark_type),
            "rating" => json!(self.rating),
            "note" => json!(self.note),
            _ => Value::Null,
        }
    }
}

/// Why an action is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    UnknownResponse,
    NotAllowed(Verb),
    Fields(Map<String, Value>),
}

impl Refusal {
    pub fn body(&self) -> Value {
        match self {
            Self::UnknownResponse => json!({"detail": "Not found."}),
            Self::NotAllowed(verb) => {
                json!({"detail": format!("Action \"{}\" is not allowed on this response.", verb.name())})
            }
            Self::Fields(fields) => Value::Object(fields.clone()),
        }
    }
}

/// Reads a request's body. Reports all mistakes at once, as the framework does.
pub fn read(
    verb: Verb,
    body: &Map<String, Value>,
    response: &Response,
    users: &[User],
    switches: &Switches,
) -> Result<Order, Refusal> {
    let mut form = Form { body, wrong: Map::new(), trim: switches.trim_texts };
    let writes = matches!(verb, Verb::Reply | Verb::Message);
    let needs_type = is_outside(&response.source) && required(verb, switches);
    let order = Order {
        user: form.user(users, verb == Verb::Message && switches.message_needs_user),
        content: if writes { form.content(switches.max_content) } else { None },
        remark_type: form.remark_type(needs_type),
        rating: if verb == Verb::Call { form.rating() } else { None },
        note: if verb == Verb::Call { form.text("note", false, true) } else { None },
    };
    if form.wrong.is_empty() { Ok(order) } else { Err(Refusal::Fields(form.wrong)) }
}

fn required(verb: Verb, switches: &Switches) -> bool {
    switches.remark_type_required_on.iter().any(|name| name == verb.name())
}

struct Form<'a> {
    body: &'a Map<String, Value>,
    wrong: Map<String, Value>,
    trim: bool,
}

impl Form<'_> {
    fn refuse<T>(&mut self, field: &str, why: impl Into<String>) -> Option<T> {
        self.wrong.insert(field.to_owned(), json!([why.into()]));
        None
    }

    fn text(&mut self, field: &str, required: bool, may_be_blank: bool) -> Option<String> {
        let text = match self.body.get(field) {
            None if required => return self.refuse(field, "This field is required."),
            Some(Value::Null) if required => return self.refuse(field, "This field may not be null."),
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return self.refuse(field, "Not a valid string."),
        };
        let text = if self.trim { text.trim().to_owned() } else { text };
        if text.trim().is_empty() && !may_be_blank {
            return self.refuse(field, "This field may not be blank.");
        }
        Some(text)
    }

    fn content(&mut self, max: Option<usize>) -> Option<String> {
        let text = self.text("content", true, false)?;
        match max {
            Some(max) if text.chars().count() > max => {
                self.refuse("content", format!("Ensure this field has no more than {max} characters."))
            }
            _ => Some(text),
        }
    }

    /// The Goodays id of somebody who may answer (reference, 3.8). An e-mail address is refused.
    fn user(&mut self, users: &[User], required: bool) -> Option<String> {
        let id = self.text("user", required, false)?;
        match users.iter().find(|user| user.id == id) {
            None => self.refuse("user", format!("Object with id={id} does not exist.")),
            Some(user) if user.read_only => self.refuse("user", "This user is read only."),
            Some(_) => Some(id),
        }
    }

    fn remark_type(&mut self, required: bool) -> Option<String> {
        let kind = self.text("remark_type", required, false)?;
        if REMARK_TYPES.contains(&kind.as_str()) {
            return Some(kind);
        }
        self.refuse("remark_type", format!("\"{kind}\" is not a valid choice."))
    }

    fn rating(&mut self) -> Option<i64> {
        let rating = match self.body.get("rating") {
            None | Some(Value::Null) => return None,
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match rating {
            None => self.refuse("rating", "A valid integer is required."),
            Some(rating) if rating < 0 => {
                self.refuse("rating", "Ensure this value is greater than or equal to 0.")
            }
            Some(rating) if rating > 5 => {
                self.refuse("rating", "Ensure this value is less than or equal to 5.")
            }
            rating => rating,
        }
    }
}
