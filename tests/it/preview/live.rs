//! `plan` with a running daemon: it uses the daemon's fields, ledger and mapping version.

use goodays_salesforce::decide::Perimeter;
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::mapping::Mapping;
use goodays_salesforce::operator::Knowledge;
use goodays_salesforce::preview::{self, Org, Preview};
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use crate::world::{World, words};

const SHIPPED: &str = include_str!("../../../mappings/case.yaml");

/// The daemon's knowledge, read over the admin API.
async fn knowledge(world: &World, id: &str) -> Knowledge {
    let url = format!("http://{}/responses/{id}", world.app().doors.admin_addr());
    let http = goodays_salesforce::http::client(std::time::Duration::from_secs(30));
    http.get(url).send().await.unwrap().json().await.unwrap()
}

fn planned(world: &World, knowledge: &Knowledge, body: &Value) -> Preview {
    let (mapping, _) = Mapping::load(&world.dir.path().join("mappings")).unwrap();
    preview::knowing(knowledge, &mapping, &Perimeter::default(), body)
}

fn event(world: &World, id: &str) -> Value {
    serde_json::from_slice(&world.goodays.event_body(id, "response")).unwrap()
}

#[tokio::test]
async fn what_is_known_is_not_written_again_and_what_is_new_is_fitted() {
    let world = World::start().await;
    let id = world.arrives(words("Too loud.")).await;
    world.settle().await;
    let mut known = knowledge(&world, &id).await;
    assert_eq!(known.mapping, world.app().shared.mapping().version());
    assert_eq!(known.link.as_ref().map(|link| link.mapping.as_str()), Some(known.mapping.as_str()));
    let again = planned(&world, &known, &event(&world, &id));
    assert_eq!(again.nothing.as_deref(), Some("Salesforce holds all of it already"));
    // As if the event came for the first time, with a field that is too short for it.
    known.link = None;
    let mut body = event(&world, &id);
    body["response"]["place"]["name"] = json!("A shop with a long name ".repeat(12));
    let anew = planned(&world, &known, &body);
    assert_eq!(anew.record.as_ref().and_then(|record| record.changes.clone()), None);
    let left: Vec<&str> = anew.not_as_said().iter().map(|one| one.code.as_str()).collect();
    assert_eq!(left, ["SHORTENED"]);
    // For an unknown response, only the fields are known.
    let stranger = knowledge(&world, "nobody").await;
    assert!(stranger.link.is_none() && stranger.case.is_some());
}

#[tokio::test]
async fn a_mapping_edited_while_running_finds_owners_and_record_types_at_once() {
    let world = World::start().await;
    let named = "  RecordType.DeveloperName: { value: Complaint, on: create }\n  \
                 Owner.DeveloperName: { value: Customer_Service, on: create }\n";
    std::fs::write(world.dir.path().join("mappings/case.yaml"), format!("{SHIPPED}{named}")).unwrap();
    world.app().shared.reload_mappings().await.unwrap();
    let id = world.arrives(words("Too loud.")).await;
    world.settle().await;
    let queue = of(&world.salesforce.records("Group"), "Customer_Service");
    let complaint = of(&world.salesforce.records("RecordType"), "Complaint");
    assert_eq!((world.field(&id, "OwnerId"), world.field(&id, "RecordTypeId")), (queue.clone(), complaint));
    // The preview names the id that is written and its rule.
    let mut known = knowledge(&world, &id).await;
    known.link = None;
    let shown = planned(&world, &known, &event(&world, &id)).record.unwrap();
    let owner = shown.fields.iter().find(|one| one.field == "OwnerId").unwrap();
    assert_eq!(owner.value, json!(queue));
    assert!(owner.from.starts_with("mappings/case.yaml:"), "{}", owner.from);
    // Without an org the preview shows the rule's value, and reports no problem.
    let blind = planned(&world, &Knowledge::default(), &event(&world, &id));
    let owner = blind.record.unwrap().fields.into_iter().find(|one| one.field == "Owner.DeveloperName");
    assert_eq!(owner.map(|one| one.value), Some(json!("Customer_Service")));
    assert_eq!(blind.not_as_said, []);
}

fn of(records: &[Value], name: &str) -> String {
    let found = records.iter().find(|record| record["DeveloperName"] == *name).unwrap();
    found["Id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_daemon_salesforce_itself_is_asked() {
    let mut world = World::start().await;
    let id = world.arrives(Feedback { nps: Some(2), ..words("Too loud.") }).await;
    world.agent_sets(&id, json!({"Status": "Working"}));
    world.settle().await;
    let body = event(&world, &id);
    let config = goodays_salesforce::demo::stage::load(&world.config_file()).unwrap();
    world.stop().await;
    let (mapping, _) = Mapping::load(&config.mappings).unwrap();
    let org = Org::open(&config, &mapping).await.unwrap();
    let response = ResponseId::new(id.clone()).unwrap();
    let row = org.case(&response).await.unwrap().expect("the Case stands");
    let known = org.knowledge(&response, Some(&row));
    // The Case exists: rules for new ones do not apply, and an agent's status is kept.
    let preview = preview::knowing(&known, &mapping, &Perimeter::default(), &body);
    assert_eq!(preview.diff(&row), []);
    let unknown = ResponseId::new("nobody").unwrap();
    assert_eq!(org.case(&unknown).await.unwrap(), None);
    assert!(org.knowledge(&unknown, None).link.is_none());
    world.go_on().await;
}

#[tokio::test]
async fn nobody_and_several_customers_are_told_apart() {
    let mut world = World::start().await;
    let text = format!("{SHIPPED}\nmatch: {{ email: {{ from: response.user.email }} }}\n");
    std::fs::write(world.dir.path().join("mappings/case.yaml"), text).unwrap();
    let contact = |email: &str| {
        world.salesforce.create_record("Contact", json!({"LastName": "C", "Email": email})).unwrap()
    };
    let ann = contact("ann@brand.example");
    contact("family@brand.example");
    contact("family@brand.example");
    let id = world.arrives(Feedback::default()).await;
    let mut body = event(&world, &id);
    let config = goodays_salesforce::demo::stage::load(&world.config_file()).unwrap();
    world.stop().await;
    let (mapping, _) = Mapping::load(&config.mappings).unwrap();
    let org = Org::open(&config, &mapping).await.unwrap();
    let mut shown = Vec::new();
    for email in ["ann@brand.example", "family@brand.example", "nobody@brand.example", "[email protected]"] {
        body["response"]["user"]["email"] = json!(email);
        let mut preview = preview::knowing(&Knowledge::default(), &mapping, &Perimeter::default(), &body);
        assert!(preview.render().contains("--diff asks Salesforce now") || email.starts_with('['));
        if let Some(wanted) = preview.wanted_customer() {
            let found = org.customer(wanted).await.unwrap();
            preview.set_customer(&found);
        }
        let text = preview.render().replace(&ann, "ANN");
        let lines = text.lines().filter(|line| line.contains("ContactId"));
        shown.push(format!("{email}: {}", lines.collect::<Vec<_>>().join(" / ")));
    }
    insta::assert_snapshot!(shown.join("\n"), @"
    ann@brand.example:   ContactId               mappings/case.yaml:64  ANN
    family@brand.example: ContactId: stays empty, 2 of Contact have the same Email, and one cannot be chosen
    nobody@brand.example: ContactId: stays empty, no Contact has this Email
    [email protected]:
    ");
    world.salesforce.change_settings(&json!({ "hidden_objects": ["Contact"] })).unwrap();
    body["response"]["user"]["email"] = json!("ann@brand.example");
    let mut preview = preview::knowing(&Knowledge::default(), &mapping, &Perimeter::default(), &body);
    let found = org.customer(preview.wanted_customer().unwrap()).await.unwrap();
    preview.set_customer(&found);
    assert_eq!(json!(preview)["customer"]["outcome"], "not_told");
    world.go_on().await;
}
