//! What stands where a secret belongs, and is none.

use std::path::Path;

use goodays_salesforce::config::{Config, Secrets};
use goodays_salesforce::mapping::Diagnostic;

/// The codes of a file's findings, as `run` and as `check --offline` read it. The variable `EMPTY` is set to nothing.
fn codes(text: &str) -> [Vec<&'static str>; 2] {
    [Secrets::Required, Secrets::Optional].map(|secrets| {
        let variable = |name: &str| (name == "EMPTY").then(String::new);
        let read = Config::parse(Path::new("connector.yaml"), text, secrets, &variable);
        let found = read.map_or_else(|found| found, |config| config.warnings);
        found.iter().map(|one: &Diagnostic| one.code).collect()
    })
}

/// A file with these secrets, in the notation of YAML, and this admin door.
fn file(hooks: &str, token: &str, client_secret: &str, admin: &str) -> String {
    format!(
        "goodays:\n  token: {token}\n  webhook: {{ secrets: {hooks} }}\n\
         salesforce:\n  login_url: https://shop.my.salesforce.com\n  auth:\n    client_id: i\n    client_secret: {client_secret}\n\
         admin:\n  {admin}\n"
    )
}

const HERE: &str = "listen: 127.0.0.1:9464";

#[test]
fn e08_a_secret_that_is_left_empty_is_empty_and_not_a_tilde() {
    for nothing in ["", "~", "null", "Null", "''", "\" \""] {
        let refused = [vec!["C003"], vec!["C003"]];
        let list = format!("[{}]", if nothing.is_empty() { "~" } else { nothing });
        assert_eq!(codes(&file(&list, "t", "s", HERE)), refused, "secrets: {nothing}");
        assert_eq!(codes(&file("[s]", nothing, "s", HERE)), refused, "goodays.token: {nothing}");
        assert_eq!(codes(&file("[s]", "t", nothing, HERE)), refused, "client_secret: {nothing}");
        let alert = format!("{}alerts:\n  - to: slack\n    url: {nothing}\n", file("[s]", "t", "s", HERE));
        assert_eq!(codes(&alert), refused, "an alert's url: {nothing}");
    }
    let item = file("[s]", "t", "s", HERE).replace("{ secrets: [s] }", "\n    secrets:\n      -");
    assert_eq!(codes(&item), [["C003"], ["C003"]], "an item of the list");
}

#[test]
fn e08_an_admin_token_that_is_left_empty_opens_no_door() {
    for nothing in ["", "~", "null", "''"] {
        let open = format!("listen: 0.0.0.0:9464\n  token: {nothing}");
        assert_eq!(codes(&file("[s]", "t", "s", &open)), [["C009"], ["C009"]], "{nothing}");
        let here = format!("{HERE}\n  token: {nothing}");
        assert_eq!(codes(&file("[s]", "t", "s", &here)), [[""; 0], [""; 0]], "{nothing}");
    }
}

/// `check --offline` needs no secrets, so their variables may be unset or empty there.
#[test]
fn a_variable_may_be_empty_where_secrets_are_not_needed() {
    let open = "listen: 0.0.0.0:9464\n  token: ${EMPTY}";
    let [run, offline] = codes(&file("['${EMPTY}']", "${EMPTY}", "${EMPTY}", open));
    assert_eq!(run, ["C003", "C003", "C003", "C009"]);
    assert_eq!(offline, [""; 0]);
}

/// The findings of a file beside a secret's file with these bytes, as `check --offline` shows them.
fn beside(secret: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hook"), secret).unwrap();
    let text = file("[{ file: hook }]", "t", "s", HERE);
    let read = Config::parse(&dir.path().join("connector.yaml"), &text, Secrets::Optional, &|_| None);
    let found = read.map_or_else(|found| found, |config| config.warnings);
    found.iter().map(Diagnostic::render).collect()
}

#[test]
fn d07_a_secret_file_in_another_encoding_is_told_without_the_secret() {
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain("geheim".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let shown = beside(&utf16);
    assert!(shown.contains("error[C005]") && shown.contains("UTF-16"), "{shown}");
    let shown = beside(b"geh\xe9im\n");
    assert!(shown.contains("error[C005]") && shown.contains("Latin-1") && !shown.contains("geh"), "{shown}");
    let shown = beside(b"geheim\"\n");
    assert!(shown.contains("warning[C011]") && shown.contains("a quote at one end"), "{shown}");
    assert_eq!(beside("gehéim\n".as_bytes()), "");
}

#[test]
fn e08_what_stands_for_a_name_of_the_login_is_refused() {
    for word in
        ["$ID", "'<client id>'", "'\"abc\"'", "\"ab\\u200bc\"", "SALESFORCE_CLIENT_ID", "env:ID", "'...'"]
    {
        let text = file("[s]", "t", "s", HERE).replace("client_id: i", &format!("client_id: {word}"));
        assert_eq!(codes(&text), [["C011"], ["C011"]], "{word}");
        let flow = format!("flow: jwt_bearer\n    client_id: i\n    username: {word}");
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/salesforce/jwt_private_for_tests.pem");
        let text = file("[s]", "t", "s", HERE)
            .replace("client_id: i", &flow)
            .replace("client_secret: s", &format!("private_key_file: {key}"));
        assert_eq!(codes(&text), [["C011"], ["C011"]], "{word}");
    }
    let around = file("[s]", "t", "s", HERE).replace("client_id: i", "client_id: \"i\\u200b\"");
    assert_eq!(codes(&around), [[""; 0], [""; 0]]);
}

#[test]
fn e08_a_word_in_place_of_the_orgs_name_is_told() {
    let text = file("[s]", "t", "s", HERE).replace("//shop.", "//NAME.");
    assert_eq!(codes(&text), [["C018"], ["C018"]]);
}
