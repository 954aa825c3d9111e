//! B1: the gateway's `Date` and the dates of messages come from two machines.

use goodays_salesforce::sim::goodays::{Altered, Feedback};

use super::{brisk, told, verbs};
use crate::world::World;

/// Goodays masks what looks like a telephone number, so the text alone does not prove that the answer is ours.
#[tokio::test]
async fn b01_an_altered_answer_is_ours_though_the_gateways_clock_is_ahead() {
    for ahead_ms in [4_000, 10_000, -10_000] {
        let world = World::with(brisk()).await;
        world.goodays.set_switches(|switches| {
            switches.altered = Altered::MaskedDigits;
            switches.date_ahead_ms = ahead_ms;
        });
        for by in ["jennifer.parker@brand.example", "nobody@brand.example"] {
            let id = world.arrives(Feedback::default()).await;
            world.comments_by(&id, "Thank you, call us at 0612345678 please.", true, by);
            told(&world, &id, "Sent: public reply").await;
            world.customer_writes(&id, "And the price?");
            world.settle().await;
            world.comments_by(&id, "It costs 1234567 EUR, call 0612345678.", true, by);
            told(&world, &id, "Sent: private message").await;
            world.settle().await;
            assert_eq!(verbs(&world, &id), ["reply", "message"], "{ahead_ms} {by}");
            assert_eq!(world.comments(&id).len(), 3, "{ahead_ms} {by}: no answer is imported");
        }
        world.end().await;
    }
}
