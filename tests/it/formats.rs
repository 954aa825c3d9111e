//! States that earlier versions wrote are opened as they are.
//!
//! `format-4.tar.gz` holds the state folder of one story twice: `killed` with everything in a journal, `stopped` with
//! everything in sled and a blob file. The story: a conversation with two answers, an answer that is parked, a Case
//! that was closed, and two events that wait because Salesforce is away.

use std::path::Path;

use flate2::read::GzDecoder;
use goodays_salesforce::decide::IntentState;
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::state::{EntryState, RKey, Settings, Store};

const FORMAT_4: &[u8] = include_bytes!("../fixtures/states/format-4.tar.gz");

const TALK: &str = "26BpnGYga3";
const PARKED: &str = "aR2wlbvfGZ";
const CLOSED: &str = "CYsy3NgIiIn";
const WAITING: &str = "jQrorfTJwfx";

fn unpack(archive: &[u8], to: &Path) {
    tar::Archive::new(GzDecoder::new(archive)).unpack(to).unwrap();
}

/// How the actions of a response ended, in order.
async fn actions(store: &Store, id: &str) -> Vec<&'static str> {
    let id = ResponseId::new(id).unwrap();
    let conversation = store.load(&id).await.unwrap().now;
    assert!(conversation.link.is_some_and(|link| link.case.is_some()), "{id} has its Case");
    conversation.intents.iter().map(|intent| intent.state.name()).collect()
}

async fn holds_the_story(store: &Store) {
    assert_eq!(actions(store, TALK).await, ["delivered", "delivered"]);
    assert_eq!(actions(store, PARKED).await, ["delivered", "parked"]);
    assert_eq!(actions(store, CLOSED).await, ["delivered"]);
    let parked = store.parked_intents(0, 10).await.unwrap();
    let [only] = parked.as_slice() else { panic!("{parked:?}") };
    assert!(matches!(&only.state, IntentState::Parked { code, .. } if code == "wait_for_customer"));
    assert_eq!(store.meta::<u64>("delivered").await.unwrap(), Some(4));
    assert_eq!(store.counters().await.unwrap().pending, 2);
    for (id, said) in [(TALK, "One more thing."), (WAITING, "Bonjour. Bonjour. ")] {
        let waiting = store.waiting(RKey::of(&ResponseId::new(id).unwrap())).await.unwrap();
        let [entry] = waiting.entries.as_slice() else { panic!("{id}") };
        assert!(matches!(entry.state, EntryState::Waiting { .. }));
        let body = String::from_utf8(store.body(entry.seq).await.unwrap().unwrap()).unwrap();
        assert!(body.contains(said), "{id}");
    }
}

/// The note beside the database is missing or damaged: the database says which format it has.
#[tokio::test]
async fn a_state_of_format_4_without_its_note_is_opened_with_all_that_it_holds() {
    for note in [None, Some("\0\0"), Some("junk"), Some("4 5")] {
        let dir = tempfile::tempdir().unwrap();
        unpack(FORMAT_4, dir.path());
        for folder in ["killed", "stopped"] {
            let path = dir.path().join(folder);
            let file = path.join("sled/format");
            note.map_or_else(|| std::fs::remove_file(&file), |note| std::fs::write(&file, note)).unwrap();
            for _ in 0..3 {
                let store = Store::open(&path, Settings::default()).unwrap();
                holds_the_story(&store).await;
                store.close().unwrap();
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "5 5");
        }
    }
}

#[tokio::test]
async fn a_state_of_format_4_is_opened_with_all_that_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    unpack(FORMAT_4, dir.path());
    for folder in ["killed", "stopped"] {
        let path = dir.path().join(folder);
        for _ in 0..2 {
            let store = Store::open(&path, Settings::default()).unwrap();
            holds_the_story(&store).await;
            store.close().unwrap();
        }
    }
}
