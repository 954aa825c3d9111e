//! An instance that waits for the lease: its doors are open, and its files are watched.

use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::decide::lease::{Beat, Watch};
use crate::state::postgres::lease::LeaseRow;
use crate::workers::terms::{READ_EVERY, Term, Terms, now_ms};
use crate::workers::{Current, Daemon, housekeeping};

/// Nobody has it: it was given back, or was never taken.
pub(super) fn is_free(row: &LeaseRow) -> bool {
    row.released || row.holder.is_none()
}

fn beat(row: &LeaseRow) -> Beat {
    Beat { epoch: row.epoch, beat: row.beat, free: is_free(row) }
}

impl Terms {
    /// Waits until this instance has the lease; none when the process ends.
    pub(super) async fn candidate(&self, current: &Current) -> Option<Term> {
        let mut watch = Watch::default();
        let (mut unseen, mut unready) = (false, false);
        let mut waiting: Option<Daemon> = None;
        let term = loop {
            if waiting.is_none() {
                waiting = self.wait_beside(current, &mut unready).await;
            }
            if let Some(term) = self.try_to_take(current, &mut watch, &mut unseen).await {
                break Some(term);
            }
            tokio::select! {
                () = self.token.cancelled() => break None,
                () = tokio::time::sleep(READ_EVERY) => {}
            }
        };
        if let Some(waiting) = waiting {
            waiting.abandon().await;
        }
        term
    }

    /// Gives the doors a state that belongs to no term, and watches the files; none while the database is away.
    /// `unready`: that was so the last time, and was logged.
    async fn wait_beside(&self, current: &Current, unready: &mut bool) -> Option<Daemon> {
        match self.without_work().await {
            Ok(shared) => {
                let shared = Arc::new(shared);
                current.is(shared.clone());
                Some(Daemon::stand_by(shared, self.token.child_token()))
            }
            Err(error) => {
                if !std::mem::replace(unready, true) {
                    warn!(%error, "this instance cannot wait for work yet");
                }
                self.reach_database();
                None
            }
        }
    }

    /// The database's password may have been replaced. Nothing else reads it anew while the database is away.
    fn reach_database(&self) {
        let Ok(fresh) = self.process.config.reload_secrets() else { return };
        if let Err(error) = housekeeping::reach_database(&self.store, &fresh) {
            debug!(%error, "the database is reached as before");
        }
    }

    /// `unseen`: the lease could not be read the last time, and that was logged.
    async fn try_to_take(&self, current: &Current, watch: &mut Watch, unseen: &mut bool) -> Option<Term> {
        let asked_ms = now_ms();
        let row = match self.lease.read(self.limit()).await {
            Ok(row) => row,
            Err(error) => {
                if !std::mem::replace(unseen, true) {
                    warn!(%error, "the lease cannot be read: this instance waits for the database");
                }
                self.not_seen(current, &error);
                return None;
            }
        };
        if std::mem::take(unseen) {
            info!("the lease can be read again");
        }
        self.seen(current, &row, None).await;
        if !watch.may_take(beat(&row), asked_ms, now_ms(), self.times) {
            return None;
        }
        self.take(&row).await
    }
}
