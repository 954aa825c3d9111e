//! Builds SOQL. All escaping is done here (Salesforce reference, 5).

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::RecordId;
pub use super::comment::{MAX_COMMENT_BYTES, clean_text, comment_bytes, cut_at_units, split_comment, units};
use crate::time::SalesforceTime;

/// Maximum encoded length of a query in a URL (the limit is 16,384 bytes for the whole request line and headers).
pub const MAX_QUERY: usize = 12_000;

/// A name that cannot be used in a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a Salesforce field or object")]
pub struct BadName(pub String);

/// A string literal, with its quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// A time literal: whole seconds, UTC, without quotes.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A row's own time as a literal, as exact as the row shows it: cut to its second, the row would count as changed since.
fn moment_of(row: Timestamp) -> String {
    let is_whole = row.subsec_nanosecond() == 0;
    if is_whole { moment(row) } else { row.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string() }
}

/// Parses a time in Salesforce's format: `2026-07-07T00:37:00.000+0000`.
pub fn parse_moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

/// Checks a field name or a path like `LastModifiedBy.Email`, with at most five relations.
pub fn field(name: &str) -> Result<&str, BadName> {
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() <= 6 && parts.iter().all(|p| is_identifier(p)) {
        Ok(name)
    } else {
        Err(BadName(name.into()))
    }
}

fn is_identifier(name: &str) -> bool {
    name.len() <= 80
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The row after which a poll continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    pub at: Timestamp,
    /// None at the start of a poll: rows of the same second are included.
    pub id: Option<RecordId>,
}

#[derive(Debug, Clone, Copy)]
pub struct Poll<'a> {
    pub object: &'a str,
    /// Read in addition to `Id` and `SystemModstamp`.
    pub fields: &'a [&'a str],
    /// Only rows where this field is not null: the key of the Case, or of a comment's parent.
    pub key: &'a str,
    /// Excludes rows created by this user; for comments only.
    pub not_by: Option<&'a RecordId>,
    /// Rows that are left out as long as they are as they were at this time: they are too large to read.
    pub except: &'a [(RecordId, Timestamp)],
    pub limit: usize,
}

/// One page of changed rows, ordered by time of change and id (Salesforce reference, 5 and 7.2).
pub fn poll(poll: &Poll<'_>, after: &After) -> Result<String, BadName> {
    let fields = list(&["Id", "SystemModstamp"], poll.fields)?;
    let since = match &after.id {
        None => format!("SystemModstamp >= {}", moment(after.at)),
        Some(id) => {
            let at = moment_of(after.at);
            let id = quote(id.as_str());
            format!("(SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {id}))")
        }
    };
    let others =
        poll.not_by.map(|id| format!(" AND CreatedById != {}", quote(id.as_str()))).unwrap_or_default();
    let except: String = poll.except.iter().map(unchanged).collect();
    Ok(format!(
        "SELECT {fields} FROM {} WHERE {since} AND {} != null{others}{except} ORDER BY SystemModstamp, Id LIMIT {}",
        field(poll.object)?,
        field(poll.key)?,
        poll.limit
    ))
}

/// The newest row with this key that changed between these times.
pub fn newest(
    object: &str,
    key: &str,
    (after, before): (SalesforceTime, SalesforceTime),
) -> Result<String, BadName> {
    let (after, before) = (moment(after.timestamp()), moment(before.timestamp()));
    Ok(format!(
        "SELECT Id, SystemModstamp FROM {} WHERE SystemModstamp > {after} AND SystemModstamp < {before} AND {} != \
         null ORDER BY SystemModstamp DESC LIMIT 1",
        field(object)?,
        field(key)?
    ))
}

/// Leaves a row out until it changes.
fn unchanged((id, at): &(RecordId, Timestamp)) -> String {
    format!(" AND (Id != {} OR SystemModstamp > {})", quote(id.as_str()), moment_of(*at))
}

/// Queries for Cases by key, including deleted and merged ones (use `queryAll`); several if one would be too long.
/// Salesforce compares text without case, so rows with other keys may be included.
pub fn cases_by_keys(
    object: &str,
    key: &str,
    marker: &str,
    extra: &[&str],
    keys: &[&str],
) -> Result<Vec<String>, BadName> {
    const STANDARD: [&str; 6] = ["Id", "CaseNumber", "IsDeleted", "MasterRecordId", "Status", "IsClosed"];
    let own: Vec<&str> = [key, marker].into_iter().chain(extra.iter().copied()).collect();
    let start =
        format!("SELECT {} FROM {} WHERE {} IN ", list(&STANDARD, &own)?, field(object)?, field(key)?);
    Ok(chunked(&start, keys.iter().map(|k| quote(k)), ""))
}

/// Query for a Case by its visible number.
pub fn case_by_number(object: &str, number: &str) -> Result<String, BadName> {
    Ok(format!("SELECT Id FROM {} WHERE CaseNumber = {}", field(object)?, quote(number)))
}

/// Queries for records by id.
pub fn by_ids(object: &str, fields: &[&str], ids: &[RecordId]) -> Result<Vec<String>, BadName> {
    let start = format!("SELECT {} FROM {} WHERE Id IN ", list(&["Id"], fields)?, field(object)?);
    Ok(chunked(&start, ids.iter().map(|id| quote(id.as_str())), ""))
}

/// Queries for the comments of some Cases, oldest first. `parent` is the field with the Case's id.
pub fn comments_of(
    object: &str,
    parent: &str,
    fields: &[&str],
    cases: &[RecordId],
) -> Result<Vec<String>, BadName> {
    let fields = list(&["Id", parent, "CreatedDate"], fields)?;
    let start = format!("SELECT {fields} FROM {} WHERE {} IN ", field(object)?, field(parent)?);
    Ok(chunked(&start, cases.iter().map(|id| quote(id.as_str())), " ORDER BY CreatedDate, Id"))
}

/// A field of a row, or of a related row (`CreatedBy.Email`), ignoring the case of names; null if there is none.
pub fn value<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |row, name| {
        let fields = row.as_object().into_iter().flatten();
        fields
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or(&Value::Null, |(_, value)| value)
    })
}

/// Names for a SELECT, without duplicates, ignoring case.
fn list(first: &[&str], more: &[&str]) -> Result<String, BadName> {
    let mut names: Vec<&str> = Vec::new();
    for name in first.iter().chain(more) {
        if !names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
            names.push(field(name)?);
        }
    }
    Ok(names.join(", "))
}

/// Adds literals in brackets, with as many per query as a URL allows.
fn chunked(start: &str, literals: impl Iterator<Item = String>, end: &str) -> Vec<String> {
    let frame = encoded(start).len() + encoded(end).len() + 2;
    let (mut queries, mut some, mut size) = (Vec::new(), Vec::new(), frame);
    let close = |some: &mut Vec<String>| format!("{start}({}){end}", std::mem::take(some).join(","));
    for literal in literals {
        let weight = encoded(&literal).len() + 3;
        if size + weight > MAX_QUERY && !some.is_empty() {
            queries.push(close(&mut some));
            size = frame;
        }
        size += weight;
        some.push(literal);
    }
    if !some.is_empty() {
        queries.push(close(&mut some));
    }
    queries
}

/// A query, percent-encoded for a URL.
pub fn encoded(soql: &str) -> String {
    percent_encoding::utf8_percent_encode(soql, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RecordId {
        RecordId::new(text).unwrap()
    }

    #[test]
    fn literals_cannot_be_left() {
        let table = [
            ("abc", "'abc'"),
            ("O'Neil", "'O\\'Neil'"),
            ("\\' OR Id != '", "'\\\\\\' OR Id != \\''"),
            ("a\nb\r\t\"", "'a\\nb\\r\\t\\\"'"),
            ("\u{0}\u{8}\u{c}\u{7f}", "'\\u0000\\b\\f\\u007F'"),
            ("é😊", "'é😊'"),
        ];
        for (text, literal) in table {
            assert_eq!(quote(text), literal);
        }
    }

    #[test]
    fn a_page_begins_behind_its_row_to_the_millisecond() {
        let at = |text: &str| {
            let after = After { at: text.parse().unwrap(), id: Some(id("500000000000001")) };
            let asked =
                Poll { object: "Case", fields: &[], key: "K__c", not_by: None, except: &[], limit: 1 };
            poll(&asked, &after).unwrap()
        };
        assert!(at("2026-07-07T00:37:00Z").contains("SystemModstamp = 2026-07-07T00:37:00Z AND Id >"));
        assert!(at("2026-07-07T00:37:00.25Z").contains("SystemModstamp > 2026-07-07T00:37:00.250Z OR"));
    }

    #[test]
    fn names_are_names() {
        for good in ["Id", "Goodays_Response_Id__c", "Parent.Goodays_Response_Id__c", "CreatedBy.Email"] {
            assert_eq!(field(good), Ok(good));
        }
        for bad in ["", "Id, Name", "1a", "a..b", "a'b", "Id FROM User--", "a.b.c.d.e.f.g", "_a"] {
            assert!(field(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_are_read_by_path() {
        let row = serde_json::json!({"Status": "New", "CreatedBy": {"Email": "a"}, "Parent": null});
        assert_eq!(value(&row, "status"), "New");
        assert_eq!(value(&row, "CreatedBy.email"), "a");
        assert!(value(&row, "Parent.Key__c").is_null() && value(&row, "Nothing").is_null());
    }

    #[test]
    fn moments() {
        let at: Timestamp = "2026-07-07T00:37:00.9+02:00".parse().unwrap();
        assert_eq!(moment(at), "2026-07-06T22:37:00Z");
        let read = parse_moment("2026-07-07T00:37:00.000+0000").unwrap();
        assert_eq!(read.to_string(), "2026-07-07T00:37:00Z");
        assert_eq!(parse_moment("yesterday"), None);
    }

    #[test]
    fn a_poll_pages_by_time_and_id() {
        let me = id("005000000000001");
        let what = Poll {
            object: "CaseComment",
            fields: &["ParentId", "id"],
            key: "Parent.Goodays_Response_Id__c",
            not_by: Some(&me),
            except: &[],
            limit: 2000,
        };
        let at = "2026-07-07T00:37:00Z".parse().unwrap();
        assert_eq!(
            poll(&what, &After { at, id: None }).unwrap(),
            format!(
                "SELECT Id, SystemModstamp, ParentId FROM CaseComment WHERE SystemModstamp >= 2026-07-07T00:37:00Z \
                 AND Parent.Goodays_Response_Id__c != null AND CreatedById != '{me}' \
                 ORDER BY SystemModstamp, Id LIMIT 2000"
            )
        );
        let row = id("00a000000000001");
        let next = poll(&Poll { not_by: None, ..what }, &After { at, id: Some(row.clone()) }).unwrap();
        assert!(next.contains(&format!(
            "WHERE (SystemModstamp > 2026-07-07T00:37:00Z OR (SystemModstamp = 2026-07-07T00:37:00Z AND Id > '{row}')) AND"
        )));
        let large = (id("500000000000002"), at);
        let without =
            poll(&Poll { except: std::slice::from_ref(&large), ..what }, &After { at, id: None }).unwrap();
        assert!(without.contains(&format!(
            " AND CreatedById != '{me}' AND (Id != '{}' OR SystemModstamp > 2026-07-07T00:37:00Z) ORDER BY",
            large.0
        )));
        assert!(poll(&Poll { fields: &["a b"], ..what }, &After { at, id: None }).is_err());
    }

    #[test]
    fn long_lists_become_several_queries_that_lose_nothing() {
        let keys: Vec<String> = (0..75).map(|i| format!("{i}{}", "😊".repeat(60))).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let queries = cases_by_keys("Case", "Key__c", "Marker__c", &["Status"], &keys).unwrap();
        assert!(queries.len() > 1);
        assert!(queries.iter().all(|q| encoded(q).len() <= MAX_QUERY));
        assert!(keys.iter().all(|k| queries.iter().filter(|q| q.contains(&quote(k))).count() == 1));
        assert_eq!(
            cases_by_keys("Case", "K__c", "M__c", &[], &["a'"]).unwrap(),
            [
                "SELECT Id, CaseNumber, IsDeleted, MasterRecordId, Status, IsClosed, K__c, M__c FROM Case WHERE K__c IN ('a\\'')"
            ]
        );
        assert_eq!(by_ids("CaseComment", &["ParentId"], &[]).unwrap(), Vec::<String>::new());
        let comments = comments_of("CaseComment", "ParentId", &["CommentBody"], &[id("500000000000001")]);
        assert!(comments.unwrap()[0].ends_with("ORDER BY CreatedDate, Id"));
    }
}
