//! `check` against both simulators: each mistake in an org or an account is reported with its place and remedy.

#![expect(clippy::unwrap_used, reason = "a test may fail at once, in its helpers too")]

mod customers;
mod database;
mod fields;
mod org;
mod remotes;
mod table;

use std::path::Path;

use goodays_salesforce::check::{self, Report, Severity};

use goodays_salesforce::sim::goodays::{self, Goodays};
use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use goodays_salesforce::sim::salesforce::{self, Salesforce};
use goodays_salesforce::sim::wire::Act;
use serde_json::json;
use tokio::net::TcpListener;

/// Both remotes, and an admin's files.
struct World {
    org: Salesforce,
    goodays: Goodays,
    dir: tempfile::TempDir,
}

const SECRET: &str = "sim-secret";

impl World {
    /// The shipped mappings, a Goodays account, and an org in which agents have worked.
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let org = Salesforce::start(listener, salesforce::Options::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let goodays = Goodays::start(listener, goodays::Options::default()).await;
        let case = org.create_case(json!({"Subject": "Old"}), "agent@sim.example").unwrap();
        org.agent_comments(&case, "Hello", false, "agent@sim.example").unwrap();
        let world = Self { org, goodays, dir: tempfile::tempdir().unwrap() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        std::fs::create_dir(world.dir.path().join("mappings")).unwrap();
        for name in ["case.yaml", "comment.yaml", "actions.yaml"] {
            std::fs::copy(shipped.join(name), world.dir.path().join("mappings").join(name)).unwrap();
        }
        world.write("connector.yaml", &world.connector());
        world
    }

    fn connector(&self) -> String {
        format!(
            "goodays:\n  base_url: {}\n  token: goodays-simulator-token\n  webhook: {{ secrets: [s] }}\n\
             salesforce:\n  login_url: {}\n  auth: {{ client_id: sim-client, client_secret: {SECRET} }}\n",
            self.goodays.url(),
            self.org.url()
        )
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Replaces a text in a file.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    fn set(&self, settings: &serde_json::Value) {
        self.org.change_settings(settings).unwrap();
    }

    /// Asks both remotes. Asserts that no call writes and that no secret is shown.
    async fn check(&self) -> Report {
        let report = check::run(&self.dir.path().join("connector.yaml"), false).await;
        for seen in self.org.wire().requests() {
            let reads = seen.method == "GET" || seen.path == "/services/oauth2/token";
            assert!(reads, "{} {} writes", seen.method, seen.path);
        }
        assert!(self.goodays.wire().requests().iter().all(|seen| seen.method == "GET"));
        let all = format!("{}{}", report.render(), json!(report));
        for secret in [SECRET, "goodays-simulator-token"] {
            assert!(!all.contains(secret), "a secret is shown");
        }
        report
    }

    /// Errors and warnings: code, place, message. Without S027: all of these worlds are sandboxes that send.
    async fn found(&self) -> String {
        let report = self.check().await;
        let bad = report.findings.iter().filter(|one| one.severity != Severity::Ok && one.code != "S027");
        let lines = bad.map(|one| {
            let at = one.at.as_deref().map(|at| format!(" {at}")).unwrap_or_default();
            let word = if one.severity == Severity::Error { "error" } else { "warning" };
            format!("{word} {}{at}: {}", one.code, one.message)
        });
        let lines: Vec<String> = lines.chain([format!("exit {}", report.exit_code())]).collect();
        self.plain(&lines.join("\n"))
    }

    /// The text without the parts that differ between runs.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
            .replace(&self.org.url(), "http://SALESFORCE")
            .replace(&self.goodays.url(), "http://GOODAYS")
            .replace(shipped_version(), "VERSION")
    }
}

/// The version of the shipped mappings. Every edit of them changes it.
fn shipped_version() -> &'static str {
    static VERSION: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        goodays_salesforce::mapping::Mapping::load(&dir).unwrap().0.version().to_owned()
    });
    &VERSION
}

fn long_text(name: &str, length: usize) -> Field {
    Field { name: name.into(), label: name.into(), kind: Kind::LongText, length, ..Field::default() }
}

fn field(name: &str, kind: Kind) -> Field {
    Field { name: name.into(), label: name.into(), kind, ..Field::default() }
}

/// The line of the shipped mapping after which tests insert their own.
const LAST: &str = "  # What the agent's next comment will be";

#[tokio::test]
async fn what_is_shipped_is_ready() {
    let world = World::new().await;
    let report = world.check().await;
    assert_eq!(report.exit_code(), 0);
    insta::assert_snapshot!(world.plain(&report.render()), @r#"
    Configuration

      ok: connector.yaml can be read

    Mappings

      ok: 3 files, version VERSION
      ok: 4 of 4 samples of Goodays would become Cases: response, message, delegated, reply

    Goodays

      ok: the token is accepted, for the account brand-api
      ok: users can be looked up by their e-mail address
      ok: custom parameters of the account: transaction_date, transaction_time, title
      ok: samples of the account's events: response, message, delegated, reply

    Salesforce

      warning[S027]: this is a sandbox, and its agents' answers go to real customers
        = help: set `goodays.actions: observe` while you try things out

      ok: at most 20000 of the org's 100000 calls a day (20 %), about 8640 of them for polls
      ok: logged in to org 00DSm0000000004MAA, a sandbox at 127.0.0.1 as user 005Sm0000000001IAA, API version 66.0
      ok: statuses that close a Case: Closed, Closed by phone
      ok: mappings/case.yaml: 12 fields of Case are there and take what is written
      ok: mappings/comment.yaml: 3 fields of CaseComment are there and take what is written
      ok: mappings/actions.yaml: 10 fields of Case can be read, 2 feedback fields can be written
      ok: the mappings hold on 4 samples of Goodays
      ok: the queries that polls ask run
      ok: Case records of other people can be seen
      ok: CaseComment records of other people can be seen

    no errors, 1 warning.
    Ready to run, once you have looked at the warnings.
    What to do:
      1. set `goodays.actions: observe` while you try things out
    What check cannot see, so look yourself:
      - Salesforce: whether the integration user sees all Cases. Without "View All" on Case, polls silently miss agents' work.
      - Salesforce: auto-response rules, workflow mails and case-comment notifications. Any of them may write to a customer whom Goodays writes to already.
      - Salesforce: validation rules, flows, triggers and duplicate rules. What they refuse shows at the first Case.
      - Salesforce: whether agents may edit the fields that actions.yaml reads, and have them on their page.
      - Salesforce: whether a record type that the mappings name is assigned to the integration user. If not, Salesforce takes its default.
      - Both: values that expressions give. `plan` shows them for an event; the log names what was left out.
      - Goodays: whether agents have a Goodays user with their Salesforce address, and whether `goodays.places` are right.
      - Goodays: whether the webhook leads here with our secret. Goodays' staff set it; the first event proves it.
    "#);
}

fn refusal(status: u16, body: &str) -> Act {
    Act::Answer { status, body: body.into(), content_type: None, headers: std::collections::BTreeMap::new() }
}

#[tokio::test]
async fn offline_looks_at_all_files_and_needs_no_secrets() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("connector.yaml");
    assert_eq!(check::offline(&shipped).exit_code(), 0);
    let world = World::new().await;
    world.edit("connector.yaml", "secrets: [s]", "signature: off");
    world.edit("mappings/case.yaml", "response.place.name", "response.plaice.name");
    world.edit("mappings/actions.yaml", "do: spam", "do: spm");
    let report = check::offline(&world.dir.path().join("connector.yaml"));
    assert_eq!(report.exit_code(), 2);
    assert!(world.org.wire().requests().is_empty());
    insta::assert_snapshot!(world.plain(&report.render()), @r#"
    Configuration

      warning[C010]: webhooks are not verified: whoever knows the address can make Cases
       --> connector.yaml:4:25
        |
      4 |   webhook: { signature: off }
        |                         ^^^
        |
        = help: agree on a secret with Goodays and set `signature: hmac-sha256`

      ok: connector.yaml can be read

    Mappings

      error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `spm`
        --> mappings/actions.yaml:24:11
         |
      24 |   - { do: spm,   on: case, when: "case.Goodays_Command__c == 'spam'" }
         |           ^^^
         |
         = help: did you mean `spam`?

      error[M006]: `do` can be `answer`, `spam`, `call` or `close`, not `spm`
        --> mappings/actions.yaml:27:11
         |
      27 |   - { do: spm,   on: case, when: "case.Status == 'Spam'" }
         |           ^^^
         |
         = help: did you mean `spam`?

      error[M009]: `response` has no `plaice`
        --> mappings/case.yaml:32:72
         |
      32 |     template: "{{ response.message.type or 'Feedback' }} - {{ response.plaice.name }}"
         |                                                                        ^^^^^^
         |
         = help: did you mean `place`?


    3 errors, 1 warning.
    The files cannot be used as they are; a running daemon keeps its last good mappings.
    What to do:
      1. mappings/actions.yaml:24:11, mappings/actions.yaml:27:11: did you mean `spam`?
      2. mappings/case.yaml:32:72: did you mean `place`?
      3. connector.yaml:4:25: agree on a secret with Goodays and set `signature: hmac-sha256`
    "#);
    insta::assert_json_snapshot!(json!(report)["findings"][2], @r#"
    {
      "severity": "error",
      "area": "mapping",
      "code": "M006",
      "message": "`do` can be `answer`, `spam`, `call` or `close`, not `spm`",
      "help": "did you mean `spam`?",
      "at": "mappings/actions.yaml:24:11"
    }
    "#);
}

/// Each code that a remote can cause occurs in a test above or in one of its snapshots.
#[test]
fn every_code_is_tested() {
    let tests = [
        include_str!("check.rs"),
        include_str!("check/database.rs"),
        include_str!("check/customers.rs"),
        include_str!("check/fields.rs"),
        include_str!("../../src/check/database.rs"),
        include_str!("check/org.rs"),
        include_str!("check/remotes.rs"),
        // Only a running daemon knows edits.
        include_str!("mapping/edited.rs"),
        // The environment is the whole process's.
        include_str!("cli.rs"),
    ];
    let tests = tests.concat();
    let missing: Vec<_> = check::codes().iter().filter(|code| !tests.contains(**code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
