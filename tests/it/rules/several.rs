//! Several Case mappings side by side: each Case is made, assigned and changed by its own.

use goodays_salesforce::sim::goodays::Feedback;

use serde_json::json;

use crate::world::{World, words};

const SHIPPED: &str = include_str!("../../../mappings/case.yaml");

/// Beside the shipped case.yaml, and tried before it.
fn google(rules: &str) -> String {
    format!(
        "key: {{ field: Goodays_Response_Id__c }}\nmarker: Goodays_Message_Ids__c\n\
         when: response.source == 'google'\n{rules}\n"
    )
}

fn from_google(content: &str) -> Feedback {
    Feedback { source: "google".to_owned(), ..words(content) }
}

#[tokio::test]
async fn each_case_is_assigned_as_its_own_mapping_says() {
    let own = google("assignment: never\nfields:\n  Subject: { value: From Google, on: create }");
    let world = World::with_mapping("case-google.yaml", &own).await;
    let in_queue = |id: &str| world.field(id, "OwnerId").starts_with("00G");
    // Both in one call, and each alone.
    let (google, other) =
        (world.customer_leaves(from_google("Two stars.")), world.customer_leaves(words("Too loud.")));
    world.settle().await;
    assert_eq!((in_queue(&google), in_queue(&other)), (false, true));
    let google = world.arrives(from_google("One star.")).await;
    let other = world.arrives(words("Too cold.")).await;
    assert_eq!((in_queue(&google), in_queue(&other)), (false, true));
    assert_eq!(world.field(&google, "Subject"), "From Google");
    world.end().await;
}

/// Law 4: what an agent corrected stays.
#[tokio::test]
async fn a_case_that_no_mapping_takes_any_more_gets_no_fields_of_another_one() {
    let mut world = World::start().await;
    world.stop().await;
    let folder = world.dir.path().join("mappings");
    let own = google(
        "fields:\n  Description: { template: \"Google - {{ response.message.content }}\" }\n  \
         Status: { value: Escalated, on: message }",
    );
    std::fs::write(folder.join("case-google.yaml"), own).unwrap();
    let open = SHIPPED.replace("when: \"true\"", "when: response.state == 'open'");
    std::fs::write(folder.join("case.yaml"), open).unwrap();
    world.go_on_without_state().await;
    let id = world.arrives(words("Too loud.")).await;
    world.agent_sets(&id, json!({ "Description": "Mended." }));
    world.answers(&id, "We'll turn it down.").await;
    world.restart().await;
    world.customer_writes(&id, "Thank you, good night.");
    world.settle().await;
    let shown = ["Description", "Status"].map(|field| world.field(&id, field));
    assert_eq!(shown, ["Mended.", "Customer Replied"]);
    assert_eq!(world.thread(&id).last().unwrap(), "Thank you, good night.");
    world.end().await;
}
