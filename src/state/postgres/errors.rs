//! What an error of the database means for the caller.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::state::StoreError;

/// Why a statement gave no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// It changed nothing and may be sent again at once: two statements waited for each other.
    Again,
    /// Its outcome is not known, or the server cannot do it now. The connection is closed.
    Lost(String),
    /// The server knows neither the role with this password nor this database, or does not let the role in.
    NotLetIn(String),
    /// The server refused it, and did nothing.
    Refused(String),
}

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Lost(of_connection(error)) };
        let code = db.code();
        match code.code().get(..2) {
            _ if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code) => {
                Self::Again
            }
            // Messages of these classes name objects and settings of the server; those of others may quote values.
            Some("28" | "3D") => Self::NotLetIn(format!("{} ({})", db.message(), code.code())),
            Some("08" | "25" | "53" | "55" | "57" | "58") => {
                Self::Lost(format!("{} ({})", db.message(), code.code()))
            }
            // A transaction that was rolled back, or whose end is not known; and what is wrong inside of the server, of which
            // the data may be well elsewhere. The words may quote values.
            Some("40" | "XX") => Self::Lost(format!("error {}", code.code())),
            // Another session answers: there is a pooler that gives each transaction another one.
            Some("26") => Self::Lost(format!(
                "the session has lost its statements ({}): behind PgBouncer use pool_mode = session",
                code.code()
            )),
            Some("3F" | "42") => Self::Refused(format!("{} ({})", db.message(), code.code())),
            _ => Self::Refused(format!("error {}", code.code())),
        }
    }

    pub(super) fn no_answer(limit: Duration) -> Self {
        Self::Lost(format!("no answer within {limit:?}"))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Again => unavailable("statements waited for each other"),
            Failure::Lost(reason) | Failure::NotLetIn(reason) => unavailable(reason),
            Failure::Refused(reason) => StoreError::Unreadable(reason),
        }
    }
}

/// The words of an error that is not of the server: of the network, of TLS, of the log-in.
fn of_connection(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

pub(super) fn unavailable(reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable(reason.into())
}
