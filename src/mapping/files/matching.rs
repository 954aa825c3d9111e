//! `match` in `case*.yaml`: which Contact or Person Account a new Case belongs to.

use serde_json::Value as Json;

use crate::document::diagnostic::{Page, Place};
use crate::document::keys::{Keys, choice};
use crate::document::yaml::Node;
use crate::mapping::files::read_rules::{UNKNOWN_WORD, field_name};
use crate::mapping::language::check::Checker;
use crate::mapping::language::expr::Expr;
use crate::mapping::language::known::Names;
use crate::mapping::language::scope::Facts;

/// A `match` that names nothing to find the customer by.
pub const NO_CLUE: &str = "M044";

/// Where customers are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerObject {
    Contact,
    /// A Person Account.
    Account,
}

impl CustomerObject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Contact => "Contact",
            Self::Account => "Account",
        }
    }

    /// The Case's field that gets the record's id.
    pub fn case_field(self) -> &'static str {
        match self {
            Self::Contact => "ContactId",
            Self::Account => "AccountId",
        }
    }

    fn email_field(self) -> &'static str {
        match self {
            Self::Contact => "Email",
            Self::Account => "PersonEmail",
        }
    }
}

/// `match` of one `case*.yaml`.
#[derive(Debug)]
pub struct Matching {
    pub object: CustomerObject,
    pub external_id: Option<MatchClue>,
    pub email: Option<MatchClue>,
    pub at: Place,
}

/// A field of the other object, and the value in Goodays' response that it has to equal.
#[derive(Debug)]
pub struct MatchClue {
    pub field: String,
    from: Expr,
}

impl Matching {
    pub(super) fn read(node: &Node, page: &mut Page) -> Option<Self> {
        let mut keys = Keys::of(node, page, "`match`");
        let objects = [("Contact", CustomerObject::Contact), ("Account", CustomerObject::Account)];
        let object = keys.take("object");
        let object = object.map(|node| choice(node, page, UNKNOWN_WORD, "`object`", &objects));
        let (external_id, email) = (keys.take("external_id"), keys.take("email"));
        if external_id.is_none() && email.is_none() && !keys.nearly(&["external_id", "email"]) {
            page.error(NO_CLUE, &keys.span, "`match` does not say how the customer is found")
                .help("add `external_id: { field: ..., from: response.context.crm_id }`, or `email: { from: response.user.email }`");
        }
        let object = object.unwrap_or(Some(CustomerObject::Contact));
        let standard = object.map(CustomerObject::email_field);
        let external_id = external_id.map(|node| MatchClue::read(node, page, "`external_id`", None));
        let email = email.map(|node| MatchClue::read(node, page, "`email`", standard));
        let at = page.place(&node.span);
        keys.finish(page, "`match`");
        let unread = matches!(external_id, Some(None)) || matches!(email, Some(None));
        (!unread).then_some(())?;
        Some(Self { object: object?, external_id: external_id.flatten(), email: email.flatten(), at })
    }

    pub fn clues(&self) -> impl Iterator<Item = &MatchClue> {
        self.external_id.iter().chain(&self.email)
    }

    /// The paths below `root` that it reads.
    pub(super) fn paths(&self, root: &str) -> Vec<String> {
        self.clues().flat_map(|clue| clue.from.paths(root)).collect()
    }
}

impl MatchClue {
    /// `standard`: the field if none is named.
    fn read(node: &Node, page: &mut Page, what: &str, standard: Option<&str>) -> Option<Self> {
        let mut keys = Keys::of(node, page, what);
        let field = match (keys.take("field"), standard) {
            (None, Some(standard)) => Some(standard.to_owned()),
            (None, None) => {
                keys.need(page, "field", what);
                None
            }
            (Some(node), _) => {
                let text = node.text(page, "`field`").map(|text| text.text.clone());
                text.and_then(|text| field_name(page, &node.span, &text)).map(|(name, _)| name)
            }
        };
        let from = keys.need(page, "from", what);
        let from = from.and_then(|node| Checker::new(page, Names::Case).expression(node, "`from`"));
        keys.finish(page, what);
        Some(Self { field: field?, from: from? })
    }

    /// The text that the field has to equal; none if Goodays has no such value, or it cannot be computed.
    pub fn value(&self, facts: &Facts) -> Option<String> {
        let text = match self.from.json(&facts.scope).ok()?? {
            Json::String(text) => text,
            Json::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}
