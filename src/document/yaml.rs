//! YAML as a tree in which every word has its place.
//!
//! A tree, instead of structs, lets all mistakes of a file be shown at once. It also keeps each scalar's source text
//! (`No` and `007` stay as the admin wrote them).

use std::collections::HashMap;
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};

use crate::document::diagnostic::Page;
use crate::document::layout;

pub const SYNTAX: &str = "Y001";
pub const DUPLICATE_KEY: &str = "Y002";
pub const UNKNOWN_KEY: &str = "Y003";
pub const MISSING_KEY: &str = "Y004";
pub const WRONG_KIND: &str = "Y005";
pub const CUT_BY_YAML: &str = "Y006";
pub const INVISIBLE: &str = "Y007";
pub const NOT_UTF8: &str = "Y008";
pub const TAG: &str = "Y009";

/// Limits the nodes of a file with its aliases expanded. A person does not write more.
const MAX_NODES: usize = 20_000;

/// Limits lists and mappings in each other, in brackets and by indentation. Ours are read by functions that call
/// themselves.
const DEEPEST: usize = 64;

#[derive(Debug, Clone)]
pub struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

#[derive(Debug, Clone)]
pub struct Scalar {
    pub text: String,
    pub quoted: bool,
}

/// The notation of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    /// `|` or `>`, or a repeated value.
    Block,
}

impl Scalar {
    /// Nothing, `~` or `null`, unquoted.
    pub fn is_null(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// The notation of a scalar in the source.
    pub fn style(&self, source: &str) -> Style {
        let quoted = self.scalar().is_some_and(|scalar| scalar.quoted);
        match source[self.span.clone()].chars().next() {
            _ if !quoted => Style::Plain,
            Some('"') => Style::Double,
            Some('\'') => Style::Single,
            _ => Style::Block,
        }
    }

    fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) if scalar.is_null() => "nothing",
            Kind::Scalar(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The text of a scalar. Reports any other node.
    pub fn text<'n>(&'n self, page: &mut Page, what: &str) -> Option<&'n Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => {
                self.wrong_kind(page, what, "a text");
                None
            }
        }
    }

    /// The items of a list. Reports any other node.
    pub fn list<'n>(&'n self, page: &mut Page, what: &str) -> &'n [Node] {
        if let Kind::List(items) = &self.kind {
            return items;
        }
        self.wrong_kind(page, what, "a list");
        &[]
    }

    /// The entries of a mapping. Reports any other node.
    pub fn map<'n>(&'n self, page: &mut Page, what: &str) -> &'n [(Node, Node)] {
        if let Kind::Map(entries) = &self.kind {
            return entries;
        }
        self.wrong_kind(page, what, "a mapping");
        &[]
    }

    /// `true` or `false`. Reports any other node.
    pub fn boolean(&self, page: &mut Page, what: &str) -> Option<bool> {
        match self.scalar().map(|scalar| scalar.text.as_str()) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                self.wrong_kind(page, what, "`true` or `false`");
                None
            }
        }
    }

    pub fn wrong_kind(&self, page: &mut Page, what: &str, wanted: &str) {
        if matches!(self.kind, Kind::Map(_)) && page.text[self.span.start..].starts_with("{{") {
            page.error(
                CUT_BY_YAML,
                &self.span,
                format!("YAML reads this unquoted `{{{{` of {what} as a mapping"),
            )
            .help("put the whole text in double quotes: \"{{ ... }}\"");
            return;
        }
        let found = self.kind_name();
        page.error(WRONG_KIND, &self.span, format!("{what} must be {wanted}, this is {found}"))
            .help(format!("write {}", shape_of(wanted)));
    }

    /// The place in the file of a part of a scalar's text. It takes account of quotes, escapes and indentation.
    pub fn inner(&self, source: &str, part: &Range<usize>) -> Range<usize> {
        let Some(scalar) = self.scalar() else { return self.span.clone() };
        let start = self.offset_of(source, &scalar.text, part.start);
        let end = self.offset_of(source, &scalar.text, part.end.max(part.start + 1));
        start..end.max(start)
    }

    fn offset_of(&self, source: &str, text: &str, wanted: usize) -> usize {
        let raw = &source[self.span.clone()];
        // What is not read as the parser read it (a cut escape) leads next to a letter, and must not lead into one.
        let within =
            |at: usize| (0..=at.min(raw.len())).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0);
        let mut at = usize::from(raw.starts_with(['"', '\'']));
        for (offset, letter) in text.char_indices() {
            at = within(at + skipped(&raw[at..], letter));
            if offset >= wanted {
                break;
            }
            at = within(at + escape_len(&raw[at..], letter));
        }
        self.span.start + at
    }
}

/// How many bytes of the source precede the text's next letter: indentation, line ends, a block's header.
fn skipped(raw: &str, letter: char) -> usize {
    if raw.starts_with('\\') {
        return 0;
    }
    raw.find(letter)
        .filter(|at| raw[..*at].chars().all(|c| c.is_whitespace() || "|>+-".contains(c)))
        .unwrap_or(0)
}

/// The length in the source of one letter of the text.
fn escape_len(raw: &str, letter: char) -> usize {
    if raw.starts_with("''") && letter == '\'' {
        return 2;
    }
    match raw.strip_prefix('\\').and_then(|rest| rest.chars().next()) {
        Some(_) if letter == '\\' && !raw.starts_with("\\\\") => 1,
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        Some(escaped) => 1 + escaped.len_utf8(),
        None => raw.chars().next().map_or(0, char::len_utf8),
    }
}

/// Reads one document. Syntax errors and duplicate keys are findings. `None`: nothing else can be reported.
pub fn parse(page: &mut Page) -> Option<Node> {
    let text = std::sync::Arc::clone(&page.text);
    let mut tree = Tree { page, anchors: HashMap::new(), made: 0 };
    let mut options = Options::default();
    options.set_emit_comments(false); // they are no values, however many there are
    (options.flow_nesting_limit, options.block_nesting_limit) = (DEEPEST, DEEPEST);
    let mut events = Parser::new_from_str_with_options(&text, options);
    let mut root = None;
    loop {
        match events.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Err(error)) => {
                tree.syntax(&error);
                return None;
            }
            Some(Ok((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _))) => {}
            Some(Ok((event, span))) if root.is_none() => match tree.node(&mut events, event, &span) {
                Ok(Some(node)) => root = Some(node),
                Ok(None) => {}
                Err(error) => {
                    tree.syntax(&error);
                    return None;
                }
            },
            Some(Ok((_, span))) => {
                tree.page
                    .error(SYNTAX, &bytes(&span), "a second document; this file must hold one")
                    .help("remove the line `---`, or put what follows into a file of its own");
                return None;
            }
        }
    }
    if root.is_none() {
        page.error(SYNTAX, &(0..0), "the file is empty")
            .help("the repository holds one to start from; a comment alone is nothing");
    }
    // An invisible letter in the layout means that the tree is not the intended one.
    root.filter(|_| !page.found.iter().any(|found| found.code == INVISIBLE))
}

type Events<'t> = Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>;

struct Tree<'p> {
    page: &'p mut Page,
    anchors: HashMap<usize, Node>,
    made: usize,
}

impl Tree<'_> {
    /// The node that `event` begins. `None`: the event begins no node.
    fn node<'t>(
        &mut self,
        events: &mut Events<'t>,
        event: Event<'t>,
        span: &Span,
    ) -> Result<Option<Node>, ScanError> {
        self.made += 1;
        if self.made > MAX_NODES {
            return Err(ScanError::new(span.start, "too many values in one file"));
        }
        self.check_tag(&event, span);
        let (anchor, node) = match event {
            Event::Scalar(_, _, anchor, _) => (anchor, self.scalar(event, span)),
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(events, span)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(events, span)?),
            Event::Alias(id) => {
                let mut node = self.anchors.get(&id).cloned().unwrap_or_else(|| empty(span));
                self.made += count(&node);
                node.span = bytes(span);
                return Ok(Some(node));
            }
            _ => return Ok(None),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(Some(node))
    }

    /// Not a part of `node`, which calls itself: what it holds is on the stack once for each level.
    fn scalar(&mut self, event: Event<'_>, span: &Span) -> Node {
        let Event::Scalar(text, style, _, tag) = event else { return empty(span) };
        let plain = matches!(style, ScalarStyle::Plain);
        if plain {
            layout::check_plain(self.page, &bytes(span), &text);
        }
        let quoted = !plain || tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
        Node { span: bytes(span), kind: Kind::Scalar(Scalar { text: text.into_owned(), quoted }) }
    }

    /// Reports a tag that asks for more than the value as it stands: `!env NAME` would be the text `NAME`. The tags of
    /// YAML itself are fine where they say what the value is anyway; `!!str` makes a text of it.
    fn check_tag(&mut self, event: &Event<'_>, span: &Span) {
        let (Event::Scalar(.., tag) | Event::SequenceStart(.., tag) | Event::MappingStart(.., tag)) = event
        else {
            return;
        };
        let Some(tag) = tag else { return };
        let is_fine = match (tag.core_suffix(), event) {
            (Some("int"), Event::Scalar(text, ..)) => text.parse::<i64>().is_ok(),
            (Some("float"), Event::Scalar(text, ..)) => text.parse::<f64>().is_ok(),
            (Some("bool"), Event::Scalar(text, ..)) => matches!(&**text, "true" | "false"),
            (Some("null"), Event::Scalar(text, ..)) => matches!(&**text, "" | "~" | "null"),
            (Some("str"), Event::Scalar(..))
            | (Some("seq"), Event::SequenceStart(..))
            | (Some("map"), Event::MappingStart(..)) => true,
            _ => false,
        };
        if is_fine {
            return;
        }
        let help = if self.page.is_secret() {
            "write the value itself, `${NAME}` for a variable, or a path under a key that ends with `_file`"
        } else {
            "write the value itself; a text that begins with `!` needs double quotes"
        };
        let message = "a tag of YAML (`!...`) before this value asks for what is not done here";
        self.page.error(TAG, &bytes(span), message).help(help);
    }

    fn list(&mut self, events: &mut Events<'_>, span: &Span) -> Result<Node, ScanError> {
        let (mut items, mut whole) = (Vec::new(), bytes(span));
        while let Some(next) = events.next_event() {
            let (event, at) = next?;
            if matches!(event, Event::SequenceEnd) {
                whole = closed(whole, &at);
                break;
            }
            items.extend(self.node(events, event, &at)?);
        }
        Ok(Node { span: whole, kind: Kind::List(items) })
    }

    fn map(&mut self, events: &mut Events<'_>, span: &Span) -> Result<Node, ScanError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let (mut key, mut span): (Option<Node>, _) = (None, bytes(span));
        while let Some(next) = events.next_event() {
            let (event, at) = next?;
            if matches!(event, Event::MappingEnd) {
                span = closed(span, &at);
                break;
            }
            let Some(node) = self.node(events, event, &at)? else { continue };
            match key.take() {
                None => key = Some(node),
                Some(name) => {
                    self.check_duplicate(&entries, &name, &node);
                    entries.push((name, node));
                }
            }
        }
        if span.is_empty()
            && let Some((first, _)) = entries.first()
        {
            span = first.span.clone();
        }
        Ok(Node { span, kind: Kind::Map(entries) })
    }

    fn check_duplicate(&mut self, entries: &[(Node, Node)], name: &Node, value: &Node) {
        let Some(text) = name.scalar().map(|scalar| scalar.text.as_str()) else { return };
        let first = entries.iter().find(|(key, _)| key.scalar().is_some_and(|scalar| scalar.text == text));
        if let Some((first, _)) = first {
            let (line, _) = self.page.position(first.span.start);
            let message = format!("{} stands twice in this mapping", self.page.named(text));
            self.page.error(DUPLICATE_KEY, &name.span, message).label(format!("first on line {line}")).help(
                match value.kind {
                    Kind::Map(_) => {
                        "keep one of them; several rules for one field are a list, `- { ... }` under one key"
                    }
                    _ => "keep one of them",
                },
            );
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or_else(|| error.marker().index());
        layout::syntax(self.page, at, &error.info());
    }
}

/// How the wanted kind is written in YAML.
fn shape_of(wanted: &str) -> &str {
    match wanted {
        "a list" => "it in brackets, with commas: [one, two]",
        "a mapping" => "names with values below it, or in braces: { name: value }",
        "a text" => "a word or a text in quotes, without brackets",
        other => other,
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar(_) => 0,
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|(key, value)| count(key) + count(value)).sum(),
    }
}

fn empty(span: &Span) -> Node {
    Node { span: bytes(span), kind: Kind::Scalar(Scalar { text: String::new(), quoted: false }) }
}

/// `{ ... }` and `[ ... ]` span to their last bracket. Blocks have no bracket, so their span is their beginning.
fn closed(start: Range<usize>, end: &Span) -> Range<usize> {
    if start.is_empty() { start } else { start.start..bytes(end).end.max(start.end) }
}

fn bytes(span: &Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or_else(|| span.start.index());
    let end = span.end.byte_offset().unwrap_or_else(|| span.end.index());
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A third of the stack of a thread of the daemon.
    const STACK: usize = 2 * 1024 * 1024 / 3;

    /// A template may end in the middle of an escape that YAML does not have, and letters take several bytes.
    #[test]
    fn a_place_within_a_text_is_never_within_a_letter() {
        for text in ["{#\\x[\u{1f600}", "\\u\u{e9}\u{e9}", "''\\U0\u{1f600}\u{1f600}", "\\\\x\u{e9}"] {
            for source in [
                format!("a: {text}"),
                format!("a: '{text}'"),
                format!("a: \"{text}\""),
                format!("a: |\n  {text}\n"),
            ] {
                let mut page = Page::new("case.yaml", &source);
                let Some(node) = parse(&mut page) else { continue };
                let Kind::Map(entries) = &node.kind else { continue };
                let value = &entries[0].1;
                for start in 0..=source.len() {
                    let place = value.inner(&source, &(start..start + 1));
                    assert!(source.get(place).is_some(), "{source:?} at {start}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_refused_as_too_deep_fits_into_a_third_of_the_stack() {
        let read = || {
            for count in [DEEPEST - 2, 20_000] {
                let brackets = format!("a: {}{}", "[".repeat(count), "]".repeat(count));
                let braces = format!("a: {}1{}", "{b: ".repeat(count), "}".repeat(count));
                let lines = format!("{}x", "- ".repeat(count));
                let both = format!("{}{}{}", "- ".repeat(count), "[".repeat(count), "]".repeat(count));
                for text in [brackets, braces, lines, both] {
                    let mut page = Page::new("case.yaml", &text);
                    let node = parse(&mut page);
                    assert_eq!(node.is_some(), count < DEEPEST, "{} {:?}", &text[..20], page.found);
                    drop(node.clone());
                }
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(read).unwrap().join().unwrap();
    }
}
