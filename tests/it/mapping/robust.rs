//! Loading a file with any contents ends in rules or findings, never in a panic.

use goodays_salesforce::mapping::{Diagnostic, Facts, Mapping, Moment};
use proptest::prelude::*;
use serde_json::json;

use super::{case_with, with};

#[test]
fn a_mapping_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Mapping>();
    shared::<Facts>();
    shared::<Diagnostic>();
}

/// Pieces of text that occur in real files and in very bad ones.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z\\.\\[\\](){}'\"\\\\|<>=!:,#%&*\\- \\n\u{e9}\u{1f600}]{0,6}",
        prop::sample::select(vec![
            "{{ ",
            " }}",
            "{% if ",
            " %}",
            "{% endif %}",
            "{% for m in ",
            "response.",
            "place",
            "answer(type='nps')",
            " is not ",
            " not ",
            " in ",
            " < 5",
            " == none",
            "| date",
            "\"",
            "''",
            "\\n",
            "\\u00e9",
            "\n  ",
            " #",
            ": ",
            "a",
            "message",
            "..",
            "[0]",
            "{#",
            "#}",
            "{% raw %}",
            "|\n    ",
            ">-\n    ",
            "&a ",
            "*a",
            "~",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn load(text: &str) {
    match Mapping::from_sources(with("case.yaml", text)) {
        Ok((mapping, warnings)) => {
            warnings.iter().map(Diagnostic::render).for_each(drop);
            let facts = Facts::new("response", &json!({"id": "x", "message": {"content": "{{ 7 }}"}}));
            for case in mapping.case_mappings() {
                drop(case.fields(&facts, Moment { create: true, message: true }));
            }
        }
        Err(found) => found.iter().map(Diagnostic::render).for_each(drop),
    }
}

/// Found by the properties below: operators without a left side, and brackets without their other half.
#[test]
fn operators_without_operands_are_the_engines_business() {
    for text in ["\"\"\\:<>-", "a, < > b", "< <", "a < > b", "(<)==1", "a <", "a \\ < 5 }} < 5"] {
        load(&case_with(&format!("F: {{ from: {} }}", json!(text))));
        load(&case_with(&format!("F:\n  template: |\n    {{{{ {text} }}}}")));
    }
}

/// Each once ended the running daemon, which reads mappings on a stack of this size.
#[test]
fn chains_that_would_overflow_the_stack_are_refused() {
    let or = vec!["response.place.partner_id == '0001'"; 1300].join(" or ");
    let not = format!("{}response.alert_triggered", "not ".repeat(20_000));
    let joined = format!("response.id{}", " ~ 'x'".repeat(20_000));
    let path = format!("response.context.extra{}", ".context".repeat(20_000));
    let filters = format!("response.id{}", "|upper".repeat(8000));
    let otherwise = format!("'a'{}", " if response.id else 'b'".repeat(8000));
    let brackets = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let elif = "{% elif response.id %}x".repeat(1600);
    let elif = format!("{{% if response.id %}}x{elif}{{% endif %}}");
    let rules = [or, not, joined, path, filters, otherwise, brackets];
    let rules = rules.map(|text| format!("F: {{ from: {} }}", json!(text)));
    let rules = rules.into_iter().chain([format!("F: {{ template: {} }}", json!(elif))]);
    let read = || {
        for rule in rules {
            let found = Mapping::from_sources(with("case.yaml", &case_with(&rule))).unwrap_err();
            let codes: Vec<&str> = found.iter().map(|one| one.code).collect();
            assert_eq!(codes, ["M049"], "{}", &rule[..60]);
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(read).unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file(text in soup()) {
        load(&text);
    }

    #[test]
    fn any_expression(text in soup()) {
        load(&case_with(&format!("F: {{ from: {} }}", json!(text))));
        load(&case_with(&format!("F:\n  template: |\n    {}", text.replace('\n', "\n    "))));
        load(&case_with(&format!("F: {{ template: '{}' }}", text.replace('\'', "''"))));
        load(&case_with(&format!("F: {{ from: {text} }}")));
    }

    #[test]
    fn any_range(text in "[0-9a.\\-=+]{0,8}") {
        load(&case_with(&format!("F: {{ from: response.id, map: {{ {}: x }} }}", json!(text))));
    }
}
