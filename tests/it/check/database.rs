//! What `check` says of the database of several instances.

use goodays_salesforce::check::{Report, Severity};

use super::World;

async fn checked(postgres: &str) -> Report {
    let world = World::new().await;
    let connector = format!("{}state: {{ postgres: {postgres} }}\n", world.connector());
    world.write("connector.yaml", &connector);
    world.check().await
}

fn codes(report: &Report) -> Vec<&str> {
    let database = report.findings.iter().filter(|one| one.code.starts_with('D'));
    database.map(|one| one.code).collect()
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_without_its_password() {
    let report = checked("{ url: 'postgres://me:s3cret@127.0.0.1:1/x' }").await;
    assert_eq!((codes(&report).as_slice(), report.exit_code()), (["D001"].as_slice(), 3));
    assert!(!report.findings.iter().any(|one| one.message.contains("s3cret")), "{report:?}");
}

#[tokio::test]
async fn an_address_or_a_certificate_that_is_none_is_told() {
    for postgres in ["{ url: s3cret }", "{ url: 'postgres://a@localhost/b', root_cert: connector.yaml }"] {
        let report = checked(postgres).await;
        assert_eq!(codes(&report), ["D002"], "{postgres}");
        assert!(!format!("{report:?}").contains("s3cret"));
    }
}

/// The server of the tests has no standby.
#[tokio::test]
async fn a_server_is_described() {
    let Some(url) = crate::database::url() else { return };
    let report = checked(&format!("{{ url: '{url}', schema: {} }}", crate::database::schema())).await;
    assert_eq!(codes(&report), ["D004"]);
    let told = |word: &str| report.findings.iter().any(|one| one.message.contains(word));
    assert!(told("PostgreSQL 1") && told("round trip") && told("there are no tables yet"), "{report:?}");
    assert_eq!(report.count(Severity::Error), 0, "{report:?}");
}
