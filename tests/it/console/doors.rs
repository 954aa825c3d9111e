//! Who may see the pages, and what keeps other sites out.

use goodays_salesforce::demo::stage::Tuning;
use reqwest::StatusCode;

use super::Browser;
use crate::world::World;

const PAGES: [&str; 4] = ["/console", "/console/feedback", "/console/waiting", "/console/mappings"];

#[tokio::test]
async fn every_page_is_private_and_has_no_script_in_itself() {
    let world = World::start().await;
    let browser = Browser::new(&world.stage);
    for path in PAGES {
        let answer = browser.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let headers = answer.headers().clone();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "same-origin");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = answer.text().await.unwrap();
        for inline in ["<script>", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!html.contains(inline), "{path} has {inline}");
        }
    }
    for (asset, kind) in
        [("console.css", "text/css"), ("console.js", "text/javascript"), ("icon.svg", "image/svg")]
    {
        let answer = browser.get(&format!("/console/assets/{asset}")).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind), "{asset}");
    }
    assert_eq!(browser.open("/console/assets/other").await.status, StatusCode::NOT_FOUND);
    let index = browser.read(browser.get("/").header("accept", "text/html")).await;
    assert_eq!(index.to.as_deref(), Some("/console"));
}

#[tokio::test]
async fn other_sites_send_no_form_and_read_no_page() {
    let world = World::start().await;
    let browser = Browser::new(&world.stage);
    let form = browser.open("/console").await.form_number();
    let own = format!("http://{}", browser.host);
    let fields = [("form", form.as_str()), ("language", "fr"), ("to", "/console")];
    let post = || browser.post("/console/language", &fields);
    for origin in ["http://evil.example", "null", "https://localhost", "http://127.0.0.1"] {
        assert_eq!(browser.read(post().header("origin", origin)).await.status, 403, "{origin}");
    }
    assert_eq!(browser.read(post()).await.status, 403, "a form without an origin");
    let foreign = post().header("origin", &own).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.read(foreign).await.status, 403);
    let without = browser.post("/console/language", &fields[1..]).header("origin", &own);
    assert_eq!(browser.read(without).await.status, 403, "a form without its number");
    let other = Browser::new(&world.stage);
    other.open("/console").await;
    let stolen = other.post("/console/language", &fields).header("origin", &own);
    assert_eq!(other.read(stolen).await.status, 403, "the number of another session");
    assert_eq!(browser.read(post().header("origin", &own)).await.status, 303);

    let embedded = browser.get("/console").header("sec-fetch-site", "cross-site");
    assert_eq!(browser.read(embedded).await.status, 403);
    let opened = browser.get("/console").header("sec-fetch-site", "cross-site");
    let opened = opened.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    assert_eq!(browser.read(opened).await.status, 200, "a link in an alert");
    // DNS rebinding: the page's own name leads to this machine.
    let rebound = browser.get("/console").header("host", "evil.example");
    assert_eq!(browser.read(rebound).await.status, 403);
    // What scripts use takes no page's request, not even of our own page.
    assert_eq!(browser.read(browser.get("/status").header("origin", &own)).await.status, 403);
}

#[tokio::test]
async fn with_a_token_a_browser_logs_in() {
    let stage = Tuning { admin: "token: open-sesame".to_owned(), ..Tuning::default() };
    let world = World::with(stage).await;
    let browser = Browser::new(&world.stage);
    let own = format!("http://{}", browser.host);
    for path in PAGES {
        let page = browser.open(path).await;
        let to = page.to.unwrap();
        assert!(page.status == 303 && to.starts_with("/console/login?to="), "{path} {to}");
    }
    assert_eq!(browser.open("/console/live").await.status, 303);
    browser.open("/console/login").await.has("type=\"password\"").lacks("name=\"form\"");
    let login = |token: &'static str| {
        browser.post("/console/login", &[("token", token), ("to", "/console/waiting")]).header("origin", &own)
    };
    assert_eq!(browser.read(login("open")).await.status, 401);
    let answer = login("open-sesame").send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let page = browser.read(login("open-sesame")).await;
    assert_eq!((page.status.as_u16(), page.to.as_deref()), (303, Some("/console/waiting")));
    assert_eq!(browser.open("/console").await.status, 200);
    assert_eq!(browser.open("/status").await.status, 401, "the cookie is for pages only");
    browser.send("/console", "/console/logout", &[]).await.has("type=\"password\"");
    assert_eq!(browser.open("/console").await.status, 303);
    // Behind TLS, the browser sends the cookie over TLS only.
    let tls = browser.post("/console/login", &[("token", "open-sesame")]);
    let tls = tls.header("origin", format!("https://{}", browser.host)).send().await.unwrap();
    assert!(tls.headers()["set-cookie"].to_str().unwrap().ends_with("; Secure"));
    for _ in 0..4 {
        assert_eq!(browser.read(login("wrong")).await.status, 401);
    }
    let limited = login("open-sesame").send().await.unwrap();
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"60".parse().unwrap()));
}

#[tokio::test]
async fn the_pages_speak_french() {
    let world = World::start().await;
    let browser = Browser::new(&world.stage);
    browser.open("/console").await.has("<html lang=\"en\">").has("All is well");
    let page = browser.send("/console", "/console/language", &[("language", "fr"), ("to", "/console")]).await;
    page.has("<html lang=\"fr\">").has("Tout va bien");
    for path in PAGES {
        browser.open(path).await.has("lang=\"fr\"").has("En attente d’un humain");
    }
}
