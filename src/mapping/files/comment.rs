//! `comment.yaml`: how the messages of a conversation become comments.

use serde_json::Value as Json;

use crate::document::diagnostic::{Page, Place, Severity};
use crate::document::keys::{Keys, choice};
use crate::document::layout::check_texts;
use crate::document::yaml::{MISSING_KEY, Node, parse};
use crate::mapping::files::read_rules::{UNKNOWN_WORD, field_name, read_fields};
use crate::mapping::files::rules::{FieldRules, Moment, On, Rendered};
use crate::mapping::language::known::Names;
use crate::mapping::language::scope::Facts;

pub const NO_CUSTOMERS: &str = "M046";
pub const NO_WORDS: &str = "M047";

#[derive(Debug)]
pub struct CommentMapping {
    pub object: String,
    pub parent_field: String,
    pub body_field: String,
    pub import_customer: bool,
    /// Import answers that were written in Goodays itself. Our own answers are never imported.
    pub import_brand: bool,
    pub at: Place,
    fields: Vec<FieldRules>,
}

#[derive(Clone, Copy)]
enum Side {
    Customer,
    Brand,
}

impl CommentMapping {
    pub(in crate::mapping) fn read(page: &mut Page) -> Option<CommentMapping> {
        let root = parse(page)?;
        check_texts(page, &root);
        let what = "the comment mapping";
        let mut keys = Keys::of(&root, page, what);
        let object = name(keys.take("object"), page, "`object`", "CaseComment");
        let parent_field = name(keys.take("parent"), page, "`parent`", "ParentId");
        let body_field = name(keys.take("body"), page, "`body`", "CommentBody");
        let sides = keys.take("import").map(|node| sides(node, page));
        let reserved = [(parent_field.as_str(), "the link to the Case"), ("Id", "Salesforce's own id")];
        let fields = keys
            .need(page, "fields", what)
            .map(|node| read_fields(node, page, Names::Comment, &reserved, false))
            .unwrap_or_default();
        let span = keys.key_span("fields");
        if !fields.iter().any(|field| field.field == body_field) {
            page.error(MISSING_KEY, &span, format!("`fields` needs `{body_field}`, the comment's text"))
                .help("map it, or name another field with `body:`");
        }
        check_words(&fields, &body_field, page);
        keys.finish(page, what);
        let (import_customer, import_brand) = sides.unwrap_or((true, true));
        Some(CommentMapping {
            object,
            parent_field,
            body_field,
            import_customer,
            import_brand,
            at: page.place(&root.span),
            fields,
        })
    }

    pub fn fields(&self, facts: &Facts, message: &Json) -> Vec<Rendered> {
        let scope = facts.with_message(message);
        let moment = Moment { create: true, message: true };
        self.fields.iter().filter_map(|field| field.render(&scope, moment)).map(always).collect()
    }

    pub fn field_names(&self) -> Vec<String> {
        self.fields.iter().map(FieldRules::full_name).collect()
    }

    pub fn field_rules(&self) -> &[FieldRules] {
        &self.fields
    }
}

/// A text that reads nothing of the message says the same in each comment, and the customer's words are in none.
fn check_words(fields: &[FieldRules], body: &str, page: &mut Page) {
    let Some(field) = fields.iter().find(|field| field.field == body) else { return };
    let is_content = |path: &String| path.is_empty() || path == "content" || path.starts_with("content.");
    if let (false, Some(at)) = (field.paths("message").iter().any(is_content), field.at()) {
        let message =
            format!("`{body}` does not read `message.content`: agents would not see what was written");
        let found = page.finding(Severity::Warning, NO_WORDS, at, message);
        page.found
            .push(found.with_help("`message` is the message at hand; `response.message` is the first one"));
    }
}

/// A comment is made once, so `on` does not apply to its fields.
fn always(rendered: Rendered) -> Rendered {
    Rendered { on: On::Always, ..rendered }
}

pub(in crate::mapping) fn name(node: Option<&Node>, page: &mut Page, what: &str, default: &str) -> String {
    node.and_then(|node| {
        let text = node.text(page, what)?.text.clone();
        field_name(page, &node.span, &text).map(|(name, _)| name)
    })
    .unwrap_or_else(|| default.to_owned())
}

fn sides(node: &Node, page: &mut Page) -> (bool, bool) {
    let (mut found, mut readable) = ((false, false), true);
    for item in node.list(page, "`import`") {
        let choices = [("customer", Side::Customer), ("brand", Side::Brand)];
        match choice(item, page, UNKNOWN_WORD, "`import`", &choices) {
            Some(Side::Customer) => found.0 = true,
            Some(Side::Brand) => found.1 = true,
            None => readable = false,
        }
    }
    if !found.0 && readable {
        page.warn(
            NO_CUSTOMERS,
            &node.span,
            "`import` leaves customers' messages out: agents would never see them",
        )
        .help("`import: [customer, brand]`, or `[customer]` without what was answered in Goodays itself");
    }
    found
}
