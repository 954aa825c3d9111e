//! What agents see and do on the Case, in an org as salesforce/ deploys it.

mod commands;
mod language;
mod waiting;
