//! Looks up the customers of the Cases that a call makes: one query for all of them.

use serde_json::Value;
use tracing::{debug, warn};

use crate::decide::inbound::Plan;
use crate::decide::inbound::customer::{AfterFailedLookUp, FailedLookUps, Found, Wanted, not_told, put};
use crate::http::Failure;
use crate::salesforce::customers::{MAX_ROWS, queries};
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::runtime::budget::Purpose;
use crate::workers::{Remote, Shared};

/// How often a query whose answer was cut is made again without those that it decided. Each time some are decided.
const PASSES: usize = 3;

impl InboundWorker {
    /// Completes the plans that make a Case. A failure pauses the calls; nothing was written then.
    pub(super) async fn look_up_customers(
        &self,
        shared: &Shared,
        batch: &mut [(Job, Plan)],
    ) -> Result<(), Failure> {
        let wanted: Vec<Option<Wanted>> = batch.iter().map(|(_, plan)| plan.customer.clone()).collect();
        let asked: Vec<&Wanted> = wanted.iter().flatten().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let found = match self.known_refusal(shared) {
            Some(code) => vec![Found::NotTold { code }; asked.len()],
            None => self.look_up(shared, &asked).await?,
        };
        let plans = batch.iter_mut().map(|(_, plan)| plan).filter(|plan| plan.customer.is_some());
        for (plan, found) in plans.zip(&found) {
            put(plan, found);
        }
        Ok(())
    }

    fn known_refusal(&self, shared: &Shared) -> Option<String> {
        let (version, now_ms) = (shared.mapping().version().to_owned(), shared.clock.now_ms());
        self.state().look_ups.refused(&version, now_ms).map(str::to_owned)
    }

    /// The customers, in the order asked. A failure that costs only the customers is none here.
    async fn look_up(&self, shared: &Shared, asked: &[&Wanted]) -> Result<Vec<Found>, Failure> {
        let began_ms = shared.clock.now_ms();
        match ask(shared, asked).await {
            Ok(found) => {
                self.state().look_ups = FailedLookUps::default();
                debug!(cases = asked.len(), matched = matched(&found), "looked up customers");
                Ok(found)
            }
            Err(failure) => {
                let version = shared.mapping().version().to_owned();
                match self.state().look_ups.failed(&failure, &version, began_ms) {
                    AfterFailedLookUp::Wait => Err(failure),
                    AfterFailedLookUp::WithoutCustomer { code } => {
                        warn!(
                            code,
                            cases = asked.len(),
                            "customers cannot be looked up: Cases are made without"
                        );
                        Ok(vec![Found::NotTold { code }; asked.len()])
                    }
                }
            }
        }
    }
}

fn matched(found: &[Found]) -> usize {
    found.iter().filter(|one| matches!(one, Found::One { .. })).count()
}

/// Asks for all at once; with Case mappings that look into different fields, for those of each.
async fn ask(shared: &Shared, asked: &[&Wanted]) -> Result<Vec<Found>, Failure> {
    let mut found: Vec<Option<Found>> = vec![None; asked.len()];
    for _ in 0..PASSES {
        let mut open: Vec<usize> = (0..asked.len()).filter(|place| found[*place].is_none()).collect();
        while let Some(first) = open.first().map(|place| asked[*place]) {
            let same = |place: &usize| asked[*place].object == first.object;
            let (group, others): (Vec<usize>, Vec<usize>) = open.into_iter().partition(same);
            open = others;
            let wanted: Vec<&Wanted> = group.iter().map(|place| asked[*place]).collect();
            for (place, one) in group.into_iter().zip(ask_object(shared, &wanted).await?) {
                found[place] = one;
            }
        }
    }
    Ok(found.into_iter().map(|one| one.unwrap_or_else(not_told)).collect())
}

/// None for those that an answer which was cut leaves open.
async fn ask_object(shared: &Shared, wanted: &[&Wanted]) -> Result<Vec<Option<Found>>, Failure> {
    let Some(object) = wanted.first().map(|one| one.object) else { return Ok(Vec::new()) };
    let mut fields: Vec<&str> = wanted.iter().flat_map(|one| one.fields()).collect();
    fields.sort_unstable();
    fields.dedup();
    let equals: Vec<_> = wanted.iter().map(|one| one.equals()).collect();
    let mut found = Vec::new();
    for (about, soql) in queries(object, &fields, &equals).map_err(|e| unsayable(&e))? {
        let rows = rows(shared, &soql).await?;
        let complete = rows.len() < MAX_ROWS;
        found.extend(wanted[about].iter().map(|one| one.found(&rows, complete)));
    }
    Ok(found)
}

async fn rows(shared: &Shared, soql: &str) -> Result<Vec<Value>, Failure> {
    shared.allowance(Purpose::Feedback).await?;
    let began_ms = shared.clock.now_ms();
    let result = shared.salesforce.query(soql).await;
    if result.is_ok() {
        shared.call_succeeded(Remote::Salesforce, began_ms);
    }
    result
}
