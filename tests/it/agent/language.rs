//! The status is a code that the org translates; sentences are in the language of connector.yaml.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;

use crate::world::World;

fn in_french() -> Tuning {
    Tuning { sections: "language: fr\n".to_owned(), ..Tuning::default() }
}

#[tokio::test]
async fn a_picklist_gets_the_code_and_the_reason_is_in_the_agents_language() {
    let mut world = World::as_deployed(in_french()).await;
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "We are sorry.").await;
    assert_eq!(world.told(&id), ("sent".into(), String::new()));
    world.agent_comments(&id, "One more thing.");
    world.until("the second answer is refused", || world.told(&id).0 == "not_sent").await;
    assert_eq!(world.told(&id).1, "Goodays acceptera la prochaine réponse quand le client aura écrit.");
    let parked = &world.app().shared.parked(10).await.unwrap()[0];
    assert_eq!(
        parked.reason, "Goodays takes the next one after the customer writes.",
        "operators read English"
    );
    world.parked_is_fine();
    world.settle().await;
    world.end().await;
}

#[tokio::test]
async fn a_text_field_of_an_earlier_version_gets_the_status_in_words() {
    let world = World::with(in_french()).await;
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "We are sorry.").await;
    assert_eq!(world.told(&id).0, "Envoyé : réponse publique");
    world.end().await;
}
