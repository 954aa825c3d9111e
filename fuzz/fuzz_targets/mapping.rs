//! Any text as a mapping file: rules that can be run, or findings that can be shown.
#![no_main]

use std::sync::LazyLock;

use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::mapping::Told;
use goodays_salesforce::mapping::{Diagnostic, Facts, Mapping, Moment, Outcome, Source};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const EVENT: &str = include_str!("../../tests/fixtures/goodays/message_second_customer_turn.json");

static RESPONSE: LazyLock<Value> = LazyLock::new(|| {
    let event: Value = serde_json::from_str(EVENT).expect("a fixture is JSON");
    event["response"].clone()
});

fuzz_target!(|text: &str| {
    // In place of the shipped file that it looks most like.
    let file = match text {
        text if text.contains("actions:") => "actions.yaml",
        text if text.contains("parent:") => "comment.yaml",
        _ => "case.yaml",
    };
    let source = |(name, shipped): (&str, &str)| Source {
        name: name.to_owned(),
        text: if name == file { text } else { shipped }.to_owned(),
    };
    match Mapping::from_sources(MAPPINGS.map(source).to_vec()) {
        Ok((mapping, warnings)) => {
            show(&warnings);
            use_up(&mapping);
        }
        Err(found) => {
            assert!(found.iter().any(Diagnostic::is_error), "refused without a reason");
            show(&found);
        }
    }
});

fn show(found: &[Diagnostic]) {
    for finding in found {
        assert!(!finding.render().is_empty());
    }
}

/// Every rule is evaluated; what it says about itself is no concern here.
fn use_up(mapping: &Mapping) {
    let facts = Facts::new("message", &RESPONSE);
    let message = &RESPONSE["attached_messages"][0];
    let _ = mapping.case_mapping(&facts);
    for case in mapping.case_mappings() {
        for (create, message) in [(true, false), (true, true), (false, true), (false, false)] {
            case.fields(&facts, Moment { create, message });
        }
    }
    mapping.comment().fields(&facts, message);
    let actions = mapping.actions();
    let (case, comment) =
        (serde_json::json!({ "IsClosed": true }), serde_json::json!({ "IsPublished": true }));
    let _ = actions.on_case(&case);
    let _ = actions.on_comment(&case, &comment);
    for outcome in [Outcome::Sent, Outcome::Settled, Outcome::Unclear, Outcome::Failed] {
        actions.feedback(
            outcome,
            &Told { action: "close", reason: "a reason", code: "spam", status: "Not sent" },
        );
    }
}
