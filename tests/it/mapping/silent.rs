//! Mistakes that were once accepted silently (part E of the faults, and A5). Each file of `tests/fixtures/mistakes/`
//! has some, and states below the line what `check --offline` finds there. Those that begin with `f_` are expressions
//! that fail or never hold.
//!
//! The first line names the file that it replaces. `#~ error M016 write "0..6"` below a line: severity, code, and a
//! part of the message or its help. Nothing else may be found. A folder holds files that are added to the shipped
//! ones; `expected` names the findings of each.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use goodays_salesforce::check::{self, Finding, Severity};

use super::ROOT;

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(ROOT).join("tests/fixtures/mistakes");
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "yaml"));
    all.sort();
    all
}

/// A folder with the shipped files, and an org's own address.
fn set_up() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("mappings")).unwrap();
    let connector = fs::read_to_string(Path::new(ROOT).join("connector.yaml")).unwrap();
    fs::write(dir.path().join("connector.yaml"), connector.replace("//acme.", "//shop.")).unwrap();
    let shipped = ["mappings/case.yaml", "mappings/comment.yaml", "mappings/actions.yaml"];
    let keys = ["ec.pem", "encrypted.pem", "certificate.pem"];
    for name in shipped {
        fs::copy(Path::new(ROOT).join(name), dir.path().join(name)).unwrap();
    }
    for name in keys {
        fs::copy(Path::new(ROOT).join("tests/fixtures/mistakes").join(name), dir.path().join(name)).unwrap();
    }
    dir
}

/// Errors and warnings of the files.
fn found(dir: &Path) -> Vec<Finding> {
    let report = check::offline(&dir.join("connector.yaml"));
    report.findings.into_iter().filter(|one| one.severity != Severity::Ok).collect()
}

fn word(severity: Severity) -> &'static str {
    if severity == Severity::Error { "error" } else { "warning" }
}

/// The findings that a file expects: `(line, severity and code, part of the text)`.
fn expected(bytes: &[u8]) -> Vec<(usize, String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let (mut line, mut all) = (0, Vec::new());
    for (index, one) in text.lines().enumerate() {
        let Some(said) = one.trim_start().strip_prefix("#~ ") else {
            line = index + 1;
            continue;
        };
        let mut words = said.splitn(3, ' ');
        let head = format!("{} {}", words.next().unwrap(), words.next().unwrap());
        all.push((line, head, words.next().unwrap().to_owned()));
    }
    all
}

fn told(file: &Path) -> String {
    let bytes = fs::read(file).unwrap();
    let first = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap()).into_owned();
    let name = first.trim_start_matches('\u{feff}').trim_start_matches("# ").trim();
    let place = if name == "connector.yaml" { name.to_owned() } else { format!("mappings/{name}") };
    let dir = set_up();
    fs::write(dir.path().join(&place), &bytes).unwrap();
    let mut wrong = String::new();
    let mut found = found(dir.path());
    assert!(found.iter().all(|one| one.help.is_some()), "each says what to do: {found:?}");
    for (line, head, text) in expected(&bytes) {
        let fits = |one: &Finding| {
            let at = one.at.as_deref().unwrap_or_default();
            let all = format!("{} {}", one.message, one.help.as_deref().unwrap_or_default());
            at.contains(&format!("{place}:{line}:"))
                && format!("{} {}", word(one.severity), one.code) == head
                && all.contains(&text)
        };
        match found.iter().position(fits) {
            Some(at) => drop(found.remove(at)),
            None => writeln!(wrong, "line {line}: not told: {head} {text}").unwrap(),
        }
    }
    for one in found {
        let at = one.at.unwrap_or_default();
        let help = one.help.unwrap_or_default();
        writeln!(wrong, "{at}: {} {}: {}; {help}", word(one.severity), one.code, one.message).unwrap();
    }
    wrong
}

fn told_beside(folder: &Path) -> String {
    let dir = set_up();
    for entry in
        fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "expected")
    {
        fs::copy(entry.path(), dir.path().join("mappings").join(entry.file_name())).unwrap();
    }
    let mut said: Vec<String> = found(dir.path())
        .iter()
        .map(|one| {
            let file =
                one.at.as_deref().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
            let file = file.split(':').next().unwrap_or_default().to_owned();
            assert!(one.help.is_some(), "{}", one.message);
            format!("{} {} {file}", word(one.severity), one.code)
        })
        .collect();
    said.sort();
    let text = fs::read_to_string(folder.join("expected")).unwrap();
    let mut wanted: Vec<String> = text.lines().map(str::to_owned).collect();
    wanted.sort();
    if said == wanted { String::new() } else { format!("said {said:#?}\nwanted {wanted:#?}\n") }
}

/// Whether a file shows a mistake with this code.
pub fn is_shown(code: &str) -> bool {
    let says = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    fixtures().iter().any(|path| {
        let (own, beside) = (says(path), says(&path.join("expected")));
        own.contains(&format!("#~ error {code} "))
            || own.contains(&format!("#~ warning {code} "))
            || beside.contains(&format!(" {code} "))
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Checks each file of this number. There must be some.
fn all_are_told(number: &str) {
    let mut wrong = String::new();
    let mut all = fixtures();
    all.retain(|path| name(path).starts_with(number));
    assert!(!all.is_empty(), "the files are there");
    for path in &all {
        let said = if path.is_dir() { told_beside(path) } else { told(path) };
        if !said.is_empty() {
            writeln!(wrong, "== {}\n{said}", name(path)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a05_comments_without_a_condition_are_told() {
    all_are_told("a5_");
}

#[test]
fn e01_ranges_that_are_none_are_told() {
    all_are_told("e1_");
}

#[test]
fn e02_quotes_braces_and_cut_templates_are_told() {
    all_are_told("e2_");
}

#[test]
fn e03_copies_and_equal_conditions_are_told() {
    all_are_told("e3_");
}

#[test]
fn e04_what_is_empty_removed_or_useless_is_told() {
    all_are_told("e4_");
}

#[test]
fn e06_help_names_the_mistake_that_was_made() {
    all_are_told("e6_");
}

#[test]
fn e08_tags_that_are_not_carried_out_are_told() {
    all_are_told("e8_");
}

#[test]
fn f_what_fails_or_never_holds_is_told() {
    all_are_told("f_");
}

/// Every file belongs to a test.
#[test]
fn e_each_file_is_of_a_number_with_a_test() {
    let numbers = ["a5_", "e1_", "e2_", "e3_", "e4_", "e6_", "e8_", "f_"];
    let strays: Vec<String> = fixtures().iter().map(|path| name(path)).collect();
    let strays: Vec<&String> =
        strays.iter().filter(|name| !numbers.iter().any(|number| name.starts_with(number))).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

/// A file of comments has no values, however many comments there are.
#[test]
fn e06_a_file_of_comments_is_no_file_of_values() {
    let dir = set_up();
    let file = dir.path().join("mappings/case.yaml");
    let text = format!("{}{}", "# a line\n".repeat(20_000), fs::read_to_string(&file).unwrap());
    fs::write(&file, text.replace("fields:", &format!("fields:\n{}", "  # another\n".repeat(20_000))))
        .unwrap();
    assert!(found(dir.path()).is_empty(), "{:?}", found(dir.path()));
}

/// Every step of the summary is worded as an instruction.
#[test]
fn e06_steps_are_things_to_do() {
    let dir = set_up();
    let file = dir.path().join("mappings/case.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("assignment: create", "zzz: create").replace("response.place.name", "message.id"),
    )
    .unwrap();
    let summary = check::offline(&dir.path().join("connector.yaml")).summary().join("\n");
    assert!(!summary.contains("known here"), "{summary}");
    assert!(
        summary.contains("use one of `object`,") && summary.contains("use `event` or `response`"),
        "{summary}"
    );
}

/// A copy next to the files changes nothing, and is reported.
#[test]
fn e03_a_copy_does_not_win() {
    use goodays_salesforce::mapping::Mapping;
    let dir = set_up();
    let mappings = dir.path().join("mappings");
    let before = Mapping::load(&mappings).unwrap().0.version().to_owned();
    fs::copy(mappings.join("case.yaml"), mappings.join("case - Copy.yaml")).unwrap();
    let (mapping, warnings) = Mapping::load(&mappings).unwrap();
    assert_eq!(mapping.version(), before);
    assert_eq!(mapping.case_mappings().len(), 1);
    assert_eq!(warnings.iter().map(|one| one.code).collect::<Vec<_>>(), ["M003"]);
}

/// On a machine without time zone data, the name of the zone is not blamed.
#[test]
fn e06_a_machine_without_time_zones_is_told_as_such() {
    let dir = set_up();
    let file = dir.path().join("mappings/comment.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("created_date | date }}", "created_date | date('Europe/Paris') }}"))
        .unwrap();
    // With one zone only: an empty folder would make the library use the system's zones.
    let empty = dir.path().join("one-zone");
    fs::create_dir(&empty).unwrap();
    let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    fs::write(empty.join("Nowhere"), [&b"TZif"[..], &[0; 16], &counts, &[0; 6], b"UTC\0"].concat()).unwrap();
    let run = |zones: Option<&Path>| {
        let mut command = assert_cmd::Command::cargo_bin("goodays-salesforce").unwrap();
        zones.map(|zones| command.env("TZDIR", zones));
        let output = command
            .args(["check", "--offline", "-c"])
            .arg(dir.path().join("connector.yaml"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = run(Some(&empty));
    assert!(
        said.contains("no time zone data") && said.contains("tzdata") && !said.contains("zones are named"),
        "{said}"
    );
    assert!(!run(None).contains("time zone"), "this machine has zones");
    // The zone of what agents read, too.
    let (comment, connector) = (text, dir.path().join("connector.yaml"));
    fs::write(&file, comment).unwrap();
    let text = fs::read_to_string(&connector).unwrap();
    let with_zone = |name: &str| fs::write(&connector, format!("{text}\ntime_zone: {name}\n")).unwrap();
    with_zone("Europe/Berlin");
    let said = run(Some(&empty));
    assert!(
        said.contains("no time zone data") && said.contains("tzdata") && !said.contains("IANA"),
        "{said}"
    );
    assert!(!run(None).contains("time zone"), "this machine has zones");
    with_zone("Europe/Nowhere");
    assert!(run(None).contains("`time_zone` is no time zone"));
}

/// In observe mode the Cases should show what would be sent.
#[test]
fn e04_observe_mode_wants_a_field_for_it() {
    let dir = set_up();
    let actions = dir.path().join("mappings/actions.yaml");
    let connector = dir.path().join("connector.yaml");
    let edit = |file: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(file, text.replace(from, to)).unwrap();
    };
    edit(&actions, "  observed: {", "  # observed: {");
    assert!(found(dir.path()).is_empty(), "answers are sent");
    edit(&connector, "actions: send", "actions: observe");
    assert_eq!(found(dir.path()).iter().map(|one| one.code).collect::<Vec<_>>(), ["M038"]);
    edit(&actions, "  # observed: {", "  observed: {");
    assert!(found(dir.path()).is_empty());
}

#[test]
fn a05_only_the_kinds_of_users_that_are_listed_may_answer() {
    use goodays_salesforce::mapping::Mapping;
    let source = |authors: &str| {
        let text = format!("comments: {{ when: \"true\"{authors} }}\nactions: []\n");
        Mapping::from_sources(super::with("actions.yaml", &text)).unwrap().0
    };
    let mapping = source("");
    let shipped = super::shipped();
    for comments in [&mapping.actions().comments, &shipped.actions().comments] {
        assert_eq!(comments.authors, ["Standard"]);
        assert!(comments.may_answer("Standard") && comments.may_answer("standard"));
        for other in ["CspLitePortal", "CustomerSuccess", "Guest", "AutomatedProcess", ""] {
            assert!(!comments.may_answer(other), "{other}");
        }
    }
    let mapping = source(", authors: [Standard, powerpartner, Newkind__x]");
    let comments = &mapping.actions().comments;
    assert_eq!(comments.authors, ["Standard", "PowerPartner", "Newkind__x"]);
    assert!(comments.may_answer("PowerPartner") && comments.may_answer("newkind__X"));
    assert!(!comments.may_answer("Guest"));
}

#[test]
fn e07_a_time_without_an_offset_is_the_same_in_every_zone() {
    let value = |rule: &str| super::value_of(rule, &serde_json::json!({"id": "x"})).unwrap().unwrap();
    assert_eq!(value("{ from: \"'2026-10-28 09:20:00' | date\" }"), "2026-10-28 09:20");
    assert_eq!(value("{ from: \"'2026-10-28 09:20:00' | date('Asia/Tokyo')\" }"), "2026-10-28 09:20");
    assert_eq!(value("{ from: \"'2026-10-28T09:20:00+0200' | date('UTC')\" }"), "2026-10-28 07:20");
    assert_eq!(value("{ from: \"'2026-10-28 09:20' | date(format='%d.%m.%Y %H:%M')\" }"), "28.10.2026 09:20");
}

#[test]
fn a_text_of_blanks_counts_as_no_text() {
    let response = serde_json::json!({"id": "x", "message": {"type": " \n", "content": "Hello"}});
    let value = |rule: &str| super::value_of(rule, &response).unwrap().unwrap();
    assert_eq!(value("{ template: \"{{ response.message.type or 'Feedback' }}\" }"), "Feedback");
    assert_eq!(value("{ from: \"response.message.type == ''\" }"), true);
}

/// Null, absent and blank are one thing, also for `default` and `is defined`.
#[test]
fn blank_is_told_from_absent_by_no_filter_and_no_test() {
    for given in [serde_json::json!("  "), serde_json::json!(""), serde_json::Value::Null] {
        let response =
            serde_json::json!({"id": "x", "user": {"first_name": given}, "place": {"name": "Lille"}});
        let value = |rule: &str| super::value_of(rule, &response).unwrap().unwrap();
        assert_eq!(
            value("{ template: \"{{ response.user.first_name | default('Anonymous') }}!\" }"),
            "Anonymous!"
        );
        assert_eq!(value("{ from: response.user.first_name | d('none') }"), "none");
        assert_eq!(value("{ from: response.user.first_name is defined }"), false);
        assert_eq!(value("{ from: response.user.first_name is undefined }"), true);
        assert_eq!(value("{ from: response.place.name | default('x') }"), "Lille");
        assert_eq!(value("{ from: \"(0 | default(1)) ~ (0 | default(1, true))\" }"), "01");
        let condition = "response.user.first_name and response.id == 'x'";
        assert_eq!(value(&format!("[{{ value: A, when: {condition:?} }}, {{ value: B }}]")), "B");
    }
}

/// A list in a template is written as `from` writes it.
#[test]
fn a_list_in_a_template_is_joined_and_an_object_is_a_problem() {
    let question = serde_json::json!({"type": "choices"});
    let answers = serde_json::json!([{"value": ["Price", "Staff"], "question": question}]);
    let response = serde_json::json!({"id": "x", "answers": answers, "context": {"extra": {"a": {"b": 1}}}});
    let value = |rule: &str| super::value_of(rule, &response);
    assert_eq!(value("{ template: \"{{ answer(type='choices') }}\" }").unwrap().unwrap(), "Price;Staff");
    let problem = value("{ template: \"{{ response.context.extra.a }}\" }").unwrap_err();
    assert!(problem.ends_with("a field needs one value, this gives an object"), "{problem}");
}

/// A Case mapping whose own `when` does not hold makes no Case, whatever fails in another one.
#[test]
fn a_when_that_fails_lets_no_other_mapping_take_what_it_does_not_want() {
    use goodays_salesforce::mapping::{Facts, Mapping, Source};
    let file = |name: &str, when: &str| {
        let text =
            super::case_with("A: { value: x }").replace("fields:", &format!("when: {when:?}\nfields:"));
        Source { name: format!("mappings/{name}"), text }
    };
    let mut sources = super::with("case.yaml", "");
    sources.retain(|source| !source.name.ends_with("case.yaml"));
    let fails = "response.context.extra.age > 18";
    sources.extend([file("case-a.yaml", "response.source == 'sms'"), file("case-b.yaml", fails)]);
    sources.push(file("case-c.yaml", "response.source == 'google'"));
    let mapping = Mapping::from_sources(sources).unwrap().0;
    let chosen = |source: &str, age: serde_json::Value| {
        let response = serde_json::json!({"id": "x", "source": source, "context": {"extra": {"age": age}}});
        let choice = mapping.case_mapping(&Facts::new("response", &response));
        (choice.mapping.map(|case| case.file.clone()), choice.problem.is_some())
    };
    let file = |name: &str| Some(format!("mappings/case-{name}.yaml"));
    let text = || serde_json::json!("old");
    assert_eq!(chosen("sms", text()), (file("a"), false));
    assert_eq!(chosen("google", text()), (file("c"), true), "another one wants it");
    assert_eq!(chosen("email", text()), (file("b"), true), "no feedback is lost");
    assert_eq!(chosen("email", serde_json::json!(17)), (None, false));
}
