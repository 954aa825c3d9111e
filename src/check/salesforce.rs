//! Checks against Salesforce: login, version, objects, statuses, rows of agents, limits. Only reads.

use std::time::Duration;

use serde_json::Value;

use super::actions::{self, Status};
use super::codes::{API_VERSION, NO_OBJECT, SANDBOX_SENDS};
use super::objects::{Objects, case_object};
use super::places::MappingFiles;
use super::report::{Area, Done, Report, after};
use super::{budget, fields, samples};
use crate::config::{Actions, Config};
use crate::decide::PlanContext;
use crate::decide::names::lookups;
use crate::http::Failure;
use crate::mapping::Mapping;
use crate::remotes::salesforce_reader;
use crate::salesforce::auth::Session;
use crate::salesforce::client::Client;

/// The requests, in this order.
const STEPS: [&str; 9] =
    [LOGIN, LIMITS, ORGANIZATION, OBJECTS, NAMES, STATUSES, ASSIGNMENT_RULES, POLLS, OTHERS];
const LOGIN: &str = "the login";
const LIMITS: &str = "the org's limits";
const ORGANIZATION: &str = "the kind of org";
const OBJECTS: &str = "objects and their fields";
const NAMES: &str = "record types and owners";
const STATUSES: &str = "the Case statuses";
pub(super) const ASSIGNMENT_RULES: &str = "assignment rules";
pub(super) const POLLS: &str = "the polls' queries";
pub(super) const OTHERS: &str = "records of other people";
/// How many relations a path in a query may cross (Salesforce reference, 5).
const DEEPEST: usize = 5;

/// The checks of an org. The first failure that concerns everything ends them.
pub(super) struct Visit<'a> {
    pub(super) client: Client,
    config: &'a Config,
    pub(super) mapping: &'a Mapping,
    pub(super) report: &'a mut Report,
}

/// `samples`: Goodays' own events, to try the mapping on. Each call may take as long as `limit`. After a call without
/// an answer no other is made.
pub async fn check(
    config: &Config,
    mapping: &Mapping,
    samples: &[(String, Value)],
    limit: Duration,
    report: &mut Report,
) {
    let client = salesforce_reader(config, limit);
    let mut visit = Visit { client, config, mapping, report };
    if let Err((what, failure)) = visit.all(samples).await {
        // Later steps have already reported where the login leads.
        if let Some(led) = visit.client.leads_to().filter(|_| [LIMITS, ORGANIZATION].contains(&what)) {
            let leads = format!("the login leads to {}, org {}", led.instance, led.org);
            visit.report.ok(Area::Salesforce, leads);
        }
        visit.report.failure(Area::Salesforce, what, &failure, &after(&STEPS, what));
    }
}

impl Visit<'_> {
    async fn all(&mut self, samples: &[(String, Value)]) -> Done {
        let session = self.client.session().await.map_err(|failure| (LOGIN, failure))?;
        if !self.limits().await? {
            return Ok(());
        }
        self.org(&session).await?;
        let mut objects = self.describe().await?;
        self.names(&mut objects).await?;
        let statuses = self.statuses().await?;
        let files = MappingFiles::new(self.mapping);
        fields::check(self.mapping, &files, &objects, self.report);
        actions::check(self.mapping, &files, &objects, statuses.as_deref(), self.report);
        self.try_samples(&objects, statuses.as_deref(), samples);
        self.assignment().await?;
        self.polls(&session).await?;
        self.others(&session).await
    }

    /// The first call with the version in its address. `false`: nothing else will work.
    async fn limits(&mut self) -> Done<bool> {
        let version = &self.config.salesforce.api_version;
        match self.client.limits().await {
            Ok(limits) => {
                budget::check(self.config, &limits, self.report);
                Ok(true)
            }
            Err(Failure::Refused { status: 404, .. }) => {
                self.report
                    .error(Area::Salesforce, API_VERSION, format!("this org has no API version {version}"))
                    .help("set `salesforce.api_version` to one that Setup > Apex Classes or /services/data lists");
                Ok(false)
            }
            Err(failure) => Err((LIMITS, failure)),
        }
    }

    async fn org(&mut self, session: &Session) -> Done {
        let version = &self.config.salesforce.api_version;
        let rows = self.rows(ORGANIZATION, "SELECT Name, IsSandbox FROM Organization").await?;
        let sandbox = rows.as_deref().and_then(<[Value]>::first).and_then(|row| row["IsSandbox"].as_bool());
        let kind = match sandbox {
            Some(true) => ", a sandbox",
            Some(false) => ", production",
            None => "",
        };
        let host = session.instance_url.host_str().unwrap_or_default();
        self.report.ok(
            Area::Salesforce,
            format!(
                "logged in to org {}{kind} at {host} as user {}, API version {version}",
                session.org_id, session.user_id
            ),
        );
        if sandbox == Some(true) && self.config.goodays.actions == Actions::Send {
            self.report
                .warn(
                    Area::Salesforce,
                    SANDBOX_SENDS,
                    "this is a sandbox, and its agents' answers go to real customers",
                )
                .help("set `goodays.actions: observe` while you try things out");
        }
        Ok(())
    }

    /// Describes every object that the mappings lead to.
    async fn describe(&mut self) -> Done<Objects> {
        let mut objects = Objects::default();
        for _ in 0..=DEEPEST {
            let missing = objects.missing(self.mapping);
            if missing.is_empty() {
                break;
            }
            for name in missing {
                let described = match self.client.describe(&name).await {
                    Ok(described) => Some(described),
                    Err(Failure::Refused { .. }) => {
                        self.no_object(&name);
                        None
                    }
                    Err(failure) => return Err((OBJECTS, failure)),
                };
                objects.insert(&name, described);
            }
        }
        Ok(objects)
    }

    fn no_object(&mut self, name: &str) {
        let message = format!("the integration user can't see the object {name}");
        let help = "give the user's permission set Read access to the object (Case: Read, Create, Edit and View All), \
                    or correct its name in the mappings";
        self.report.error(Area::Salesforce, NO_OBJECT, message).help(help).about(name);
    }

    /// The values of Case.Status. `None` if CaseStatus cannot be read.
    async fn statuses(&mut self) -> Done<Option<Vec<Status>>> {
        let Some(rows) = self.rows(STATUSES, "SELECT ApiName, IsClosed FROM CaseStatus").await? else {
            let message = "the list of Case statuses can't be read; only `Closed` counts as closed";
            self.report
                .warn(Area::Salesforce, NO_OBJECT, message)
                .help("give the user's permission set Read access to Cases")
                .about("CaseStatus");
            return Ok(None);
        };
        let status = |row: &Value| {
            Some(Status {
                name: row["ApiName"].as_str()?.to_owned(),
                closed: row["IsClosed"] == Value::Bool(true),
            })
        };
        let statuses: Vec<Status> = rows.iter().filter_map(status).collect();
        let closed: Vec<&str> = statuses.iter().filter(|s| s.closed).map(|s| s.name.as_str()).collect();
        self.report.ok(Area::Salesforce, format!("statuses that close a Case: {}", closed.join(", ")));
        Ok(Some(statuses))
    }

    /// Record types and owners that the mappings name.
    async fn names(&mut self, objects: &mut Objects) -> Done {
        for lookup in lookups(self.mapping) {
            let rows = self.rows(NAMES, lookup.soql).await?;
            objects.list(lookup, rows.as_deref());
        }
        Ok(())
    }

    fn try_samples(&mut self, objects: &Objects, statuses: Option<&[Status]>, all: &[(String, Value)]) {
        let closed = statuses.unwrap_or_default().iter().filter(|s| s.closed).map(|s| s.name.clone());
        let closed: Vec<String> = closed.collect();
        let context = PlanContext {
            mapping: self.mapping,
            case: objects.get(case_object(self.mapping)),
            comment: objects.get(&self.mapping.comment().object),
            perimeter: &crate::workers::perimeter(self.config),
            closed: &closed,
            fixes: &[],
            names: objects.names(),
            messages: &self.config.messages,
        };
        samples::check(&context, all, self.report);
    }

    /// `None`: refused, which the caller has to judge.
    pub(super) async fn rows(&self, what: &'static str, soql: &str) -> Done<Option<Vec<Value>>> {
        match self.client.query(soql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(Failure::Refused { .. }) => Ok(None),
            Err(failure) => Err((what, failure)),
        }
    }
}
