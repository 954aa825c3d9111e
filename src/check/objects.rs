//! The org's objects that the mappings need, and paths over their relations.

use std::collections::HashMap;

use serde_json::Value;

use super::customers;
use crate::decide::Names;
use crate::decide::names::Lookup;
use crate::mapping::Mapping;
use crate::salesforce::describe::{Describe, Field};

/// By lower-case name. `None`: Salesforce does not describe the object to this user.
#[derive(Default)]
pub struct Objects {
    known: HashMap<String, Option<Describe>>,
    listed: Vec<Listed>,
    names: Names,
}

/// The org's answer to a look-up by name.
pub struct Listed {
    pub lookup: &'static Lookup,
    /// `None`: the user may not list them.
    pub names: Option<Vec<String>>,
}

/// The end of a path, for example of `LastModifiedBy.Email`.
pub enum Walk<'a> {
    Field(&'a Field),
    /// There is no such field, or (`relation`) no such relation to another object.
    Unknown {
        on: &'a Describe,
        name: String,
        relation: bool,
    },
    /// That object has to be described first.
    Needs(String),
    /// A relation to one of several objects, or an object that the user cannot see. Salesforce decides later.
    Opaque,
}

impl Objects {
    pub fn insert(&mut self, name: &str, describe: Option<Describe>) {
        self.known.insert(name.to_lowercase(), describe);
    }

    pub fn get(&self, name: &str) -> Option<&Describe> {
        self.known.get(&name.to_lowercase()).and_then(Option::as_ref)
    }

    /// `rows`: the answer. `None`: refused.
    pub fn list(&mut self, lookup: &'static Lookup, rows: Option<&[Value]>) {
        lookup.add(rows.unwrap_or_default(), &mut self.names);
        let names = rows.map(|rows| lookup.read(rows).map(|(name, _)| name.to_owned()).collect());
        self.listed.push(Listed { lookup, names });
    }

    pub fn listed(&self, field: &str, by: &str) -> Option<&Listed> {
        self.listed.iter().find(|one| one.lookup.field == field && one.lookup.by == by)
    }

    /// Ids of all that was listed, in the form that the plan takes.
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub fn walk(&self, object: &str, path: &str) -> Walk<'_> {
        let mut parts = path.split('.').peekable();
        let mut object = object.to_owned();
        loop {
            let on = match self.known.get(&object.to_lowercase()) {
                None => return Walk::Needs(object),
                Some(None) => return Walk::Opaque,
                Some(Some(on)) => on,
            };
            let Some(name) = parts.next() else { return Walk::Opaque };
            let last = parts.peek().is_none();
            let found = if last { on.field(name) } else { on.relation(name) };
            match (found, last) {
                (None, last) => return Walk::Unknown { on, name: name.to_owned(), relation: !last },
                (Some(field), true) => return Walk::Field(field),
                (Some(field), false) => match field.reference_to.as_slice() {
                    [one] => object.clone_from(one),
                    _ => return Walk::Opaque,
                },
            }
        }
    }

    /// Objects that the mapping's names lead to and that are not described yet.
    pub fn missing(&self, mapping: &Mapping) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for (object, path) in paths(mapping) {
            if let Walk::Needs(name) = self.walk(&object, &path)
                && !missing.iter().any(|one| one.eq_ignore_ascii_case(&name))
            {
                missing.push(name);
            }
        }
        missing
    }
}

/// The object from which agents' changes are read: that of the first mapping.
pub fn case_object(mapping: &Mapping) -> &str {
    mapping.case_mappings().first().map_or("Case", |case| case.object.as_str())
}

/// Every Salesforce field that the mappings name, with the object at which its path begins.
fn paths(mapping: &Mapping) -> Vec<(String, String)> {
    let of = |object: &str, path: String| (object.to_owned(), path);
    let (comment, actions) = (mapping.comment(), mapping.actions());
    let mut found = Vec::new();
    for case in mapping.case_mappings() {
        found.extend(case.field_names().into_iter().map(|name| of(&case.object, name)));
        found.push(of(&case.object, case.key_field.clone()));
        found.extend(customers::paths(case));
    }
    found.extend(comment.field_names().into_iter().map(|name| of(&comment.object, name)));
    found.extend(actions.case_paths().into_iter().map(|path| of(case_object(mapping), path)));
    found.extend(actions.comment_paths().into_iter().map(|path| of(&actions.comments.object, path)));
    found
}
