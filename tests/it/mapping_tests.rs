//! `test`, `check --offline` and `plan --update`: the mapping tests of those who edit the mappings.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with the shipped files, and with one text of one mapping replaced.
fn set_up(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(format!("{ROOT}/connector.yaml"), dir.path().join("connector.yaml")).unwrap();
    copy(&Path::new(ROOT).join("mappings"), &dir.path().join("mappings"));
    copy(&Path::new(ROOT).join("mappings/tests"), &dir.path().join("mappings/tests"));
    let file = dir.path().join("mappings").join(file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(file, text.replace(from, to)).unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Exit code and standard output.
fn said(dir: &tempfile::TempDir, args: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("goodays-salesforce").unwrap();
    let output = { output }.current_dir(dir.path()).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_shipped_tests_pass() {
    let dir = set_up("case.yaml", "object: Case", "object: Case");
    let shipped = fs::read_dir(format!("{ROOT}/mappings/tests")).unwrap().count();
    assert_eq!(said(&dir, &["test"]), (0, format!("{shipped} passed, 0 failed\n")));
    let (code, check) = said(&dir, &["check", "--offline"]);
    assert!(code == 0 && check.contains(&format!("{shipped} mapping tests pass")), "{check}");
}

#[test]
fn a_difference_is_shown_with_the_rules_line() {
    let dir = set_up("case.yaml", r#""0..6": High, "7..8": Medium"#, r#""0..1": High, "2..8": Medium"#);
    let (code, text) = said(&dir, &["test"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(text, @r#"
    FAILED mappings/tests/new-feedback.yaml: Feedback with a low score becomes a new, urgent Case.

      Priority, expected at mappings/tests/new-feedback.yaml:26
        by the rule at mappings/case.yaml:41: from: "answer(type='nps')"
        - High
        + Medium

    3 passed, 1 failed
    "#);
    let (code, text) = said(&dir, &["check", "--offline"]);
    assert_eq!(code, 0, "no feedback waits for it");
    let line = "warning[T001]: mappings/tests/new-feedback.yaml:26: Priority: expected \"High\", found \"Medium\" \
                by the rule at mappings/case.yaml:41";
    assert!(text.contains(line), "{text}");
}

#[test]
fn an_action_that_another_rule_takes_is_shown() {
    let dir = set_up("actions.yaml", "when: comment.IsPublished", "when: \"true\"");
    let (code, text) = said(&dir, &["test"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(text, @r"
    FAILED mappings/tests/agents.yaml: What agents do on a Case, and what goes to Goodays.

      action 6, expected at mappings/tests/agents.yaml:19
        by the rule at mappings/actions.yaml:26: - { do: answer, on: comment, content: comment.CommentBody, remark_type: case.Goodays_Remark_Type__c }
        - nothing
        + answer

    3 passed, 1 failed
    ");
}

#[test]
fn a_field_that_only_a_new_case_gets_is_missed_when_it_is_written_later() {
    let dir = set_up("case.yaml", "    on: create\n  Description", "  Description");
    let file = dir.path().join("mappings/tests/customer-writes-again.yaml");
    let text = fs::read_to_string(&file).unwrap().replacen("name: Lyon Part-Dieu", "name: Paris", 1);
    // The earlier event came from another shop, so the subject would change.
    fs::write(&file, text.replace("place: *place", "place: { name: Lyon Part-Dieu }")).unwrap();
    let (code, text) = said(&dir, &["test"]);
    assert!(code == 1 && text.contains("- (not written)\n    + Problem - Lyon Part-Dieu\n"), "{text}");
}

#[test]
fn a_mistake_in_a_test_is_shown_at_its_place() {
    let dir = set_up("tests/no-score.yaml", "  case: new", "  caes: new");
    let (code, text) = said(&dir, &["test"]);
    assert!(code == 1 && text.contains("Y003") && text.contains("did you mean `case`?"), "{text}");
    assert!(text.ends_with("3 passed, 1 failed\n"), "{text}");
    let dir = set_up("tests/no-score.yaml", "event:\n", "event: none.json\nevents:\n");
    let (code, text) = said(&dir, &["test"]);
    assert!(code == 1 && text.contains("T002") && text.contains("`none.json` cannot be read"), "{text}");
    let dir = set_up("tests/no-score.yaml", "expect:", "expected:");
    let (code, text) = said(&dir, &["check", "--offline"]);
    assert!(code == 0 && text.contains("`event` and `expect` belong together"), "{text}");
    assert_eq!(said(&dir, &["test"]).0, 1);
}

/// A test that passes whatever the mappings say is a mistake.
#[test]
fn a_test_that_tests_nothing_is_told() {
    let told = |from: &str, to: &str, why: &str| {
        let dir = set_up("tests/no-score.yaml", from, to);
        let (code, text) = said(&dir, &["test"]);
        assert!(code == 1 && text.contains("T002") && text.contains(why), "{to}: {text}");
        assert!(text.ends_with("3 passed, 1 failed\n"), "{to}: {text}");
    };
    told("  response:\n", "  respnse:\n", "this is no event of Goodays");
    told("    id: ExampleId1\n", "    di: ExampleId1\n", "this is no event of Goodays");
    told("    Description: null", "    Descripton: null", "did you mean `Description`?");
    told("  case: new\n", "  case: new\n  comments: [{ CommentBdy: null }]\n", "did you mean `CommentBody`?");
    let expect = "  case: new\n  fields:\n    Subject: Feedback - Lyon Part-Dieu\n    Description: null\n    SuppliedName: Alex\n    Priority: Medium\n";
    told(&format!("expect:\n{expect}"), "expect: {}\n", "`expect` names nothing");
    let actions =
        "expect: { case: new }\nactions: [{ case: { Status: Spam }, expect: { do: spam, contnt: null } }]\n";
    told(&format!("expect:\n{expect}"), actions, "did you mean `content`?");
}

#[test]
fn a_test_with_another_ending_is_told() {
    let dir = set_up("case.yaml", "object: Case", "object: Case");
    let tests = dir.path().join("mappings/tests");
    fs::copy(tests.join("agents.yaml"), tests.join("agents-2.yml")).unwrap();
    fs::write(tests.join("event.json"), "{}").unwrap();
    let (code, text) = said(&dir, &["test"]);
    assert!(code == 1 && text.contains("`agents-2.yml` is not run"), "{text}");
    assert!(!text.contains("event.json"), "{text}");
}

#[test]
fn an_update_writes_a_test_without_personal_details() {
    let dir = set_up("case.yaml", "object: Case", "object: Case");
    let event = format!("{ROOT}/tests/fixtures/goodays/message_first.json");
    let (code, file) = said(&dir, &["plan", &event, "--update", "from-a-message"]);
    assert_eq!((code, file.trim()), (0, "mappings/tests/from-a-message.yaml"));
    let text = fs::read_to_string(dir.path().join(file.trim())).unwrap();
    for words in [
        "chester",
        "copperpot",
        "jennifer",
        "parker",
        "backpack",
        "frustrating",
        "email protected",
        "vdopl1nj74l",
    ] {
        assert!(!text.to_lowercase().contains(words), "{words} is in {text}");
    }
    assert!(text.contains("recommanderiez-vous"), "the survey's question stays");
    let (code, results) = said(&dir, &["test"]);
    assert!(code == 0 && results == "5 passed, 0 failed\n", "{results}");
    // It notices an edit, and can be written anew.
    let case = dir.path().join("mappings/case.yaml");
    let edited = fs::read_to_string(&case).unwrap().replace("'Feedback' }} - ", "'Feedback' }}: ");
    fs::write(&case, edited).unwrap();
    assert_eq!(said(&dir, &["test"]).0, 1);
    assert_eq!(said(&dir, &["plan", &event, "--update", "from-a-message"]).0, 0);
    let (_, results) = said(&dir, &["test"]);
    assert!(!results.contains("from-a-message"), "{results}");
    // What a person wrote is not overwritten.
    assert_eq!(said(&dir, &["plan", &event, "--update", "no-score"]).0, 2);
    assert_eq!(said(&dir, &["plan", &event, "--update", "../case"]).0, 2);
}
