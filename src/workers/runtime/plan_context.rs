//! Gathers everything that the planner may read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::config::{Config, Perimeter as ConfiguredPerimeter};
use crate::decide::{Perimeter, PlanContext};
use crate::mapping::Mapping;
use crate::messages::Messages;
use crate::salesforce::field_fix::FieldFix;
use crate::sync::lock;
use crate::workers::{Schema, Shared};

/// Fields that Salesforce refused as such (not for their value), by mapping version.
#[derive(Default)]
pub struct Fixes {
    known: Mutex<HashMap<String, Vec<FieldFix>>>,
}

impl Fixes {
    pub fn of(&self, version: &str) -> Vec<FieldFix> {
        let known = lock(&self.known);
        known.get(version).cloned().unwrap_or_default()
    }

    /// True when it was not known before.
    pub fn add(&self, version: &str, fix: FieldFix) -> bool {
        let mut known = lock(&self.known);
        let fixes = known.entry(version.to_owned()).or_default();
        let new = !fixes.contains(&fix);
        if new {
            fixes.push(fix);
        }
        new
    }

    /// The org was described again, or an admin says that it changed: missing fields may exist now.
    pub fn forget(&self) {
        lock(&self.known).clear();
    }
}

/// The perimeter from the configuration.
pub fn perimeter(config: &Config) -> Perimeter {
    Perimeter {
        delegated_only: config.goodays.perimeter == ConfiguredPerimeter::Delegated,
        places: config.goodays.places.clone(),
    }
}

/// Owns what a [`PlanContext`] borrows.
pub struct OwnedPlanContext {
    pub mapping: Arc<Mapping>,
    pub schema: Arc<Schema>,
    perimeter: Perimeter,
    fixes: Vec<FieldFix>,
    messages: Messages,
}

impl Shared {
    pub fn plan_context(&self) -> OwnedPlanContext {
        let mapping = self.mapping();
        let fixes = self.fixes.of(mapping.version());
        let perimeter = perimeter(&self.config);
        let (schema, messages) = (self.contacts.schema.load_full(), self.config.messages.clone());
        OwnedPlanContext { mapping, schema, perimeter, fixes, messages }
    }
}

impl OwnedPlanContext {
    pub fn plan_context(&self) -> PlanContext<'_> {
        self.with(&self.fixes)
    }

    /// A context with these fixes: those for all conversations and those of one.
    pub fn with<'a>(&'a self, fixes: &'a [FieldFix]) -> PlanContext<'a> {
        PlanContext {
            mapping: &self.mapping,
            case: self.schema.case.as_ref(),
            comment: self.schema.comment.as_ref(),
            perimeter: &self.perimeter,
            closed: &self.schema.closed,
            fixes,
            names: &self.schema.names,
            messages: &self.messages,
        }
    }

    pub fn fixes(&self) -> &[FieldFix] {
        &self.fixes
    }
}
