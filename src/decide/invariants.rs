//! What must hold of everything that is sent, checked in production just before it is sent. A breach is a fault of ours
//! and would cost a customer, so the conversation is parked; the process and all other conversations go on.

use crate::decide::inbound::CaseWrite;
use crate::decide::{Intent, Link};
use crate::goodays::ResponseId;
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::mapping::Mapping;
use crate::messages::Words;

/// The reason code of what is parked for a breach.
pub const CODE: &str = "invariant";

/// What is wrong with a write to Salesforce; `None` if nothing is.
pub fn breach_of_write(
    write: &CaseWrite,
    response: &ResponseId,
    link: Option<&Link>,
    mapping: &Mapping,
) -> Option<&'static str> {
    let has = |field: &str| write.fields.contains_key(field);
    let mappings = || mapping.case_mappings().iter();
    if !write.comments.is_empty() && !mappings().any(|m| has(&m.marker_field)) {
        return Some("comments would be written without the marker that proves them");
    }
    match &write.patch {
        None => {
            let key = mappings().find_map(|m| write.fields.get(&m.key_field)).and_then(|key| key.as_str());
            (key != Some(response.as_str())).then_some("a Case would be made without its key")
        }
        Some(case) => {
            let own = link.and_then(|link| link.case.as_ref()).is_some_and(|own| own.id == *case);
            (!own).then_some("the Case of another response would be written")
        }
    }
}

/// What is wrong with an action for Goodays, which has just shown `view`; `None` if nothing is.
pub fn breach_of_action(action: &Action, intent: &Intent, view: &Response) -> Option<Words> {
    if view.id != intent.response_id {
        return Some(Words::new("breach-other-response"));
    }
    (!view.allows(action.verb())).then(|| Words::new("breach-not-listed"))
}

/// The words for operators about a breach of a write.
pub fn words(breach: &str) -> String {
    format!("Held back, because it must never happen: {breach}. Please report it; nothing was sent.")
}
