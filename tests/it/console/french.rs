//! A French page has no English sentence of ours; what a remote said is quoted.

use std::collections::BTreeMap;

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};

use super::{Browser, Page};
use crate::now;
use crate::world::World;

const CASE: &str = include_str!("../../../mappings/case.yaml");
/// Words of nearly every English sentence.
const ENGLISH: [&str; 12] =
    ["the", "is", "and", "of", "it", "to", "not", "was", "cannot", "check", "refuses", "nothing"];

/// What a page says by itself: without what it quotes, codes, and what it marks as another language.
fn own_words(page: &Page) -> String {
    let main = page.html.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
    let mut text = String::new();
    let mut hidden: Option<String> = None;
    for piece in main.split('<').skip(1) {
        let (tag, behind) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split([' ', '\n']).next().unwrap().to_owned();
        match &hidden {
            Some(open) if *open == name.trim_start_matches('/') => hidden = None,
            None if ["code", "option"].contains(&&*name)
                || ["lang=\"en\"", "class=\"value\""].iter().any(|part| tag.contains(part)) =>
            {
                hidden = Some(name);
            }
            _ => {}
        }
        if hidden.is_none() {
            text.push_str(behind);
            text.push(' ');
        }
    }
    let mut own = String::new();
    for piece in text.split('«') {
        own.push_str(piece.split_once('»').map_or(piece, |(_, behind)| behind));
    }
    // Names of commands and of keys.
    own.split('`').step_by(2).collect()
}

#[track_caller]
fn is_french(page: &Page) {
    let own = own_words(page);
    let left: Vec<&str> = own
        .split(|c: char| !c.is_alphanumeric() && c != '’' && c != '\'')
        .filter(|word| ENGLISH.contains(word))
        .collect();
    assert!(left.is_empty(), "{left:?} in {own}");
}

async fn french(world: &World) -> Browser {
    let browser = Browser::new(&world.stage);
    let page = browser.send("/console", "/console/language", &[("language", "fr"), ("to", "/console")]).await;
    page.has("<html lang=\"fr\">");
    browser
}

fn answer(status: u16, body: &str) -> Act {
    Act::Answer { status, body: body.to_owned(), content_type: None, headers: BTreeMap::new() }
}

#[tokio::test]
async fn what_waits_and_why_is_told_in_french() {
    let mut world = World::start().await;
    world.parked_is_fine();
    world.post_bytes(b"{}".to_vec()).await;
    world.until("it is parked", || now(world.parked()).len() == 1).await;
    let browser = french(&world).await;
    let page = browser.open("/console/waiting").await;
    is_french(&page);
    page.has("manque ou n’est pas un objet").lacks("is missing");
    // The page shows the newest reason of each code.
    world.post_bytes(br#"{"response":{"id":"a/b"}}"#.to_vec()).await;
    world.until("both are parked", || now(world.parked()).len() == 2).await;
    let page = browser.open("/console/waiting").await;
    is_french(&page);
    page.has("contient une barre oblique");
    is_french(&browser.open("/console").await);
    is_french(&browser.open("/console/feedback").await);
    is_french(&browser.send("/console/feedback", "/console/feedback", &[("q", "nobody")]).await);
}

#[tokio::test]
async fn a_remote_in_trouble_is_told_in_french() {
    let mut world = World::start().await;
    world.open_is_fine();
    let refusal = answer(403, r#"{"detail":"Invalid token."}"#);
    let id = world.arrives(Feedback::default()).await;
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/", refusal) });
    world.agent_comments(&id, "We are sorry.");
    world.until("Goodays is in trouble", || world.app().shared.goodays_breaker.trouble().is_some()).await;
    let browser = french(&world).await;
    let page = browser.open("/console").await;
    page.has("n’accepte pas le jeton");
    is_french(&page);
    is_french(&browser.open(&format!("/console/feedback/{id}")).await);
}

#[tokio::test]
async fn an_event_that_is_tried_is_explained_in_french() {
    let world = World::start().await;
    let browser = french(&world).await;
    let here = "/console/mappings";
    is_french(&browser.open(here).await);
    for pasted in [
        r#"{"event":"response"}"#,
        r#"{"event":"response","response":{"id":"x1","message":{"content":"x"},"place":{"name":"a"}}}"#,
    ] {
        let page = browser.send(here, here, &[("pasted", pasted)]).await;
        page.has("Ce qu’il écrit");
        is_french(&page);
    }
    is_french(&browser.send(here, "/console/mappings/touched", &[]).await);
}

/// Saves `text` as a mapping file; resolves when the edit is refused.
async fn refused(world: &World, name: &str, text: &str) {
    std::fs::write(world.dir.path().join("mappings").join(name), text).unwrap();
    world.until("the edit is refused", || world.app().shared.mapping_refusal().is_some()).await;
}

#[tokio::test]
async fn a_refused_edit_is_explained_in_french_above_its_exact_text() {
    let mut world = World::start().await;
    world.errors_are_fine();
    let text = CASE.replace("response.place.name", "response.place.nam");
    refused(&world, "case.yaml", &text).await;
    let exact = "error[M009]: ";
    let english = Browser::new(&world.stage).open("/console/mappings").await;
    english.has(exact).lacks("The exact text").lacks("À faire");
    let page = french(&world).await.open("/console/mappings").await;
    is_french(&page);
    page.has("Les données de Goodays n’ont pas ce nom, non plus derrière")
        .has("À faire : Prendre le nom proposé")
        .has("Le texte exact, en anglais :");
    let order =
        ["Les données de Goodays", "À faire", "--&gt; mappings&#x2f;case.yaml:", "Le texte exact", exact];
    let places = order.map(|part| page.html.find(part).unwrap_or_else(|| panic!("{part}: {}", page.html)));
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn an_edit_that_names_what_the_org_lacks_is_explained_in_french() {
    let mut world = World::start().await;
    world.errors_are_fine();
    refused(
        &world,
        "case.yaml",
        &format!("{CASE}\n  Store_Code__c: {{ from: response.place.partner_id }}\n"),
    )
    .await;
    let page = french(&world).await.open("/console/mappings").await;
    is_french(&page);
    page.has("L’utilisateur d’intégration ne voit aucun champ de ce nom.").has("error[S006]: ");
}

#[tokio::test]
async fn an_address_that_is_no_page_is_told_in_french() {
    let world = World::start().await;
    let browser = french(&world).await;
    for (path, status) in [
        ("/console/nowhere", 404),
        ("/console/nowhere/at/all", 404),
        ("/console/jobs/abc", 400),
        ("/console/feedback/%ff", 400),
        ("/console/login?to=a&to=b", 400),
    ] {
        let page = browser.open(path).await;
        assert_eq!(page.status, status, "{path}");
        page.has("<h1>Cette page n’existe pas</h1>");
        is_french(&page);
    }
    assert_eq!(browser.open("/console/").await.to.as_deref(), Some("/console"));
}

/// The switch of languages leads to the address of the page, also of one that a form made.
#[tokio::test]
async fn the_language_can_be_switched_on_a_page_that_a_form_made() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    let browser = french(&world).await;
    let (words, feedback) = (format!("/console/feedback/{id}/words"), format!("/console/feedback/{id}"));
    for (here, page) in [
        ("/console/mappings/touched", "/console/mappings"),
        (&words, &feedback),
        ("/console/sweep", "/console"),
        ("/console/language", "/console"),
        ("/console/logout", "/console"),
    ] {
        let switched = [("language", "en"), ("to", here)];
        assert_eq!(browser.send("/console", "/console/language", &switched).await.to.as_deref(), Some(page));
        browser.open(page).await.has("<html lang=\"en\">");
    }
}
