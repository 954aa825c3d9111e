//! Reads `actions.yaml`.

use std::ops::Range;

use crate::document::diagnostic::{Page, Place, one_of};
use crate::document::keys::{Keys, choice};
use crate::document::layout::check_texts;
use crate::document::yaml::{MISSING_KEY, Node, UNKNOWN_KEY, parse};
use crate::mapping::files::actions::{
    ACTS, Act, ActionMapping, ActionRule, CommentsSource, FeedbackField, OUTCOMES, Outcome, condition_fields,
    unshown,
};
use crate::mapping::files::comment::name;
use crate::mapping::files::read_rules::{
    BAD_FIELD_NAME, SAME_RULE, UNKNOWN_WORD, canonical, field_name, never_reached, report_unreachable,
};
use crate::mapping::files::user_types;
use crate::mapping::language::check::Checker;
use crate::mapping::language::conditions::Condition;
use crate::mapping::language::known::Names;

pub const USELESS_KEY: &str = "M030";
pub const NO_EMAIL: &str = "M037";
pub const NOT_TOLD: &str = "M038";
pub const NO_CONDITION: &str = "M040";
pub const NO_COMMAND: &str = "M043";

impl ActionMapping {
    pub(in crate::mapping) fn read(page: &mut Page) -> Option<ActionMapping> {
        let root = parse(page)?;
        check_texts(page, &root);
        let what = "the action mapping";
        let mut keys = Keys::of(&root, page, what);
        let case = keys.take("case").map(|node| read_case(node, page)).unwrap_or_default();
        let comments = keys.take("comments");
        let source = read_comments(comments, page);
        let rules = keys.need(page, "actions", what);
        let rules = rules.map(|node| read_rules(node, page, &source, case.command.as_deref()));
        let rules = rules.unwrap_or_default();
        if comments.is_none() && rules.iter().any(|rule| rule.on_comment) {
            no_condition(page, &keys.key_span("actions"), "rules on comments need `comments.when`");
        }
        let given = keys.take("feedback");
        let feedback = given.map(|node| read_feedback(node, page)).unwrap_or_default();
        if !rules.is_empty() && !keys.nearly(&["feedback"]) {
            check_shown(
                page,
                &keys.key_span(if given.is_some() { "feedback" } else { "actions" }),
                &feedback,
            );
        }
        keys.finish(page, what);
        let at = page.place(&root.span);
        let condition_fields = condition_fields(&rules);
        Some(ActionMapping {
            case_fields: case.fields,
            case_author: case.author,
            command: case.command,
            command_at: case.command_at,
            approved: case.approved,
            approved_at: case.approved_at,
            comments: source,
            at,
            rules,
            feedback,
            condition_fields,
        })
    }
}

/// The section `case`.
#[derive(Default)]
struct CaseSource {
    fields: Vec<String>,
    author: Option<String>,
    command: Option<String>,
    command_at: Option<Place>,
    approved: Option<String>,
    approved_at: Option<Place>,
}

fn read_case(node: &Node, page: &mut Page) -> CaseSource {
    let mut keys = Keys::of(node, page, "`case`");
    let items = keys.take("fields").map_or(&[][..], |node| node.list(page, "`fields`"));
    let mut fields = Vec::new();
    for item in items {
        fields.extend(path(item, page, "a field"));
    }
    let author = keys.take("author_email").and_then(|node| author_email(node, page));
    let (command, approved) = (keys.take("command"), keys.take("approved"));
    let [command_at, approved_at] = [command, approved].map(|node| node.map(|node| page.place(&node.span)));
    let command = command.and_then(|node| path(node, page, "`command`"));
    let approved = approved.and_then(|node| path(node, page, "`approved`"));
    keys.finish(page, "`case`");
    CaseSource { fields, author, command, command_at, approved, approved_at }
}

/// A field, or a path over relations, for example `LastModifiedBy.Email`.
fn path(node: &Node, page: &mut Page, what: &str) -> Option<String> {
    let text = node.text(page, what)?.text.clone();
    let good = text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    if !good {
        page.error(BAD_FIELD_NAME, &node.span, format!("`{text}` is no Salesforce field name"))
            .help("use API names, such as `Status` or `LastModifiedBy.Email`");
    }
    good.then_some(text)
}

fn read_comments(node: Option<&Node>, page: &mut Page) -> CommentsSource {
    let mut source = CommentsSource {
        object: "CaseComment".to_owned(),
        parent: "ParentId".to_owned(),
        body: "CommentBody".to_owned(),
        author_email: None,
        authors: vec![user_types::STANDARD.to_owned()],
        when: None,
    };
    let Some(node) = node else { return source };
    let mut keys = Keys::of(node, page, "`comments`");
    source.object = name(keys.take("object"), page, "`object`", &source.object);
    source.parent = name(keys.take("parent"), page, "`parent`", &source.parent);
    source.body = name(keys.take("body"), page, "`body`", &source.body);
    source.author_email = keys.take("author_email").and_then(|node| author_email(node, page));
    source.authors = keys.take("authors").map_or(source.authors, |node| user_types::read(node, page));
    let when = keys.take("when");
    source.when = when.and_then(|node| Checker::new(page, Names::CommentAction).condition(node));
    if when.is_none() && !keys.nearly(&["when"]) {
        no_condition(page, &keys.span, "`comments` needs `when`");
    }
    keys.finish(page, "`comments`");
    source
}

/// Without a condition every comment would go to the customer, internal notes too. So one must be written.
fn no_condition(page: &mut Page, span: &Range<usize>, what: &str) {
    page.error(NO_CONDITION, span, format!("{what}: which comments may go to the customer")).help(
        "write `when: comment.IsPublished`, or `when: \"true\"` to send all of them, internal notes too",
    );
}

/// Warns about outcomes without a field: agents would never learn of them.
fn check_shown(page: &mut Page, span: &Range<usize>, feedback: &[(Outcome, Vec<FeedbackField>)]) {
    // These occur only with some settings of connector.yaml; `check` warns about `observed` then.
    let sometimes = ["observed", "waiting", "taken_back"];
    let missing: Vec<&str> = unshown(feedback).into_iter().filter(|name| !sometimes.contains(name)).collect();
    if let Some(first) = missing.first() {
        let message =
            format!("agents are never told of what is {}: `feedback` has no field for it", one_of(&missing));
        page.warn(NOT_TOLD, span, message)
            .help(format!("add `{first}: {{ Goodays_Sync_Status__c: \"...\" }}` under `feedback`"));
    }
}

/// The path of an agent's e-mail address. Goodays knows agents by it.
fn author_email(node: &Node, page: &mut Page) -> Option<String> {
    const NO_ADDRESS: [&str; 11] = [
        "Name",
        "FirstName",
        "LastName",
        "Id",
        "Alias",
        "CommunityNickname",
        "Phone",
        "MobilePhone",
        "CreatedBy",
        "LastModifiedBy",
        "Owner",
    ];
    let text = path(node, page, "`author_email`")?;
    let last = text.rsplit('.').next().unwrap_or_default();
    let help = "write `CreatedBy.Email` for a comment, `LastModifiedBy.Email` for a Case";
    if NO_ADDRESS.contains(&last) || (last.ends_with("Id") && !last.contains("__")) {
        page.error(
            NO_EMAIL,
            &node.span,
            format!("`{text}` is no e-mail address: no agent would be found by it"),
        )
        .help(help);
    } else if !last.to_lowercase().contains("mail") {
        page.warn(NO_EMAIL, &node.span, format!("`{text}` does not look like an e-mail address")).help(help);
    }
    Some(text)
}

fn read_rules(
    node: &Node,
    page: &mut Page,
    comments: &CommentsSource,
    command: Option<&str>,
) -> Vec<ActionRule> {
    let mut rules: Vec<ActionRule> = Vec::new();
    let mut seen: Vec<(String, usize)> = Vec::new();
    for item in node.list(page, "`actions`") {
        let Some(rule) = read_rule(item, page, comments, command) else { continue };
        let written = canonical(item);
        // Rules on comments, on commands and on the Case's state are asked apart from each other.
        let covers = |other: &&ActionRule| {
            (other.on_comment, other.of_command) == (rule.on_comment, rule.of_command)
                && never_reached(other.condition.as_ref(), rule.condition.as_ref())
        };
        if let Some((_, line)) = seen.iter().find(|(other, _)| *other == written) {
            page.error(SAME_RULE, &item.span, format!("the same rule stands on line {line}"))
                .help("remove one of them");
        } else if let Some(first) = rules.iter().find(covers) {
            report_unreachable(page, &item.span, first.condition.as_ref(), first.at.line);
        }
        seen.push((written, rule.at.line));
        rules.push(rule);
    }
    rules
}

fn read_rule(
    node: &Node,
    page: &mut Page,
    comments: &CommentsSource,
    command: Option<&str>,
) -> Option<ActionRule> {
    let at = page.place(&node.span);
    let mut keys = Keys::of(node, page, "an action");
    let act = keys.need(page, "do", "an action").and_then(|node| act(node, page));
    let on = keys.need(page, "on", "an action");
    let on_comment = on
        .and_then(|node| choice(node, page, UNKNOWN_WORD, "`on`", &[("comment", true), ("case", false)]))
        .unwrap_or(false);
    let names = if on_comment { Names::CommentAction } else { Names::CaseAction };
    let own = keys.take("when");
    let when = own.and_then(|node| Checker::new(page, names).condition(node));
    let condition = match (&when, own) {
        (Some(when), _) => Some(Condition::of(&when.source)),
        (None, Some(_)) => None,
        // `comments.when` applies to a comment's rule without `when`.
        (None, None) if on_comment => comments.condition(),
        (None, None) => Some(Condition::none()),
    };
    let mut value = |key: &'static str, page: &mut Page| {
        let node = keys.take(key)?;
        let span = keys.key_span(key);
        let useless = act.filter(|act| !act.keys().contains(&key));
        if let Some(act) = useless {
            let takes = act.keys();
            let takes = if takes.is_empty() { "nothing".to_owned() } else { one_of(takes) };
            page.error(USELESS_KEY, &span, format!("Goodays takes no `{key}` with `{}`", act.name()))
                .help(format!("with `{}` it takes {takes}", act.name()));
        }
        let mut checker = Checker::new(page, names);
        if key == "remark_type" {
            checker.remark_types(node);
        }
        checker.expression(node, &format!("`{key}`"))
    };
    let (content, remark_type) = (value("content", page), value("remark_type", page));
    let (call_note, rating) = (value("note", page), value("rating", page));
    if act == Some(Act::Answer) && keys.take("content").is_none() {
        page.error(MISSING_KEY, &node.span, "`answer` needs `content`, the text for the customer")
            .help("for a comment: `content: comment.CommentBody`");
    }
    if !on_comment && on.is_some() && condition.as_ref().is_some_and(Condition::always) {
        page.error(MISSING_KEY, &node.span, "an action on a Case needs `when`, or every Case would cause it")
            .help("for example `when: case.IsClosed`");
    }
    keys.finish(page, "an action");
    let reads = |field: &str| when.as_ref().is_some_and(|when| when.paths("case").iter().any(|p| p == field));
    let of_command = !on_comment && command.is_some_and(reads);
    if act == Some(Act::Answer) && on.is_some() && !on_comment && !of_command {
        page.error(NO_COMMAND, &node.span, "an answer from the Case needs a command, or it would be sent again and again")
            .help("name the field as `case.command`, and ask for it: `when: \"case.Goodays_Command__c == 'answer'\"`");
    }
    Some(ActionRule {
        act: act?,
        on_comment,
        of_command,
        when,
        content,
        remark_type,
        note: call_note,
        rating,
        condition,
        at,
    })
}

fn act(node: &Node, page: &mut Page) -> Option<Act> {
    let found = choice(node, page, UNKNOWN_WORD, "`do`", ACTS);
    let word = node.scalar().map(|scalar| scalar.text.as_str());
    if let (None, Some("reply" | "message"), Some(last)) = (found, word, page.found.last_mut()) {
        last.help("use `answer`: it replies while Goodays lists that, and sends a message afterwards");
    }
    found
}

fn read_feedback(node: &Node, page: &mut Page) -> Vec<(Outcome, Vec<FeedbackField>)> {
    let mut found = Vec::new();
    for (key, fields) in node.map(page, "`feedback`") {
        let Some(word) = key.text(page, "an outcome").map(|key| key.text.clone()) else { continue };
        let Some((_, outcome)) = OUTCOMES.iter().find(|(name, _)| *name == word) else {
            let names: Vec<&str> = OUTCOMES.iter().map(|(name, _)| *name).collect();
            page.error(UNKNOWN_KEY, &key.span, format!("unknown key `{word}` in `feedback`"))
                .help(crate::document::diagnostic::suggest(&word, &names));
            continue;
        };
        found.push((*outcome, feedback_fields(fields, page)));
    }
    found
}

fn feedback_fields(node: &Node, page: &mut Page) -> Vec<FeedbackField> {
    let mut fields = Vec::new();
    for (key, value) in node.map(page, "an outcome") {
        let Some(text) = key.text(page, "a field's name").map(|key| key.text.clone()) else { continue };
        let field = field_name(page, &key.span, &text).map(|(name, _)| name);
        // An empty quoted text is allowed here: it empties the field.
        let template = Checker::new(page, Names::Feedback).template(value, "a feedback text");
        if let (Some(field), Some(template)) = (field, template) {
            fields.push(FeedbackField { field, template });
        }
    }
    fields
}
