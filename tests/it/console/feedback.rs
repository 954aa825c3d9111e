//! The search, the timeline, and what people wrote.

use goodays_salesforce::sim::goodays::Feedback;

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
    let response = goodays_salesforce::goodays::ResponseId::new(id.as_str()).unwrap();
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
