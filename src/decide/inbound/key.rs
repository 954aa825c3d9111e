//! The key on a Case that a merge led to: without it, no poll reads what agents do there.

use serde_json::{Map, Value, json};

use crate::decide::inbound::Planner;
use crate::decide::ledger::joined::KeyOfSurvivor;
use crate::decide::ledger::link_update::KeyUpdate;
use crate::mapping::CaseMapping;
use crate::salesforce::field_fix::FieldFix;

impl Planner<'_> {
    /// Writes key and marker on a surviving Case that has no key. If Salesforce refused the key, that is told.
    pub(super) fn claim_survivor(&mut self, mapping: &CaseMapping, fields: &mut Map<String, Value>) {
        let joined = self.link().filter(|link| link.case.is_some()).and_then(|link| link.joined);
        if joined.is_none_or(|joined| joined.key != KeyOfSurvivor::Missing) {
            return;
        }
        let refused = self.context.fixes.iter().find_map(|fix| match fix {
            FieldFix::Drop { field, code } if field.eq_ignore_ascii_case(&mapping.key_field) => Some(code),
            _ => None,
        });
        if let Some(code) = refused {
            self.plan.link_update.key = Some(KeyUpdate::Refused { code: code.clone() });
            return self.report(&mapping.key_field, code);
        }
        let marker = self.marker(mapping);
        fields.insert(mapping.marker_field.clone(), Value::String(marker));
        fields.insert(mapping.key_field.clone(), json!(self.input.response_id.as_str()));
        self.plan.link_update.key = Some(KeyUpdate::Written);
    }
}
