//! What the user can reach: assignment rules, the polls' queries, other people's records.

use super::codes::{ASSIGNMENT, POLL_FAILS, SEES_NOTHING};
use super::objects::case_object;
use super::report::{Area, Done};
use super::salesforce::{ASSIGNMENT_RULES, OTHERS, POLLS, Visit};
use crate::clock::Clock;
use crate::http::Failure;
use crate::mapping::Assignment;
use crate::salesforce::auth::Session;
use crate::salesforce::query::{self, After, quote};

impl Visit<'_> {
    pub(super) async fn assignment(&mut self) -> Done {
        let rules: Vec<&Assignment> =
            self.mapping.case_mappings().iter().map(|case| &case.assignment).collect();
        if rules.contains(&&Assignment::Create) {
            let soql = "SELECT Id FROM AssignmentRule WHERE SobjectType = 'Case' AND Active = true";
            if self.rows(ASSIGNMENT_RULES, soql).await?.is_some_and(|rows| rows.is_empty()) {
                self.report
                    .warn(
                        Area::Salesforce,
                        ASSIGNMENT,
                        "no active Case assignment rule can be seen: without one, Cases stay with the integration user",
                    )
                    .help("activate a rule in Setup > Case Assignment Rules, or map `OwnerId`");
            }
        }
        for rule in rules {
            let Assignment::Rule(id) = rule else { continue };
            let soql = format!("SELECT Id FROM AssignmentRule WHERE Id = {}", quote(id));
            if self.rows(ASSIGNMENT_RULES, &soql).await?.is_none_or(|rows| rows.is_empty()) {
                self.report
                    .warn(Area::Salesforce, ASSIGNMENT, format!("the assignment rule {id} can't be seen"))
                    .help("compare `assignment` with the id in the rule's address in Setup");
            }
        }
        Ok(())
    }

    /// Asks the same queries as the polls.
    pub(super) async fn polls(&mut self, session: &Session) -> Done {
        let at = self.client.server_time().unwrap_or_else(|| Clock::System.now());
        let after = After { at, id: None };
        let (mapping, source) = (self.mapping, &self.mapping.actions().comments);
        let Some(case) = mapping.case_mappings().first() else { return Ok(()) };
        let (paths, comment_paths) = (mapping.actions().case_paths(), mapping.actions().comment_paths());
        let fields: Vec<&str> = paths.iter().map(String::as_str).collect();
        let on_case = query::Poll {
            object: &case.object,
            fields: &fields,
            key: &case.key_field,
            not_by: None,
            except: &[],
            limit: 1,
        };
        let key = format!("{}.{}", source.parent_relation(), case.key_field);
        let fields: Vec<&str> = comment_paths.iter().map(String::as_str).collect();
        let not_by = Some(&session.user_id);
        let on_comment =
            query::Poll { object: &source.object, fields: &fields, key: &key, not_by, except: &[], limit: 1 };
        let mut good = true;
        for poll in [on_case, on_comment] {
            let object = poll.object;
            let Ok(soql) = query::poll(&poll, &after) else { continue };
            good &= self.poll(object, &soql).await?;
        }
        if good {
            self.report.ok(Area::Salesforce, "the queries that polls ask run");
        }
        Ok(())
    }

    pub(super) async fn poll(&mut self, object: &str, soql: &str) -> Done<bool> {
        match self.client.query(soql).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused { problem, .. }) => {
                let message = format!("the query that polls ask of {object} is refused ({})", problem.code);
                self.report
                    .error(Area::Salesforce, POLL_FAILS, message)
                    .help("mend the fields told above; agents' work is not seen until this query runs")
                    .about(object);
                Ok(false)
            }
            Err(failure) => Err((POLLS, failure)),
        }
    }

    /// Whether the user sees the work of other users.
    pub(super) async fn others(&mut self, session: &Session) -> Done {
        let us = quote(session.user_id.as_str());
        let case = case_object(self.mapping);
        let comments = &self.mapping.actions().comments.object;
        let help = "give the integration user's permission set View All on Case; in a new org without Cases this is \
                    as it should be";
        for object in [case, comments] {
            let soql = format!("SELECT Id FROM {object} WHERE CreatedById != {us} LIMIT 1");
            match self.rows(OTHERS, &soql).await? {
                Some(rows) if rows.is_empty() => {
                    let message = format!("no {object} made by anybody else can be seen");
                    self.report.warn(Area::Salesforce, SEES_NOTHING, message).help(help).about(object);
                }
                Some(_) => {
                    self.report.ok(Area::Salesforce, format!("{object} records of other people can be seen"));
                }
                None => {
                    let message = format!("records of {object} can't be read");
                    self.report.error(Area::Salesforce, SEES_NOTHING, message).help(help).about(object);
                }
            }
        }
        Ok(())
    }
}
