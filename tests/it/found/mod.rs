//! Faults found with other stand-ins for both remotes, each as an example of its kind.

mod everything;
mod overtaken;
mod refused;
mod told;

use goodays_salesforce::sim::goodays::Feedback;

use crate::arena::World;

/// A feedback about this place, whose name is in the Case's subject.
fn from_place(world: &mut World, place: &str) -> String {
    let content = Some(world.text("customer"));
    world.stage.goodays.customer_leaves(Feedback {
        content,
        place_partner_id: place.to_owned(),
        place_name: place.to_owned(),
        ..Feedback::default()
    })
}
