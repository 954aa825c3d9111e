//! C1 for Salesforce: the same refusal for every record is the org's matter, and parks nothing.

use goodays_salesforce::sim::salesforce::settings::ValidationRule;

use crate::arena::World;
use crate::now;

fn refuse(world: &World, when: &str, code: &str) {
    let rule = ValidationRule {
        object: "Case".to_owned(),
        when: when.to_owned(),
        message: "not now".to_owned(),
        fields: Vec::new(),
        code: Some(code.to_owned()),
    };
    world.stage.salesforce.with_settings(|s| s.validation_rules = vec![rule]);
}

/// Rights that were lost, and a rule that an admin made too strict: feedback that comes in one by one.
#[tokio::test]
async fn c01_what_salesforce_refuses_for_every_case_waits_until_it_does_not() {
    for code in ["REQUIRED_FIELD_MISSING", "INSUFFICIENT_ACCESS_OR_READONLY"] {
        let mut world = World::start().await;
        world.arrives().await;
        refuse(&world, "Subject LIKE '%'", code);
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(world.leaves());
            world.stage.goodays.webhooks_sent().await;
        }
        world.holds("it is known", || world.salesforce_trouble().filter(|known| known == code)).await;
        world.polled().await;
        assert_eq!(world.parked().await, [], "{code}");
        world.stage.salesforce.with_settings(|s| s.validation_rules.clear());
        world.stage.app().shared.salesforce_breaker.reopen();
        world.stage.app().shared.wake_all();
        for id in &ids {
            world.case(id).await;
        }
        world.quiet().await;
        assert_eq!((world.salesforce_trouble(), world.parked().await.len()), (None, 0), "{code}");
    }
}

/// Three that a rule of the org refuses for their own sake: they are parked, and hold nobody up.
#[tokio::test]
async fn c01_records_that_are_refused_for_their_own_sake_are_parked_alone() {
    let mut world = World::start().await;
    world.arrives().await;
    refuse(&world, "Subject LIKE '%Nowhere'", "REQUIRED_FIELD_MISSING");
    let bad: Vec<String> = (0..3).map(|_| world.leaves_at("Nowhere")).collect();
    world.holds("it looks like everything", || world.salesforce_trouble()).await;
    let good = world.leaves();
    world.stage.app().shared.salesforce_breaker.reopen();
    world.stage.app().shared.wake_all();
    world.case(&good).await;
    world.holds("each is parked", || (now(world.parked()).len() == bad.len()).then_some(())).await;
    assert_eq!(world.salesforce_trouble(), None);
}
