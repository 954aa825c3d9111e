//! The search, the timeline, and what people wrote.

use std::collections::BTreeSet;

use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::Browser;
use crate::world::World;

async fn search(browser: &Browser, text: &str) -> super::Page {
    browser.send("/console/feedback", "/console/feedback", &[("q", text)]).await
}

#[tokio::test]
async fn a_feedback_is_found_by_each_of_its_names() {
    let world = World::start().await;
    let email = "ann.customer@shop.example".to_owned();
    let id = world.arrives(Feedback { email: Some(email.clone()), ..Feedback::default() }).await;
    world.settle().await;
    let case = world.case(&id);
    let browser = Browser::new(&world.stage);
    let names = [id.as_str(), case["CaseNumber"].as_str().unwrap(), case["Id"].as_str().unwrap(), &email];
    for name in names {
        search(&browser, name).await.has("Timeline").has(&format!("<h1>{id}</h1>"));
    }
    search(&browser, "nobody@shop.example").await.has("Nothing is known");
    search(&browser, "<b>x</b>").await.has("Nothing is known").lacks("<b>x</b>");
}

#[tokio::test]
async fn the_timeline_tells_both_ways_in_order() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "We are sorry to hear that.").await;
    world.settle().await;
    let response = ResponseId::new(id.as_str()).unwrap();
    let timeline = world.app().shared.timeline(&response).await.unwrap().unwrap();
    let overview = Browser::new(&world.stage).open("/console").await;
    overview.has("data-number=\"in_done\">1</strong>").has("data-number=\"out_delivered\">1</strong>");
    let codes: Vec<&str> = timeline.steps.iter().map(|step| step.code).collect();
    let wanted =
        ["received", "planned", "called", "done", "seen", "looked", "sent", "found", "delivered", "told"];
    let mut left = codes.iter();
    for code in wanted {
        assert!(left.any(|found| *found == code), "{code} is not in its place: {codes:?}");
    }
    let of = |code: &str| timeline.steps.iter().find(|step| step.code == code).unwrap();
    assert!(of("called").request.is_some() && of("told").request.is_some());
    assert_eq!(of("planned").mapping.as_deref(), Some(world.app().shared.mapping().version()));
    let browser = Browser::new(&world.stage);
    let number = world.case(&id)["CaseNumber"].as_str().unwrap().to_owned();
    for name in [&id, &number] {
        let told = browser.open(&format!("/timeline/{name}")).await;
        told.has("\"code\":\"delivered\"").has(&format!("\"response_id\":\"{id}\""));
    }
    assert_eq!(browser.open("/timeline/nobody").await.status, 404);
    let page = browser.open(&format!("/console/feedback/{id}")).await;
    page.has("The Case was created.").has("Read back: Goodays shows it.").has("The customer has it (reply).");
    assert_eq!(browser.open("/console/feedback/nobody").await.status, 404);
}

/// An earlier answer by a button, and a close that was parked before the customer wrote again: nothing can ask for them any
/// more, so no worker loads them.
#[tokio::test]
async fn the_timeline_has_actions_that_nothing_can_ask_for_again() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    let body = r#"{"detail":"It cannot be closed."}"#.to_owned();
    let no = Act::Answer { status: 422, body, content_type: None, headers: [].into() };
    let refused = Fault { method: Some("PUT".to_owned()), ..Fault::once("/close", no) };
    world.goodays.wire().fault(refused);
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    let parked = world.the_parked().await.id.to_string();
    for words in ["We are sorry to hear that.", "A voucher is on its way."] {
        world.agent_sets(&id, json!({ "Goodays_Answer__c": words, "Goodays_Command__c": "answer" }));
        world.until(words, || world.received(&id).iter().any(|(_, text)| text == words)).await;
        world.customer_writes(&id, &format!("About this: {words}"));
        world.settle().await;
    }

    let response = ResponseId::new(id.as_str()).unwrap();
    let shared = &world.app().shared;
    let timeline = shared.timeline(&response).await.unwrap().unwrap();
    let of = |code: &str| {
        let all = timeline.steps.iter().filter(|step| step.code == code);
        all.map(|step| step.of.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(of("delivered").len(), 2, "{:?}", timeline.steps);
    assert_eq!(of("parked"), BTreeSet::from([parked.clone()]));
    let explained = shared.explain_response(&response).await.unwrap().unwrap();
    let ids: Vec<String> = explained.actions.iter().map(|action| action.id.to_string()).collect();
    assert!(ids.len() == 3 && ids.contains(&parked), "{ids:?}");
    let said = shared.texts_of(&response).await.unwrap();
    assert!(
        said.iter().any(|said| said.text == "We are sorry to hear that." && said.by != "brand"),
        "{said:?}"
    );
}

#[tokio::test]
async fn what_people_wrote_is_shown_after_a_click_that_is_logged() {
    let world = World::start().await;
    let hostile = "<script>alert('x')</script> {{ 7 * 7 }} {% raw %}";
    let id = world.arrives(Feedback { content: Some(hostile.to_owned()), ..Feedback::default() }).await;
    let browser = Browser::new(&world.stage);
    let page = format!("/console/feedback/{id}");
    for path in [page.as_str(), "/console", "/console/waiting", "/console/mappings"] {
        browser.open(path).await.lacks("alert(");
    }
    let before = world.log().matches("what people wrote was shown").count();
    let shown = browser.send(&page, &format!("{page}/words"), &[]).await;
    shown
        .has("&lt;script&gt;alert(&#x27;x&#x27;)&lt;&#x2f;script&gt; {{ 7 * 7 }} {% raw %}")
        .lacks("<script>alert");
    assert_eq!(world.log().matches("what people wrote was shown").count(), before + 1);
}
