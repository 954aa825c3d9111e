//! Mapping files that are edited while the daemon runs.

use crate::world::{World, words};

const SHIPPED: &str = include_str!("../../../mappings/case.yaml");

/// A file before the shipped one takes the responses from then on, with either ending.
#[tokio::test]
async fn a_saved_file_takes_effect_and_a_bad_one_is_refused() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let version = |world: &World| world.app().shared.mapping().version().to_owned();
    let refused = |world: &World| !world.app().shared.mapping_trouble.load().is_empty();
    let first = version(&world);
    let file = world.dir.path().join("mappings/case-all.yml");
    let edited = SHIPPED.replace("value: Goodays,", "value: Web,");
    let edited = edited.replace("when: \"true\"", "when: response.source != 'nowhere'");
    std::fs::write(&file, format!("{edited}\n  Nothing__c: {{ form: response.id }}\n")).unwrap();
    world.until("the bad file is refused", || refused(&world)).await;
    assert_eq!(version(&world), first, "the version before goes on");
    std::fs::write(&file, edited).unwrap();
    world.until("the good one is in force", || !refused(&world) && version(&world) != first).await;
    let id = world.arrives(words("Too loud.")).await;
    assert_eq!(world.field(&id, "Origin"), "Web");
    world.settle().await;
}
