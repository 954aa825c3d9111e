//! Formats and time zones that `date` is given. They are checked when the file is loaded: on a sample without the date
//! they are never used.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::Error;

use crate::mapping::language::dates::zone_of;
use crate::mapping::language::filters::NO_SUCH_ZONE;
use crate::mapping::language::jinja::{Kind, Token};
use crate::mapping::language::mistake::{BAD_FORMAT, Mistake};

/// Notations of other languages, the longest first.
const OTHERS: [(&str, &str); 12] = [
    ("YYYY", "%Y"),
    ("yyyy", "%Y"),
    ("YY", "%y"),
    ("yy", "%y"),
    ("MMMM", "%B"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("dd", "%d"),
    ("HH", "%H"),
    ("hh", "%H"),
    ("mm", "%M"),
    ("ss", "%S"),
];

pub fn formats(tokens: &[Token<'_>]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for at in 1..tokens.len() {
        if tokens[at - 1].is("|")
            && tokens[at].is("date")
            && tokens.get(at + 1).is_some_and(|open| open.is("("))
        {
            arguments(tokens, at + 1, &mut found);
        }
    }
    found
}

fn arguments(tokens: &[Token<'_>], open: usize, found: &mut Vec<Mistake>) {
    for at in open + 1..tokens.len() {
        let token = &tokens[at];
        if token.is(")") || token.is("(") {
            return; // the end, or something that has to be computed
        }
        let whole = tokens.get(at + 1).is_some_and(|next| next.is(",") || next.is(")"));
        let Some(text) = token.text.get(1..token.text.len().saturating_sub(1)) else { continue };
        if token.kind != Kind::Text || !whole {
            continue;
        }
        let name = if tokens[at - 1].is("=") { tokens[at - 2].text } else { "tz" };
        found.extend(match name {
            "format" => format(token, text),
            "tz" => zone(token, text),
            _ => None,
        });
    }
}

fn format(token: &Token<'_>, text: &str) -> Option<Mistake> {
    let translated = translated(text);
    let help = match &translated {
        Some(right) => format!("write `format='{right}'`"),
        None => "formats are like `%d.%m.%Y %H:%M`".to_owned(),
    };
    if !text.replace("%%", "").contains('%') {
        let message = format!("`{text}` stands for itself: the parts of a date begin with `%`");
        return Some(Mistake::error(BAD_FORMAT, token.span(), message, help));
    }
    if let Some(unknown) = unknown_part(text) {
        let message = format!("`{unknown}` is no part of a date");
        let help = "formats are like `%d.%m.%Y %H:%M`; a plain `%` is written `%%`";
        return Some(Mistake::error(BAD_FORMAT, token.span(), message, help));
    }
    translated.map(|_| {
        let message =
            format!("`{text}` has letters that stand for themselves: the parts of a date begin with `%`");
        Mistake::warning(BAD_FORMAT, token.span(), message, help)
    })
}

/// The first part that begins with `%` and cannot be written, even of a moment in a time zone.
fn unknown_part(text: &str) -> Option<&str> {
    let moment = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    let writes = |format: &str| strtime::format(format, &moment).is_ok();
    if writes(text) {
        return None;
    }
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        let part = &rest[start..];
        let ends = part.char_indices().map(|(at, letter)| at + letter.len_utf8()).skip(1);
        match ends.take(5).find(|end| writes(&part[..*end])) {
            Some(end) => rest = &part[end..],
            None => return Some(part.split_inclusive(char::is_alphabetic).next().unwrap_or(part)),
        }
    }
    Some(text)
}

/// The format with other notations replaced. `None`: it has none.
fn translated(text: &str) -> Option<String> {
    let (mut out, mut rest, mut changed) = (String::new(), text, false);
    while let Some(letter) = rest.chars().next() {
        let alone = !out.ends_with(|c: char| c.is_alphabetic()) || out.ends_with('T') || changed_last(&out);
        let other = OTHERS.iter().find(|(other, _)| alone && rest.starts_with(other));
        let length = if letter == '%' {
            rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at)
        } else {
            other.map_or(letter.len_utf8(), |(other, _)| other.len())
        };
        match other.filter(|_| letter != '%') {
            Some((_, right)) => {
                out.push_str(right);
                changed = true;
            }
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    changed.then_some(out)
}

/// Whether the text ends with a part of a date, so that letters behind it begin another part.
fn changed_last(out: &str) -> bool {
    let mut letters = out.chars().rev();
    letters.next();
    letters.next() == Some('%')
}

fn zone(token: &Token<'_>, text: &str) -> Option<Mistake> {
    if text.replace("%%", "").contains('%') {
        let message = format!("`{text}` is a format, where `date` takes a time zone");
        return Some(Mistake::error(
            BAD_FORMAT,
            token.span(),
            message,
            format!("write `date(format='{text}')`"),
        ));
    }
    // A machine without time zone data is another matter, which the samples show.
    let is_unknown = |error: &Error| error.detail() == Some(NO_SUCH_ZONE);
    zone_of(text).err().filter(is_unknown).map(|_| {
        let message = format!("there is no time zone `{text}`");
        Mistake::error(BAD_FORMAT, token.span(), message, "zones are named like `Europe/Paris`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::language::jinja::expression;

    fn said(arguments: &str) -> Option<(bool, String)> {
        let source = format!("a.b | date({arguments})");
        let found = formats(&expression(&source));
        assert!(found.len() < 2, "{found:?}");
        found
            .first()
            .map(|one| (one.severity == crate::document::diagnostic::Severity::Error, one.help.clone()))
    }

    #[test]
    fn formats_of_other_languages_are_told_with_the_right_one() {
        for (wrong, right) in [
            ("YYYY-MM-DD", "%Y-%m-%d"),
            ("dd/MM/yyyy", "%d/%m/%Y"),
            ("yyyy-MM-dd HH:mm:ss", "%Y-%m-%d %H:%M:%S"),
            ("yyyyMMdd", "%Y%m%d"),
            ("YYYY-MM-DDTHH:mm", "%Y-%m-%dT%H:%M"),
        ] {
            let (is_error, help) = said(&format!("format='{wrong}'")).unwrap();
            assert!(is_error && help == format!("write `format='{right}'`"), "{wrong}: {help}");
        }
        for wrong in ["d.m.Y", "", "medium", "100%%", "%d.%m.%Y %", "%E", "%Y-%!", "%d %ä"] {
            assert!(said(&format!("format='{wrong}'")).is_some_and(|(is_error, _)| is_error), "{wrong}");
        }
        assert_eq!(said("format='%d.MM.%Y'"), Some((false, "write `format='%d.%m.%Y'`".to_owned())));
        assert!(
            said("'%d.%m.%Y'").is_some() && said("'Europe/Pari'").is_some() && said("tz='Paris'").is_some()
        );
    }

    #[test]
    fn formats_that_work_are_none_of_our_business() {
        for right in [
            "%Y-%m-%d",
            "%d/%m/%y %H:%M:%S",
            "%-d. %B %Y",
            "%A, %e %b",
            "%F %T",
            "%s",
            "%Q",
            "%Z",
            "%z",
            "%:z",
            "%.3f",
            "%I:%M %p",
            "%G-W%V",
            "%j",
            "100%% on %d",
            "le %d à %Hh%M",
            "%Y%m%dT%H%M%SZ",
            "Summer of %Y",
            "%Hh%Mmin",
            "%D",
            "%R",
            "%c",
            "%x",
        ] {
            let format = format!("format='{right}'");
            assert_eq!(said(&format), None, "{right}");
        }
        for other in [
            "",
            "'Europe/Paris'",
            "tz='Asia/Tokyo'",
            "case.Zone__c",
            "format=case.F__c",
            "format='YYYY' | lower",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
