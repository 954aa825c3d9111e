//! connector.yaml: the shipped file, defaults, secrets, and every mistake with its message.

mod secrets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use goodays_salesforce::config::{
    Actions, Auth, Config, LogFormat, Perimeter, Secrets, Signature, codes, parse_duration,
};
use secrecy::ExposeSecret;

fn set(name: &str) -> Option<String> {
    let known =
        ["GOODAYS_TOKEN", "GOODAYS_WEBHOOK_SECRET", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"];
    known.contains(&name).then(|| format!("the {name}"))
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connector.yaml")
}

#[test]
fn the_shipped_file_runs_once_its_variables_are_set() {
    let config = Config::load_with(&shipped(), Secrets::Required, &set).unwrap();
    // Its address of the org is an example.
    assert_eq!(config.warnings.iter().map(|one| one.code).collect::<Vec<_>>(), ["C018"]);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.server.max_body_bytes, 8_388_608);
    assert!(config.admin.token.is_none());
    assert_eq!(config.goodays.base_url.as_str(), "https://api.goodays.co/v2");
    assert_eq!(config.goodays.token.expose_secret(), "the GOODAYS_TOKEN");
    assert_eq!(config.goodays.webhook.signature, Signature::Hmac);
    assert_eq!(config.goodays.webhook.secrets[0].expose_secret(), "the GOODAYS_WEBHOOK_SECRET");
    assert_eq!((config.goodays.perimeter, config.goodays.actions), (Perimeter::All, Actions::Send));
    assert_eq!(config.goodays.default_user, None);
    let Auth::ClientCredentials { client_id, .. } = &config.salesforce.auth else { panic!("another flow") };
    assert_eq!(client_id, "the SALESFORCE_CLIENT_ID");
    assert_eq!(config.sweep.every, Some(Duration::from_secs(3600)));
    assert_eq!(config.state.path, Path::new(env!("CARGO_MANIFEST_DIR")).join("state"));
    assert_eq!(config.mappings, Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"));
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(!format!("{config:?}").contains("the GOODAYS_TOKEN"), "secrets are not shown");
}

#[test]
fn the_shipped_file_can_be_looked_at_without_secrets() {
    let config = Config::load_with(&shipped(), Secrets::Optional, &|_| None).unwrap();
    assert_eq!(config.goodays.token.expose_secret(), "");
}

#[test]
fn all_missing_variables_are_told_at_once() {
    let found = Config::load_with(&shipped(), Secrets::Required, &|_| None).unwrap_err();
    let errors = found.iter().filter(|one| one.is_error());
    let codes: Vec<_> = errors.map(|one| (one.code, one.message.as_str())).collect();
    assert_eq!(
        codes,
        [
            ("C001", "the variable `GOODAYS_TOKEN` is not set"),
            ("C001", "the variable `GOODAYS_WEBHOOK_SECRET` is not set"),
            ("C001", "the variable `SALESFORCE_CLIENT_ID` is not set"),
            ("C001", "the variable `SALESFORCE_CLIENT_SECRET` is not set"),
        ]
    );
}

/// The smallest configuration that runs.
const LEAST: &str = "goodays: { token: t, webhook: { secrets: [s] } }\n\
    salesforce: { login_url: https://shop.my.salesforce.com, auth: { client_id: i, client_secret: s } }\n";

fn load(dir: &Path, text: &str) -> Result<Config, Vec<goodays_salesforce::mapping::Diagnostic>> {
    let file = dir.join("connector.yaml");
    std::fs::write(&file, text).expect("as arranged");
    Config::load_with(&file, Secrets::Required, &|name| (name == "EMPTY").then(String::new))
}

/// The findings' texts, without the name of the temporary folder.
fn found(text: &str) -> String {
    let dir = tempfile::tempdir().expect("as arranged");
    let found = match load(dir.path(), text) {
        Ok(config) => config.warnings,
        Err(found) => found,
    };
    let text: Vec<String> = found.iter().map(goodays_salesforce::mapping::Diagnostic::render).collect();
    text.join("\n").replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn absent_sections_have_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let least = load(dir.path(), LEAST).unwrap();
    let shipped = Config::load_with(&shipped(), Secrets::Required, &set).unwrap();
    assert_eq!(format!("{:?}", least.server), format!("{:?}", shipped.server));
    assert_eq!(format!("{:?}", least.admin), format!("{:?}", shipped.admin));
    assert_eq!(format!("{:?}", least.poll), format!("{:?}", shipped.poll));
    assert_eq!(format!("{:?}", least.sweep), format!("{:?}", shipped.sweep));
    assert_eq!(least.settle, shipped.settle);
    assert_eq!(format!("{:?}", least.log), format!("{:?}", shipped.log));
    assert_eq!(least.goodays.base_url, shipped.goodays.base_url);
    assert_eq!(least.goodays.max_actions_per_hour, shipped.goodays.max_actions_per_hour);
    assert_eq!(least.salesforce.api_version, shipped.salesforce.api_version);
    assert_eq!(least.salesforce.api_calls_per_day, shipped.salesforce.api_calls_per_day);
    assert_eq!(least.state.keep_events, shipped.state.keep_events);
}

#[test]
fn secrets_in_files_can_change() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "first\n").unwrap();
    std::fs::write(dir.path().join("hook"), "h1").unwrap();
    let text = "goodays: { token_file: ./token, webhook: { secrets: [plain, { file: hook }] } }\n\
        salesforce: { login_url: http://127.0.0.1:1, auth: { client_id: i, client_secret: s } }\n";
    let config = load(dir.path(), text).unwrap();
    assert_eq!(config.goodays.token.expose_secret(), "first");
    std::fs::write(dir.path().join("token"), "second\n").unwrap();
    std::fs::write(dir.path().join("hook"), "h2").unwrap();
    let config = config.reload_secrets().unwrap();
    assert_eq!(config.goodays.token.expose_secret(), "second");
    let hooks: Vec<_> =
        config.goodays.webhook.secrets.iter().map(|one| one.expose_secret().to_owned()).collect();
    assert_eq!(hooks, ["plain", "h2"]);
    std::fs::write(dir.path().join("token"), "").unwrap();
    assert_eq!(config.reload_secrets().unwrap_err()[0].code, "C003");
}

#[test]
fn jwt_bearer_takes_a_key_file() {
    let dir = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
    std::fs::write(dir.path().join("key.pem"), pem).unwrap();
    let text = "goodays: { token: t, webhook: { signature: off } }\n\
        salesforce:\n  login_url: https://acme--uat.sandbox.my.salesforce.com\n  \
        auth: { flow: jwt_bearer, client_id: i, username: u@x, private_key_file: key.pem }\n";
    let config = load(dir.path(), text).unwrap();
    let Auth::JwtBearer { username, audience, .. } = &config.salesforce.auth else { panic!("another flow") };
    assert_eq!((username.as_str(), audience.as_str()), ("u@x", "https://test.salesforce.com"));
    assert_eq!(config.warnings.iter().map(|one| one.code).collect::<Vec<_>>(), ["C010"]);
}

/// A key that cannot be used is reported when it replaces another, and the old one stays in use.
#[test]
fn e06_a_key_that_is_replaced_by_an_encrypted_one_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let key = dir.path().join("key.pem");
    std::fs::copy(keys.join("salesforce/jwt_private_for_tests.pem"), &key).unwrap();
    let text = "goodays: { token: t, webhook: { secrets: [s] } }\n\
        salesforce: { login_url: https://login.salesforce.com, auth: { flow: jwt_bearer, client_id: i, username: u@x, private_key_file: key.pem } }\n";
    let config = load(dir.path(), text).unwrap();
    assert!(config.reload_secrets().is_ok());
    for (name, word) in
        [("encrypted.pem", "passphrase"), ("ec.pem", "EC key"), ("certificate.pem", "no private key")]
    {
        std::fs::copy(keys.join("mistakes").join(name), &key).unwrap();
        let found = config.reload_secrets().unwrap_err();
        assert!(found[0].code == "C011" && found[0].message.contains(word), "{}", found[0]);
        assert!(load(dir.path(), text).unwrap_err()[0].message.contains(word));
    }
}

#[test]
fn e04_doors_share_a_port_only_on_different_addresses() {
    let with = |server: &str, admin: &str| {
        found(&format!("{LEAST}server: {{ listen: {server} }}\nadmin: {{ listen: {admin}, token: t }}\n"))
    };
    for (server, admin) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("\"[::]:8080\"", "127.0.0.1:8080"),
    ] {
        assert!(with(server, admin).contains("error[C013]"), "{server} {admin}");
    }
    for (server, admin) in
        [("0.0.0.0:0", "127.0.0.1:0"), ("127.0.0.1:80", "127.0.0.2:80"), ("0.0.0.0:80", "0.0.0.0:81")]
    {
        assert_eq!(with(server, admin), "", "{server} {admin}");
    }
}

#[test]
fn findings_never_show_a_secret() {
    let text = found(
        "goodays:\n  tokem: abc123\n  webhook:\n    secrets:\n      - geheim\n      - [x]\n  places: hunter2\n",
    );
    assert!(!text.contains("abc123") && !text.contains("geheim"), "{text}");
    let text = found("goodays: { token: hunter2, webhook: { secrets: [hunter3], signatur: off } }\n");
    assert!(!text.contains("hunter"), "{text}");
    let text = found("goodays:\n  token: \"hunter2\n  places: []\n");
    assert!(!text.contains("hunter"), "{text}");
}

/// A secret under an unknown key, in a default, in an address, in a comment, as a value or a name.
#[test]
fn e08_no_finding_shows_a_secret_wherever_it_stands() {
    let files = [
        "goodays: { api_key: SECRET1, token: t, webhook: { secrets: [s] } }\n",
        "goodays:\n  token: ${GOODAYS_TOKEN:-SECRET1}\n  places: SECRET1\n",
        "goodays:\n  base_url: https://me:SECRET1@api.goodays.co/v2\n  token: t\n",
        "goodays: { base_url: \"https://api.goodays.co/v2?key=SECRET1#SECRET1\" }\n",
        "goodays: { token: ${SECRET1-x} }\n",
        "goodays: { token: ${aSECRET1} }\n",
        "goodays:\n  token:SECRET1\n  webhook: { secrets: [s] }\n",
        "goodays: { token:SECRET1, webhook: { secrets: { SECRET1: x } } }\n",
        "goodays: { perimeter: SECRET1, actions: SECRET1 }\nlog: { level: SECRET1, format: SECRET1 }\n",
        "goodays: { places: [] }   # the token was SECRET1\npassword: SECRET1\n",
        "salesforce: { login_url: https://acme.my.salesforce.com/?sid=SECRET1, auth: { flow: SECRET1 } }\n",
        "salesforce:\n  auth:\n    private_key: |\n      SECRET1\n      SECRET1: x\n    SECRET1: a\n    SECRET1: b\n",
        "goodays: { token_file: SECRET1, webhook: { secrets: [{ file: SECRET1 }, { SECRET1: x }] } }\n",
        "admin: { listen: SECRET1, token: \"SECRET1\n  more\n",
        "server: { webhook_path: \"/hooks/SECRET1//\", max_body_bytes: SECRET1 }\npoll: { interval: SECRET1 }\n",
        "state: { path: *SECRET1 }\n",
        "goodays:\n\ttoken: SECRET1\n",
        "goodays: !SECRET1 { token: SECRET1\n",
    ];
    for text in files {
        let shown = found(text);
        assert!(!shown.is_empty() && !shown.contains("SECRET"), "{text}\n{shown}");
    }
}

#[test]
fn wrong_values_are_told_together() {
    insta::assert_snapshot!(found("servr: {}\ngoodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }\npoll: { interval: 10, overlap: 2d }\nsalesforce: { auth: { flow: jwt_bearer, client_id: i, username: u, private_key: no } }\nadmin: { listen: 0.0.0.0:1 }\n"), @"
    error[Y003]: unknown key `servr` in connector.yaml
     --> connector.yaml:1:1
      |
    1 | servr: {}
      | ^^^^^
      |
      = help: did you mean `server`?
    error[C008]: `base_url` must be https: tokens and customers' words go there
     --> connector.yaml:2:22
      |
    2 | goodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }
      |                      ^^^^^^^^^^
      |
      = help: plain http is for simulators on this machine only
    error[C003]: `token` is empty
     --> connector.yaml:2:41
      |
    2 | goodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }
      |                                         ^^
      |
      = help: set its variable, or fill its file
    error[Y004]: `secrets` is missing: signatures cannot be verified without
     --> connector.yaml:2:54
      |
    2 | goodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }
      |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: list the secret agreed with Goodays, or set `signature: off`
    error[C012]: `signature` can be `hmac-sha256` or `off`, not `of`
     --> connector.yaml:2:67
      |
    2 | goodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }
      |                                                                   ^^
      |
      = help: did you mean `off`?
    error[C012]: `actions` can be `send` or `observe`, not `sent`
     --> connector.yaml:2:95
      |
    2 | goodays: { base_url: http://x.y, token: '', webhook: { signature: of, secrets: [] }, actions: sent }
      |                                                                                               ^^^^
      |
      = help: did you mean `send`?
    error[C006]: `interval` is no duration
     --> connector.yaml:3:19
      |
    3 | poll: { interval: 10, overlap: 2d }
      |                   ^^
      |
      = help: write a number and a unit: 500ms, 10s, 10m, 1h, 7d; or 0
    error[C007]: `overlap` must be between 0 and 24h
     --> connector.yaml:3:32
      |
    3 | poll: { interval: 10, overlap: 2d }
      |                                ^^
      |
      = help: take a value from 0 to 24h
    error[Y004]: `login_url` is missing
     --> connector.yaml:4:13
      |
    4 | salesforce: { auth: { flow: jwt_bearer, client_id: *, username: *, private_key: ** } }
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: your org's own address: https://NAME.my.salesforce.com
    error[C011]: `private_key` holds no private key
     --> connector.yaml:4:81
      |
    4 | salesforce: { auth: { flow: jwt_bearer, client_id: *, username: *, private_key: ** } }
      |                                                                                 ^^
      |
      = help: it must be PEM: `-----BEGIN PRIVATE KEY-----` and so on, not the certificate
    error[C009]: the admin door would be open to the network: `token` is needed
     --> connector.yaml:5:10
      |
    5 | admin: { listen: 0.0.0.0:1 }
      |          ^^^^^^
      |
      = help: set `token`, or listen on 127.0.0.1
    ");
}

/// Each with the code and the help alone.
fn told(text: &str) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().expect("as arranged");
    let found = load(dir.path(), text).unwrap_err();
    found
        .iter()
        .map(|one| (format!("{} {}", one.code, one.message), one.help.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn e06_a_key_in_the_wrong_section_is_sent_to_its_own() {
    let key = |name: &str, what: &str| format!("Y003 unknown key `{name}` in {what}");
    let misplaced = |text: &str| told(&format!("{LEAST}{text}\n"));
    let of = |name: &str, what: &str, help: &str| vec![(key(name, what), help.to_owned())];
    let top = "connector.yaml";
    assert_eq!(misplaced("actions: observe"), of("actions", top, "it belongs under `goodays`"));
    assert_eq!(misplaced("webhook: {}"), of("webhook", top, "it belongs under `goodays`"));
    let doors = "it belongs under `admin` or `goodays`";
    assert_eq!(misplaced("token_file: x"), of("token_file", top, doors));
    assert_eq!(misplaced("poll: { window: 1h }"), of("window", "`poll`", "it belongs under `sweep`"));
    assert_eq!(misplaced("pol: {}"), of("pol", top, "did you mean `poll`?"));
}

#[test]
fn e06_an_address_that_is_none_is_told_once() {
    let without = LEAST.replace("https://shop", "shop");
    let said = told(&without);
    assert!(said.len() == 1 && said[0].0.starts_with("C006 `login_url` is no address"), "{said:?}");
}

#[test]
fn files_and_variables_that_are_wrong() {
    let text = "goodays:\n  token: ${GOODAYS-TOKEN}\n  webhook: { secrets: [\"${EMPTY}\", { file: none }], signature: hmac-sha256 }\n\
        salesforce:\n  login_url: https://${SF_HOST}/\n  auth:\n    client_id: [a]\n    client_id: b\n    \
        client_secret: ${EMPTY:-given}\n    client_secret_file: x\n    usernam: c\n";
    insta::assert_snapshot!(found(text), @r#"
    error[C002]: what stands between `${` and `}` is no name of a variable
     --> connector.yaml:2:10
      |
    2 |   token: ${*************}
      |          ^^^^^^^^^^^^^^^^
      |
      = help: write ${NAME} or ${NAME:-default}; a plain `${` is written `$${`
    error[C003]: `secrets` is empty
     --> connector.yaml:3:24
      |
    3 |   webhook: { secrets: ["${EMPTY}", { file: **** }], signature: hmac-sha256 }
      |                        ^^^^^^^^^^
      |
      = help: an empty secret would let everybody in; set its variable, or fill its file
    error[C005]: the file of `secrets` cannot be read: entity not found
     --> connector.yaml:3:44
      |
    3 |   webhook: { secrets: ["${EMPTY}", { file: **** }], signature: hmac-sha256 }
      |                                            ^^^^
      |
      = help: mend the path, which belongs to this file's folder, or who may read the file
    error[C001]: the variable `SF_HOST` is not set
     --> connector.yaml:5:22
      |
    5 |   login_url: ********${SF_HOST}*
      |                      ^^^^^^^^^^
      |
      = help: set it in the environment, or give a default: ${SF_HOST:-...}
    error[Y005]: `client_id` must be a text, this is a list
     --> connector.yaml:7:16
      |
    7 |     client_id: [*]
      |                ^^^
      |
      = help: write a word or a text in quotes, without brackets
    error[Y002]: `client_id` stands twice in this mapping
     --> connector.yaml:8:5
      |
    8 |     client_id: *
      |     ^^^^^^^^^ first on line 7
      |
      = help: keep one of them
    error[C004]: `client_secret` and `client_secret_file` are both given
      --> connector.yaml:10:25
       |
    10 |     client_secret_file: *
       |                         ^
       |
       = help: keep one of them
    error[Y003]: unknown key `usernam` in `auth` for `client_credentials`
      --> connector.yaml:11:5
       |
    11 |     usernam: *
       |     ^^^^^^^
       |
       = help: use one of `flow`, `client_id`, `client_secret` or `client_secret_file`
    "#);
}

#[test]
fn yaml_that_is_none() {
    insta::assert_snapshot!(found("goodays: {\n"), @"
    error[Y001]: this is not YAML: unclosed bracket '{'
     --> connector.yaml:1:10
      |
    1 | goodays: {
      |          ^
      |
      = help: look for a bracket or a quote that is not closed, or a line that is indented otherwise than its neighbours
    ");
}

#[test]
fn unverified_webhooks_are_a_warning() {
    insta::assert_snapshot!(found(&LEAST.replace("secrets: [s]", "signature: off")), @"
    warning[C010]: webhooks are not verified: whoever knows the address can make Cases
     --> connector.yaml:1:44
      |
    1 | goodays: { token: *, webhook: { signature: off } }
      |                                            ^^^
      |
      = help: agree on a secret with Goodays and set `signature: hmac-sha256`
    ");
}

#[test]
fn a_file_that_is_not_there() {
    let found = Config::load_with(Path::new("nowhere/connector.yaml"), Secrets::Required, &set).unwrap_err();
    insta::assert_snapshot!(found[0].render(), @r"
    error[C000]: cannot be read: No such file or directory (os error 2)
    --> nowhere/connector.yaml
     = help: name the file with -c, or start where connector.yaml stands
    ");
}

#[test]
fn every_code_has_a_wrong_file() {
    let tests = include_str!("config.rs");
    let without: Vec<_> = codes()
        .iter()
        .filter(|code| !tests.contains(&format!("[{code}]")) && !crate::mapping::silent::is_shown(code))
        .collect();
    assert!(without.is_empty(), "no wrong file for {without:?}");
}

#[test]
fn durations() {
    assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
    assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(parse_duration("0"), Some(Duration::ZERO));
    for wrong in ["", "10", "s", "1 h", "-1s", "1.5h", "99999999999999999999d"] {
        assert_eq!(parse_duration(wrong), None, "{wrong}");
    }
}
