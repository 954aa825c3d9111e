//! What goes to customers, and what became of it: each question is decided in one place.
//!
//! - [`mod@eligibility`]: may this action go now, not yet, or never? The dispatcher, the moment before the PUT and
//!   `plan --case` ask it.
//! - [`mod@permitted`]: what Goodays' list of actions allows of it.
//! - [`mod@outcome`]: what became of an attempt? Webhooks, read-backs, the sweep and an operator's retry ask it.
//! - [`recognise`]: whether a message is the one that an attempt sent.
//! - [`changes`]: what each answer of Goodays changes in the conversation.
//! - [`edits`]: what an edit of actions.yaml would touch of what stands already.
//! - [`rules`]: by which version of actions.yaml a row is judged.
//! - [`rows`]: what each row of Salesforce changes in it.

pub mod changes;
pub mod edits;
pub mod eligibility;
pub mod outcome;
pub mod permitted;
pub mod recognise;
pub mod rows;
pub mod rules;

pub use eligibility::{Circumstances, Eligibility, Look, Wait, eligibility};
pub use outcome::{Outcome, Proof, Reading, outcome};
pub use permitted::{Beside, Permitted, permitted};
pub use rules::{EarlierRules, Rules};
