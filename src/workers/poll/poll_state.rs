//! What polls have seen, for `status` and for whoever waits for a pass.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use arc_swap::ArcSwap;

use crate::time::SalesforceTime;
use crate::workers::{OrgIdentity, Shared};

/// When polls were completed, for `status`.
#[derive(Default)]
pub struct PollState {
    pub last_completed_ms: ArcSwap<Option<i64>>,
    /// Salesforce's clock when the last completed pass began.
    pub(crate) seen_until: ArcSwap<Option<SalesforceTime>>,
    /// The newest row time that was read (milliseconds).
    newest_ms: AtomicI64,
    /// When the last completed pass began (milliseconds).
    pub(super) began_ms: AtomicI64,
    /// An action waits for a pass that begins then or later (milliseconds).
    pub(super) wanted_ms: AtomicI64,
    /// A query that Salesforce refuses, for people.
    pub trouble: ArcSwap<Option<String>>,
    /// The same for the query that reads actions again before they are sent.
    pub not_shown: ArcSwap<Option<String>>,
    /// How often that was refused in a row.
    pub not_shown_times: AtomicU32,
    /// The newest row time ahead of Salesforce's own clock, as of the last poll. Such rows are read at each poll.
    pub ahead: ArcSwap<Option<SalesforceTime>>,
}

impl PollState {
    /// After a start: what polls had read before.
    pub(crate) fn after(cursor: Option<SalesforceTime>) -> Self {
        let state = Self::default();
        state.read_up_to(cursor);
        state
    }

    /// When the last completed pass began (milliseconds); 0: none since the start.
    pub(crate) fn began_ms(&self) -> i64 {
        self.began_ms.load(Ordering::SeqCst)
    }

    /// Rows up to this time were read.
    pub(super) fn read_up_to(&self, newest: Option<SalesforceTime>) {
        let newest_ms = newest.map_or(0, SalesforceTime::to_millis);
        self.newest_ms.fetch_max(newest_ms, Ordering::SeqCst);
    }

    /// Until when polls have seen what was done (Salesforce's clock); since a start none is known to have.
    pub(crate) fn seen_until(&self, contact: &OrgIdentity) -> SalesforceTime {
        (**self.seen_until.load()).unwrap_or(contact.first_start)
    }
}

impl Shared {
    /// An action waits for a poll that begins at `due_ms` or later (milliseconds).
    pub(crate) fn want_poll(&self, due_ms: i64) {
        if self.poll_state.wanted_ms.fetch_max(due_ms, Ordering::SeqCst) < due_ms {
            self.poll.notify_one();
        }
    }

    /// Salesforce's clock now. Something on the network path may remove the `Date` from its answers: then it is this
    /// machine's clock, or the newest row that was read, whichever is later. So what people did before an edit of the
    /// rules never looks as if it was done after.
    pub(crate) fn salesforce_now(&self) -> SalesforceTime {
        let newest_ms = self.poll_state.newest_ms.load(Ordering::SeqCst);
        let without_date = || self.our_time().max(SalesforceTime::from_millis(newest_ms));
        self.salesforce.now().unwrap_or_else(without_date)
    }

    /// This machine's clock, in place of Salesforce's.
    pub(super) fn our_time(&self) -> SalesforceTime {
        SalesforceTime::from_millis(self.clock.now_ms())
    }
}
