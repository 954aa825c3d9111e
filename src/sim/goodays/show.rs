//! Responses as JSON, in the shape, order and conventions of the samples (reference, 2.2).

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::ids::date;
use super::options::Switches;
use super::rules::allowed;
use super::state::{Message, Person, Place, Response, State, User};

const API: &str = "https://api.goodays.co/v2";
/// The action URLs of the samples have a different path from the documented calls (reference, 5.3).
const ACTIONS: &str = "https://api.goodays.co/api/v2";

/// Who reads a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Events and people see every change at once.
    Now,
    /// A read through the API may be late.
    Api,
}

impl State {
    /// The `response` object.
    pub fn show(&self, response: &Response, view: View) -> Value {
        let now_ms = self.clock.now_ms();
        match &response.before {
            Some((until, before)) if view == View::Api && now_ms < *until => self.object(before, now_ms),
            _ if view == View::Api => self.object(response, now_ms),
            _ => self.object(response, i64::MAX),
        }
    }

    fn object(&self, response: &Response, seen_ms: i64) -> Value {
        let switches = &self.switches;
        let shown = |message: &&Message| message.visible_ms <= seen_ms;
        let attached = response.attached.iter().rev().filter(shown);
        let customer = &response.customer;
        let mut object = json!({
            "id": response.id,
            "token": response.token,
            "created_date": date(response.created),
            "updated_date": date(response.updated),
            "source": response.source,
            "survey": if has_survey(response) { survey(false) } else { Value::Null },
            "answers": response.answers,
            "message": response.message.as_ref().map(|text| message(text, switches)),
            "reply": response.reply.as_ref().filter(shown).map(|text| message(text, switches)),
            "user": {
                "email": customer.email,
                "first_name": customer.first_name,
                "last_name": customer.last_name,
                "opt_in": {"newsletter": false, "email": false, "sms": false},
            },
            "context": context(response),
            "place": place(&response.place),
            "delegated_to": response.delegated_to.as_ref().map(place),
            "attached_messages": attached.map(|text| attached_message(text, switches)).collect::<Vec<_>>(),
            "state": response.phase.name(),
            "thread": response.thread,
            "actions": actions(response, switches),
            "alert_triggered": response.alert,
        });
        lay_over(&mut object, &response.patch);
        response.omit.iter().for_each(|pointer| leave_out(&mut object, pointer));
        object
    }

    /// An item of `GET /responses`.
    pub fn light(&self, response: &Response) -> Value {
        let full = self.show(response, View::Api);
        json!({
            "id": full["id"],
            "created_date": full["created_date"],
            "updated_date": full["updated_date"],
            "has_answers": full["answers"].as_array().is_some_and(|answers| !answers.is_empty()),
            "has_message": full["message"].is_object(),
            "has_reply": full["reply"].is_object(),
            "alert_triggered": full["alert_triggered"],
            "detail_url": format!("{API}/responses/{}", response.id),
        })
    }

    /// The bytes of a webhook as they would be sent now. `None`: there is no such event.
    pub fn event(&self, id: &str, kind: &str) -> Option<Vec<u8>> {
        let response = self.response(id)?;
        let mut event = json!({"event_type": kind, "response": self.show(response, View::Now)});
        if kind == "message" {
            let newest = response.attached.iter().rev().find(|text| text.by_customer)?;
            event["message"] = message(newest, &self.switches);
        }
        let text = event.to_string();
        Some(if self.switches.ascii_bodies { ascii(&text).into_bytes() } else { text.into_bytes() })
    }
}

/// Public reviews have no survey (reference, 2.2, inferred).
fn has_survey(response: &Response) -> bool {
    !super::rules::is_outside(&response.source)
}

pub fn survey(with_questions: bool) -> Value {
    let mut survey = json!({
        "id": "12AB34",
        "slug": "survey1",
        "label": "survey 1",
        "enabled": true,
        "detail_url": format!("{API}/surveys/12AB34"),
    });
    if with_questions {
        survey["questions"] = json!([question()]);
    }
    survey
}

pub fn question() -> Value {
    json!({
        "id": "12AB34",
        "title": "**Recommanderiez-vous** ce magasin /PLACE/ à votre entourage ?",
        "type": "nps",
        "enabled": true,
    })
}

fn message(message: &Message, switches: &Switches) -> Value {
    let content = if switches.html_entities { entities(&message.content) } else { message.content.clone() };
    json!({
        "id": message.id,
        "created_date": date(message.created),
        "type": message.kind,
        "content": content,
        "attachment": message.attachment,
        "sender": sender(&message.sender),
    })
}

/// In `attached_messages` the samples spell a customer's `COPPERPOT` as `Copperpot`.
fn attached_message(text: &Message, switches: &Switches) -> Value {
    let mut shown = message(text, switches);
    let last_name = &text.sender.last_name;
    if text.by_customer && last_name.chars().all(|letter| !letter.is_lowercase()) {
        let mut letters = last_name.chars();
        let first: String = letters.next().into_iter().collect();
        shown["sender"]["last_name"] = json!(first + &letters.as_str().to_lowercase());
    }
    shown
}

fn sender(person: &Person) -> Value {
    json!({"email": person.email, "first_name": person.first_name, "last_name": person.last_name})
}

fn context(response: &Response) -> Value {
    let customer = &response.customer;
    let mut context = json!({"email": customer.email});
    if let Some(phone) = &response.phone {
        context["phone"] = json!(phone);
        context["crm_id"] = json!(response.crm_id);
    }
    context["extra"] = json!(response.extra);
    if response.phone.is_none() {
        context["cz_tag"] = json!("survey1");
        context["crm_id"] = json!(response.crm_id);
    }
    context["last_name"] = json!(customer.last_name);
    context["first_name"] = json!(customer.first_name);
    context
}

fn actions(response: &Response, switches: &Switches) -> Value {
    let url = |name: &str| json!(format!("{ACTIONS}/responses/{}/{name}", response.id));
    let allowed = allowed(response, switches);
    Value::Object(allowed.iter().map(|verb| (verb.name().to_owned(), url(verb.name()))).collect())
}

pub fn place(place: &Place) -> Value {
    json!({
        "id": place.id,
        "partner_id": place.partner_id,
        "name": place.name,
        "enabled": true,
        "detail_url": format!("{API}/places/{}", place.id),
    })
}

pub fn place_detail(known: &Place) -> Value {
    let mut shown = place(known);
    lay_over(
        &mut shown,
        &json!({
            "universe": null, "street": "1 rue de la Paix", "postal_code": "75002", "city": "Paris",
            "phone": "", "latitude": 48.8693, "longitude": 2.3311, "lang": "fr", "is_active": true,
            "created_date": "2019-01-01T09:00:00.000000+01:00", "logo": null,
        }),
    );
    shown
}

pub fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.person.email,
        "first_name": user.person.first_name,
        "last_name": user.person.last_name,
        "phone": user.phone,
        "read_only": user.read_only,
        "notifications": true,
        "places": format!("{API}/users/{}/places", user.id),
        "last_login": null,
        "lang_training": "fr",
    })
}

/// Merges objects, and replaces everything else. A null sets null.
fn lay_over(shown: &mut Value, patch: &Value) {
    match (shown, patch) {
        (_, Value::Null) => {}
        (Value::Object(shown), Value::Object(patch)) => {
            patch.iter().for_each(|(key, value)| lay_over_key(shown, key, value));
        }
        (shown, patch) => *shown = patch.clone(),
    }
}

fn lay_over_key(shown: &mut Map<String, Value>, key: &str, value: &Value) {
    match shown.get_mut(key) {
        Some(inner) if inner.is_object() && value.is_object() => lay_over(inner, value),
        _ => {
            shown.insert(key.to_owned(), value.clone());
        }
    }
}

fn leave_out(shown: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(parent)) = shown.pointer_mut(parent) {
        parent.shift_remove(key);
    }
}

fn entities(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

/// JSON text with all characters outside of ASCII as `\uXXXX` (surrogate pairs beyond the basic plane).
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").expect("a String takes everything");
        }
    }
    text
}
