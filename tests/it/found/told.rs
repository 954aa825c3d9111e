//! What a Case says stays readable: of two actions, of a command that nobody knows, in an org that describes nothing.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::schema::Field;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena;
use crate::world::World;

/// A close that waits for an answer that a human decides about, and another answer that goes out meanwhile.
#[tokio::test]
async fn what_is_sent_does_not_cover_that_the_close_waits() {
    let mut world = arena::World::start().await;
    let (id, case) = world.answered().await;
    world.agent_answers(&case);
    let parked = world.parked_with("wait_for_customer").await;
    world.customer_writes(&id);
    world.quiet().await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    let field = |name: &str| {
        world.stage.salesforce.case_by_key(&id).unwrap()[name].as_str().unwrap_or_default().to_owned()
    };
    world
        .holds("the close waits", || (field("Goodays_Sync_Status__c") == "Waiting: close").then_some(()))
        .await;
    let text = "Here is another answer.";
    world.stage.salesforce.agent_comments(&id, text, true, crate::world::AGENT).unwrap();
    world.receives(&id, text).await;
    world
        .holds("it is told", || (field("Goodays_Sync_Status__c") == "Sent: private message").then_some(()))
        .await;
    let reason = field("Goodays_Sync_Error__c");
    assert!(reason.contains("The close of this Case waits."), "{reason}");
    assert!(reason.contains("an answer on this Case was not sent"), "{reason}");
    world.stage.app().shared.drop_parked(parked.id).await.unwrap();
    world.quiet().await;
}

/// An org with words of its own in the field of the buttons.
#[tokio::test]
async fn a_command_that_no_rule_knows_is_answered() {
    let mut world = World::with(Tuning::default()).await;
    world.stop().await;
    let command = Field { name: "Goodays_Command__c".to_owned(), ..Field::default() };
    world.salesforce.set_field("Case", command).unwrap();
    world.go_on().await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "Send a reply" }));
    world.until("the Case says so", || world.told(&id).0 == "Not sent").await;
    let reason = world.told(&id).1;
    for word in ["“Send a reply”", "answer, call, close, spam"] {
        assert!(reason.contains(word), "{word} in {reason}");
    }
    assert_eq!(world.puts(&id), []);
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close" }));
    world.until("the next command works", || world.told(&id).0 == "Sent: close").await;
    world.settle().await;
}

/// Without the right to describe, the status is known to be a picklist from Salesforce's refusal only.
#[tokio::test]
async fn an_org_that_describes_nothing_gets_the_codes_of_its_picklist() {
    let mut world = World::as_deployed(Tuning::default()).await;
    world.stop().await;
    let body = r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#.to_owned();
    let no = Act::Answer { status: 404, body, content_type: None, headers: [].into() };
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("/describe", no) });
    world.go_on().await;
    let ids = [world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await];
    for id in &ids {
        world.agent_comments(id, "An answer to what was written.");
        world.until("the Case says so", || world.field(id, "Goodays_Sync_Status__c") == "sent").await;
        world.settle().await;
    }
    let refused = world.log().matches("it is written so").count();
    assert_eq!(refused, 1, "the picklist is learnt once");
}
