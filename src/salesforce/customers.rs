//! Queries for the Contacts or Person Accounts of many conversations at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::query::{BadName, MAX_QUERY, encoded, field, quote};

/// Rows of one answer, which are one page of Salesforce's (Salesforce reference, 5). An answer with that many may lack
/// some: an address can stand on thousands of records.
pub const MAX_ROWS: usize = 2000;

/// A field and the value that it has to equal.
pub type Equals<'a> = (&'a str, &'a str);

/// Queries for the records that have one of the values of each conversation, as few as the length of an address allows,
/// each with the conversations that it is about. A value is compared and never taken for a pattern.
pub fn queries(
    object: &str,
    fields: &[&str],
    conversations: &[Vec<Equals<'_>>],
) -> Result<Vec<(Range<usize>, String)>, BadName> {
    let mut queries: Vec<(Range<usize>, String)> = Vec::new();
    let mut first = 0;
    for end in 1..=conversations.len() {
        let longer = query(object, fields, &conversations[first..end])?;
        match queries.last_mut().filter(|(about, _)| about.start == first && end > first + 1) {
            Some(last) if encoded(&longer).len() <= MAX_QUERY => *last = (first..end, longer),
            Some(_) => {
                first = end - 1;
                queries.push((first..end, query(object, fields, &conversations[first..end])?));
            }
            None => queries.push((first..end, longer)),
        }
    }
    Ok(queries)
}

fn query(object: &str, fields: &[&str], conversations: &[Vec<Equals<'_>>]) -> Result<String, BadName> {
    let mut values: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in conversations.iter().flatten() {
        values.entry(field(name)?).or_default().insert(quote(value));
    }
    let lists = values.iter().map(|(name, literals)| {
        format!("{name} IN ({})", literals.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    });
    let condition = lists.collect::<Vec<_>>().join(" OR ");
    let fields = fields.iter().map(|name| field(name)).collect::<Result<Vec<_>, _>>()?.join(", ");
    Ok(format!("SELECT Id, {fields} FROM {} WHERE {condition} LIMIT {MAX_ROWS}", field(object)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_has_the_values_of_all_conversations() {
        let all = [
            vec![("Loyalty__c", "L1"), ("Email", "o'neil@brand.example")],
            vec![("Email", "%_@brand.example")],
            vec![("Email", "o'neil@brand.example")],
        ];
        let found = queries("Contact", &["Loyalty__c", "Email"], &all).unwrap();
        let soql = "SELECT Id, Loyalty__c, Email FROM Contact WHERE Email IN ('%_@brand.example','o\\'neil@brand.example') \
                    OR Loyalty__c IN ('L1') LIMIT 2000";
        assert_eq!(found, [(0..3, soql.to_owned())]);
        assert!(queries("Contact", &["Email"], &[vec![("Email) OR Id != (", "x")]]).is_err());
    }

    #[test]
    fn a_whole_call_of_long_addresses_is_one_query_and_longer_texts_are_more() {
        let value = |n: usize, length: usize| format!("{n:03}{}@brand.example", "a".repeat(length));
        let of = |length: usize| (0..75).map(|n| value(n, length)).collect::<Vec<String>>();
        let asked = |values: &[String]| {
            let all: Vec<_> = values.iter().map(|value| vec![("Email", value.as_str())]).collect();
            queries("Contact", &["Email"], &all).unwrap()
        };
        assert_eq!(asked(&of(60)).len(), 1);
        let long = asked(&of(600));
        assert!(long.len() > 1 && long.iter().all(|(_, soql)| encoded(soql).len() <= MAX_QUERY));
        let about: Vec<usize> = long.into_iter().flat_map(|(about, _)| about).collect();
        assert_eq!(about, (0..75).collect::<Vec<_>>(), "each conversation once, in order");
    }
}
