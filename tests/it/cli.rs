//! The binary as people use it: help, exit codes, messages that say what to do.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

fn bin() -> Command {
    let mut command = Command::cargo_bin("goodays-salesforce").unwrap();
    for name in
        ["GOODAYS_TOKEN", "GOODAYS_WEBHOOK_SECRET", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"]
    {
        command.env_remove(name);
    }
    command
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// A folder with the shipped files, on free ports.
fn set_up() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let yaml = fs::read_to_string(root.join("connector.yaml")).unwrap();
    let yaml = yaml.replace("0.0.0.0:8080", "127.0.0.1:0").replace("127.0.0.1:9464", "127.0.0.1:0");
    fs::write(dir.path().join("connector.yaml"), yaml).unwrap();
    fs::create_dir(dir.path().join("mappings")).unwrap();
    for file in ["case.yaml", "comment.yaml", "actions.yaml"] {
        fs::copy(root.join("mappings").join(file), dir.path().join("mappings").join(file)).unwrap();
    }
    dir
}

fn with_secrets(command: &mut Command) -> &mut Command {
    command
        .env("GOODAYS_TOKEN", "t")
        .env("GOODAYS_WEBHOOK_SECRET", "s")
        .env("SALESFORCE_CLIENT_ID", "i")
        .env("SALESFORCE_CLIENT_SECRET", "x")
}

#[test]
fn help_has_examples_for_each_main_command() {
    let text = stdout(&bin().arg("--help").assert().success());
    for word in
        ["run", "demo", "check", "plan", "status", "parked", "retry", "sim", "Examples:", "Exit codes"]
    {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    for command in ["run", "demo", "check", "plan", "sim", "retry", "sweep", "apply-actions", "forget"] {
        let text = stdout(&bin().args([command, "--help"]).assert().success());
        assert!(text.contains("Example"), "{command} has no example");
    }
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    bin().arg("sing").assert().code(2);
}

#[test]
fn missing_variables_are_all_named_at_once() {
    let dir = set_up();
    let said = stderr(&bin().current_dir(dir.path()).arg("run").assert().code(2));
    for name in
        ["GOODAYS_TOKEN", "GOODAYS_WEBHOOK_SECRET", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"]
    {
        assert!(said.contains(name), "{name} is missing in\n{said}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
    let dir = set_up();
    let file = dir.path().join("connector.yaml");
    let yaml = fs::read_to_string(&file).unwrap().replace("max_body_bytes", "max_body_byte");
    fs::write(&file, yaml).unwrap();
    let mut command = bin();
    let said = stderr(&with_secrets(&mut command).current_dir(dir.path()).arg("run").assert().code(2));
    assert!(said.contains("max_body_byte") && said.contains("max_body_bytes"), "{said}");
    assert!(said.contains("connector.yaml:"), "{said}");
}

#[test]
fn a_missing_file_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let said = stderr(&bin().current_dir(dir.path()).arg("run").assert().code(2));
    assert!(said.contains("/etc/goodays-salesforce/connector.yaml") && said.contains("-c"), "{said}");
    let said = stderr(&bin().args(["status", "-c", "nowhere.yaml"]).assert().code(2));
    assert!(said.contains("nowhere.yaml") && !said.contains("/etc/"), "{said}");
}

/// A watchdog starts a daemon on 5, so 5 is only for one that surely does not run.
#[test]
fn f03_an_address_that_cannot_be_read_is_no_missing_daemon() {
    let dir = set_up();
    let none = bin().current_dir(dir.path()).arg("status").assert().code(5);
    assert!(stderr(&none).contains("no running daemon was found"), "{}", stderr(&none));
    fs::create_dir_all(dir.path().join("state/admin.addr")).unwrap();
    let unread = bin().current_dir(dir.path()).arg("status").assert().code(2);
    assert!(stderr(&unread).contains("admin.addr cannot be read (is a directory)"), "{}", stderr(&unread));
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/goodays/response.json");
    let plan = bin().current_dir(dir.path()).args(["plan", plan]).assert().success();
    assert!(stderr(&plan).contains("whether a daemon runs is not known"), "{}", stderr(&plan));
}

#[test]
fn c19_a_variable_that_names_no_proxy_is_told_without_its_value() {
    let dir = set_up();
    let mut command = bin();
    let check = with_secrets(&mut command)
        .current_dir(dir.path())
        .arg("check")
        .env("HTTPS_PROXY", "http://me:geheim@[");
    let said = stdout(&check.assert());
    assert!(said.contains("C019") && said.contains("`HTTPS_PROXY`") && !said.contains("geheim"), "{said}");
}

#[test]
fn a_folder_without_an_event_is_told() {
    let dir = set_up();
    let events = dir.path().join("events");
    fs::create_dir(&events).unwrap();
    fs::write(events.join("event.txt"), "{}").unwrap();
    let plan = bin().current_dir(dir.path()).args(["plan", "events"]).assert().code(2);
    assert!(stderr(&plan).contains("the folder events holds no event"), "{}", stderr(&plan));
}

#[test]
fn a_taken_port_is_named() {
    let dir = set_up();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let file = dir.path().join("connector.yaml");
    let yaml = fs::read_to_string(&file).unwrap().replacen("127.0.0.1:0", &addr, 1);
    fs::write(&file, yaml).unwrap();
    let mut command = bin();
    let said = stderr(&with_secrets(&mut command).current_dir(dir.path()).arg("run").assert().code(2));
    assert!(said.contains(&addr), "{said}");
}

#[test]
fn a_state_that_is_no_folder_is_refused() {
    let dir = set_up();
    fs::write(dir.path().join("state"), "a file").unwrap();
    let mut command = bin();
    let said = stderr(&with_secrets(&mut command).current_dir(dir.path()).arg("run").assert().code(2));
    assert!(said.contains("state"), "{said}");
}

#[test]
fn bad_mappings_without_an_earlier_good_version_stop_the_start() {
    let dir = set_up();
    fs::write(dir.path().join("mappings/case.yaml"), "object: Case\nfeilds: {}\n").unwrap();
    let mut command = bin();
    let said = stderr(&with_secrets(&mut command).current_dir(dir.path()).arg("run").assert().code(2));
    assert!(said.contains("feilds") && said.contains("fields"), "{said}");
}

#[test]
fn status_without_a_daemon_says_so() {
    let dir = set_up();
    let said = stderr(&bin().current_dir(dir.path()).arg("status").assert().code(5));
    assert!(said.contains("no running daemon"), "{said}");
}

#[test]
fn a_sweep_begins_at_a_moment_a_day_or_a_span_before_now() {
    let dir = set_up();
    let sweep = |since: &str| bin().current_dir(dir.path()).args(["sweep", "--since", since]).assert();
    for since in ["2024-11-20T08:00:00Z", "2024-11-20", "48h"] {
        assert!(stderr(&sweep(since).code(5)).contains("no running daemon"), "{since}");
    }
    for since in ["yesterday", "2026-11", "20.11.2026"] {
        assert!(stderr(&sweep(since).code(2)).contains("write 2026-11-20T08:00:00Z"), "{since}");
    }
    for since in ["2999-01-01", "2999-01-01T08:00:00Z", "2999-01-01T08:00:00+02:00"] {
        assert!(stderr(&sweep(since).code(2)).contains("in the future"), "{since}");
    }
}

#[test]
fn who_is_forgotten_is_said_in_one_of_two_ways() {
    let dir = set_up();
    let forget = |args: &[&str], code| {
        stderr(&bin().current_dir(dir.path()).arg("forget").args(args).assert().code(code))
    };
    let said = forget(&[], 2);
    assert!(said.contains("--response <ID>") && said.contains("--email <ADDR>"), "{said}");
    let said = forget(&["--response", "r", "--email", "a@b.example"], 2);
    assert!(said.contains("cannot be used with"), "{said}");
    for one in [["--response", "r"], ["--email", "a@b.example"]] {
        assert!(forget(&one, 5).contains("no running daemon"), "{one:?}");
    }
}

#[test]
fn schemas_are_json() {
    for kind in ["connector", "case", "comment", "actions"] {
        let text = stdout(&bin().args(["schema", kind]).assert().success());
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(schema.get("$schema").is_some(), "{kind}");
    }
}
