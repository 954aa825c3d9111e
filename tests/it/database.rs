//! The PostgreSQL of `GOODAYS_TEST_POSTGRES_URL` (`tests/postgres run cargo test`), for tests that want one.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use goodays_salesforce::state::Store;
use goodays_salesforce::state::postgres::Settings;
use tokio_postgres::{Client, NoTls};

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

/// A connection of somebody else, who sees the tables of these settings. It is carried until the client is dropped.
pub async fn connect(settings: &Settings) -> Client {
    let (client, connection) = tokio_postgres::connect(&settings.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("set search_path to {}", settings.schema)).await.unwrap();
    client
}

/// The queries of docs/operations.md fit the tables.
#[tokio::test]
async fn the_queries_of_the_operations_page_can_be_asked() {
    let Some(settings) = settings() else { return };
    let _store = Store::connect(&settings).await.unwrap();
    let page = include_str!("../../docs/operations.md");
    let queries = page.split("## Ten queries").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let queries =
        queries.strip_prefix("sql").unwrap().replace("'goodays'", &format!("'{}'", settings.schema));
    let (client, connection) = tokio_postgres::connect(&settings.url, NoTls).await.unwrap();
    let carried = tokio::spawn(connection);
    let all = format!("set search_path to {}; {queries}", settings.schema);
    client.batch_execute(&all).await.unwrap();
    assert!(queries.matches("from ").count() >= 10);
    drop(client);
    carried.await.unwrap().unwrap();
}
