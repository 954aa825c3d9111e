//! Worlds on PostgreSQL: `GOODAYS_TEST_STORE=postgres` gives each a schema of its own (tests/worlds-on-postgres).
//!
//! A test has one thread, and its conditions ask the store without letting anything else run on that thread. So the daemon,
//! with its connections, has a runtime of its own, whose threads log into the test's log.

use std::cell::RefCell;

use goodays_salesforce::demo::stage::Stage;
use tokio::runtime::{Builder, Handle, Runtime};
use tracing::subscriber::DefaultGuard;

use super::log::{Lines, USUAL};
use crate::database;

/// Longer than any test: while a test's thread computes or waits, its daemon must not lose the lease, and the timer at the
/// lease's end would end all tests.
const LEASE: &str = "60s";

thread_local! {
    /// Of the worlds of this thread, the newest last.
    static BACKGROUND: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
    static LISTENING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// The runtime of this test's daemon, if it is not the test's own.
pub fn background() -> Option<Handle> {
    BACKGROUND.with_borrow(|all| all.last().cloned())
}

fn is_chosen() -> bool {
    std::env::var("GOODAYS_TEST_STORE").is_ok_and(|store| store == "postgres")
}

/// The runtime of one world's daemon.
pub struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The next world of a test may have begun before.
            BACKGROUND.with_borrow_mut(|all| all.retain(|one| one.id() != runtime.handle().id()));
            runtime.shutdown_background();
        }
    }
}

/// Gives the daemon of this stage a new schema, and a runtime; nothing on the embedded store.
pub fn choose(stage: &mut Stage, lines: Lines) -> Background {
    if !is_chosen() {
        return Background(None);
    }
    let listen = move || LISTENING.set(Some(lines.listen(USUAL)));
    let runtime =
        Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(listen).build().unwrap();
    stage.runtime = Some(runtime.handle().clone());
    BACKGROUND.with_borrow_mut(|all| all.push(runtime.handle().clone()));
    empty(stage);
    Background(Some(runtime))
}

/// A schema that nothing is in.
pub fn empty(stage: &mut Stage) {
    if is_chosen() {
        let url = database::url().expect("tests/worlds-on-postgres starts a server");
        let schema = database::schema();
        stage.tuning.state = format!("postgres: {{ url: '{url}', schema: {schema}, lease: {LEASE} }}");
    }
}
