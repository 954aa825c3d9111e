//! Any body: read, planned and rendered under the shipped mappings without a panic.
#![no_main]

use std::sync::LazyLock;

use goodays_salesforce::decide::Perimeter;
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::goodays::event;
use goodays_salesforce::json;
use goodays_salesforce::mapping::{Mapping, Source};
use goodays_salesforce::preview;
use libfuzzer_sys::fuzz_target;

/// What Salesforce takes as one comment, in bytes.
const COMMENT: usize = 4000;

static SHIPPED: LazyLock<Mapping> = LazyLock::new(|| {
    let sources = MAPPINGS.map(|(name, text)| Source { name: name.to_owned(), text: text.to_owned() });
    Mapping::from_sources(sources.to_vec()).expect("the shipped mappings are good").0
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = json::read(bytes) else { return };
    let read = event::read(&body);
    let peeked = event::peek_response_id(&body);
    assert_eq!(peeked.ok(), read.as_ref().ok().map(|event| event.response.id.clone()));
    let preview = preview::event(&SHIPPED, None, None, &Perimeter::default(), &body);
    let Ok(event) = read else { return assert!(preview.record.is_none(), "written without an id") };
    assert_eq!(event.response.raw.get("token"), None, "a token stays with the response");
    assert_eq!(preview.response_id, event.response.id.as_str());
    let comments = preview.record.iter().flat_map(|record| &record.comments);
    for comment in comments {
        assert!(comment.bytes <= COMMENT, "a comment of {} bytes", comment.bytes);
    }
    preview.render();
});
