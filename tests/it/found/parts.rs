//! A text whose comments exceed the org's limits for one transaction is written in several (Salesforce reference, 2.4).

use futures_util::future::join_all;
use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::World;
use crate::{now, world};

const SENTENCES: usize = 210;

/// As long as three comments.
fn long() -> String {
    "All of this has happened to me in your shop. ".repeat(SENTENCES)
}

/// A trigger of the org takes a Case and one comment at once.
const ONE_COMMENT: usize = 2;

fn numbered(comments: &[String]) -> Vec<String> {
    let number = |text: &String| text.get(..6).filter(|start| start.starts_with('(')).map(str::to_owned);
    comments.iter().filter_map(number).collect()
}

fn sentences(comments: &[String]) -> usize {
    comments.iter().map(|text| text.matches("All of this").count()).sum()
}

fn comments(salesforce: &goodays_salesforce::sim::salesforce::Salesforce, case: &str) -> Vec<String> {
    let rows = salesforce.comments_of(case);
    rows.iter().map(|row| row["CommentBody"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Without a fault, with a lost answer in the middle, and with one after the last part.
#[tokio::test]
async fn the_parts_of_a_message_come_in_order_and_each_once() {
    join_all([None, Some(2), Some(3), Some(4)].map(|lost| async move {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        world.stage.salesforce.with_settings(|s| s.governor_nodes = ONE_COMMENT);
        if let Some(skip) = lost {
            let fault = Fault { skip, ..Fault::once("/composite/graph", Act::ResetAfter) };
            world.stage.salesforce.wire().fault(fault);
        }
        world.stage.goodays.customer_writes(&id, &long()).unwrap();
        world.stage.goodays.customer_writes(&id, "And another thing.").unwrap();
        world.quiet().await;
        let found = comments(&world.stage.salesforce, &case);
        assert_eq!(numbered(&found), ["(1/3) ", "(2/3) ", "(3/3) "], "{lost:?}");
        assert!(found.last().unwrap().contains("And another thing."), "{lost:?}");
        assert_eq!((found.len(), sentences(&found)), (5, SENTENCES), "{lost:?}");
        assert_eq!(world.parked().await, [], "{lost:?}");
    }))
    .await;
}

/// The process ends after the first part.
#[tokio::test]
async fn a_message_that_was_begun_is_ended_by_the_next_process() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.with_settings(|s| s.governor_nodes = ONE_COMMENT);
    world.stage.goodays.customer_writes(&id, &long()).unwrap();
    let first = || (!numbered(&comments(&world.stage.salesforce, &case)).is_empty()).then_some(());
    world.holds("the first part", first).await;
    world.stage.stop_daemon().await;
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    let found = comments(&world.stage.salesforce, &case);
    assert_eq!(numbered(&found), ["(1/3) ", "(2/3) ", "(3/3) "]);
}

/// A new Case whose first message is too long for one transaction.
#[tokio::test]
async fn a_new_case_comes_before_the_parts_of_its_message() {
    let mut world = World::start().await;
    world.arrives().await;
    for nodes in [1, ONE_COMMENT] {
        world.stage.salesforce.with_settings(|s| s.governor_nodes = nodes);
        world.stage.goodays.pause_webhooks(true);
        let id = world.leaves();
        world.stage.goodays.colleague_replies(&id, "We are sorry.").unwrap();
        world.stage.goodays.customer_writes(&id, &long()).unwrap();
        world.stage.goodays.pause_webhooks(false);
        world.stage.goodays.deliver().await;
        let case = world.case(&id).await;
        world.stage.salesforce.with_settings(|s| s.governor_nodes = ONE_COMMENT);
        world.quiet().await;
        let found = comments(&world.stage.salesforce, &case);
        assert_eq!(numbered(&found), ["(1/3) ", "(2/3) ", "(3/3) "]);
        assert_eq!((found.len(), world.parked().await.len()), (4, 0));
    }
}

/// What exceeds the limits however little is sent is parked after some tries, and not sent without end.
#[tokio::test]
async fn one_comment_that_is_too_much_counts_its_tries() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.with_settings(|s| s.governor_nodes = 1);
    world.customer_writes(&id);
    let rkey =
        goodays_salesforce::state::RKey::of(&goodays_salesforce::goodays::ResponseId::new(&id).unwrap());
    let store = &world.stage.app().shared.store;
    let tried = || now(store.waiting(rkey)).unwrap().entries.iter().any(|e| e.attempts >= 2).then_some(());
    world.holds("tries that count", tried).await;
    world.stage.salesforce.with_settings(|s| s.governor_nodes = 0);
    world.quiet().await;
    assert_eq!(world.comments(&case).len(), 2);
    world.laws_hold().await;
}

#[tokio::test]
async fn the_answer_of_a_command_comes_in_parts_too() {
    let world = world::World::as_deployed(Tuning::default()).await;
    let id = world.arrives(Feedback::default()).await;
    world.salesforce.with_settings(|s| s.governor_nodes = ONE_COMMENT);
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": long() }));
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.told(&id), ("sent".into(), String::new()));
    assert_eq!(world.field(&id, "Goodays_Answer__c"), "");
    let case = world.case(&id)["Id"].as_str().unwrap().to_owned();
    assert_eq!(numbered(&comments(&world.salesforce, &case)), ["(1/3) ", "(2/3) ", "(3/3) "]);
    world.end().await;
}
