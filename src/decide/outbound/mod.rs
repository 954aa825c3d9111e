//! What is sent to customers, and its outcome. Each question is decided in one place:
//!
//! - [`mod@eligibility`]: may this action be sent now, not yet, or never? Asked by the dispatcher, just before the
//!   PUT, and by `plan --case`.
//! - [`mod@permitted`]: what Goodays' list of actions allows.
//! - [`mod@outcome`]: what became of an attempt? Asked by webhooks, read backs, the sweep and an operator's retry.
//! - [`recognise`]: whether a message is the one that an attempt sent.
//! - [`attempt`]: what each answer of Goodays to an attempt leads to, and changes in the conversation.
//! - [`changes`]: how an action begins and ends.
//! - [`commands`]: what an agent asks for with a button on the Case.
//! - [`edits`]: which existing rows an edit of actions.yaml would touch.
//! - [`rules`]: which version of actions.yaml applies to a row.
//! - [`waiting`]: why an action waits, as the Case shows it.
//! - [`rows`]: what each row of a Case changes in the conversation; [`comment_rows`]: what a row of a comment does.

pub mod attempt;
pub mod changes;
pub mod commands;
pub mod comment_rows;
pub mod edits;
pub mod eligibility;
pub mod outcome;
pub mod permitted;
pub mod recognise;
pub mod rows;
pub mod rules;
pub mod waiting;

pub use eligibility::{Circumstances, Eligibility, Look, Refuses, Wait, eligibility, fresh_ms};
pub use outcome::{Outcome, Proof, Reading, outcome};
pub use permitted::{Beside, Permitted, permitted};
pub use rules::{EarlierRules, Rules};
