//! A mistake in a file, with its place and the fix, in the format of compilers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// How bad it is. Warnings never stop anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: &'static str,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    span: Range<usize>,
    #[serde(skip)]
    label: Option<String>,
    #[serde(skip)]
    text: Arc<str>,
}

impl Diagnostic {
    /// A finding about a file as a whole, for example one that does not exist.
    pub fn of_file(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Page::new(file, "").make(Severity::Error, code, 0..0, message.into())
    }

    /// A finding that belongs to no file.
    pub fn without_place(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::of_file(code, "", message)
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds the fix.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Sets the short text beside the underlined word.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// The finding as text: message, file:line:column, the source line with the word underlined, the fix.
    pub fn render(&self) -> String {
        let title = self.level().primary_title(self.message.as_str()).id(self.code);
        let mut group = self.with_source(Group::with_title(title), self.label.as_deref());
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }

    /// Only file:line:column and the source line with the word underlined: what is the same in every language.
    pub fn excerpt(&self) -> String {
        Renderer::plain().render(&[self.with_source(Group::with_level(self.level()), None)])
    }

    fn level(&self) -> Level<'static> {
        match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        }
    }

    fn with_source<'d>(&'d self, group: Group<'d>, label: Option<&'d str>) -> Group<'d> {
        if self.file.is_empty() {
            return group;
        }
        if self.text.is_empty() {
            return group.element(annotate_snippets::Origin::path(self.file.as_str()));
        }
        let mark = AnnotationKind::Primary.span(self.span.clone()).label(label);
        group.element(Snippet::source(&*self.text).path(self.file.as_str()).line_start(1).annotation(mark))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.code, self.message)
    }
}

/// The place of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub file: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One file during reading: its text, and the findings so far.
#[derive(Debug)]
pub struct Page {
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub found: Vec<Diagnostic>,
    /// The text that findings quote instead, if the file holds secrets. It has the same length as the text.
    shown: Option<Arc<str>>,
}

impl Page {
    pub fn new(file: impl Into<String>, text: &str) -> Page {
        Page { file: Arc::from(file.into()), text: Arc::from(text), found: Vec::new(), shown: None }
    }

    /// Findings will quote `shown` instead of the text. Both must have the same length.
    #[must_use]
    pub fn showing(mut self, shown: &str) -> Page {
        debug_assert_eq!(shown.len(), self.text.len(), "spans would point elsewhere");
        self.shown = Some(Arc::from(shown));
        self
    }

    pub fn error(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, code, span, message.into())
    }

    pub fn warn(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, span, message.into())
    }

    /// A finding about the file as a whole.
    pub fn whole(&self, severity: Severity, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.make(severity, code, 0..0, message.into())
    }

    /// Whether the text may hold secrets. If so, findings must not quote its words.
    pub fn is_secret(&self) -> bool {
        self.shown.is_some()
    }

    /// A word of the text in quotes. If it may be a secret, only a word that can be a key's name is shown.
    pub fn named(&self, word: &str) -> String {
        if self.is_secret() && !is_key(word) { "(not shown)".to_owned() } else { format!("`{word}`") }
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place { file: Arc::clone(&self.file), line, column }
    }

    /// Adds an error at a place that was noted earlier.
    pub fn error_at(&mut self, code: &'static str, at: &Place, message: String) -> &mut Diagnostic {
        let made = self.finding(Severity::Error, code, at, message);
        self.found.push(made);
        self.found.last_mut().expect("one was just pushed")
    }

    /// A finding at a place that was noted earlier.
    pub fn finding(&self, severity: Severity, code: &'static str, at: &Place, message: String) -> Diagnostic {
        let line_start: usize =
            self.text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let before: usize = line.chars().take(at.column.saturating_sub(1)).map(char::len_utf8).sum();
        self.make(severity, code, line_start + before..line_start + line.trim_end().len(), message)
    }

    /// Line and column, both from 1, of the byte at `offset`.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: &Range<usize>,
        message: String,
    ) -> &mut Diagnostic {
        let made = self.make(severity, code, span.clone(), message);
        self.found.push(made);
        self.found.last_mut().expect("one was just pushed")
    }

    fn make(
        &self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: String,
    ) -> Diagnostic {
        let start = self.floor(span.start);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        // A finding underlines its first line only: ten underlined lines would show no place.
        let end = self.floor(span.end).clamp(start, line_end);
        let (line, column) = self.position(start);
        Diagnostic {
            severity,
            code,
            file: self.file.to_string(),
            line,
            column,
            message,
            help: None,
            span: start..end,
            label: None,
            text: self.shown.as_ref().map_or_else(|| Arc::clone(&self.text), Arc::clone),
        }
    }

    fn floor(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Whether a word looks like a key's name, and not like a secret.
pub fn is_key(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-');
    (1..=30).contains(&word.len()) && word.chars().all(fits)
}

/// The nearest of `known`, if it is near enough to be the intended word.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(3) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a`, `b` or `c`, for help texts.
pub fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", head.join(", "))
        }
    }
}

/// "did you mean ...", or the possible names.
pub fn suggest(word: &str, known: &[&str]) -> String {
    if let Some(name) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    match known {
        [] => "take it away".to_owned(),
        [one] => format!("use `{one}`"),
        known => format!("use one of {}", one_of(known)),
    }
}
