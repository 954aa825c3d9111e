//! Keeps earlier rules of actions.yaml, for what people did while they were in force (design, rule 19).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::decide::outbound::EarlierRules;
use crate::mapping::{Mapping, Source};
use crate::state::StoreError;
use crate::time::SalesforceTime;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::{Fatal, Shared};

const RULES: &str = "action rules";
/// Set until all Cases were read once more: new rules may use fields that were not read before.
pub(crate) const READ_ALL: &str = "all Cases are to be read";
/// How many edits' rules are kept. A comment that was last changed before them is no new answer any more.
const MAX_EDITS: usize = 8;
/// A `Date` header has whole seconds.
const EXACT_MS: i64 = 1000;

/// The texts of actions.yaml: the one in force, and earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    now: String,
    /// Until when each was in force (Salesforce's clock); oldest first.
    earlier: Vec<(SalesforceTime, String)>,
    /// Until when those were in force that are not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped: Option<SalesforceTime>,
}

impl Kept {
    /// How many rules there are of before the last edit, those included that are not known.
    fn count(&self) -> usize {
        self.earlier.len() + usize::from(self.dropped.is_some())
    }
}

/// When the rules were edited in this term. Rules that were edited before it, on an instance that waited, judged nothing
/// until it began.
#[derive(Debug, Default)]
pub struct Edited {
    /// The last edit by our clock (milliseconds); 0: none since the term began.
    last_ms: AtomicI64,
    /// Locked while an edit is stored, so that it is stored once.
    noting: Mutex<()>,
}

impl Edited {
    pub(crate) fn at(&self, now_ms: i64) {
        self.last_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Shared {
    /// The rules for rows: the mapping in force, and earlier rules of actions.yaml. An edit is stored before its
    /// mapping judges a row: otherwise existing rows would look as if they were changed after the edit.
    pub(crate) async fn rules_in_force(&self) -> Result<(OwnedPlanContext, Arc<Vec<EarlierRules>>), Fatal> {
        let _noting = self.rules_edited.noting.lock().await;
        let context = self.plan_context();
        self.keep_rules(&context.mapping, self.salesforce_now()).await?;
        Ok((context, self.earlier_rules.load_full()))
    }

    /// Stores an edit of actions.yaml with its time by Salesforce's clock, which row times use.
    async fn keep_rules(&self, mapping: &Mapping, now: SalesforceTime) -> Result<(), Fatal> {
        let text = actions_text(mapping);
        let kept: Option<Kept> = self.store.meta(RULES).await?;
        let first = kept.is_none();
        let mut kept = kept.unwrap_or_else(|| Kept { now: text.clone(), ..Kept::default() });
        let edited = kept.now != text;
        if edited {
            let edited_ms = self.rules_edited.last_ms.load(Ordering::SeqCst);
            let ago_ms = if edited_ms == 0 { 0 } else { (self.clock.now_ms() - edited_ms).max(0) };
            let before = std::mem::replace(&mut kept.now, text);
            kept.earlier.push((now.plus_millis(EXACT_MS - ago_ms), before));
            let surplus = kept.earlier.len().saturating_sub(MAX_EDITS);
            kept.dropped = kept.earlier.drain(..surplus).next_back().map(|(until, _)| until).or(kept.dropped);
        }
        if edited || first {
            self.store.set_meta(RULES, &kept).await?;
        }
        if edited || self.earlier_rules.load().len() != kept.count() {
            let earlier = compiled(mapping, &kept);
            if edited {
                self.note_new_fields(mapping, earlier.last()).await?;
                info!("the rules of actions.yaml were edited: they act on what people do from now on");
            }
            self.earlier_rules.store(Arc::new(earlier));
        }
        Ok(())
    }

    /// If the new rules use fields that were not read before, all Cases are read once more.
    async fn note_new_fields(&self, now: &Mapping, before: Option<&EarlierRules>) -> Result<(), StoreError> {
        let before = before.and_then(EarlierRules::actions);
        let known = before.map(|actions| actions.condition_fields.as_slice()).unwrap_or_default();
        let command = before.and_then(|actions| actions.command.as_ref());
        let is_new_command = now.actions().command.is_some() && now.actions().command.as_ref() != command;
        if is_new_command || now.actions().condition_fields.iter().any(|field| !known.contains(field)) {
            self.store.set_meta(READ_ALL, &true).await?;
        }
        Ok(())
    }
}

fn is_actions(source: &Source) -> bool {
    let name = source.name.rsplit('/').next().unwrap_or_default();
    name == "actions.yaml" || name == "actions.yml"
}

fn actions_text(mapping: &Mapping) -> String {
    mapping.sources().iter().find(|one| is_actions(one)).map(|one| one.text.clone()).unwrap_or_default()
}

/// The earlier rules, compiled with the current other files.
fn compiled(now: &Mapping, kept: &Kept) -> Vec<EarlierRules> {
    let with = |text: &String| {
        let mut sources = now.sources().to_vec();
        sources.iter_mut().filter(|one| is_actions(one)).for_each(|one| one.text.clone_from(text));
        Mapping::from_sources(sources).ok().map(|(mapping, _)| mapping)
    };
    let readable = |until: &SalesforceTime, text: &String| {
        let mapping = with(text);
        if mapping.is_none() {
            warn!(%until, "earlier rules of actions.yaml cannot be read by this version");
        }
        mapping.map(Arc::new)
    };
    let dropped = kept.dropped.map(|until| EarlierRules { until, mapping: None });
    let earlier = kept.earlier.iter();
    let earlier = earlier.map(|(until, text)| EarlierRules { until: *until, mapping: readable(until, text) });
    dropped.into_iter().chain(earlier).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::Clock;
    use crate::demo::stage::MAPPINGS;
    use crate::workers::Process;
    use crate::workers::runtime::worker::tests;

    const HALF_AN_HOUR_MS: i64 = 1_800_000;

    fn mapping(condition: &str) -> Mapping {
        let source = |(name, text): (&str, &str)| {
            let edited =
                if name == "actions.yaml" { format!("{text}\n# {condition}\n") } else { text.to_owned() };
            Source { name: name.to_owned(), text: edited }
        };
        Mapping::from_sources(MAPPINGS.map(source).to_vec()).unwrap().0
    }

    fn write(mapping: &Mapping, dir: &std::path::Path) {
        std::fs::create_dir_all(dir).unwrap();
        for source in mapping.sources() {
            std::fs::write(dir.join(source.name.rsplit('/').next().unwrap()), &source.text).unwrap();
        }
    }

    #[tokio::test]
    async fn of_more_edits_than_are_kept_it_is_known_until_when_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let shared = tests::shared(dir.path()).await;
        let at = |ms: i64| SalesforceTime::from(Timestamp::from_millisecond(ms).unwrap());
        let edits = i64::try_from(MAX_EDITS).unwrap() + 2;
        for edit in 0..=edits {
            shared.keep_rules(&mapping(&edit.to_string()), at(edit * HALF_AN_HOUR_MS)).await.unwrap();
        }
        let known = shared.earlier_rules.load();
        assert_eq!(known.len(), MAX_EDITS + 1);
        assert!(known[0].mapping.is_none() && known[1..].iter().all(|rules| rules.mapping.is_some()));
        assert_eq!(known[0].until, at(2 * HALF_AN_HOUR_MS + EXACT_MS));
        // The same after a restart.
        shared.earlier_rules.store(Arc::default());
        shared.keep_rules(&mapping(&edits.to_string()), at(edits * HALF_AN_HOUR_MS)).await.unwrap();
        assert_eq!(shared.earlier_rules.load()[0].until, known[0].until);
    }

    /// What an agent did meanwhile is judged by the rules of the instance that worked.
    #[tokio::test]
    async fn rules_that_were_edited_while_waiting_act_from_the_takeover_on() {
        let dir = tempfile::tempdir().unwrap();
        let leads = tests::shared(dir.path()).await;
        let at = |ms: i64| SalesforceTime::from(Timestamp::from_millisecond(ms).unwrap());
        leads.keep_rules(&leads.mapping(), at(leads.clock.now_ms())).await.unwrap();

        let clock = Arc::new(AtomicI64::new(leads.clock.now_ms()));
        let process =
            Process::new(leads.config.clone(), mapping("before"), Clock::Manual(clock.clone()), leads.limits);
        let process = Arc::new(process);
        let waits = Shared::waiting(process.clone(), leads.store.clone()).await.unwrap();
        write(&mapping("after"), &process.config.mappings);
        waits.reload_mappings().await.unwrap();

        let took_over_ms = clock.fetch_add(HALF_AN_HOUR_MS, Ordering::SeqCst) + HALF_AN_HOUR_MS;
        let begun = Shared::begin(process, leads.store.clone()).await.unwrap();
        begun.keep_rules(&begun.mapping(), at(took_over_ms)).await.unwrap();
        let until = begun.earlier_rules.load().last().unwrap().until;
        assert!(until >= at(took_over_ms), "the earlier rules judge only until {until}");

        // An edit of the one that works counts from when it was read.
        write(&mapping("again"), &begun.config.mappings);
        begun.reload_mappings().await.unwrap();
        let polled_ms = clock.fetch_add(HALF_AN_HOUR_MS, Ordering::SeqCst) + HALF_AN_HOUR_MS;
        begun.keep_rules(&begun.mapping(), at(polled_ms)).await.unwrap();
        let until = begun.earlier_rules.load().last().unwrap().until;
        assert_eq!(until, at(took_over_ms + EXACT_MS));
    }
}
