//! The page of several instances. Not tested where there is no PostgreSQL.

use std::fs;

use goodays_salesforce::demo::stage::until;
use goodays_salesforce::state::postgres::lease::Instance;

use super::{Browser, Page};
use crate::arena::PATIENCE;
use crate::terms::Cluster;
use crate::world::World;

const HERE: &str = "/console/instances";

/// The row of an instance.
fn row(page: &Page, id: &str) -> String {
    let begin = format!("<th scope=\"row\">{id}");
    let rest = page.html.split(&begin).nth(1).unwrap_or_else(|| panic!("no {id}: {}", page.html));
    rest.split("</tr>").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instances_are_shown_with_who_works_and_whose_door_accepts() {
    let Some(cluster) = Cluster::start().await else { return };
    let first = Cluster::run(cluster.config("first")).await;
    let mut other = cluster.config("second");
    other.mappings = cluster.stage.dir.path().join("other mappings");
    fs::create_dir(&other.mappings).unwrap();
    for file in fs::read_dir(&first.current.process().config.mappings).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(other.mappings.join(file.file_name()), format!("{text}\n# edited\n")).unwrap();
    }
    let second = Cluster::run(other).await;
    // Two that do not answer: nobody is there, and a loopback address that leads to somebody else.
    let elsewhere = [("gone", "127.0.0.1:1".to_owned()), ("lost", first.doors.admin_addr().to_string())];
    for (id, admin_addr) in elsewhere {
        let (id, version, mapping) = (id.to_owned(), "0.1.0".to_owned(), "m0".to_owned());
        let instance = Instance { id, version, mapping, started_ms: 0, admin_addr };
        cluster.lease().await.register(&instance, PATIENCE).await.unwrap();
    }
    let all = || second.current.standing().filter(|seen| seen.members.len() == 4 && seen.leader.is_some());
    let seen = until(PATIENCE, all).await.expect("all are seen");

    let browser = Browser::at(&second.doors.admin_addr().to_string());
    let page = browser.open(HERE).await;
    let leader = first.current.standing().unwrap().me.clone();
    assert_eq!(seen.leader.as_ref(), Some(&leader));
    let works = row(&page, &leader);
    assert!(works.contains(">works<") && works.contains(">accepted<"), "{works}");
    assert!(works.contains(&first.doors.admin_addr().to_string()), "{works}");
    assert!(works.contains(first.current.process().mapping().version()), "{works}");
    let this = row(&page, &seen.me);
    assert!(
        this.contains("(this one)") && !this.contains(">works<") && this.contains(">accepted<"),
        "{this}"
    );
    for id in ["gone", "lost"] {
        let one = row(&page, id);
        assert!(one.contains("cannot be asked") && one.contains("0.1.0"), "{one}");
    }
    page.has("different mappings").has("<dt>Epoch</dt><dd>1</dd>").has("<dt>Lease</dt><dd>2 s</dd>");
    page.has("aria-current=\"page\">Instances</a>");
    let french = browser.send("/console", "/console/language", &[("language", "fr"), ("to", HERE)]).await;
    french.has("mappings différents").has(">travaille<").has(">acceptés<");
    // What would ask Salesforce, or Goodays, is asked of the one that works.
    // The one that works polls meanwhile. This one would log in first.
    let logins = || {
        let seen = cluster.stage.salesforce.wire().requests();
        seen.iter().filter(|request| request.path.ends_with("/oauth2/token")).count()
    };
    let before = logins();
    let touched = browser.send("/console/mappings", "/console/mappings/touched", &[]).await;
    touched.has(&format!("l’instance {leader} travaille")).has(&first.doors.admin_addr().to_string());
    assert_eq!(logins(), before);
    assert!(second.stop().await && first.stop().await);
}

#[tokio::test]
async fn without_a_database_there_is_no_such_page() {
    let world = World::start().await;
    let browser = Browser::new(&world.stage);
    browser.open("/console").await.lacks(HERE);
    let page = browser.open(HERE).await;
    page.has("There is one instance");
    assert_eq!(page.status, 404);
}
