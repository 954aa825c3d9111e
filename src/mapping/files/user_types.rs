//! Kinds of Salesforce users, and which of them may answer customers.

use crate::document::diagnostic::{Page, suggest};
use crate::document::yaml::Node;

pub const UNKNOWN_USER_TYPE: &str = "M041";
pub const NOBODY: &str = "M042";

/// Internal users. Their comments are sent unless a mapping says otherwise.
pub const STANDARD: &str = "Standard";

/// Values of `User.UserType` that Salesforce documents (Object Reference, User). Salesforce may add others.
const KNOWN: &[&str] = &[
    STANDARD,
    "PowerPartner",
    "PowerCustomerSuccess",
    "CustomerSuccess",
    "CspLitePortal",
    "CsnOnly",
    "SelfService",
    "Guest",
    "AutomatedProcess",
    "CloudIntegrationUser",
];

/// `comments.authors`: the kinds of users whose comments may be sent.
pub fn read(node: &Node, page: &mut Page) -> Vec<String> {
    let items = node.list(page, "`authors`");
    if items.is_empty() && matches!(node.kind, crate::document::yaml::Kind::List(_)) {
        page.error(NOBODY, &node.span, "`authors` names nobody, so no comment would ever be sent")
            .help("internal users are `[Standard]`, which also counts when the key is left out");
    }
    items.iter().filter_map(|item| one(item, page)).collect()
}

fn one(item: &Node, page: &mut Page) -> Option<String> {
    let word = item.text(page, "a kind of user")?.text.trim().to_owned();
    let Some(known) = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(&word)) else {
        page.warn(UNKNOWN_USER_TYPE, &item.span, format!("Salesforce documents no UserType `{word}`"))
            .help(suggest(&word, KNOWN));
        return Some(word);
    };
    Some((*known).to_owned())
}
