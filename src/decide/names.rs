//! Record types and owners that mappings name: the queries for them, and how answers are read.

use serde_json::Value;

use crate::decide::Names;
use crate::mapping::{CaseMapping, Mapping};
use crate::salesforce::RecordId;

/// One query to the org.
#[derive(Debug)]
pub struct Lookup {
    /// The relation in the mapping, `RecordType` or `Owner`.
    pub field: &'static str,
    /// The field by which it is found, `DeveloperName` or `Username`.
    pub by: &'static str,
    pub soql: &'static str,
    /// For people: "record type".
    pub what: &'static str,
}

const LOOKUPS: [Lookup; 3] = [
    Lookup {
        field: "RecordType",
        by: "DeveloperName",
        soql: "SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Case' AND IsActive = true",
        what: "active record type for Cases",
    },
    Lookup {
        field: "Owner",
        by: "DeveloperName",
        soql: "SELECT Id, DeveloperName FROM Group WHERE Type = 'Queue'",
        what: "queue",
    },
    Lookup {
        field: "Owner",
        by: "Username",
        soql: "SELECT Id, Username FROM User WHERE IsActive = true",
        what: "active user",
    },
];

/// The queries that a mapping needs; most mappings need none.
pub fn lookups(mapping: &Mapping) -> impl Iterator<Item = &'static Lookup> {
    LOOKUPS.iter().filter(|lookup| {
        let mut rules = mapping.case_mappings().iter().flat_map(CaseMapping::field_rules);
        rules.any(|rule| rule.field == lookup.field && rule.by.as_deref() == Some(lookup.by))
    })
}

impl Lookup {
    /// The names in an answer's rows, each with its id.
    pub fn read<'r>(&self, rows: &'r [Value]) -> impl Iterator<Item = (&'r str, RecordId)> {
        rows.iter().filter_map(|row| Some((row[self.by].as_str()?, RecordId::new(row["Id"].as_str()?)?)))
    }

    pub fn add(&self, rows: &[Value], names: &mut Names) {
        names.extend(self.read(rows).map(|(name, id)| ((self.field.to_owned(), name.to_owned()), id)));
    }
}
