//! Several Case mappings side by side: each Case is made, assigned and changed by its own.

use goodays_salesforce::sim::goodays::Feedback;

use crate::world::{World, words};

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
