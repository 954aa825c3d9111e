//! Reads events and responses as far as they can be understood (Goodays reference, 2.2 and 5.2).
//!
//! Only `response.id` is required. Everywhere else null, absent, blank and a wrong type are treated alike.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

pub use super::message::{Message, Whose, normalised};
use super::message::{News, People, listed, text, time, turns};
use super::{BadResponseId, ResponseId, Verb};
use crate::time::GoodaysTime;

/// The event's name. What has to be done depends on the response alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    Response,
    Message,
    Delegated,
    Reply,
    Other(String),
}

impl EventKind {
    fn from_name(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "response" => Self::Response,
            "message" => Self::Message,
            "delegated" | "delegate" | "delegation" => Self::Delegated,
            "reply" => Self::Reply,
            _ => Self::Other(name.to_owned()),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: EventKind,
    /// `event_type` as Goodays sent it.
    pub name: String,
    pub response: Response,
}

/// Why a body cannot be read as an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{0} is missing or no object")]
    NoObject(&'static str),
    #[error("response.id is missing, or neither a text nor an integer")]
    NoId,
    #[error(transparent)]
    BadId(#[from] BadResponseId),
}

/// A response with its whole conversation so far. `Debug` shows no texts and no names.
#[derive(Clone, PartialEq)]
pub struct Response {
    pub id: ResponseId,
    pub source: Option<String>,
    /// In lower case.
    pub state: Option<String>,
    /// The verbs that are allowed now: those listed with an address, a path that ends with the verb.
    pub actions: BTreeSet<String>,
    /// Verbs listed with a value that is not an address. They count as not allowed.
    pub odd_actions: BTreeSet<String>,
    /// The customer's first message.
    pub first: Option<Message>,
    /// The brand's processing: an answer (`type` text) or a phone call.
    pub reply: Option<Message>,
    /// The private exchange including our answer, oldest first; without the first message and without calls.
    pub turns: Vec<Message>,
    pub created: Option<GoodaysTime>,
    pub updated: Option<GoodaysTime>,
    pub delegated_to: Option<PlaceRef>,
    pub place: Option<PlaceRef>,
    /// The customer's e-mail addresses in lower case.
    pub emails: Vec<String>,
    /// The response as received, without its `token`.
    pub raw: Value,
}

/// A shop or a customer service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceRef {
    pub id: Option<String>,
    /// The client's own code for the place.
    pub partner_id: Option<String>,
    pub name: Option<String>,
}

/// Reads an event.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    read_owned(body.clone())
}

/// Reads an event without a copy: the response is moved into [`Response::raw`].
pub fn read_owned(mut body: Value) -> Result<Event, Unreadable> {
    let object = body.as_object_mut().ok_or(Unreadable::NoObject("the body"))?;
    let name = text(object.get("event_type")).unwrap_or_default();
    let kind = EventKind::from_name(&name);
    let news = object.get("message").and_then(Message::from_value);
    let news = news.map(|message| News { from_customer: kind == EventKind::Message, message });
    let response = object.get_mut("response").ok_or(Unreadable::NoObject("response"))?;
    let response = Response::with_news(response.take(), news)?;
    Ok(Event { kind, name, response })
}

/// Reads only the id of the event's response.
pub fn peek_response_id(body: &Value) -> Result<ResponseId, Unreadable> {
    let object = body.as_object().ok_or(Unreadable::NoObject("the body"))?;
    response_id(object.get("response").ok_or(Unreadable::NoObject("response"))?)
}

fn response_id(response: &Value) -> Result<ResponseId, Unreadable> {
    let object = response.as_object().ok_or(Unreadable::NoObject("response"))?;
    match object.get("id") {
        // As it is: an id without its blanks may be that of another response.
        Some(Value::String(id)) => Ok(ResponseId::new(id.as_str())?),
        Some(Value::Number(id)) if !id.is_f64() => Ok(ResponseId::new(id.to_string())?),
        _ => Err(Unreadable::NoId),
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        shown.field("id", &self.id).field("state", &self.state).field("actions", &self.actions);
        shown.field("turns", &self.turns).finish_non_exhaustive()
    }
}

impl Response {
    /// Reads a response from `GET /responses/{id}` or from an item of the bulk list.
    pub fn from_value(value: &Value) -> Result<Self, Unreadable> {
        Self::with_news(value.clone(), None)
    }

    fn with_news(raw: Value, news: Option<News>) -> Result<Self, Unreadable> {
        let mut response = Self::beside_raw(&raw, news)?;
        response.raw = raw;
        if let Some(raw) = response.raw.as_object_mut() {
            raw.shift_remove("token");
            // As they were read: mappings look for a message in an object.
            for (name, message) in [("message", &response.first), ("reply", &response.reply)] {
                if let Some(message) = message.as_ref().filter(|read| raw.get(name) != Some(&read.raw)) {
                    raw.insert(name.to_owned(), message.raw.clone());
                }
            }
        }
        Ok(response)
    }

    /// Reads everything except `raw`.
    fn beside_raw(value: &Value, news: Option<News>) -> Result<Self, Unreadable> {
        let id = response_id(value)?;
        let object = value.as_object().ok_or(Unreadable::NoObject("response"))?;
        let get = |key: &str| object.get(key).filter(|v| !v.is_null());
        let people = People::of(object);
        let mut first = get("message").and_then(Message::from_value);
        let mut reply = get("reply").and_then(Message::from_value);
        if let Some(first) = &mut first {
            first.whose = Whose::Customer;
        }
        if let Some(reply) = &mut reply {
            reply.whose = Whose::Brand;
        }
        let attached = listed(get("attached_messages"));
        let (actions, odd_actions) = verbs(get("actions"));
        let turns = turns(attached, news, first.as_ref(), reply.as_ref(), &people);
        Ok(Self {
            id,
            source: text(get("source")),
            state: text(get("state")).map(|s| s.to_ascii_lowercase()),
            actions,
            odd_actions,
            first,
            reply,
            turns,
            created: text(get("created_date")).and_then(|t| time(&t)),
            updated: text(get("updated_date")).and_then(|t| time(&t)),
            delegated_to: get("delegated_to").and_then(PlaceRef::from_value),
            place: get("place").and_then(PlaceRef::from_value),
            emails: people.emails,
            raw: Value::Null,
        })
    }

    /// Whether Goodays lists the verb as allowed now.
    pub fn allows(&self, verb: Verb) -> bool {
        self.actions.contains(verb.as_str())
    }

    /// Marks messages of unknown origin as the brand's if their sender is a user of Goodays.
    pub fn claim_for_brand(&mut self, is_user: impl Fn(&str) -> bool) {
        for turn in self.turns.iter_mut().filter(|t| t.whose == Whose::Unknown) {
            if turn.sender_email.as_deref().is_some_and(&is_user) {
                turn.whose = Whose::Brand;
            }
        }
    }
}

impl PlaceRef {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Object(place) => Some(Self {
                id: text(place.get("id")),
                partner_id: text(place.get("partner_id")),
                name: text(place.get("name")),
            }),
            other => text(Some(other)).map(|id| Self { id: Some(id), ..Self::default() }),
        }
    }
}

/// The verbs listed with an address, and those listed without one. The documentation does not say what another value
/// means (`false`, `{"enabled": false}`, a list), and an action that is not clearly allowed must not be sent (law 9).
/// Null and blank values are ignored.
fn verbs(actions: Option<&Value>) -> (BTreeSet<String>, BTreeSet<String>) {
    let lower = |s: &str| s.trim().to_ascii_lowercase();
    match actions {
        Some(Value::Object(actions)) => {
            let named = actions.iter().filter(|(_, value)| !is_blank(value));
            let (listed, odd): (Vec<_>, Vec<_>) =
                named.partition(|(name, value)| is_address_of_action(&lower(name), value));
            let lowered =
                |list: Vec<(&String, &Value)>| list.into_iter().map(|(name, _)| lower(name)).collect();
            (lowered(listed), lowered(odd))
        }
        Some(Value::Array(actions)) => {
            let named = |item: &Value| match item {
                Value::String(name) => Some(lower(name)),
                Value::Object(action) => text(action.get("name").or(action.get("action"))).map(|n| lower(&n)),
                _ => None,
            };
            (BTreeSet::new(), actions.iter().filter_map(named).collect())
        }
        _ => (BTreeSet::new(), BTreeSet::new()),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Only the form counts, because the hosts in the documentation's samples are broken (Goodays reference, 5.3): a path that
/// ends with the verb, with a host or without. `n/a` is a text with a slash, and no address.
fn is_address_of_action(verb: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let address = text.trim().split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let path = address.split_once("://").map_or(address, |(_, rest)| rest);
    path.rsplit_once('/').is_some_and(|(_, last)| last.eq_ignore_ascii_case(verb))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            serde_json::from_str::<Value>(include_str!(concat!("../../tests/fixtures/goodays/", $name)))
                .unwrap()
        };
    }

    fn whose(response: &Response) -> Vec<(&str, Whose)> {
        response.turns.iter().map(|t| (t.id.as_str(), t.whose)).collect()
    }

    #[test]
    fn a_first_contact() {
        let event = read(&fixture!("response.json")).unwrap();
        assert_eq!(event.kind, EventKind::Response);
        let response = event.response;
        assert_eq!(response.id.as_str(), "vdOpL1NJ74l");
        assert_eq!(response.actions, ["call", "close", "reply", "spam"].map(str::to_owned).into());
        assert!(response.allows(Verb::Call) && !response.allows(Verb::Message));
        assert_eq!(response.first.as_ref().map(|m| m.whose), Some(Whose::Customer));
        assert_eq!(response.turns, []);
        assert_eq!(response.place.unwrap().partner_id.as_deref(), Some("1234"));
        assert_eq!(response.raw.get("token"), None);
        assert_eq!(response.created.unwrap().to_string(), "2020-02-05T09:20:39.81Z");
    }

    #[test]
    fn a_conversation_in_order_with_its_speakers() {
        let event = read(&fixture!("message_second_customer_turn.json")).unwrap();
        assert_eq!(event.kind, EventKind::Message);
        let expected = [
            ("54EjZ70lxy", Whose::Brand),
            ("vdJmjjLk8D", Whose::Customer),
            ("LdLD59eedj", Whose::Brand),
            ("exqmBvGmxY", Whose::Customer),
        ];
        assert_eq!(whose(&event.response), expected);
        assert_eq!(event.response.turns[3].content, "Thank you! See you soon 😊");
        // The same without the event's own message.
        let read_back =
            Response::from_value(&fixture!("message_second_customer_turn.json")["response"]).unwrap();
        assert_eq!(whose(&read_back), expected);
    }

    #[test]
    fn delegation_is_in_the_payload() {
        for value in [fixture!("delegated.json"), fixture!("delegated_malformed_urls.json")] {
            let event = read(&value).unwrap();
            assert_eq!(event.kind, EventKind::Delegated);
            let place = event.response.delegated_to.clone().unwrap();
            assert_eq!(place.partner_id.as_deref(), Some("CustomerService"));
            assert!(!event.response.allows(Verb::Call));
        }
        for name in ["delegate", "delegation", "Delegated"] {
            assert_eq!(EventKind::from_name(name), EventKind::Delegated);
        }
    }

    #[test]
    fn odd_shapes_are_read_as_far_as_they_go() {
        let bare = read(&json!({"response": {"id": "r"}})).unwrap();
        assert_eq!(bare.kind, EventKind::Other(String::new()));
        let odd = json!({"event_type": 3, "message": [], "response": {
            "id": "r", "source": 4, "state": [], "actions": ["reply"], "message": "just words", "reply": true,
            "user": "Ann", "context": [1], "place": "shop", "delegated_to": {}, "attached_messages": {"a": 1},
            "created_date": "2018-07-10T00:00:00", "updated_date": "soon",
        }});
        let odd = read(&odd).unwrap();
        assert_eq!(odd.kind, EventKind::Other("3".into()));
        assert_eq!(odd.response.first.unwrap().content, "just words");
        assert_eq!(odd.response.source.as_deref(), Some("4"));
        assert_eq!(odd.response.created.unwrap().to_string(), "2018-07-10T00:00:00Z");
        assert_eq!((odd.response.updated, odd.response.reply), (None, None));
        assert!(odd.response.odd_actions.contains("reply"));
    }

    /// Forms that no page shows: nothing of them may be lost.
    #[test]
    fn words_are_found_wherever_they_are() {
        let of = |message: Value, attached: Value| {
            let response = json!({"id": "r", "message": message, "attached_messages": attached});
            let read = read(&json!({"response": response})).unwrap().response;
            let texts = |name: &str| read.raw["message"][name].as_str().map(str::to_owned);
            let turns = read.turns.iter().map(|turn| turn.content.clone()).collect::<Vec<_>>();
            (texts("content"), texts("attachment"), turns)
        };
        let some = |text: &str| Some(text.to_owned());
        let hi = json!({"id": "m", "content": "Hi."});
        assert_eq!(of(json!("Hello."), json!({"results": [hi]})), (some("Hello."), None, vec!["Hi.".into()]));
        assert_eq!(
            of(json!([{"content": "Hello."}]), json!("Hi.")),
            (some("Hello."), None, vec!["Hi.".into()])
        );
        let odd = json!({"content": {"text": "Hello."}, "attachment": [{"url": "https://a"}, "https://b"]});
        assert_eq!(of(odd, hi), (some("Hello."), some("https://a https://b"), vec!["Hi.".into()]));
        let unknown = json!({"content": "Hello.", "attachment": {"size": 3}});
        assert_eq!(of(unknown, json!(7)), (some("Hello."), some("{\"size\":3}"), vec![]));
    }

    #[test]
    fn only_a_verb_with_an_address_is_listed() {
        let table = [
            (json!({"reply": "https://x/y/reply", " Close ": "/v2/responses/r/close"}), "close reply", ""),
            (
                json!({"reply": "https://api.goodays.coapi/v2/r/Reply/?a=/b", "close": " HTTP://x/close#c "}),
                "close reply",
                "",
            ),
            (
                json!({"reply": "n/a", "close": "https://x/y", "spam": "v2/close", "call": "https://call",
                       "message": "no / message"}),
                "",
                "call close message reply spam",
            ),
            (json!({"reply": null, "close": "", "spam": " "}), "", ""),
            (
                json!({"reply": false, "close": 0, "spam": [], "call": {"enabled": false}}),
                "",
                "call close reply spam",
            ),
            (
                json!({"reply": true, "close": "false", "spam": {"url": "https://x/y"}}),
                "",
                "close reply spam",
            ),
            (json!(["reply", " Close ", null, 5]), "", "close reply"),
            (
                json!([{"name": "reply", "allowed": false}, {"action": "CALL"}, {"url": "https://x"}]),
                "",
                "call reply",
            ),
            (json!("reply"), "", ""),
            (json!(null), "", ""),
        ];
        let words = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
        for (actions, listed, odd) in table {
            let response = Response::from_value(&json!({"id": "r", "state": "Closed", "actions": actions}));
            let response = response.unwrap();
            assert_eq!(words(response.actions), listed, "{actions}");
            assert_eq!(words(response.odd_actions), odd, "{actions}");
            assert_eq!(response.state.as_deref(), Some("closed"));
        }
    }

    /// JSON pointers of all values.
    fn places(value: &Value, here: &str, found: &mut Vec<String>) {
        found.push(here.to_owned());
        for (key, inner) in value.as_object().into_iter().flatten() {
            places(inner, &format!("{here}/{key}"), found);
        }
        for (i, inner) in value.as_array().into_iter().flatten().enumerate() {
            places(inner, &format!("{here}/{i}"), found);
        }
    }

    #[test]
    fn any_place_may_hold_anything_but_the_id() {
        let whole = fixture!("message_second_customer_turn.json");
        let mut all = Vec::new();
        places(&whole, "", &mut all);
        assert!(all.len() > 100);
        for place in all {
            for odd in [json!(null), json!(5), json!(true), json!("x"), json!([null, 1]), json!({"a": []})] {
                let mut value = whole.clone();
                *value.pointer_mut(&place).unwrap() = odd.clone();
                let needed = ["", "/response", "/response/id"].contains(&place.as_str());
                assert!(needed || read(&value).is_ok(), "{place} = {odd}");
            }
        }
    }

    #[test]
    fn debugging_shows_no_words() {
        let shown = format!("{:?}", read(&fixture!("message_first.json")).unwrap());
        for word in ["Chester", "backpack", "protected", "1234abcd"] {
            assert!(!shown.contains(word), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        const BLANK: &str =
            "response.id begins or ends with a blank, which the Case's key field does not keep";
        let table = [
            (json!([]), "the body is missing or no object"),
            (json!({}), "response is missing or no object"),
            (json!({"response": null}), "response is missing or no object"),
            (json!({"response": {}}), "response.id is missing, or neither a text nor an integer"),
            (json!({"response": {"id": 1.5}}), "response.id is missing, or neither a text nor an integer"),
            (json!({"response": {"id": ""}}), "response.id is empty"),
            (json!({"response": {"id": " "}}), BLANK),
            (json!({"response": {"id": "abc "}}), BLANK),
            (json!({"response": {"id": "\u{a0}abc"}}), BLANK),
            (json!({"response": {"id": "abc\n"}}), "response.id holds a control character"),
        ];
        for (body, words) in table {
            assert_eq!(read(&body).unwrap_err().to_string(), words);
            assert_eq!(peek_response_id(&body).unwrap_err().to_string(), words);
            if let Some(response) = body.get("response") {
                assert_eq!(Response::from_value(response).unwrap_err().to_string(), words);
            }
        }
        assert_eq!(peek_response_id(&json!({"response": {"id": 9}})).unwrap().as_str(), "9");
    }
}
