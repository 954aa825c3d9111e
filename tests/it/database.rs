//! The PostgreSQL of `GOODAYS_TEST_POSTGRES_URL` (`tests/postgres run cargo test`), for tests that want one.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use goodays_salesforce::state::postgres::Settings;

/// The server's address; none without a server, which is said once.
pub fn url() -> Option<String> {
    static SAID: Once = Once::new();
    let url = std::env::var("GOODAYS_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        SAID.call_once(|| {
            eprintln!("no PostgreSQL here: not tested with it (tests/postgres run cargo test)");
        });
    }
    url
}

/// A schema that no other test uses.
pub fn schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Settings with a schema of their own.
pub fn settings() -> Option<Settings> {
    url().map(|url| Settings { url, schema: schema(), root_cert: None })
}
