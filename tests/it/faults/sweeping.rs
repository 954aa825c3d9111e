//! Law 3: what no webhook ever told is found and imported.

use goodays_salesforce::run::{SweepOptions, SweepReport};
use jiff::{Timestamp, ToSpan};

use crate::arena::World;

async fn sweep(world: &World, dry_run: bool) -> SweepReport {
    let now = Timestamp::from_millisecond(world.stage.app().shared.clock.now_ms()).unwrap();
    let options = SweepOptions { since: now - 1.hour(), dry_run };
    world.stage.app().shared.sweep(options).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_feedback_that_no_webhook_told_is_listed_and_then_imported() {
    let mut world = World::start().await;
    let (known, _) = world.answered().await;
    world.stage.goodays.drop_webhooks(2);
    let lost = [world.leaves(), world.leaves()];
    world.quiet().await;
    let listed = sweep(&world, true).await;
    let mut missing = listed.missing.clone();
    missing.sort();
    let mut wanted = lost.to_vec();
    wanted.sort();
    assert_eq!((missing, listed.repaired, listed.looked_at), (wanted, 0, 3), "{known}");
    world.quiet().await;
    assert_eq!(world.stage.salesforce.case_by_key(&lost[0]), None);
    assert_eq!(sweep(&world, false).await.repaired, 2);
    for id in &lost {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold();
    assert_eq!(sweep(&world, true).await.missing, Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_no_webhook_told_is_imported() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.goodays.drop_webhooks(1);
    let words = world.customer_writes(&id);
    world.quiet().await;
    assert!(!world.comments(&case).iter().any(|c| c.contains(&words)));
    assert_eq!(sweep(&world, false).await.missing, std::slice::from_ref(&id));
    world.quiet().await;
    world.laws_hold();
}

/// The webhook that comes after all is no second Case and no second comment.
#[tokio::test]
async fn a_webhook_after_the_sweep_doubles_nothing() {
    let mut world = World::start().await;
    world.stage.goodays.pause_webhooks(true);
    let id = world.leaves();
    sweep(&world, false).await;
    world.case(&id).await;
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    world.quiet().await;
    world.laws_hold();
}

/// The other direction: answers in Salesforce that never reached Goodays are listed too.
#[tokio::test]
async fn answers_that_reached_nobody_are_listed() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.agent_answers(&case);
    world.parked_with("wait_for_customer").await;
    assert_eq!(sweep(&world, true).await.unanswered, [id]);
}
