//! An action that is older than one poll is read again from Salesforce before it is sent: it may have been unpublished,
//! deleted, edited or taken back (design, rule 10).

use serde_json::Value;
use tracing::{info, warn};

use super::deliver::Delivery;
use super::take::id_of;
use super::{Fatal, Shared};
use crate::http::Failure;
use crate::plan::outbound::Rules;
use crate::plan::{Intent, Wish};
use crate::salesforce::{RecordId, query};

impl Delivery {
    /// Reads old intents again from Salesforce. Those that are still wanted count as read now, and may go; when Salesforce
    /// cannot be read, they wait.
    pub(super) async fn read_again(&self, shared: &Shared, old: Vec<Intent>) -> Result<(), Fatal> {
        let began_ms = shared.clock.now_ms();
        match shared.salesforce_rows(&old).await {
            Ok(rows) => {
                for intent in old {
                    confirm(shared, &intent, &rows)?;
                }
            }
            Err(failure) => {
                let until_ms =
                    shared.salesforce_said::<()>(&Err(failure), began_ms).unwrap_or(began_ms + 1000);
                for intent in &old {
                    self.hold(intent.seq, until_ms);
                }
            }
        }
        Ok(())
    }
}

/// What Salesforce shows for an old intent: still wanted, changed, or taken back.
fn confirm(shared: &Shared, intent: &Intent, rows: &[Value]) -> Result<(), Fatal> {
    let (held, earlier) = (shared.desk(), shared.earlier_rules.load_full());
    let rules = Rules { now: &held.mapping, earlier: &earlier };
    let id = intent.wish.comment().unwrap_or(&intent.case_id);
    let row = rows.iter().find(|r| id_of(r, "Id").as_ref() == Some(id));
    let now_ms = shared.clock.now_ms();
    let goes = shared
        .change(&intent.response_id, |loaded| Ok(loaded.now.see_again(intent.seq, row, rules, now_ms)))?;
    match goes {
        Ok(true) => {}
        Ok(false) => {
            info!(response = %intent.response_id, action = intent.wish.name(), "taken back before it was sent");
        }
        Err(problem) => warn!(response = %intent.response_id, %problem, "a rule cannot be evaluated"),
    }
    Ok(())
}

impl Shared {
    /// The rows behind some intents, as few queries as possible.
    async fn salesforce_rows(&self, intents: &[Intent]) -> Result<Vec<Value>, Failure> {
        self.contact().await?;
        let mapping = self.mapping();
        let actions = mapping.actions();
        let Some(case) = mapping.case_mappings().first() else { return Ok(Vec::new()) };
        let (mut comments, mut cases): (Vec<RecordId>, Vec<RecordId>) = (Vec::new(), Vec::new());
        for intent in intents {
            match &intent.wish {
                Wish::Answer { comment, .. } => comments.push(comment.clone()),
                _ => cases.push(intent.case_id.clone()),
            }
        }
        let schema = self.contacts.schema.load();
        let known = |p: &String| p.contains('.') || schema.case.as_ref().is_none_or(|d| d.field(p).is_some());
        let mut of_case: Vec<String> = actions.case_paths().into_iter().filter(known).collect();
        let parent = actions.comments.parent.trim_end_matches("Id");
        let mut of_comment = actions.comment_paths();
        of_comment.extend([actions.comments.parent.clone(), actions.comments.body.clone()]);
        let of_parent = actions.comment_case_paths().into_iter().filter(known);
        of_comment.extend(of_parent.map(|p| format!("{parent}.{p}")));
        for fields in [&mut of_case, &mut of_comment] {
            fields.extend(["LastModifiedDate", "SystemModstamp", "IsDeleted"].map(str::to_owned));
        }
        let mut rows = Vec::new();
        let asked = [(&actions.comments.object, of_comment, comments), (&case.object, of_case, cases)];
        for (object, fields, ids) in asked {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let queries = query::by_ids(object, &fields, &ids).map_err(|e| super::learn::unsayable(&e))?;
            for soql in queries {
                self.allowance(false).await?;
                rows.extend(self.salesforce.query_all(&soql).await?);
            }
        }
        Ok(rows)
    }
}
