//! What is waited for is on disk, for few syncs; a disk that fails is told.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_wait_for_few_syncs() {
    let (dir, store) = fresh();
    let writers = (0..256u64).map(|who| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..4 {
                store.transact(Tx::new().set(format!("{who}/{n}"), value(who, 100))).unwrap();
                store.durable().await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let commits = store.commits();
    assert!((4..=1024).contains(&commits), "{commits}");
    store.close().unwrap();
    assert_eq!(everything(&open(dir.path())).len(), 1024);
}

#[tokio::test]
async fn one_waiter_costs_one_sync() {
    let (_dir, store) = fresh();
    for expected in 1..=5 {
        store.transact(Tx::new().set("a", expected.to_string())).unwrap();
        store.durable().await.unwrap();
        assert_eq!(store.commits(), expected);
    }
}

/// Nothing has to be made durable: a duplicate, or an answer that was already given.
#[tokio::test]
async fn who_waits_for_nothing_new_costs_no_sync() {
    let (_dir, store) = fresh();
    store.transact(Tx::new().set("a", "1")).unwrap();
    for _ in 0..5 {
        store.durable().await.unwrap();
    }
    assert_eq!(store.commits(), 1);
}

#[tokio::test]
async fn a_waiter_that_gives_up_harms_nobody() {
    let (_dir, store) = fresh();
    for _ in 0..50 {
        let waiting = store.durable();
        tokio::select! {
            biased;
            _ = waiting => {}
            () = std::future::ready(()) => {}
        }
    }
    store.durable().await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_is_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::FailSyncAfter(1));
    let broken = tokio::spawn(store.broken());
    store.transact(Tx::new().set("a", "1")).unwrap();
    store.durable().await.unwrap();
    store.accepting().unwrap();

    store.transact(Tx::new().set("b", "2")).unwrap();
    let failure = store.durable().await.unwrap_err();
    assert!(matches!(failure, StoreError::Broken(_)), "{failure:?}");
    assert_eq!(broken.await.unwrap(), failure);
    // Later callers get the failure at once.
    assert_eq!(store.broken().await, failure);
    assert_eq!(store.durable().await, Err(failure.clone()));
    assert_eq!(store.accepting(), Err(failure.clone()));
    assert_eq!(store.transact(Tx::new().set("c", "3")), Err(TxError::Store(failure.clone())));
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()), "reading goes on");
    assert_eq!(store.commits(), 1);
    assert_eq!(store.close(), Err(failure));

    assert_eq!(open(dir.path()).get(b"a").unwrap(), Some(b"1".to_vec()));
}

#[tokio::test]
async fn everybody_in_a_failed_group_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::FailSyncAfter(0));
    store.transact(Tx::new().set("a", "1")).unwrap();
    let answers = join_all((0..64).map(|_| store.durable())).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(store.commits(), 0);
}

#[tokio::test]
async fn a_disk_that_hangs_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let stuck_after = Duration::from_millis(200);
    let settings = Settings { fault: Fault::HangSync, stuck_after, ..Settings::default() };
    let store = Store::open(dir.path(), settings).unwrap();
    store.transact(Tx::new().set("a", "1")).unwrap();
    let failure = store.durable().await.unwrap_err();
    assert!(failure.to_string().contains("not answered"), "{failure}");
    assert!(store.transact(Tx::new().set("a", "1")).is_err());
}

#[tokio::test]
async fn a_healthy_store_is_never_called_broken() {
    let (_dir, store) = fresh();
    let broken = tokio::spawn(store.broken());
    store.durable().await.unwrap();
    store.close().unwrap();
    tokio::task::yield_now().await;
    assert!(!broken.is_finished());
}

/// Counting syncs must detect the mutant.
#[tokio::test]
async fn the_mutant_syncs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::SkipSync);
    store.transact(Tx::new().set("a", "1")).unwrap();
    store.durable().await.unwrap();
    assert_eq!(store.commits(), 0);
}

#[test]
fn too_little_space_is_said_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { free_space_floor: u64::MAX, ..Settings::default() };
    let store = Store::open(dir.path(), settings).unwrap();
    assert!(matches!(store.accepting(), Err(StoreError::NoSpace { floor: u64::MAX, .. })));
    // Earlier events can still be processed.
    store.transact(Tx::new().set("a", "1")).unwrap();
}
