//! `plan`: what events would write to Salesforce. If a daemon runs, as it would write them now.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::admin::{self, Admin};
use super::{FINDINGS, OK, UNREACHABLE, all, load};
use crate::config::{Config, Secrets};
use crate::goodays::ResponseId;
use crate::goodays::event;
use crate::http::Failure;
use crate::mapping::Mapping;
use crate::operator::Knowledge;
use crate::out::{say, warn_user};
use crate::preview::{self, Org, Preview};
use crate::workers::perimeter;

/// The options of `plan`.
#[derive(Clone, Copy)]
pub struct How {
    /// As if none of it were known or in Salesforce yet.
    pub as_new: bool,
    pub diff: bool,
    pub json: bool,
}

pub async fn plan(event: &str, path: &Path, how: How) -> anyhow::Result<u8> {
    let config = load(path, if how.diff { Secrets::Required } else { Secrets::Optional })?;
    let (mapping, _) = Mapping::load(&config.mappings).map_err(|m| all(&m, "mappings"))?;
    let bodies = bodies(event, path).await?;
    let mut planner = match Planner::open(path, &config, &mapping, how).await {
        Ok(planner) => planner,
        Err(failure) => return Ok(unreachable(&failure)),
    };
    let mut code = OK;
    for (name, body) in bodies {
        let shown = match body {
            Ok(body) => planner.show(&name, &body).await,
            Err(why) => {
                warn_user!("{name}: {why}");
                code = FINDINGS;
                continue;
            }
        };
        match shown {
            Ok(text) => say!("{text}"),
            Err(failure) => return Ok(unreachable(&failure)),
        }
    }
    planner.ask_version().await;
    warn_user!("note: {}", planner.note());
    Ok(code)
}

fn unreachable(failure: &Failure) -> u8 {
    warn_user!("error: Salesforce: {failure}");
    UNREACHABLE
}

/// The sources for fields and for what Salesforce holds already.
struct Planner<'a> {
    config: &'a Config,
    mapping: &'a Mapping,
    how: How,
    daemon: Option<Admin>,
    /// With `--diff`.
    org: Option<Org<'a>>,
    /// The mapping version that the daemon has in force, once it was asked.
    in_force: Option<String>,
    /// The daemon that was asked waits, and the one that works could not be reached.
    waits: bool,
}

impl<'a> Planner<'a> {
    async fn open(path: &Path, config: &'a Config, mapping: &'a Mapping, how: How) -> Result<Self, Failure> {
        let org = if how.diff { Some(Org::open(config, mapping).await?) } else { None };
        Ok(Self { config, mapping, how, daemon: Admin::if_running(path), org, in_force: None, waits: false })
    }

    async fn show(&mut self, name: &str, body: &Value) -> Result<String, Failure> {
        let id = event::read(body).ok().map(|event| event.response.id);
        let row = match (&self.org, &id) {
            (Some(org), Some(id)) => org.case(id).await?,
            _ => None,
        };
        let mut knowledge = self.knowledge(id.as_ref(), row.as_ref()).await;
        if self.how.as_new {
            (knowledge.link, knowledge.intents) = (None, Vec::new());
        }
        let mut preview = preview::knowing(&knowledge, self.mapping, &perimeter(self.config), body);
        if let (Some(org), Some(wanted)) = (&self.org, preview.wanted_customer()) {
            let found = org.customer(wanted).await?;
            preview.set_customer(&found);
        }
        let shown = if self.how.json { machine } else { human };
        Ok(shown(name, &preview, self.how.diff, row.as_ref()))
    }

    /// The daemon's knowledge, or else that of Salesforce, or else none.
    async fn knowledge(&mut self, id: Option<&ResponseId>, row: Option<&Value>) -> Knowledge {
        let Some(id) = id else { return Knowledge::default() };
        if let Some(daemon) = &self.daemon {
            match daemon.knowledge(id).await {
                Ok(knowledge) => {
                    self.in_force = Some(knowledge.mapping.clone());
                    self.waits = knowledge.waits;
                    return knowledge;
                }
                Err(error) => {
                    warn_user!("note: {error:#}");
                    self.daemon = None;
                }
            }
        }
        self.org.as_ref().map(|org| org.knowledge(id, row)).unwrap_or_default()
    }

    /// Asks the daemon which mapping version it has in force, if no event made that known.
    async fn ask_version(&mut self) {
        let (Some(daemon), None) = (&self.daemon, &self.in_force) else { return };
        let status = daemon.get("/status").await.ok();
        let version = status.as_ref().and_then(|status| status["mapping"]["version"].as_str());
        self.in_force = version.map(str::to_owned);
    }

    /// Tells how reliable the plan is.
    fn note(&self) -> String {
        let own = self.mapping.version();
        match (&self.in_force, &self.org) {
            _ if self.waits => "with the ledger, but what the org's fields take is not known: the daemon that was asked waits, \
                 and the instance that works cannot be asked from it"
                .to_owned(),
            (Some(in_force), _) if in_force == own => {
                format!("as the running daemon would write it now, mapping version {own}")
            }
            (Some(in_force), _) => format!(
                "with the running daemon's fields and ledger, but these files are mapping version {own} and {in_force} is in force"
            ),
            (None, Some(_)) => {
                "no daemon runs on this state folder; fields and Case are as Salesforce has them".to_owned()
            }
            (None, None) => {
                "no daemon runs on this state folder, so what the org's fields take and what Salesforce \
                             holds already is not known; --diff asks Salesforce"
                    .to_owned()
            }
        }
    }
}

fn human(name: &str, preview: &Preview, diffing: bool, row: Option<&Value>) -> String {
    let diff = match row {
        Some(row) => preview.render_diff(row),
        None if diffing => "Salesforce has no Case for it yet.\n".to_owned(),
        None => String::new(),
    };
    format!("{name}\n{}{}{diff}", preview.render(), if diff.is_empty() { "" } else { "\n" })
}

fn machine(name: &str, preview: &Preview, diffing: bool, row: Option<&Value>) -> String {
    let mut shown = json!(preview);
    shown["name"] = json!(name);
    if diffing {
        shown["diff"] = json!(row.map(|row| preview.diff(row)));
    }
    format!("{shown:#}")
}

type Body = (String, Result<Value, String>);

/// The events that a file, a folder or an id names.
pub async fn bodies(event: &str, path: &Path) -> anyhow::Result<Vec<Body>> {
    let file = Path::new(event);
    if file.exists() {
        let bodies = preview::bodies(file).with_context(|| format!("{event} cannot be read"))?;
        anyhow::ensure!(
            !bodies.is_empty(),
            "the folder {event} holds no event: files whose names end in .json are read, not those of folders inside of it"
        );
        return Ok(bodies);
    }
    let body = admin::event(path, event)
        .await
        .with_context(|| format!("{event} is neither a file nor an event that a running daemon holds"))?;
    Ok(vec![(event.to_owned(), Ok(body))])
}
