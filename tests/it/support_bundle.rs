//! `support-bundle`: everything a bug report needs, and nothing of customers, agents or secrets. Texts that occur
//! nowhere else are planted everywhere, and searched for in the archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use assert_cmd::Command;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::settings::ValidationRule;
use serde_json::{Map, json};

use crate::arena::{PATIENCE, Stage, quick, until};
use crate::now;
use crate::world::log::Log;

/// Part of every text of a person.
const MARK: &str = "zq7";

fn marked() -> Feedback {
    Feedback {
        content: Some(format!("{MARK} words")),
        attachment: Some(format!("https://files.example/{MARK}.jpg")),
        first_name: format!("{MARK}first"),
        last_name: format!("{MARK}last"),
        email: Some(format!("{MARK}mail@customer.example")),
        phone: Some(format!("+33 1 {MARK}")),
        crm_id: format!("{MARK}crm"),
        extra: Map::from_iter([("loyalty".to_owned(), json!(format!("{MARK}card")))]),
        ..Feedback::default()
    }
}

/// The archive's files, without their common folder.
fn unpack(archive: &Path) -> BTreeMap<String, String> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(archive).unwrap()));
    let mut files = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(path.split_once('/').unwrap().1.to_owned(), text);
    }
    files
}

fn bundle(config: &Path, archive: &Path, log: &Path) -> BTreeMap<String, String> {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    command.arg("support-bundle").arg(archive).arg("--log").arg(log).arg("-c").arg(config);
    command.assert().success();
    unpack(archive)
}

/// A daemon with a parked event, a sent answer and a waiting one, all with marked texts.
async fn busy_stage() -> Stage {
    let stage = Stage::start(quick()).await.unwrap();
    let id = stage.goodays.customer_leaves(marked());
    let case = until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("a Case");
    let case = case["Id"].as_str().unwrap().to_owned();
    for words in ["an answer", "one too many"] {
        let (words, agent) = (format!("{MARK} {words}"), format!("{MARK}agent@brand.example"));
        stage.salesforce.agent_comments(&case, &words, true, &agent).unwrap();
    }
    stage.salesforce.with_settings(|settings| {
        settings.validation_rules = vec![ValidationRule {
            object: "Case".to_owned(),
            when: format!("SuppliedName LIKE '{MARK}%'"),
            message: format!("We do not serve {MARK}first"),
            fields: Vec::new(),
            code: None,
        }];
    });
    stage.goodays.customer_leaves(marked());
    let parked = || (now(stage.app().shared.parked(9)).unwrap().len() == 2).then_some(());
    until(PATIENCE, parked).await.expect("an event and an answer are parked");
    stage
}

#[tokio::test]
async fn a_bundle_has_what_helps_and_nothing_of_people_or_secrets() {
    let log = Log::at("trace");
    let mut stage = busy_stage().await;
    let dir = tempfile::tempdir().unwrap();
    // An agent's address in a mapping, and a log as a careless library could write it.
    let case = stage.dir.path().join("mappings/case.yaml");
    let text = fs::read_to_string(&case).unwrap();
    fs::write(&case, format!("# {MARK}admin@brand.example asked for this\n{text}")).unwrap();
    let lines = dir.path().join("log.txt");
    let careless = "a header: Bearer demo-secret, from zq7customer@shop.example\nthe last line\n";
    fs::write(&lines, log.text() + careless).unwrap();
    let (config, archive) = (stage.config_file(), dir.path().join("bundle.tar.gz"));
    let made = tokio::task::spawn_blocking({
        let (config, archive, lines) = (config.clone(), archive.clone(), lines.clone());
        move || bundle(&config, &archive, &lines)
    });
    let files = made.await.unwrap();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    check.json
    connector.yaml
    log.txt
    mappings/actions.yaml
    mappings/case.yaml
    mappings/comment.yaml
    metrics.txt
    parked.json
    state.txt
    status.json
    versions.txt
    ");
    let token = goodays_salesforce::sim::goodays::Options::default().token;
    let org = goodays_salesforce::sim::salesforce::Options::default();
    for (name, text) in &files {
        for planted in [MARK, "demo-secret", &token, &org.client_secret] {
            assert!(!text.contains(planted), "{planted} is in {name}:\n{text}");
        }
    }
    assert!(files["log.txt"].ends_with("a header: Bearer (secret), from (address)\nthe last line\n"));
    assert!(files["log.txt"].lines().count() <= 2000);
    assert!(files["parked.json"].contains("FIELD_CUSTOM_VALIDATION_EXCEPTION"), "{}", files["parked.json"]);
    assert!(files["metrics.txt"].contains("goodays_salesforce_build_info"), "{}", files["metrics.txt"]);
    assert!(files["status.json"].contains("\"inbox\""), "{}", files["status.json"]);
    assert!(files["versions.txt"].contains(env!("CARGO_PKG_VERSION")), "{}", files["versions.txt"]);
    assert!(files["state.txt"].contains("free on this disk"), "{}", files["state.txt"]);
    assert!(files["connector.yaml"].contains("flow: client_credentials"), "{}", files["connector.yaml"]);
    let rights = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&archive).unwrap().permissions());
    assert_eq!(rights & 0o777, 0o600);

    // Without a daemon, and with a configuration that cannot be read, what is there is still told.
    assert!(stage.stop_daemon().await);
    fs::write(&config, "goodays: { token: zq7hidden\n").unwrap();
    let archive = dir.path().join("second.tar.gz");
    let files = bundle(&config, &archive, &lines);
    assert!(files.contains_key("daemon.txt") && !files.contains_key("status.json"));
    let broken = [&files["connector.yaml"], &files["check.json"], &files["daemon.txt"]];
    assert!(broken.iter().all(|text| !text.contains(MARK)), "{broken:?}");
}
