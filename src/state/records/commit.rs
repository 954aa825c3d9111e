//! Writing the changes of conversations, each guarded by the version that was loaded.

use crate::decide::Intent;
use crate::state::conversation::Version;
use crate::state::embedded::{MAX_WRITES, Tx};
use crate::state::records::keys;
use crate::state::records::ledger::put_link;
use crate::state::records::outbox::{add_intent, put_intent};
use crate::state::records::queue::{drop_note, finish, move_note, put_note};
use crate::state::records::{Records, encode, encoded};
use crate::state::sent::MetaSwap;
use crate::state::{Changed, Commit, Ended, EntryState, LANES, Loaded, RKey, StoreError};

/// Writes of the counters in a transaction: finished events of each lane, and delivered actions.
const COUNTERS: usize = LANES as usize + 1;

/// One conversation's part of a transaction.
struct Draft {
    rkey: RKey,
    tx: Tx,
    changed: Changed,
    /// Events that end as done.
    done: u64,
}

impl Records {
    /// Writes the changes of conversations in one transaction, and says of each, in their order, whether it was applied
    /// or had changed since it was loaded. Many writes take several transactions; one conversation never does.
    pub fn commit_many(&self, loaded: Vec<Loaded>, now_ms: i64) -> Result<Vec<Commit>, StoreError> {
        let drafts: Vec<Draft> = loaded.into_iter().map(|one| self.draft(one, now_ms)).collect();
        let mut commits = Vec::with_capacity(drafts.len());
        let mut left = drafts.as_slice();
        while !left.is_empty() {
            let (group, rest) = left.split_at(group_len(left));
            self.commit_group(group, &mut commits)?;
            left = rest;
        }
        Ok(commits)
    }

    fn draft(&self, loaded: Loaded, now_ms: i64) -> Draft {
        let Loaded { rkey, now, before, version, swap, events, notes, waiting: _ } = loaded;
        let Version::Embedded(mut tx) = version else { unreachable!("it was loaded from this store") };
        let actions: Vec<&Intent> =
            now.intents.iter().filter(|intent| before.intent(intent.seq) != Some(*intent)).collect();
        let ended: Vec<Ended> = actions.iter().filter_map(|intent| Ended::of(&before, intent)).collect();
        let changed = Changed { actions: !actions.is_empty(), notes: !now.notes.is_empty(), ended };
        let mut link = now.link.clone();
        if changed.actions
            && let Some(link) = &mut link
        {
            link.version += 1;
        }
        for intent in actions {
            match before.intent(intent.seq).map(Intent::identity) {
                Some(identity) if identity == intent.identity() => put_intent(&mut tx, rkey, intent),
                _ => add_intent(&mut tx, rkey, intent),
            }
        }
        if let Some(link) = link.filter(|link| before.link.as_ref() != Some(link)) {
            put_link(&mut tx, rkey, before.link.as_ref(), &link);
        }
        for note in &now.notes {
            put_note(&mut tx, rkey, self.engine.next_seq(), now_ms, note);
        }
        if let Some(MetaSwap { name, before, after }) = swap {
            tx.expect(keys::meta(name), before);
            tx.set(keys::meta(name), encoded(&after));
        }
        let mut done = 0;
        for change in events {
            done += u64::from(matches!(change.state, EntryState::Done { .. }));
            finish(&mut tx, change.entry, rkey, change.state);
        }
        for note in notes {
            match note.later {
                Some((due_ms, attempts)) => move_note(&mut tx, rkey, note.seq, note.due_ms, due_ms, attempts),
                None => drop_note(&mut tx, rkey, note.seq, note.due_ms),
            }
        }
        Draft { rkey, tx, changed, done }
    }

    /// If one of a group had changed, each is written by itself.
    fn commit_group(&self, group: &[Draft], commits: &mut Vec<Commit>) -> Result<(), StoreError> {
        if self.write(group)? {
            commits.extend(group.iter().map(|draft| Commit::Applied(draft.changed.clone())));
            return Ok(());
        }
        for draft in group {
            let applied = group.len() > 1 && self.write(std::slice::from_ref(draft))?;
            commits.push(if applied { Commit::Applied(draft.changed.clone()) } else { Commit::Outdated });
        }
        Ok(())
    }

    /// Writes drafts in one transaction. False if one of the conversations had changed; then nothing is written.
    fn write(&self, drafts: &[Draft]) -> Result<bool, StoreError> {
        loop {
            let mut tx = Tx::default();
            for draft in drafts.iter().filter(|draft| !draft.tx.writes.is_empty()) {
                tx.guards.extend(draft.tx.guards.iter().cloned());
                tx.writes.extend(draft.tx.writes.iter().cloned());
            }
            if tx.writes.is_empty() {
                return Ok(true);
            }
            self.count(&mut tx, drafts)?;
            if self.try_transact(&tx)? {
                return Ok(true);
            }
            // Another conversation may only have changed a counter.
            for guard in drafts.iter().flat_map(|draft| &draft.tx.guards) {
                let held = match self.engine.get(&guard.key) {
                    // It is not what was read.
                    Err(StoreError::Damaged(_)) => false,
                    now => now? == guard.expected,
                };
                if !held {
                    return Ok(false);
                }
            }
        }
    }

    /// Adds what ends in these drafts to the counters, so that nothing has to be scanned.
    fn count(&self, tx: &mut Tx, drafts: &[Draft]) -> Result<(), StoreError> {
        for lane in 0..LANES {
            let done = drafts.iter().filter(|draft| draft.rkey.lane() == lane).map(|draft| draft.done).sum();
            self.add_to(tx, &format!("done {lane}"), done)?;
        }
        let ended = drafts.iter().flat_map(|draft| &draft.changed.ended);
        self.add_to(tx, "delivered", ended.filter(|one| one.outcome == "delivered").count() as u64)
    }

    fn add_to(&self, tx: &mut Tx, name: &str, more: u64) -> Result<(), StoreError> {
        if more > 0 {
            let total: u64 = self.guarded(tx, "meta", &keys::meta(name))?.unwrap_or_default();
            tx.set(keys::meta(name), encode(&(total + more)));
        }
        Ok(())
    }
}

/// How many of these drafts fit into one transaction: at least one, and no conversation twice.
fn group_len(drafts: &[Draft]) -> usize {
    let mut writes = COUNTERS;
    let fits = |place: &usize| {
        let draft = &drafts[*place];
        writes += draft.tx.writes.len();
        let again = drafts[..*place].iter().any(|other| other.rkey == draft.rkey);
        *place == 0 || (writes <= MAX_WRITES && !again)
    };
    (0..drafts.len()).take_while(fits).count()
}
