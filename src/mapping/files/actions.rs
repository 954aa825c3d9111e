//! `actions.yaml`: what agents do in Salesforce, and which actions Goodays is asked for.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::document::diagnostic::Place;
use crate::mapping::files::rules::{On, Rendered};
use crate::mapping::language::conditions::Condition;
use crate::mapping::language::expr::{EvalProblem, Expr, Template};
use crate::mapping::language::scope::{scope, to_value};

/// The kind of the user who changed the Case. It decides whether a command may answer.
pub const CASE_USER_TYPE: &str = "LastModifiedBy.UserType";

/// An action that a rule asks Goodays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// A reply while Goodays lists it as possible, a private message afterwards.
    Answer,
    Spam,
    Call,
    Close,
}

pub(in crate::mapping) const ACTS: &[(&str, Act)] =
    &[("answer", Act::Answer), ("spam", Act::Spam), ("call", Act::Call), ("close", Act::Close)];

impl Act {
    pub fn name(self) -> &'static str {
        ACTS.iter().find(|(_, act)| *act == self).map_or("", |(name, _)| name)
    }

    /// The keys of a rule that belong to this action.
    pub(in crate::mapping) fn keys(self) -> &'static [&'static str] {
        match self {
            Act::Answer => &["content", "remark_type"],
            Act::Spam => &[],
            Act::Call => &["note", "rating"],
            Act::Close => &["remark_type"],
        }
    }
}

/// The outcome of an action, as `feedback` shows it on the Case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Sent,
    Settled,
    Unclear,
    Failed,
    /// Not sent, because `goodays.actions` is `observe`.
    Observed,
    /// Not sent yet: it can be taken back, needs an approval, or Goodays cannot be reached.
    Waiting,
    /// The agent took it back while the Case said that it waits.
    TakenBack,
}

pub(in crate::mapping) const OUTCOMES: &[(&str, Outcome)] = &[
    ("sent", Outcome::Sent),
    ("settled", Outcome::Settled),
    ("unclear", Outcome::Unclear),
    ("failed", Outcome::Failed),
    ("observed", Outcome::Observed),
    ("waiting", Outcome::Waiting),
    ("taken_back", Outcome::TakenBack),
];

/// What a feedback text may say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    /// The verb, or the kind of the action.
    pub action: &'a str,
    /// Why, in the agent's language; empty without a reason.
    pub reason: &'a str,
    /// The reason's stable code; empty without one.
    pub code: &'a str,
    /// The outcome in the agent's language, for example `Sent: public reply`.
    pub status: &'a str,
}

/// One action that a rule asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub act: Act,
    pub content: Option<String>,
    pub remark_type: Option<String>,
    pub note: Option<String>,
    pub rating: Option<Json>,
    pub at: Place,
}

#[derive(Debug)]
pub struct ActionMapping {
    /// The Case fields whose changes are read, as written in the file.
    pub case_fields: Vec<String>,
    /// The path to the user who changed the Case, for example `LastModifiedBy.Email`.
    pub case_author: Option<String>,
    /// The field with the agent's command, which we empty, for example `Goodays_Command__c`.
    pub command: Option<String>,
    pub(in crate::mapping) command_at: Option<Place>,
    /// The field by which somebody approves a public reply, for example `Goodays_Approved__c`.
    pub approved: Option<String>,
    pub(in crate::mapping) approved_at: Option<Place>,
    pub comments: CommentsSource,
    pub at: Place,
    pub(in crate::mapping) rules: Vec<ActionRule>,
    pub(in crate::mapping) feedback: Vec<(Outcome, Vec<FeedbackField>)>,
    /// Fields of the Case itself that conditions of status rules read. Only these have to be kept of a row.
    pub condition_fields: Vec<String>,
}

/// Where Salesforce keeps agents' comments.
#[derive(Debug)]
pub struct CommentsSource {
    pub object: String,
    pub parent: String,
    pub body: String,
    pub author_email: Option<String>,
    /// The kinds of users (`User.UserType`) whose comments and commands may be sent.
    pub authors: Vec<String>,
    pub(in crate::mapping) when: Option<Expr>,
}

impl CommentsSource {
    /// What is asked of each comment. `None`: it could not be read.
    pub(in crate::mapping) fn condition(&self) -> Option<Condition> {
        self.when.as_ref().map(|when| Condition::of(&when.source))
    }

    /// The relation that leads from a comment to its Case (Salesforce reference, 5): `ParentId` gives `Parent`, `Case__c`
    /// gives `Case__r`.
    pub fn parent_relation(&self) -> String {
        match self.parent.strip_suffix("__c") {
            Some(custom) => format!("{custom}__r"),
            None => self.parent.strip_suffix("Id").unwrap_or(&self.parent).to_owned(),
        }
    }

    /// Whether what users of this kind write may be sent, ignoring case.
    pub fn may_answer(&self, user_type: &str) -> bool {
        self.authors.iter().any(|known| known.eq_ignore_ascii_case(user_type))
    }
}

#[derive(Debug)]
pub(in crate::mapping) struct ActionRule {
    pub(in crate::mapping) act: Act,
    pub(in crate::mapping) on_comment: bool,
    /// A rule on a Case whose condition reads the command field.
    pub(in crate::mapping) of_command: bool,
    pub(in crate::mapping) when: Option<Expr>,
    pub(in crate::mapping) content: Option<Expr>,
    pub(in crate::mapping) remark_type: Option<Expr>,
    pub(in crate::mapping) note: Option<Expr>,
    pub(in crate::mapping) rating: Option<Expr>,
    /// When it holds, as far as that can be compared. `None`: it could not be read.
    pub(in crate::mapping) condition: Option<Condition>,
    pub(in crate::mapping) at: Place,
}

#[derive(Debug)]
pub(in crate::mapping) struct FeedbackField {
    pub(in crate::mapping) field: String,
    pub(in crate::mapping) template: Template,
}

impl ActionMapping {
    /// The action that a new comment asks for. Rows are as Salesforce returns them.
    pub fn on_comment(&self, case: &Json, comment: &Json) -> Result<Option<Wanted>, EvalProblem> {
        let scope = scope([("case", to_value(case)), ("comment", to_value(comment))]);
        self.first(|rule| rule.on_comment, self.comments.when.as_ref(), &scope)
    }

    /// The action that the state of a Case asks for.
    pub fn on_case(&self, case: &Json) -> Result<Option<Wanted>, EvalProblem> {
        let scope = scope([("case", to_value(case))]);
        self.first(|rule| !rule.on_comment && !rule.of_command, None, &scope)
    }

    /// The action that the command on a Case asks for; none while the command is empty.
    pub fn on_command(&self, case: &Json) -> Result<Option<Wanted>, EvalProblem> {
        let value = self.command.as_deref().and_then(|field| case.get(field)).and_then(Json::as_str);
        if value.is_none_or(|value| value.trim().is_empty()) {
            return Ok(None);
        }
        self.first(|rule| rule.of_command, None, &scope([("case", to_value(case))]))
    }

    /// The commands that the rules know: the texts that their conditions compare with.
    pub fn known_commands(&self) -> Vec<String> {
        let conditions =
            self.rules.iter().filter(|rule| rule.of_command).filter_map(|rule| rule.when.as_ref());
        let quoted = |source: &str| -> Vec<String> {
            source.split(['\'', '"']).skip(1).step_by(2).map(str::to_owned).collect()
        };
        conditions.flat_map(|when| quoted(&when.source)).filter(|known| !known.is_empty()).collect()
    }

    /// The Case's own fields that a command's answer is read from. They are emptied once the customer has it.
    pub fn answer_fields(&self) -> Vec<String> {
        let rules = self.rules.iter().filter(|rule| rule.of_command && rule.act == Act::Answer);
        let paths = rules.filter_map(|rule| rule.content.as_ref()).flat_map(|content| content.paths("case"));
        paths.filter(|path| !path.contains('.')).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The feedback fields to write on the Case. An empty text empties the field.
    pub fn feedback(&self, outcome: Outcome, told: &Told<'_>) -> Vec<Rendered> {
        let Told { action, reason, code, status } = *told;
        let named = [("action", action), ("reason", reason), ("code", code), ("status", status)];
        let scope = scope(named.map(|(name, text)| (name, text.into())));
        let fields =
            self.feedback.iter().find(|(of, _)| *of == outcome).map_or(&[][..], |(_, fields)| fields);
        let rendered = fields.iter().map(|one| Rendered {
            field: one.field.clone(),
            value: one.template.render(&scope).map(|text| Some(Json::String(text.unwrap_or_default()))),
            on: On::Always,
            clear: true,
            at: one.template.at.clone(),
        });
        rendered.collect()
    }

    /// Every Case field that is listed or that an expression reads, relations included. A poll selects these.
    pub fn case_paths(&self) -> Vec<String> {
        let listed = self.case_fields.iter().chain(&self.case_author).chain(&self.command);
        let listed = listed.chain(&self.approved).cloned();
        let listed = listed.chain(self.command.as_ref().map(|_| CASE_USER_TYPE.to_owned()));
        listed.chain(self.paths("case")).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Case fields that rules about comments read. They are selected through the comment's parent.
    pub fn comment_case_paths(&self) -> Vec<String> {
        let rules = self.rules.iter().filter(|rule| rule.on_comment).flat_map(ActionRule::expressions);
        let all = rules.chain(self.comments.when.as_ref()).flat_map(|expr| expr.paths("case"));
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every comment field that is named or that an expression reads.
    pub fn comment_paths(&self) -> Vec<String> {
        let source = &self.comments;
        let named = [source.parent.clone(), source.body.clone()];
        let named = named.into_iter().chain(source.author_email.clone());
        named.chain(self.paths("comment")).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The Case fields that `feedback` writes.
    pub fn feedback_fields(&self) -> Vec<String> {
        let fields = self.feedback.iter().flat_map(|(_, fields)| fields.iter().map(|one| one.field.clone()));
        fields.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether `feedback` shows this outcome on the Case.
    pub fn shows(&self, outcome: Outcome) -> bool {
        let name = OUTCOMES.iter().find(|(_, of)| *of == outcome).map(|(name, _)| *name);
        !unshown(&self.feedback).iter().any(|missing| Some(*missing) == name)
    }

    pub fn acts(&self) -> bool {
        !self.rules.is_empty()
    }

    pub fn can(&self, act: Act) -> bool {
        self.rules.iter().any(|rule| rule.act == act)
    }

    fn first(
        &self,
        of: impl Fn(&ActionRule) -> bool,
        of_all: Option<&Expr>,
        scope: &minijinja::value::Value,
    ) -> Result<Option<Wanted>, EvalProblem> {
        for rule in self.rules.iter().filter(|rule| of(rule)) {
            let holds = |when: Option<&Expr>| when.map_or(Ok(true), |when| when.holds(scope));
            if holds(of_all)? && holds(rule.when.as_ref())? {
                return rule.wanted(scope).map(Some);
            }
        }
        Ok(None)
    }

    fn paths(&self, root: &str) -> Vec<String> {
        let own = self.rules.iter().flat_map(ActionRule::expressions);
        let all = own.chain(self.comments.when.as_ref());
        all.flat_map(|expr| expr.paths(root)).collect()
    }
}

/// The outcomes that `feedback` does not show to agents.
pub(in crate::mapping) fn unshown(feedback: &[(Outcome, Vec<FeedbackField>)]) -> Vec<&'static str> {
    // `failed` and `unclear` need a text. The other outcomes may just clear the field.
    let says = |outcome, field: &FeedbackField| {
        !matches!(outcome, Outcome::Failed | Outcome::Unclear) || !field.template.is_blank()
    };
    let is_shown = |outcome| {
        feedback.iter().any(|(of, fields)| *of == outcome && fields.iter().any(|field| says(outcome, field)))
    };
    OUTCOMES.iter().filter(|(_, outcome)| !is_shown(*outcome)).map(|(name, _)| *name).collect()
}

/// The first field of each path that conditions of status rules read.
pub(in crate::mapping) fn condition_fields(rules: &[ActionRule]) -> Vec<String> {
    let rules = rules.iter().filter(|rule| !rule.on_comment);
    let paths = rules.filter_map(|rule| rule.when.as_ref()).flat_map(|when| when.paths("case"));
    let fields = paths.map(|path| path.split('.').next().unwrap_or_default().to_owned());
    fields.collect::<BTreeSet<_>>().into_iter().collect()
}

impl ActionRule {
    fn wanted(&self, scope: &minijinja::value::Value) -> Result<Wanted, EvalProblem> {
        let value = |expr: &Option<Expr>| expr.as_ref().map_or(Ok(None), |expr| expr.json(scope));
        let text = |expr: &Option<Expr>| {
            value(expr).map(|value| {
                value.map(|value| match value {
                    Json::String(text) => text,
                    other => other.to_string(),
                })
            })
        };
        Ok(Wanted {
            act: self.act,
            content: text(&self.content)?,
            remark_type: text(&self.remark_type)?,
            note: text(&self.note)?,
            rating: value(&self.rating)?,
            at: self.at.clone(),
        })
    }

    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        [&self.when, &self.content, &self.remark_type, &self.note, &self.rating].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_leads_to_its_case_by_the_relation_of_its_parent_field() {
        for (parent, relation) in [("ParentId", "Parent"), ("Case__c", "Case__r"), ("FeedbackId", "Feedback")]
        {
            let source = CommentsSource {
                object: "Note__c".to_owned(),
                parent: parent.to_owned(),
                body: "Text__c".to_owned(),
                author_email: None,
                authors: Vec::new(),
                when: None,
            };
            assert_eq!(source.parent_relation(), relation);
        }
    }
}
