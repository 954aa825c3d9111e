//! Logins, versions, networks, and what Goodays reports about the account.

use std::time::Duration;

use goodays_salesforce::check::{self, Severity};
use goodays_salesforce::demo::stage::load;
use goodays_salesforce::mapping::Mapping;
use goodays_salesforce::sim::salesforce::schema::Kind;
use goodays_salesforce::sim::wire::{Act, Fault, Seen};
use serde_json::json;

use super::{LAST, SECRET, World, field, refusal};
use crate::silent_port;

#[tokio::test]
async fn logins_that_fail_say_what_an_admin_has_to_do() {
    let world = World::new().await;
    let mut said = Vec::new();
    for settings in [json!({"run_as": false}), json!({"not_my_domain": true})] {
        world.set(&settings);
        let report = world.check().await;
        let of = |code: &str| report.findings.iter().find(|one| one.code == code).cloned();
        said.push((of("S001").expect("as arranged").help.expect("as arranged"), report.exit_code()));
    }
    world.set(&json!({"run_as": true, "not_my_domain": false}));
    world.edit("connector.yaml", SECRET, "another");
    let report = world.check().await;
    let first = report.findings.iter().find(|one| one.code == "S001").expect("as arranged");
    said.push((first.help.clone().expect("as arranged"), report.exit_code()));
    insta::assert_debug_snapshot!(said, @r#"
    [
        (
            "set the Run-As user in the app's client credentials policy (invalid_grant)",
            1,
        ),
        (
            "use the org's My Domain address as salesforce.login_url (invalid_grant)",
            1,
        ),
        (
            "check salesforce.auth.client_secret: it is wrong or missing (invalid_client)",
            1,
        ),
    ]
    "#);
}

#[tokio::test]
async fn an_api_version_that_the_org_does_not_have() {
    let world = World::new().await;
    world
        .org
        .wire()
        .fault(Fault::once("/limits", refusal(404, r#"[{"errorCode":"NOT_FOUND","message":"m"}]"#)));
    insta::assert_snapshot!(world.found().await, @"
    error S004: this org has no API version 66.0
    exit 1
    ");
    world.org.wire().fault(Fault::once(
        "/limits",
        refusal(403, r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"m"}]"#),
    ));
    insta::assert_snapshot!(world.found().await, @"
    error S001: Salesforce does not let us in (API_DISABLED_FOR_ORG)
    exit 1
    ");
    world
        .org
        .wire()
        .fault(Fault::once("/limits", refusal(400, r#"[{"errorCode":"SOMETHING","message":"m"}]"#)));
    insta::assert_snapshot!(world.found().await, @"
    error S003: Salesforce refuses the org's limits (status 400 SOMETHING)
    exit 1
    ");
}

#[tokio::test]
async fn a_remote_out_of_reach_is_no_fault_of_the_files() {
    let world = World::new().await;
    let silent = silent_port();
    let nowhere = format!("http://{}", silent.local_addr().unwrap());
    world.edit("connector.yaml", &world.org.url(), &nowhere);
    let found = world.found().await.replace(&nowhere, "http://NOWHERE");
    assert!(
        found.contains("error S002: the login: Salesforce cannot be reached: not sent")
            && found.ends_with("exit 3"),
        "{found}"
    );
    world.edit("connector.yaml", &nowhere, &world.org.url());
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/v2/", refusal(502, "<html>")) });
    insta::assert_snapshot!(world.found().await, @"
    error G002: GET /session: Goodays cannot be reached: no answer: status 502; so not looked at: GET /users, GET /configuration, GET /events
    exit 3
    ");
}

/// Long enough for every other call on a busy machine.
const LIMIT: Duration = Duration::from_secs(2);

/// Findings about both remotes, with that limit for a call.
async fn online(world: &World) -> String {
    let config = load(&world.dir.path().join("connector.yaml")).unwrap();
    let (mapping, _) = Mapping::load(&config.mappings).unwrap();
    let report = check::online(&config, &mapping, LIMIT).await;
    let errors = report.findings.iter().filter(|one| one.severity == Severity::Error);
    let lines = errors.map(|one| format!("{}: {}", one.code, one.message));
    lines.chain([format!("exit {}", report.exit_code())]).collect::<Vec<_>>().join("\n")
}

/// Only one call waits for a remote that hangs. The remaining steps are named and not asked.
#[tokio::test]
async fn a_remote_that_hangs_is_waited_for_once() {
    let world = World::new().await;
    let hang = |path: &str| Fault { times: None, ..Fault::once(path, Act::HangBefore { ms: 600_000 }) };
    world.goodays.wire().fault(hang("/v2/users"));
    world.org.wire().fault(hang("/describe"));
    insta::assert_snapshot!(online(&world).await, @"
    G002: GET /users: Goodays cannot be reached: no answer: error sending request: operation timed out; so not looked at: GET /configuration, GET /events
    S002: objects and their fields: Salesforce cannot be reached: no answer: error sending request: operation timed out; so not looked at: record types and owners, the Case statuses, assignment rules, the polls' queries, records of other people
    exit 3
    ");
    let waited = |requests: Vec<Seen>| requests.iter().filter(|seen| seen.status == 0).count();
    assert_eq!((waited(world.goodays.wire().requests()), waited(world.org.wire().requests())), (1, 1));
    // No steps follow the last one. A user that nobody configured is not reported missing.
    world.goodays.wire().clear_faults();
    world.org.wire().clear_faults();
    world.goodays.wire().fault(hang("/v2/events"));
    world.org.wire().fault(hang("/oauth2/token"));
    insta::assert_snapshot!(online(&world).await, @"
    G002: GET /events: Goodays cannot be reached: no answer: error sending request: operation timed out
    S002: the login: Salesforce cannot be reached: no answer: error sending request: operation timed out; so not looked at: the org's limits, the kind of org, objects and their fields, record types and owners, the Case statuses, assignment rules, the polls' queries, records of other people
    exit 3
    ");
}

#[tokio::test]
async fn what_goodays_says() {
    let world = World::new().await;
    let rule = "  SuppliedCompany: { from: \"response.context.extra.transaction_dat or response.context.extra['title']\" }\n";
    world.edit("mappings/case.yaml", LAST, &format!("{rule}{LAST}"));
    world.edit("connector.yaml", "  webhook:", "  default_user: nobody\n  actions: observe\n  webhook:");
    let answer = refusal(403, r#"{"detail":"You do not have permission."}"#);
    world.goodays.wire().fault(Fault::once("/v2/users?email", answer));
    world.goodays.wire().fault(Fault::once("/v2/events", refusal(200, "[]")));
    insta::assert_snapshot!(world.found().await, @"
    error G003: Goodays refuses GET /users (status 403)
    error G005: Goodays has no user nobody, which `default_user` names
    warning G004 mappings/case.yaml:48:52: Goodays lists no custom parameter `transaction_dat`
    warning G007: Goodays gives no sample of its events
    warning G008: `goodays.actions` is `observe`: no answer goes to customers
    exit 1
    ");
    world.goodays.add_user("nobody", "reader@acme.example", true);
    assert!(world.found().await.contains("error G006: `default_user` nobody may only read"));
    world.goodays.add_user("nobody", "reader@acme.example", false);
    assert!(!world.found().await.contains("default_user"));
    world.edit("connector.yaml", "token: goodays", "token: badays");
    insta::assert_snapshot!(world.found().await, @"
    error G001: Goodays does not let us in (403)
    warning G008: `goodays.actions` is `observe`: no answer goes to customers
    exit 1
    ");
}

#[tokio::test]
async fn the_mappings_are_tried_on_goodays_own_samples() {
    let world = World::new().await;
    world.org.set_field("Case", field("Visit__c", Kind::Date)).unwrap();
    world.edit("mappings/case.yaml", LAST, &format!("  Visit__c: {{ from: response.place.name }}\n{LAST}"));
    insta::assert_snapshot!(world.found().await, @"
    warning S028 mappings/case.yaml:48:13: on Goodays' own sample `response`, Visit__c: left out: no date
    exit 0
    ");
}

#[tokio::test]
async fn how_many_of_the_samples_would_be_carried() {
    let world = World::new().await;
    world.edit("connector.yaml", "  webhook:", "  perimeter: delegated\n  webhook:");
    let report = world.check().await;
    assert_eq!(report.exit_code(), 0);
    let carried =
        |one: &&goodays_salesforce::check::Finding| one.message.contains("samples of Goodays would");
    let said = report.findings.iter().find(carried).map(|one| one.message.clone());
    insta::assert_snapshot!(said.expect("as arranged"), @"1 of 4 samples of Goodays would become Cases: delegated; response, message, reply left alone: it is outside the perimeter: neither delegated nor of a place in `goodays.places`");
    world.edit("mappings/case.yaml", "when: \"true\"", "when: response.source == 'google'");
    insta::assert_snapshot!(world.found().await, @"
    warning G010: none of Goodays' samples becomes a Case; response, message, reply left alone: it is outside the perimeter: neither delegated nor of a place in `goodays.places`; delegated left alone: no mapping wants it: no `when` of case*.yaml holds
    exit 0
    ");
}

#[tokio::test]
async fn a_sample_that_cannot_be_read() {
    let world = World::new().await;
    world.goodays.wire().fault(Fault::once("sample_message", refusal(200, r#"{"event_type": "message"}"#)));
    insta::assert_snapshot!(world.found().await, @"
    warning G009: Goodays' own sample `message` is no event that can be read: response is missing or no object
    exit 0
    ");
}
