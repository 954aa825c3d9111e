//! A close that waits says so, and what is told as waiting ends (law 8; design, rule 7).

use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::World;

#[tokio::test]
async fn a_close_behind_an_answer_that_was_not_sent_says_so_on_the_case() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.agent_answers(&case);
    let parked = world.parked_with("wait_for_customer").await;
    world.customer_writes(&id);
    world.quiet().await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    let case_now = || world.stage.salesforce.case_by_key(&id).unwrap();
    let waits = || (case_now()["Goodays_Sync_Status__c"] == "Waiting: close").then_some(());
    world.holds("the close says that it waits", waits).await;
    let reason = case_now()["Goodays_Sync_Error__c"].as_str().unwrap().to_owned();
    assert!(reason.contains("an answer on this Case was not sent"), "{reason}");
    assert!(
        reason.contains("takes the next one after the customer writes"),
        "the answer's own reason: {reason}"
    );
    // A human decides about the answer; then the close is settled.
    world.stage.app().shared.drop_parked(parked.id).await.unwrap();
    let settled = || (case_now()["Goodays_Sync_Status__c"] != "Waiting: close").then_some(());
    world.holds("the close ends", settled).await;
}

/// The answer closed the feedback already, so the close sends nothing: that must not leave *waiting* on the Case, but what
/// became of the answer.
#[tokio::test]
async fn a_close_that_waited_for_an_outage_and_then_sends_nothing_does_not_wait_on() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let outage = Fault { times: None, ..Fault::once("/responses/", Act::ResetBefore) };
    world.stage.goodays.wire().fault(outage);
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    let told = || world.stage.salesforce.case_by_key(&id).unwrap()["Goodays_Sync_Status__c"].clone();
    world.holds("the close says that it waits", || (told() == "Waiting: close").then_some(())).await;
    world.stage.goodays.wire().clear_faults();
    world.holds("it does not wait any more", || (told() != "Waiting: close").then_some(())).await;
    assert_eq!(told(), "Sent: public reply");
}
