//! Rule 13: the Goodays users of agents.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use super::together::refusal;
use crate::world::{AGENT_USER, World};

const NOBODY: &str = "nobody@brand.example";
const TWIN: &str = "twin@brand.example";
const READER: &str = "reader@brand.example";

async fn user_of(world: &World, email: &str) -> Value {
    let id = world.arrives(Feedback::default()).await;
    world.comments_by(&id, "An answer by somebody.", true, email);
    world.settle().await;
    let puts = world.puts(&id);
    assert_eq!(puts.len(), 1, "{puts:?}");
    puts[0].1["user"].clone()
}

fn twins(world: &World) {
    world.goodays.add_user("t1", TWIN, false);
    world.goodays.add_user("t2", TWIN, false);
}

#[tokio::test]
async fn rule_13_only_exactly_one_user_who_may_write_is_named() {
    let world = World::start().await;
    twins(&world);
    world.goodays.set_switches(|s| s.user_email_contains = true);
    for email in [NOBODY, TWIN, READER] {
        assert_eq!(user_of(&world, email).await, Value::Null, "{email}");
    }
    world.goodays.add_user("u7", "ann@brand.example", false);
    world.goodays.add_user("u8", "joann@brand.example", false);
    assert_eq!(user_of(&world, "Ann@brand.example").await, "u7", "exactly this address");
}

#[tokio::test]
async fn rule_13_the_default_user_stands_in() {
    let goodays = "default_user: 9k8j7h6\n".to_owned();
    let world = World::with(Tuning { goodays, ..Tuning::default() }).await;
    twins(&world);
    for email in [NOBODY, TWIN, READER] {
        assert_eq!(user_of(&world, email).await, "9k8j7h6", "{email}");
    }
}

#[tokio::test]
async fn rule_13_a_look_up_that_fails_is_waited_for() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.wire().fault(Fault { times: Some(2), ..Fault::once("/users", refusal(500, "oops")) });
    world.goodays.wire().fault(Fault::once("/users", Act::ResetBefore));
    world.agent_comments(&id, "It is me, Jennifer.");
    world.settle().await;
    let puts = world.puts(&id);
    assert_eq!(puts, [("reply".to_owned(), json!({ "user": AGENT_USER, "content": "It is me, Jennifer." }))]);
}

/// What something on the way answers is no word of Goodays about its users.
#[tokio::test]
async fn rule_13_a_look_up_that_is_answered_on_the_way_is_waited_for() {
    const ON_THE_WAY: [(u16, &str); 7] = [
        (404, r#"{"message":"no Route matched with those values"}"#),
        (404, "<html>Not here</html>"),
        (403, "<html>Blocked</html>"),
        (403, r#"{"message":"Forbidden"}"#),
        (200, "{}"),
        (200, r#"{"results":null}"#),
        (200, r#"{"status":"maintenance"}"#),
    ];
    let world = World::start().await;
    for (status, body) in ON_THE_WAY {
        let email = format!("agent-{status}-{}@brand.example", body.len());
        world.goodays.add_user(&email, &email, false);
        world.goodays.wire().fault(Fault { times: Some(2), ..Fault::once("/users", refusal(status, body)) });
        assert_eq!(user_of(&world, &email).await, Value::from(email), "{status} {body}");
    }
}

/// A firewall that does not like one address holds up nobody else.
#[tokio::test]
async fn rule_13_a_look_up_that_never_gets_through_holds_up_its_agent_alone() {
    let mut world = World::start().await;
    world.open_is_fine();
    let blocked = refusal(403, "<html>Blocked</html>");
    let fault = Fault { times: None, ..Fault::once("nobody%40", blocked) };
    world.goodays.wire().fault(fault);
    let (held, sent) = (world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await);
    world.comments_by(&held, "An answer by somebody.", true, NOBODY);
    world.agent_comments(&sent, "An answer by Jennifer.");
    world.until("the other one is sent", || world.puts(&sent).len() == 1).await;
    // One look-up is the other agent's.
    let tries = || world.goodays.wire().requests().iter().filter(|r| r.path.ends_with("/users")).count();
    world.until("it is looked up again", || tries() > 3).await;
    assert_eq!(world.puts(&held), []);
    assert_eq!(world.parked().await, []);
}

#[tokio::test]
async fn rule_13_users_are_asked_for_once() {
    let world = World::start().await;
    for email in [NOBODY, NOBODY, "jennifer.parker@brand.example", "Jennifer.Parker@brand.example"] {
        user_of(&world, email).await;
    }
    let asked = world.goodays.wire().requests().iter().filter(|r| r.path.ends_with("/users")).count();
    assert_eq!(asked, 2);
}
