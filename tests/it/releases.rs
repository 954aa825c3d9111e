//! The configuration of each earlier release loads as it is. A release adds its own shipped files to
//! `tests/fixtures/releases/`.

use std::fs;
use std::path::Path;

use goodays_salesforce::check::{self, Severity};

#[test]
fn the_files_of_each_release_load_without_an_error() {
    let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/releases");
    let folders: Vec<_> = fs::read_dir(releases).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!folders.is_empty());
    for folder in folders {
        let report = check::offline(&folder.join("connector.yaml"));
        let errors: Vec<_> = report.findings.iter().filter(|one| one.severity == Severity::Error).collect();
        assert!(errors.is_empty() && report.exit_code() == 0, "{}: {errors:?}", folder.display());
    }
}

#[test]
fn this_version_is_in_the_changelog_and_the_release_before_it_is_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changelog = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
    let releases: Vec<&str> = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.split(' ').next().unwrap())
        .collect();
    assert_eq!(releases.first(), Some(&env!("CARGO_PKG_VERSION")));
    for earlier in &releases[1..] {
        let kept = root.join("tests/fixtures/releases").join(earlier).join("connector.yaml");
        assert!(kept.exists(), "{} is missing", kept.display());
    }
}
