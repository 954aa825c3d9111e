//! Reads the test files.

use std::path::Path;

use serde_json::{Map, Number, Value};

use super::NO_TEST;
use crate::document::diagnostic::{Diagnostic, Page, Place, one_of, suggest};
use crate::document::encoding;
use crate::document::keys::Keys;
use crate::document::yaml::{self, Kind, Node};
use crate::goodays::event;

/// The folder of the tests, in the mappings' folder.
pub const FOLDER: &str = "tests";

/// One test, as its file says.
#[derive(Debug)]
pub struct Test {
    pub file: String,
    pub about: String,
    /// The event, and those that were carried before it.
    pub event: Option<Value>,
    pub after: Vec<Value>,
    pub expect: Expected,
    pub actions: Vec<Gesture>,
}

/// What an event shall become. Only what is named is compared.
#[derive(Debug, Default)]
pub struct Expected {
    /// `new`, `changed` or `nothing`.
    pub case: Option<At<String>>,
    /// The file of the Case mapping.
    pub mapping: Option<At<String>>,
    /// By field; null means that the field is not written.
    pub fields: Vec<(String, At<Value>)>,
    /// The fields of each comment.
    pub comments: Option<At<Vec<At<Value>>>>,
}

/// What an agent did, and the action that Goodays shall be asked for.
#[derive(Debug)]
pub struct Gesture {
    /// Rows as Salesforce returns them.
    pub case: Value,
    pub comment: Option<Value>,
    /// A verb, `nothing`, or a mapping with `do` and the values that go along.
    pub expect: At<Value>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub at: Place,
}

/// Names, as shown, and texts of the test files, sorted. A file that cannot be read is a finding.
pub fn files(mappings: &Path, found: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    let folder = mappings.join(FOLDER);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let parent = mappings.file_name().map_or_else(|| "mappings".into(), |name| name.to_string_lossy());
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    let mut read = Vec::new();
    for name in names {
        let Some(ending) = Path::new(&name).extension() else { continue };
        let shown = format!("{parent}/{FOLDER}/{name}");
        if ending != "yaml" {
            if ["yml", "yaml"].iter().any(|other| ending.eq_ignore_ascii_case(other)) {
                let unread =
                    Diagnostic::of_file(NO_TEST, shown, format!("`{name}` is not run: tests end in `.yaml`"));
                found.push(unread.with_help("rename it"));
            }
            continue;
        }
        match std::fs::read(folder.join(&name)).map(encoding::text) {
            Ok(Ok(text)) => read.push((shown, text)),
            Ok(Err(other)) => {
                let mut page = Page::new(shown, &other.shown);
                page.error(yaml::NOT_UTF8, &(other.at..other.at + 1), other.message()).help(encoding::HELP);
                found.append(&mut page.found);
            }
            Err(error) => found.push(Diagnostic::of_file(NO_TEST, shown, format!("cannot be read: {error}"))),
        }
    }
    read
}

/// Reads one test. `folder`: where the files are that it names.
pub fn test(name: &str, text: &str, folder: &Path) -> Result<Test, Vec<Diagnostic>> {
    let mut page = Page::new(name, text);
    let read = yaml::parse(&mut page).map(|root| Reader { page: &mut page, folder }.test(&root));
    if page.found.iter().any(Diagnostic::is_error) {
        return Err(page.found);
    }
    read.ok_or(page.found)
}

struct Reader<'a> {
    page: &'a mut Page,
    folder: &'a Path,
}

impl Reader<'_> {
    fn test(&mut self, root: &Node) -> Test {
        let mut keys = Keys::of(root, self.page, "a mapping test");
        let about = keys.need(self.page, "about", "a mapping test");
        let about = about.and_then(|node| node.text(self.page, "`about`")).map(|text| text.text.clone());
        let event = keys.take("event").and_then(|node| self.event(node));
        let after = keys.take("after").map(|node| self.events(node)).unwrap_or_default();
        let expect = keys.take("expect").map(|node| self.expected(node));
        let actions = keys.take("actions").map(|node| self.gestures(node)).unwrap_or_default();
        if expect.is_some() != (event.is_some() || keys.take("event").is_some()) {
            let message = "`event` and `expect` belong together: what arrives, and what it shall become";
            self.page.error(NO_TEST, &keys.span, message).help("write both, or only `actions`");
        } else if expect.is_none() && actions.is_empty() {
            let help = "write `event` and `expect`, or `actions`";
            self.page.error(NO_TEST, &keys.span, "this tests nothing").help(help);
        }
        let file = self.page.file.to_string();
        keys.finish(self.page, "a mapping test");
        let about = about.unwrap_or_default();
        Test { file, about, event, after, expect: expect.unwrap_or_default(), actions }
    }

    fn events(&mut self, node: &Node) -> Vec<Value> {
        node.list(self.page, "`after`").iter().filter_map(|one| self.event(one)).collect()
    }

    /// An event as it stands, or the name of a JSON file.
    fn event(&mut self, node: &Node) -> Option<Value> {
        let Some(name) = node.scalar() else { return self.readable(node, value(node)) };
        let read = std::fs::read(self.folder.join(&name.text)).map_err(|error| error.to_string());
        match read.and_then(|bytes| crate::json::read(&bytes).map_err(|_| "it is not JSON".to_owned())) {
            Ok(event) => self.readable(node, event),
            Err(why) => {
                let message = format!("`{}` cannot be read: {why}", name.text);
                let help = "name a JSON file, relative to this file's folder, or write the event here";
                self.page.error(NO_TEST, &node.span, message).help(help);
                None
            }
        }
    }

    /// What is no event becomes nothing, whatever the mappings say.
    fn readable(&mut self, node: &Node, event: Value) -> Option<Value> {
        match event::read(&event) {
            Ok(_) => Some(event),
            Err(why) => {
                let message = format!("this is no event of Goodays: {why}");
                let help = "it has `event_type`, and a `response` with an `id`";
                self.page.error(NO_TEST, &node.span, message).help(help);
                None
            }
        }
    }

    fn expected(&mut self, node: &Node) -> Expected {
        let mut keys = Keys::of(node, self.page, "`expect`");
        let word = |node: &Node, reader: &mut Self, what: &str| {
            let text = node.text(reader.page, what)?.text.clone();
            Some(reader.at(node, text))
        };
        let case = keys.take("case").and_then(|node| word(node, self, "`case`"));
        if let Some(case) = case.as_ref().filter(|c| !matches!(&*c.value, "new" | "changed" | "nothing")) {
            let message = format!("`case` can be `new`, `changed` or `nothing`, not `{}`", case.value);
            self.page.error_at(NO_TEST, &case.at, message);
        }
        let mapping = keys.take("mapping").and_then(|node| word(node, self, "`mapping`"));
        let fields = keys.take("fields").map(|node| self.fields(node)).unwrap_or_default();
        let comments = keys.take("comments").map(|node| {
            let all = node.list(self.page, "`comments`");
            let all = all.iter().map(|one| self.at(one, value(one))).collect();
            self.at(node, all)
        });
        let span = keys.span.clone();
        if case.is_none() && mapping.is_none() && fields.is_empty() && comments.is_none() {
            let help = "name at least one of `case`, `mapping`, `fields` and `comments`";
            self.page.error(NO_TEST, &span, "`expect` names nothing, so nothing is compared").help(help);
        }
        keys.finish(self.page, "`expect`");
        Expected { case, mapping, fields, comments }
    }

    fn fields(&mut self, node: &Node) -> Vec<(String, At<Value>)> {
        let fields = node.map(self.page, "`fields`").iter().filter_map(|(key, given)| {
            let name = key.scalar()?.text.clone();
            Some((name, At { value: value(given), at: self.page.place(&key.span) }))
        });
        fields.collect()
    }

    fn gestures(&mut self, node: &Node) -> Vec<Gesture> {
        node.list(self.page, "`actions`").iter().filter_map(|one| self.gesture(one)).collect()
    }

    fn gesture(&mut self, node: &Node) -> Option<Gesture> {
        let mut keys = Keys::of(node, self.page, "an action's test");
        let case = keys.need(self.page, "case", "an action's test");
        let comment = keys.take("comment").map(value);
        let expect = keys.need(self.page, "expect", "an action's test");
        keys.finish(self.page, "an action's test");
        let (case, expect) = (case?, expect?);
        case.map(self.page, "`case`");
        self.parts(expect);
        Some(Gesture { case: value(case), comment, expect: self.at(expect, value(expect)) })
    }

    /// The values of an action that a test can name.
    fn parts(&mut self, expect: &Node) {
        const PARTS: [&str; 5] = ["do", "content", "remark_type", "note", "rating"];
        let Kind::Map(entries) = &expect.kind else { return };
        if entries.is_empty() {
            let help = format!("name at least one of {}", one_of(&PARTS));
            self.page
                .error(NO_TEST, &expect.span, "`expect` names nothing, so nothing is compared")
                .help(help);
        }
        for (key, _) in entries {
            let name = key.scalar().map(|key| key.text.as_str()).unwrap_or_default();
            if !PARTS.contains(&name) {
                let message = format!("an action has no `{name}`");
                self.page.error(NO_TEST, &key.span, message).help(suggest(name, &PARTS));
            }
        }
    }

    fn at<T>(&self, node: &Node, value: T) -> At<T> {
        At { value, at: self.page.place(&node.span) }
    }
}

/// A part of the file as JSON. A plain scalar is a number, a truth value or nothing if JSON would read it so.
fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.is_null() => Value::Null,
        Kind::Scalar(scalar) if scalar.quoted => Value::String(scalar.text.clone()),
        Kind::Scalar(scalar) => match scalar.text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => serde_json::from_str::<Number>(text)
                .map_or_else(|_| Value::String(text.to_owned()), Value::Number),
        },
        Kind::List(items) => Value::Array(items.iter().map(value).collect()),
        Kind::Map(entries) => {
            let name = |key: &Node| key.scalar().map(|scalar| scalar.text.clone());
            let entries = entries.iter().filter_map(|(key, given)| Some((name(key)?, value(given))));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
