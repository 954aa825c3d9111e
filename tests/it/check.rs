//! `check` against both simulators: what is wrong in an org or an account is told, with its place and its remedy.

#![expect(clippy::unwrap_used, reason = "a test may fail at once, in its helpers too")]

use std::path::Path;

use goodays_salesforce::check::{self, Report, Severity};

use goodays_salesforce::sim::goodays::{self, Goodays};
use goodays_salesforce::sim::salesforce::schema::{Field, Kind};
use goodays_salesforce::sim::salesforce::{self, Salesforce};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;
use tokio::net::TcpListener;

/// Both remotes and the files of an admin.
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

    /// Changes a file.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    fn set(&self, settings: &serde_json::Value) {
        self.org.change_settings(settings).unwrap();
    }

    /// Both remotes are asked, and only asked; no secret is shown.
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

    /// Errors and warnings: code, place, message. A sandbox that sends is what all of these worlds are.
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

    /// Without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
            .replace(&self.org.url(), "http://SALESFORCE")
            .replace(&self.goodays.url(), "http://GOODAYS")
            .replace(shipped_version(), "VERSION")
    }
}

/// The version of the shipped mappings, which each edit of theirs moves.
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

/// The line of the shipped mapping behind which tests put their own.
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
      ok: mappings/case.yaml: 11 fields of Case are there and take what is written
      ok: mappings/comment.yaml: 3 fields of CaseComment are there and take what is written
      ok: mappings/actions.yaml: 6 fields of Case can be read, 2 feedback fields can be written
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
      - Goodays: whether the webhook leads here with our secret. Goodays' staff set it; the first event proves it.
    "#);
}

#[tokio::test]
async fn fields_that_are_missing_hidden_or_read_only_are_told_where_they_stand() {
    let world = World::new().await;
    world.set(&json!({
        "hidden_fields": ["Case.SuppliedPhone"],
        "read_only_fields": ["Case.Origin", "Case.Goodays_Sync_Error__c"],
    }));
    world.edit("mappings/case.yaml", "  SuppliedName:", "  SuppliedNam:");
    let report = world.check().await;
    assert_eq!(report.exit_code(), 1);
    let salesforce = world.plain(&report.render());
    let salesforce = salesforce.split_once("Salesforce\n").expect("as arranged").1;
    let until = salesforce.find("What check cannot see").expect("as arranged");
    insta::assert_snapshot!(&salesforce[..until], @r#"
      error[S006]: Case has no field `SuppliedNam` that the integration user can see
        --> mappings/case.yaml:36:3
         |
      36 |   SuppliedNam:  { template: "{{ response.user.first_name }} {{ response.user.last_name }}" }
         |   ^^^^^^^^^^^
         |
         = help: did you mean `SuppliedName`? Otherwise: if Salesforce has it, give the integration user's permission set Read access to the field; else create it, or correct the name

      error[S006]: Case has no field `SuppliedPhone` that the integration user can see
        --> mappings/case.yaml:38:3
         |
      38 |   SuppliedPhone: { from: response.context.phone }
         |   ^^^^^^^^^^^^^
         |
         = help: every org has this field, so it is hidden: give the integration user's permission set Read and Edit access to it

      error[S007]: the integration user can't write Case.Origin
        --> mappings/case.yaml:39:3
         |
      39 |   Origin:        { value: Goodays, on: create }
         |   ^^^^^^
         |
         = help: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)

      error[S007]: the integration user can't write Case.Goodays_Sync_Error__c
        --> mappings/actions.yaml:26:61
         |
      26 |   sent:     { Goodays_Sync_Status__c: "Sent: {{ action }}", Goodays_Sync_Error__c: "{{ reason }}" }
         |                                                             ^^^^^^^^^^^^^^^^^^^^^
         |
         = help: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)

      warning[S027]: this is a sandbox, and its agents' answers go to real customers
        = help: set `goodays.actions: observe` while you try things out

      ok: at most 20000 of the org's 100000 calls a day (20 %), about 8640 of them for polls
      ok: logged in to org 00DSm0000000004MAA, a sandbox at 127.0.0.1 as user 005Sm0000000001IAA, API version 66.0
      ok: statuses that close a Case: Closed, Closed by phone
      ok: mappings/comment.yaml: 3 fields of CaseComment are there and take what is written
      ok: the mappings hold on 4 samples of Goodays
      ok: the queries that polls ask run
      ok: Case records of other people can be seen
      ok: CaseComment records of other people can be seen

    4 errors, 1 warning.
    Not ready: with these errors feedback waits, or fields are left out.
    What to do:
      1. Case.SuppliedNam: did you mean `SuppliedName`? Otherwise: if Salesforce has it, give the integration user's permission set Read access to the field; else create it, or correct the name
      2. Case.SuppliedPhone: every org has this field, so it is hidden: give the integration user's permission set Read and Edit access to it
      3. Case.Origin, Case.Goodays_Sync_Error__c: give the integration user's permission set Edit access to the field (a formula or a system field can't be written at all: remove its rule)
      4. set `goodays.actions: observe` while you try things out
    "#);
}

#[tokio::test]
async fn values_that_do_not_fit_their_field() {
    let world = World::new().await;
    world.set(&json!({"restricted_picklists": ["Case.Priority"]}));
    world.org.set_field("Case", field("Vip__c", Kind::Boolean)).unwrap();
    world.org.set_field("Case", Field { length: 4, ..field("Short__c", Kind::Text) }).unwrap();
    world.org.set_field("Case", Field { update: false, ..field("Once__c", Kind::Text) }).unwrap();
    world.edit("mappings/case.yaml", "\"0..6\": High", "\"0..6\": Urgent");
    world.edit("mappings/case.yaml", "value: Goodays, on: create", "value: Goodies, on: create");
    let more = "  Vip__c: { value: maybe }\n  Short__c: { value: much too long }\n  Once__c: { from: response.source }\n";
    world.edit("mappings/case.yaml", LAST, &format!("{more}{LAST}"));
    insta::assert_snapshot!(world.found().await, @"
    warning S012 mappings/case.yaml:39:3: the picklist `Origin` does not know `Goodies`
    error S011 mappings/case.yaml:40:3: the restricted picklist `Priority` does not know `Urgent`
    error S009 mappings/case.yaml:48:3: `maybe` is neither true nor false, as asked for by `Vip__c` (boolean)
    warning S010 mappings/case.yaml:49:3: `much too long` is longer than the 4 characters of `Short__c`
    warning S008 mappings/case.yaml:50:3: Case.Once__c can be set when the record is made, but not changed afterwards
    exit 1
    ");
}

#[tokio::test]
async fn what_a_new_case_needs() {
    let world = World::new().await;
    world.set(&json!({"required_fields": ["Case.Type", "Case.SuppliedPhone", "Case.Status"]}));
    insta::assert_snapshot!(world.found().await, @"
    warning S014 mappings/case.yaml:38:3: Case needs `SuppliedPhone`, and this rule may give nothing: then no record is made
    error S013 mappings/case.yaml:30:1: Case needs `Type`, and no rule writes it
    exit 1
    ");
}

#[tokio::test]
async fn key_and_marker_are_as_they_must_be() {
    let world = World::new().await;
    let key = Field { length: 20, ..field("Goodays_Response_Id__c", Kind::Text) };
    world.org.set_field("Case", key.clone()).unwrap();
    world
        .org
        .set_field("Case", Field { length: 255, ..field("Goodays_Message_Ids__c", Kind::Text) })
        .unwrap();
    insta::assert_snapshot!(world.found().await, @"
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` is no External ID
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` is not unique
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` holds 20 characters
    error S016 mappings/case.yaml:26:9: the marker `Goodays_Message_Ids__c` is a string, no long text area
    exit 1
    ");
    let key = Field { external_id: true, unique: true, length: 64, ..key };
    world.org.set_field("Case", key).unwrap();
    world.org.set_field("Case", long_text("Goodays_Message_Ids__c", 1000)).unwrap();
    world.set(&json!({"read_only_fields": ["Case.Goodays_Message_Ids__c"]}));
    insta::assert_snapshot!(world.found().await, @"
    error S015 mappings/case.yaml:25:15: the key field `Goodays_Response_Id__c` does not tell `a` from `A`
    warning S016 mappings/case.yaml:26:9: the marker `Goodays_Message_Ids__c` holds only 1000 characters
    error S007 mappings/case.yaml:26:9: the integration user can't write Case.Goodays_Message_Ids__c
    exit 1
    ");
    world.org.set_field("Case", field("Goodays_Response_Id__c", Kind::Number)).unwrap();
    assert!(world.found().await.contains("the key field `Goodays_Response_Id__c` is a double"));
}

#[tokio::test]
async fn relations_are_followed() {
    let world = World::new().await;
    let mut said = Vec::new();
    for relation in
        ["Store__r.Partner_Id__c", "Store__r.Region_Code__c", "Store__r.Name", "Store__r.Nme", "Stor__r.X__c"]
    {
        let rule = format!("  {relation}: {{ from: response.place.partner_id }}\n");
        world.edit("mappings/case.yaml", LAST, &format!("{rule}{LAST}"));
        said.push(format!("{relation}\n{}\n", world.found().await));
        world.edit("mappings/case.yaml", &rule, "");
    }
    insta::assert_snapshot!(said.join("\n"), @"
    Store__r.Partner_Id__c
    exit 0

    Store__r.Region_Code__c
    warning S018 mappings/case.yaml:48:3: `Store__r.Region_Code__c` may find two records: `Region_Code__c` is not unique
    exit 0

    Store__r.Name
    error S018 mappings/case.yaml:48:3: `Store__r.Name` finds nothing: `Name` is not marked as an External ID
    exit 1

    Store__r.Nme
    error S006 mappings/case.yaml:48:3: Store__c has no field `Nme` that the integration user can see
    exit 1

    Stor__r.X__c
    error S017 mappings/case.yaml:48:3: Case has no relation `Stor__r` that the integration user can see
    exit 1
    ");
}

#[tokio::test]
async fn what_polls_read_and_agents_are_told() {
    let world = World::new().await;
    world.set(
        &json!({"hidden_fields": ["Case.Goodays_Call_Note__c", "User.Email", "Case.Goodays_Sync_Error__c"]}),
    );
    world.org.set_field("Case", Field { length: 20, ..field("Goodays_Sync_Status__c", Kind::Text) }).unwrap();
    world.edit(
        "mappings/actions.yaml",
        "case.Status == 'Spam'",
        "case.Status == 'Spm' or case.Status in ['New', 'Neu']",
    );
    insta::assert_snapshot!(world.found().await, @"
    error S019 mappings/actions.yaml:21:77: Case has no field `Goodays_Call_Note__c` that the integration user can see, so polls would fail
    error S019 mappings/actions.yaml:8:17: User has no field `Email` that the integration user can see, so polls would fail
    error S019 mappings/actions.yaml:13:17: User has no field `Email` that the integration user can see, so polls would fail
    error S021 mappings/actions.yaml:20:52: `Status` never is `Spm` in this org, so this never holds
    error S021 mappings/actions.yaml:20:84: `Status` never is `Neu` in this org, so this never holds
    error S006 mappings/actions.yaml:26:61: Case has no field `Goodays_Sync_Error__c` that the integration user can see
    warning S020 mappings/actions.yaml:26:15: `Goodays_Sync_Status__c` holds 20 characters: what an agent is told would be cut
    error S023: the query that polls ask of Case is refused (INVALID_FIELD)
    error S023: the query that polls ask of CaseComment is refused (INVALID_FIELD)
    exit 1
    ");
}

#[tokio::test]
async fn what_only_the_query_itself_can_tell() {
    let world = World::new().await;
    world.edit("mappings/actions.yaml", "fields: [Status,", "fields: [Owner.Bogus__c, Status,");
    insta::assert_snapshot!(world.found().await, @"
    error S023: the query that polls ask of Case is refused (INVALID_FIELD)
    exit 1
    ");
}

#[tokio::test]
async fn objects_out_of_sight() {
    let world = World::new().await;
    world.set(&json!({"hidden_objects": ["CaseComment", "CaseStatus"]}));
    insta::assert_snapshot!(world.found().await, @"
    error S005: the integration user can't see the object CaseComment
    warning S005: the list of Case statuses can't be read; only `Closed` counts as closed
    error S023: the query that polls ask of CaseComment is refused (INVALID_TYPE)
    error S022: records of CaseComment can't be read
    exit 1
    ");
}

#[tokio::test]
async fn an_org_in_which_nobody_else_is_seen() {
    let world = World::new().await;
    world.org.reset();
    insta::assert_snapshot!(world.found().await, @"
    warning S022: no Case made by anybody else can be seen
    warning S022: no CaseComment made by anybody else can be seen
    exit 0
    ");
}

#[tokio::test]
async fn customers_are_not_mailed_twice() {
    let world = World::new().await;
    world.org.set_field("CaseComment", field("IsNotificationSelected", Kind::Boolean)).unwrap();
    world.edit("mappings/comment.yaml", "value: false", "value: true");
    insta::assert_snapshot!(world.found().await, @"
    warning S025 mappings/comment.yaml:14:3: imported comments are published: the customer may be mailed what Goodays told him already, and portal users read it
    warning S025 mappings/comment.yaml:14:3: this org can mail customers when a comment is published; agents' answers would reach them twice
    exit 0
    ");
}

#[tokio::test]
async fn logins_that_fail_say_what_an_admin_has_to_do() {
    let world = World::new().await;
    let mut said = Vec::new();
    for settings in [json!({"run_as": false}), json!({"not_my_domain": true})] {
        world.set(&settings);
        let report = world.check().await;
        let of = |code: &str| report.findings.iter().find(|one| one.code == code).cloned();
        said.push((of("S001").expect("as arranged").help.expect("as arranged"), report.exit_code()));
    }
    world.set(&json!({"run_as": true, "not_my_domain": false}));
    world.edit("connector.yaml", SECRET, "another");
    let report = world.check().await;
    let first = report.findings.iter().find(|one| one.code == "S001").expect("as arranged");
    said.push((first.help.clone().expect("as arranged"), report.exit_code()));
    insta::assert_debug_snapshot!(said, @r#"
    [
        (
            "set the Run-As user in the app's client credentials policy (invalid_grant)",
            1,
        ),
        (
            "use the org's My Domain address as salesforce.login_url (invalid_grant)",
            1,
        ),
        (
            "check salesforce.auth.client_secret: it is wrong or missing (invalid_client)",
            1,
        ),
    ]
    "#);
}

#[tokio::test]
async fn an_api_version_that_the_org_does_not_have() {
    let world = World::new().await;
    world
        .org
        .wire()
        .fault(Fault::once("/limits", refusal(404, r#"[{"errorCode":"NOT_FOUND","message":"m"}]"#)));
    insta::assert_snapshot!(world.found().await, @"
    error S004: this org has no API version 66.0
    exit 1
    ");
    world.org.wire().fault(Fault::once(
        "/limits",
        refusal(403, r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"m"}]"#),
    ));
    insta::assert_snapshot!(world.found().await, @"
    error S001: Salesforce does not let us in (API_DISABLED_FOR_ORG)
    exit 1
    ");
    world
        .org
        .wire()
        .fault(Fault::once("/limits", refusal(400, r#"[{"errorCode":"SOMETHING","message":"m"}]"#)));
    insta::assert_snapshot!(world.found().await, @"
    error S003: Salesforce refuses the question for the org's limits (status 400 SOMETHING)
    exit 1
    ");
}

fn refusal(status: u16, body: &str) -> Act {
    Act::Answer { status, body: body.into(), content_type: None, headers: std::collections::BTreeMap::new() }
}

#[tokio::test]
async fn a_remote_out_of_reach_is_no_fault_of_the_files() {
    let world = World::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    world.edit("connector.yaml", &world.org.url(), &nowhere);
    let found = world.found().await.replace(&nowhere, "http://NOWHERE");
    assert!(
        found.contains("error S002: the login: Salesforce cannot be reached: not sent")
            && found.ends_with("exit 3"),
        "{found}"
    );
    world.edit("connector.yaml", &nowhere, &world.org.url());
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/v2/", refusal(502, "<html>")) });
    insta::assert_snapshot!(world.found().await, @"
    error G002: GET /session: Goodays cannot be reached: no answer: status 502
    exit 3
    ");
}

#[tokio::test]
async fn what_goodays_says() {
    let world = World::new().await;
    let rule = "  SuppliedCompany: { from: \"response.context.extra.transaction_dat or response.context.extra['title']\" }\n";
    world.edit("mappings/case.yaml", LAST, &format!("{rule}{LAST}"));
    world.edit("connector.yaml", "  webhook:", "  default_user: nobody\n  actions: observe\n  webhook:");
    let answer = refusal(403, r#"{"detail":"You do not have permission."}"#);
    world.goodays.wire().fault(Fault::once("/v2/users?email", answer));
    world.goodays.wire().fault(Fault::once("/v2/events", refusal(200, "[]")));
    insta::assert_snapshot!(world.found().await, @"
    error G003: Goodays refuses GET /users (status 403)
    error G005: Goodays has no user nobody, which `default_user` names
    warning G004 mappings/case.yaml:48:52: Goodays lists no custom parameter `transaction_dat`
    warning G007: Goodays gives no sample of its events
    warning G008: `goodays.actions` is `observe`: no answer goes to customers
    exit 1
    ");
    world.goodays.add_user("nobody", "reader@acme.example", true);
    assert!(world.found().await.contains("error G006: `default_user` nobody may only read"));
    world.goodays.add_user("nobody", "reader@acme.example", false);
    assert!(!world.found().await.contains("default_user"));
    world.edit("connector.yaml", "token: goodays", "token: badays");
    insta::assert_snapshot!(world.found().await, @"
    error G001: Goodays does not let us in (403)
    warning G008: `goodays.actions` is `observe`: no answer goes to customers
    exit 1
    ");
}

#[tokio::test]
async fn the_mappings_are_tried_on_goodays_own_samples() {
    let world = World::new().await;
    world.org.set_field("Case", field("Visit__c", Kind::Date)).unwrap();
    world.edit("mappings/case.yaml", LAST, &format!("  Visit__c: {{ from: response.place.name }}\n{LAST}"));
    insta::assert_snapshot!(world.found().await, @"
    warning S028 mappings/case.yaml:48:13: on Goodays' own sample `response`, Visit__c: left out: no date
    exit 0
    ");
}

#[tokio::test]
async fn the_share_of_the_orgs_calls() {
    let world = World::new().await;
    world.org.set_daily_limit(15_000, 0);
    insta::assert_snapshot!(world.found().await, @"
    error S026: `api_calls_per_day` is 20000, the whole org has 15000 calls a day
    exit 1
    ");
    world.org.set_daily_limit(30_000, 25_000);
    insta::assert_snapshot!(world.found().await, @"
    warning S026: `api_calls_per_day` is 20000, 67 % of the org's 30000
    warning S026: only 4999 of the org's 30000 calls are left for now
    exit 0
    ");
    world.org.set_daily_limit(1_000_000, 0);
    world.edit("connector.yaml", "goodays:", "poll: { interval: 2s }\ngoodays:");
    insta::assert_snapshot!(world.found().await, @"
    error S026: a poll every 2 s takes 43200 calls a day, of the 20000 that `api_calls_per_day` allows
    exit 1
    ");
}

#[tokio::test]
async fn assignment_by_a_rule_that_cannot_be_seen() {
    let world = World::new().await;
    world.edit("mappings/case.yaml", "assignment: create", "assignment: 01Q000000000001AAA");
    insta::assert_snapshot!(world.found().await, @"
    warning S024: the assignment rule 01Q000000000001AAA can't be seen
    exit 0
    ");
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
        --> mappings/actions.yaml:20:11
         |
      20 |   - { do: spm,   on: case, when: "case.Status == 'Spam'" }
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


    2 errors, 1 warning.
    The files cannot be used as they are; a running daemon keeps its last good mappings.
    What to do:
      1. mappings/actions.yaml:20:11: did you mean `spam`?
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
      "at": "mappings/actions.yaml:20:11"
    }
    "#);
}

/// Each code that a remote can cause stands in a test above, or in one of its snapshots.
#[test]
fn every_code_is_tested() {
    let tests = include_str!("check.rs");
    let missing: Vec<_> = check::codes().iter().filter(|code| !tests.contains(**code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
