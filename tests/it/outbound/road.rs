//! C1: an answer that is not the API's own says something about the network, not about the text.

use futures_util::future::join_all;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};

use super::{brisk, instead, told};
use crate::world::World;

const PAGE: &str = "<html><head><title>Not here</title></head><body>nginx</body></html>";

fn of_the_road() -> Vec<Act> {
    vec![
        instead(404, r#"{"message":"no Route matched with those values"}"#, "application/json"),
        instead(404, PAGE, "text/html"),
        instead(403, PAGE, "text/html"),
        instead(400, PAGE, "text/html"),
        instead(405, "", "text/plain"),
        instead(200, PAGE, "text/html"),
    ]
}

#[tokio::test]
async fn c01_a_road_that_is_closed_parks_no_answer() {
    join_all(of_the_road().into_iter().map(|act| async move {
        let mut world = World::with(brisk()).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(world.arrives(Feedback::default()).await);
        }
        world.goodays.wire().fault(Fault { times: None, ..Fault::once("/responses/", act.clone()) });
        for id in &ids {
            world.agent_comments(id, "An answer that waits for the road.");
        }
        world.until("it was tried", || !world.goodays.wire().requests().is_empty()).await;
        world.until("the pause is known", || world.app().shared.goodays_breaker.trouble().is_some()).await;
        assert_eq!(world.parked().await, [], "{act:?}");
        world.goodays.wire().clear_faults();
        for id in &ids {
            told(&world, id, "Sent: public reply").await;
            assert_eq!(world.received(id).len(), 1, "{act:?}");
        }
        world.settle().await;
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}

/// A firewall that refuses one text, or one verb.
#[tokio::test]
async fn c01_a_text_that_is_refused_on_the_way_stops_itself_alone() {
    join_all(of_the_road().into_iter().take(4).map(|act| async move {
        let mut world = World::with(brisk()).await;
        let bad = world.arrives(Feedback::default()).await;
        let fault = Fault {
            times: None,
            method: Some("PUT".to_owned()),
            body_contains: Some("DROP TABLE".to_owned()),
            ..Fault::once("/reply", act.clone())
        };
        world.goodays.wire().fault(fault);
        world.agent_comments(&bad, "Our shop is called DROP TABLE & sons.");
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(world.arrives_beside(Feedback::default()).await);
        }
        for id in &others {
            world.agent_comments(id, "An ordinary answer to it.");
        }
        for id in &others {
            told(&world, id, "Sent: public reply").await;
        }
        assert_eq!(world.received(&bad), []);
        world.parked_is_fine();
        world.open_is_fine();
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}

/// The words are the gateway's, and everything else is shown: this response is gone, or not ours any more.
#[tokio::test]
async fn c01_a_response_that_is_not_shown_any_more_is_given_to_a_human() {
    const GONE: [(u16, &str); 2] = [
        (404, r#"{"message":"Not found"}"#),
        (403, r#"{"message":"Invalid authentication credentials or resource not accessible"}"#),
    ];
    join_all(GONE.map(|(status, body)| async move {
        let mut world = World::with(brisk()).await;
        let gone = world.arrives(Feedback::default()).await;
        let act = instead(status, body, "application/json");
        let path = format!("/responses/{gone}");
        world.goodays.wire().fault(Fault { times: None, ..Fault::once(&path, act) });
        world.agent_comments(&gone, "An answer that nobody can get.");
        let other = world.arrives_beside(Feedback::default()).await;
        world.agent_comments(&other, "An ordinary answer to it.");
        told(&world, &gone, "Not sent").await;
        told(&world, &other, "Sent: public reply").await;
        let parked = world.the_parked().await;
        assert_eq!(parked.reason_code, format!("status_{status}"));
        world.errors_are_fine();
        world.parked_is_fine();
        world.end().await;
    }))
    .await;
}
