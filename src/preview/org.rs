//! What Salesforce itself knows, if no daemon can be asked: the fields, and a Case in its current state.

use std::time::Duration;

use serde_json::Value;

use crate::config::Config;
use crate::decide::inbound::customer::{Found, Wanted, not_told};
use crate::decide::names::lookups;
use crate::decide::reconcile::{adopt, read_row};
use crate::decide::{Names, PlanContext};
use crate::goodays::ResponseId;
use crate::http::{Concerns, Failure};
use crate::mapping::{CaseMapping, Mapping};
use crate::operator::Knowledge;
use crate::remotes::salesforce_reader;
use crate::salesforce::client::Client;
use crate::salesforce::{customers, query};
use crate::workers::perimeter;

/// The time limit of one call.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Reads from the org. Writes nothing.
pub struct Org<'a> {
    client: Client,
    config: &'a Config,
    mapping: &'a Mapping,
    knowledge: Knowledge,
}

impl<'a> Org<'a> {
    pub async fn open(config: &'a Config, mapping: &'a Mapping) -> Result<Self, Failure> {
        let client = salesforce_reader(config, TIME_LIMIT);
        let object = mapping.case_mappings().first().map_or("Case", |case| case.object.as_str());
        let mut knowledge = Knowledge {
            case: Some(client.describe(object).await?),
            comment: Some(client.describe(&mapping.comment().object).await?),
            mapping: mapping.version().to_owned(),
            ..Knowledge::default()
        };
        let mut names = Names::new();
        for lookup in lookups(mapping) {
            lookup.add(&client.query(lookup.soql).await?, &mut names);
        }
        knowledge.set_names(&names);
        Ok(Self { client, config, mapping, knowledge })
    }

    /// The current Case of a response, with the mapped fields that the user can see.
    pub async fn case(&self, response: &ResponseId) -> Result<Option<Value>, Failure> {
        let Some(case) = self.mapping.case_mappings().first() else { return Ok(None) };
        let names: Vec<String> =
            self.mapping.case_mappings().iter().flat_map(CaseMapping::field_names).collect();
        let described = self.knowledge.case.as_ref();
        let seen = |name: &&str| described.is_some_and(|described| described.field(name).is_some());
        let fields: Vec<&str> = names.iter().map(String::as_str).filter(seen).collect();
        let (id, key) = (response.as_str(), case.key_field.as_str());
        let queries = query::cases_by_keys(&case.object, key, &case.marker_field, &fields, &[id])
            .map_err(|name| Failure::login("bad_name", name.to_string()))?;
        for soql in queries {
            let found = self.client.query(&soql).await?.into_iter().find(|row| row[key] == id);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The customer of a Case that would be made.
    pub async fn customer(&self, wanted: &Wanted) -> Result<Found, Failure> {
        let asked = customers::queries(wanted.object, &wanted.fields(), &[wanted.equals()])
            .map_err(|name| Failure::login("bad_name", name.to_string()))?;
        let Some((_, soql)) = asked.into_iter().next() else { return Ok(Found::Nobody) };
        match self.client.query(&soql).await {
            Ok(rows) => Ok(wanted.found(&rows, rows.len() < customers::MAX_ROWS).unwrap_or_else(not_told)),
            Err(failure) if failure.concerns() == Concerns::ThisRequest => {
                Ok(Found::NotTold { code: failure.code() })
            }
            Err(failure) => Err(failure),
        }
    }

    /// The knowledge of a daemon without a ledger: it takes the Case and its marker as the truth.
    pub fn knowledge(&self, response: &ResponseId, row: Option<&Value>) -> Knowledge {
        let mut knowledge = self.knowledge.clone();
        let marker = self.mapping.case_mappings().first().map_or("", |case| case.marker_field.as_str());
        let Some(row) = row.and_then(|row| read_row(row, marker)) else { return knowledge };
        let names = Names::new();
        let context = PlanContext {
            mapping: self.mapping,
            case: None,
            comment: None,
            perimeter: &perimeter(self.config),
            closed: &[],
            fixes: &[],
            names: &names,
            messages: &self.config.messages,
        };
        knowledge.link = Some(adopt(None, response, &row, &context));
        knowledge
    }
}
