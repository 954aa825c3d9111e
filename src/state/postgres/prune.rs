//! Removes old events and the texts of old actions.

use crate::decide::Intent;
use crate::state::postgres::rows::{limit, signed, unsigned};
use crate::state::postgres::{Postgres, fenced};
use crate::state::{StoreError, Wipe};

impl Postgres {
    /// Removes finished events that were received at `oldest_ms` or before, with their bodies: of `limit` events from
    /// number `from` on. The hash of the body stays, so that a late repeat is still a duplicate. Returns where to go on;
    /// none when nothing more is old.
    pub async fn prune_events(
        &self,
        from: u64,
        oldest_ms: i64,
        most: usize,
    ) -> Result<Option<u64>, StoreError> {
        const SQL: &str = fenced!(
            "page as materialized (
                select seq, received_ms from events where seq >= $2 order by seq limit $4),
             gone as (
                delete from events e using page p
                where e.seq = p.seq and e.received_ms <= $3 and e.state in ('done', 'dropped')
                  and exists (select from may))
             select exists (select from may), (select max(seq) from page), (select count(*) from page),
                    exists (select from page where received_ms <= $3)"
        );
        let row = self.write(SQL, &[&signed(from), &oldest_ms, &limit(most)]).await?;
        let (last, count, old): (Option<i64>, i64, bool) = (row.get(1), row.get(2), row.get(3));
        // Numbers grow with time, but doors date events by their own clocks: after a page of young events only there is no
        // old one.
        Ok(last.filter(|_| count == limit(most) && old).map(|last| unsigned(last) + 1))
    }

    /// Removes the agents' texts from finished actions that were seen at `oldest_ms` or before, of `limit` actions from
    /// number `from` on; the record that they were done stays. Returns where to go on; none when nothing more is old. All
    /// numbers are gone through: each instance has its own block of them, so they do not grow with time.
    pub async fn prune_intents(
        &self,
        from: u64,
        oldest_ms: i64,
        most: usize,
    ) -> Result<Option<u64>, StoreError> {
        const SQL: &str = "
            select seq, record::text from actions where seq >= $1 and seen_ms <= $2 order by seq limit $3";
        let rows = self.read(SQL, &[&signed(from), &oldest_ms, &limit(most)]).await?;
        for intent in self.intents_in(&rows)? {
            let ended = !intent.state.is_open() && !intent.state.is_parked();
            if ended && intent.clone().forget_texts() {
                let forget = |now: &mut Intent| {
                    if now.state == intent.state {
                        now.forget_texts();
                    }
                };
                self.rewrite_intent(intent.seq, forget, Wipe::Nothing).await?;
            }
        }
        Ok(rows.last().filter(|_| rows.len() == most).map(|row| unsigned(row.get(0)) + 1))
    }
}
