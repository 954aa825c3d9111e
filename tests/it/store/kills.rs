//! What a `kill -9` leaves.

use super::*;

const CHILD_DIR: &str = "STORE_KILL_DIR";
const WRITERS: u64 = 16;
/// How many of its own entries a writer keeps.
const KEPT: u64 = 20;

/// Each step replaces the writer's head, adds an entry and deletes an old one, in one transaction.
fn killed_step(writer: u64, n: u64) -> Tx {
    let head = format!("head/{writer}");
    let before = (n > 1).then(|| killed_head(writer, n - 1));
    let mut tx = Tx::new();
    tx.expect(head.as_str(), before);
    tx.set(head, killed_head(writer, n)).set(format!("Payload/{writer}/{n}"), value(n, 300));
    if n > KEPT {
        tx.remove(format!("Payload/{writer}/{}", n - KEPT));
    }
    tx
}

/// Begins with its number. The sizes are around that of a chunk, and far above.
fn killed_head(writer: u64, n: u64) -> Vec<u8> {
    let len = [50, INLINE, INLINE + 1, 3 * INLINE, 12_345][usize::try_from((writer + n) % 5).unwrap()];
    [n.to_be_bytes().to_vec(), value(writer * 1000 + n, len - 8)].concat()
}

fn head_number(store: &Store, writer: u64) -> u64 {
    let head = store.get(format!("head/{writer}").as_bytes()).unwrap();
    head.map_or(0, |head| u64::from_be_bytes(head[..8].try_into().unwrap()))
}

/// Not a separate test (it ends at once unless the test below runs it): the child that writes until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_of_the_kill_test() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = open(Path::new(&dir));
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut n = head_number(&store, writer);
            loop {
                n += 1;
                store.transact(&killed_step(writer, n)).unwrap();
                store.durable().await.unwrap();
                // A single write call, so that the line is complete or absent.
                std::io::stdout().write_all(format!("\nack {writer} {n}\n").as_bytes()).unwrap();
            }
        })
    });
    join_all(writers).await;
}

/// Kills a child after this many acknowledgements. Returns the last one of each writer.
fn kill_after(dir: &Path, acknowledged: usize) -> HashMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::kills::child_of_the_kill_test", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let mut lines = 0;
    while lines < acknowledged {
        let before = text.len();
        assert_ne!(output.read_line(&mut text).unwrap(), 0, "the child ended by itself: {text}");
        lines += usize::from(text[before..].starts_with("ack "));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let mut last = HashMap::new();
    for ack in text.lines().filter_map(|line| line.strip_prefix("ack ")) {
        let (writer, n) = ack.split_once(' ').unwrap();
        last.insert(writer.parse().unwrap(), n.parse().unwrap());
    }
    last
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    for round in 0..10usize {
        // Early, during its first writes, and late.
        acknowledged.extend(kill_after(dir.path(), 1 + (round * 577) % 600));
        let store = open(dir.path());
        for writer in 0..WRITERS {
            let n = head_number(&store, writer);
            assert!(n >= acknowledged.get(&writer).copied().unwrap_or(0), "lost of {writer}: {n}");
            let Some(head) = store.get(format!("head/{writer}").as_bytes()).unwrap() else { continue };
            assert!(head == killed_head(writer, n), "torn: {writer} {n}");
            // The whole transaction exists, and nothing of the next one.
            let prefix = format!("Payload/{writer}/");
            let mut expected: Vec<_> = (n.saturating_sub(KEPT) + 1..=n)
                .map(|n| (format!("{prefix}{n}").into_bytes(), value(n, 300)))
                .collect();
            expected.sort();
            let found = store.range(prefix.as_bytes(), &prefix_end(prefix.as_bytes()), 1000).unwrap();
            assert!(found == expected, "torn: {writer} {n}");
        }
        store.close().unwrap();
    }
}

/// Killed as soon as the database file exists: sled reads it for the first time, and writes its first snapshot.
#[test]
fn d01_kill_9_during_a_first_start_never_keeps_a_state_from_opening() {
    for round in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::kills::child_of_the_kill_test", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let live = dir.path().join("sled");
        let files = || fs::read_dir(&live).map_or(0, Iterator::count);
        // Some die when only the database file exists, some when another file exists.
        while files() < 2 + round % 3 && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for _ in 0..2 {
            let store = open(dir.path());
            for writer in 0..WRITERS {
                let n = head_number(&store, writer);
                let expected = (n > 0).then(|| killed_head(writer, n));
                assert_eq!(store.get(format!("head/{writer}").as_bytes()).unwrap(), expected);
            }
            store.close().unwrap();
        }
        assert!(!names(dir.path()).iter().any(|name| name.contains("damaged")), "{:?}", names(dir.path()));
    }
}
