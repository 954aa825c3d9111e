//! Random steps, done by a store and on plain lists: both must say the same.

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Accept {
        of: u8,
        body: u8,
    },
    /// Loads a conversation, and keeps it for a later commit.
    Load {
        of: u8,
    },
    /// Commits everything that was loaded, in one batch, each with its own change.
    Commit(What),
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Link,
    Act,
    Deliver,
    EndEvents,
    ParkEvents,
    PostponeEvents,
    Tell,
    EndNotes,
    PostponeNotes,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop::sample::select(vec![
        What::Link,
        What::Act,
        What::Deliver,
        What::EndEvents,
        What::ParkEvents,
        What::PostponeEvents,
        What::Tell,
        What::EndNotes,
        What::PostponeNotes,
    ]);
    let step = prop_oneof![
        6 => (0..4u8, 0..6u8).prop_map(|(of, body)| Step::Accept { of, body }),
        8 => (0..4u8).prop_map(|of| Step::Load { of }),
        6 => what.prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

/// One conversation in plain lists.
#[derive(Debug, Clone, Default, PartialEq)]
struct Plain {
    words: Option<String>,
    events: BTreeMap<u64, (u32, EntryState)>,
    notes: BTreeMap<u64, (i64, u32, Note)>,
    intents: BTreeMap<u64, IntentState>,
    bodies: BTreeMap<u8, u64>,
    /// Raised by each change, and not by an event that comes in.
    version: u64,
}

#[derive(Default)]
struct Model {
    all: BTreeMap<u8, Plain>,
    done: u64,
    delivered: u64,
}

/// A loaded conversation, and the model's as it was then.
struct Held {
    of: u8,
    before: Plain,
    loaded: Loaded,
}

impl Model {
    fn of(&mut self, n: u8) -> &mut Plain {
        self.all.entry(n).or_default()
    }

    async fn accept(&mut self, store: &Store, n: u8, body: u8, now_ms: i64) {
        let receipt = accept(store, n, &body.to_string(), now_ms).await;
        let plain = self.of(n);
        // Where several machines take events, none of their clocks says when one is due.
        let due_ms = if store.is_common() { 0 } else { now_ms };
        let waits = (0, EntryState::Waiting { due_ms });
        match plain.bodies.get(&body).copied() {
            None => {
                let Receipt::Accepted { seq, rkey } = receipt else { panic!("{receipt:?}") };
                assert_eq!(rkey, RKey::of(&id(n)));
                plain.bodies.insert(body, seq);
                plain.events.insert(seq, waits);
            }
            Some(seq) if matches!(plain.events[&seq].1, EntryState::Parked { .. }) => {
                assert_eq!(receipt, Receipt::Accepted { seq, rkey: RKey::of(&id(n)) });
                plain.events.insert(seq, (plain.events[&seq].0, waits.1));
            }
            Some(seq) => assert_eq!(receipt, Receipt::Duplicate { seq }),
        }
    }

    /// Commits a batch. Applied is what was loaded at the present version, and nothing else.
    async fn commit(&mut self, store: &Store, held: Vec<Held>, what: What, now_ms: i64) {
        let mut expected = Vec::new();
        let mut batch = Vec::new();
        for Held { of, before, mut loaded } in held {
            let mut after = before.clone();
            decide(store, &mut loaded, &mut after, what, now_ms);
            let (written, present) = (after != before, self.of(of).version == before.version);
            expected.push(!written || present);
            if written && present {
                self.count(&before, &after);
                self.of(of).merge(&before, after);
            }
            batch.push((of, loaded));
        }
        let (of, batch): (Vec<u8>, Vec<Loaded>) = batch.into_iter().unzip();
        let commits = store.commit_many(batch, now_ms).await.unwrap();
        let applied: Vec<bool> = commits.iter().map(|one| matches!(one, Commit::Applied(_))).collect();
        assert_eq!(applied, expected, "{what:?} of {of:?}");
        // The store numbers new notes itself.
        for of in of {
            let waiting = store.waiting(RKey::of(&id(of))).await.unwrap();
            self.of(of).number_notes(&waiting.notes);
        }
    }

    fn count(&mut self, before: &Plain, after: &Plain) {
        let ended = |plain: &Plain| {
            let done = plain.events.values().filter(|event| matches!(event.1, EntryState::Done { .. }));
            let sent = plain.intents.values().filter(|state| matches!(state, IntentState::Delivered { .. }));
            (done.count() as u64, sent.count() as u64)
        };
        self.done += ended(after).0 - ended(before).0;
        self.delivered += ended(after).1 - ended(before).1;
    }

    async fn holds(&self, store: &Store, now_ms: i64) {
        let mut queued = BTreeSet::new();
        for n in 0..4 {
            let plain = self.all.get(&n).cloned().unwrap_or_default();
            let loaded = store.load(&id(n)).await.unwrap();
            assert_eq!(loaded.now.link.as_ref().map(|link| &link.mapping), plain.words.as_ref());
            let open = |state: &IntentState| matches!(state, IntentState::Ready { .. });
            let intents: Vec<u64> =
                loaded.now.intents.iter().filter(|i| open(&i.state)).map(|i| i.seq).collect();
            let expected = plain.intents.iter().filter(|(_, state)| open(state)).map(|(seq, _)| *seq);
            assert_eq!(intents, expected.collect::<Vec<_>>());
            for (seq, (attempts, state)) in &plain.events {
                let entry = store.entry(*seq).await.unwrap().unwrap();
                assert_eq!((entry.attempts, &entry.state), (*attempts, state));
            }
            let waits = |state: &EntryState| matches!(state, EntryState::Waiting { .. });
            let events: Vec<u64> = loaded.waiting.entries.iter().map(|entry| entry.seq).collect();
            let expected = plain.events.iter().filter(|(_, (_, state))| waits(state)).map(|(seq, _)| *seq);
            assert_eq!(events, expected.collect::<Vec<_>>());
            let notes: Vec<(i64, u32, Note)> =
                loaded.waiting.notes.iter().map(|n| (n.due_ms, n.attempts, n.note.clone())).collect();
            assert_eq!(notes, plain.notes.values().cloned().collect::<Vec<_>>());
            let rkey = RKey::of(&id(n));
            for entry in &loaded.waiting.entries {
                let EntryState::Waiting { due_ms } = entry.state else { panic!("{entry:?}") };
                queued.insert((rkey, due_ms, entry.seq, true));
            }
            queued.extend(loaded.waiting.notes.iter().map(|n| (rkey, n.due_ms, n.seq, false)));
        }
        queues_hold(store, &queued, now_ms).await;
        let counters = store.counters().await.unwrap();
        assert_eq!(counters.pending, queued.iter().filter(|item| item.3).count() as u64);
        assert_eq!((counters.done.iter().sum::<u64>(), counters.delivered), (self.done, self.delivered));
        let parked = self.all.values().flat_map(|plain| &plain.events);
        let parked: Vec<u64> =
            parked.filter(|(_, e)| matches!(e.1, EntryState::Parked { .. })).map(|(seq, _)| *seq).collect();
        let listed = store.parked(1000).await.unwrap().into_iter().map(|item| match item {
            Parked::Event(entry) => entry.seq,
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), parked.into_iter().collect::<BTreeSet<_>>());
    }
}

async fn queues_hold(store: &Store, queued: &BTreeSet<(RKey, i64, u64, bool)>, now_ms: i64) {
    for lane in 0..LANES {
        let of_lane = queued.iter().filter(|item| item.0.lane() == lane);
        let mut due: Vec<_> = of_lane.clone().filter(|item| item.1 <= now_ms).copied().collect();
        due.sort_by_key(|item| (item.1, item.2));
        let found = store.due(lane, now_ms, 1000).await.unwrap();
        // Which of them comes first, if not all can, is the store's.
        let mut found: Vec<_> =
            found.into_iter().map(|item| (item.rkey, item.due_ms, item.seq, item.event)).collect();
        found.sort_by_key(|item| (item.1, item.2));
        assert_eq!(found, due);
        assert_eq!(store.due(lane, now_ms, 1).await.unwrap().len(), due.len().min(1));
        assert_eq!(store.next_due(lane).await.unwrap(), of_lane.map(|item| item.1).min());
    }
}

impl Plain {
    /// Adds a change to what came in since it was loaded.
    fn merge(&mut self, before: &Self, after: Self) {
        self.version += 1;
        self.words = after.words;
        self.intents.extend(after.intents);
        self.events.extend(after.events.into_iter().filter(|(seq, e)| before.events.get(seq) != Some(e)));
        self.notes = after.notes;
    }

    fn number_notes(&mut self, waiting: &[WaitingNote]) {
        let known = std::mem::take(&mut self.notes);
        self.notes = waiting.iter().map(|note| note.seq).zip(known.into_values()).collect();
    }
}

/// Makes the same change to the loaded conversation and to the model.
fn decide(store: &Store, loaded: &mut Loaded, after: &mut Plain, what: What, now_ms: i64) {
    let events: Vec<Entry> = loaded.waiting.entries.clone();
    let notes: Vec<WaitingNote> = loaded.waiting.notes.clone();
    let words = now_ms.unsigned_abs();
    match what {
        What::Link => {
            linked(loaded, words);
            after.words = Some(words.to_string());
        }
        What::Act => {
            let seq = store.next_seq();
            linked(loaded, words);
            let id = loaded.now.response_id.clone();
            loaded.now.put(intent(seq, id));
            after.words = Some(words.to_string());
            after.intents.insert(seq, IntentState::Ready { not_before_ms: 0 });
        }
        What::Deliver => {
            for intent in &mut loaded.now.intents {
                if matches!(intent.state, IntentState::Ready { .. }) {
                    intent.state = IntentState::Delivered { at_ms: now_ms, verb: Verb::Reply, message: None };
                    after.intents.insert(intent.seq, intent.state.clone());
                }
            }
        }
        What::EndEvents => end(loaded, &events, after, &done(now_ms)),
        What::ParkEvents => end(loaded, &events, after, &parked()),
        What::PostponeEvents => {
            let attempts = events.iter().map(|entry| entry.attempts).max().unwrap_or_default() + 1;
            let due_ms = now_ms + 5;
            assert_eq!(loaded.postpone_events(&events, due_ms, attempts), events.len());
            let waits = EntryState::Waiting { due_ms };
            after.events.extend(events.iter().map(|entry| (entry.seq, (attempts, waits.clone()))));
        }
        What::Tell => {
            // A note that comes in is no change of the conversation, so here its link changes, too.
            linked(loaded, words);
            loaded.now.tell(note(words));
            after.words = Some(words.to_string());
            after.notes.insert(u64::MAX, (now_ms, 0, note(words)));
        }
        What::EndNotes => {
            assert_eq!(loaded.end_notes(&notes), notes.len());
            after.notes.retain(|seq, _| notes.iter().all(|note| note.seq != *seq));
        }
        What::PostponeNotes => {
            assert_eq!(loaded.postpone_notes(&notes, now_ms + 5, 7), notes.len());
            after.notes.extend(notes.into_iter().map(|note| (note.seq, (now_ms + 5, 7, note.note))));
        }
    }
}

fn end(loaded: &mut Loaded, events: &[Entry], after: &mut Plain, state: &EntryState) {
    assert_eq!(loaded.end_events(events, state), events.len());
    after.events.extend(events.iter().map(|entry| (entry.seq, (entry.attempts, state.clone()))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_plain_lists_do(steps in steps()) {
        block_on(beside_plain_lists(Place::folder(), steps));
    }

    #[test]
    fn a_database_does_what_plain_lists_do(steps in steps()) {
        if let Some(place) = Place::database() {
            block_on(beside_plain_lists(place, steps));
        }
    }
}

fn block_on(steps: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(steps);
}

async fn beside_plain_lists(place: Place, steps: Vec<Step>) {
    let mut store = place.open().await;
    let (mut model, mut held) = (Model::default(), Vec::new());
    for (step, now_ms) in steps.into_iter().zip(1..) {
        match step {
            Step::Accept { of, body } => model.accept(&store, of, body, now_ms).await,
            Step::Load { of } => {
                let loaded = store.load(&id(of)).await.unwrap();
                held.push(Held { of, before: model.of(of).clone(), loaded });
            }
            Step::Commit(what) => model.commit(&store, std::mem::take(&mut held), what, now_ms).await,
            Step::Reopen => {
                held.clear();
                store.close().unwrap();
                store = place.open().await;
            }
        }
        model.holds(&store, now_ms).await;
    }
}
