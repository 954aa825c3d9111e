//! Rule 1: which problems stop a start, and which do not.

use std::fs;

use goodays_salesforce::sim::goodays::Feedback;

use crate::world::{World, words};

#[tokio::test]
async fn rule_01_bad_mapping_files_leave_the_last_good_version_in_force() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let id = world.arrives(words("Before the edit.")).await;
    world.stop().await;
    fs::write(world.dir.path().join("mappings/case.yaml"), "object: Case\nfields: [what, is, this]\n")
        .unwrap();
    world.go_on().await;
    assert!(!world.app().shared.mapping_trouble.load().is_empty(), "loudly");
    world.answers(&id, "Still here.").await;
    world.arrives(words("After the edit.")).await;
}

#[tokio::test]
async fn rule_01_bad_mapping_files_and_no_earlier_ones_end_the_start() {
    let mut world = World::start().await;
    world.stop().await;
    fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    fs::write(world.dir.path().join("mappings/case.yaml"), "nothing: useful\n").unwrap();
    assert!(world.stage.start_daemon().await.is_err());
}

#[tokio::test]
async fn rule_01_an_org_that_refuses_the_login_leaves_the_door_open() {
    let mut world = World::start().await;
    world.stop().await;
    world.salesforce.stop().await;
    fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    world.stage.start_daemon().await.unwrap();
    world.open_is_fine();
    world.customer_leaves(Feedback::default());
    world.goodays.webhooks_sent().await;
    assert_eq!(world.goodays.webhook_log().last().unwrap().status, Some(200));
    world.until("it is not ready", || !world.app().shared.is_ready()).await;
}
