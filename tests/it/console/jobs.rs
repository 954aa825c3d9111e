//! Long work: how far it is, on its page and at the admin door.

use goodays_salesforce::demo::stage::Stage;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Browser, PATIENCE};
use crate::world::World;

const HERE: &str = "/console/waiting";

/// What a stream says until it ends.
async fn events(browser: &Browser, path: &str) -> Vec<Value> {
    let text = browser.open(path).await.html;
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn slow_list(stage: &Stage) {
    stage.goodays.wire().fault(Fault::once("/bulk", Act::Slow { ms: 3000 }));
}

#[tokio::test]
async fn a_sweep_shows_how_far_it_is() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    slow_list(&world.stage);
    let browser = Browser::new(&world.stage);
    let page = browser.send("/console", "/console/sweep", &[]).await;
    page.has("Is anything missing?")
        .has("<progress id=\"progress\" data-job=\"/console/jobs/1/live\"></progress>");
    let told = events(&browser, "/console/jobs/1/live").await;
    let first = &told[0];
    assert_eq!(
        (&first["running"], &first["words"]),
        (&true.into(), &"Responses compared: 0".into()),
        "{told:?}"
    );
    let last = told.last().unwrap();
    let compared = "Responses compared: 1".into();
    assert_eq!(
        (&last["running"], &last["words"], &last["part"]),
        (&false.into(), &compared, &Value::Null),
        "{told:?}"
    );
    browser.open("/console/jobs/1").await.has("<dt>Responses compared</dt><dd>1</dd>").lacks("<progress");
    assert_eq!(browser.open("/console/jobs/2/live").await.status, 404);
    let found = browser.open(&format!("/console/feedback/{id}")).await;
    found.has("The numbers of calls are its own").has("our call ");
}

/// A page of the list has 100 responses. The simulator lists the newest first; these are a quarter of an hour apart.
fn leave_more_than_a_page(world: &World) {
    const COUNT: i64 = 101;
    world.goodays.drop_webhooks(u32::try_from(COUNT).unwrap());
    let now = world.app().shared.goodays_now();
    for number in 0..COUNT {
        let created = now - jiff::SignedDuration::from_mins((COUNT - number) * 15);
        let patch = json!({ "created_date": created.to_string() });
        world.goodays.customer_leaves(Feedback { patch, ..Feedback::default() });
    }
}

#[tokio::test]
async fn a_sweep_tells_the_part_of_its_period_as_long_as_the_list_has_an_order() {
    let world = World::start().await;
    leave_more_than_a_page(&world);
    world.stage.goodays.wire().fault(Fault::once("cursor", Act::Slow { ms: 3000 }));
    let browser = Browser::new(&world.stage);
    let page = browser.send("/console", "/console/sweep", &[]).await;
    page.has("<progress");
    let told = events(&browser, "/console/jobs/1/live").await;
    // The first page ends 25 hours ago, of 48.
    let part = told.iter().find(|now| now["part"] == json!([52, 100])).unwrap_or_else(|| panic!("{told:?}"));
    let words = part["words"].as_str().unwrap();
    assert!(words.starts_with("Responses compared: 100. Goodays’ list has come to feedback of "), "{words}");
    assert!(words.ends_with(": 52 % of the period."), "{words}");
    world.settle().await;
}

#[tokio::test]
async fn the_admin_door_says_how_far_a_sweep_is() {
    let world = World::start().await;
    world.arrives(Feedback::default()).await;
    slow_list(&world.stage);
    let browser = Browser::new(&world.stage);
    let sweeping = || async { serde_json::from_str::<Value>(&browser.open("/sweep").await.html).unwrap() };
    assert_eq!(sweeping().await["running"], false);
    let sweep = browser.read(browser.post("/sweep", &[]));
    let looks = async {
        let mut seen = sweeping().await;
        while seen["running"] != true {
            seen = sweeping().await;
        }
        assert_eq!((&seen["looked_at"], &seen["percent_of_period"]), (&0.into(), &Value::Null));
    };
    let both = async { tokio::join!(sweep, looks) };
    let (swept, ()) = timeout(PATIENCE, both).await.expect("the sweep is seen");
    swept.has("\"looked_at\":1");
    assert_eq!(sweeping().await["running"], false);
}

#[tokio::test]
async fn work_on_many_ends_with_all_of_them_counted() {
    let mut world = World::start().await;
    world.parked_is_fine();
    for n in 0..25 {
        world.post_bytes(format!("{{\"hello\":{n}}}").into_bytes()).await;
    }
    let browser = Browser::new(&world.stage);
    let fields = [("do", "drop-all"), ("reason", "unreadable"), ("sure", "yes")];
    browser.send(HERE, HERE, &fields).await;
    let told = events(&browser, "/console/jobs/1/live").await;
    let last = told.last().unwrap();
    assert_eq!((&last["running"], &last["words"]), (&false.into(), &"25 of 25".into()), "{told:?}");
    browser.open("/console/jobs/1").await.has("<dt>Dropped</dt><dd>25</dd>");
    assert_eq!(world.parked().await, []);
}
