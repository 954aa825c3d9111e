//! Commands about files: check, samples.

use std::path::Path;

use super::admin::Admin;
use super::{OK, UNREACHABLE, load};
use crate::check::{self as checks, Report, Stood};
use crate::config::Secrets;
use crate::out::{self, say, warn_user};
use crate::samples::SamplesError;

pub async fn check(path: &Path, offline: bool, json: bool) -> anyhow::Result<u8> {
    let mut report = checks::run(path, offline).await;
    if !offline {
        edited(path, &mut report).await;
    }
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        out::print(&report.render());
    }
    Ok(report.exit_code())
}

/// If a daemon runs, reports the existing records for which the last edit of its rules holds. Otherwise nothing.
async fn edited(path: &Path, report: &mut Report) {
    let Some(daemon) = Admin::if_running(path) else { return };
    match daemon.apply_actions(true).await {
        Ok(applied) => {
            let stood = Stood {
                cases: applied.n("cases"),
                open_cases: applied.n("open_cases"),
                comments: applied.n("comments"),
                published_comments: applied.n("published_comments"),
            };
            report.merge(checks::edited(&stood));
        }
        Err(error) => {
            warn_user!("note: what the last edit of actions.yaml would touch is not known: {error:#}");
        }
    }
}

pub async fn samples(path: &Path, dir: &Path) -> anyhow::Result<u8> {
    let config = load(path, Secrets::Required)?;
    match crate::samples::fetch(&config, dir).await {
        Ok(fetched) => {
            out::print(&fetched.render());
            Ok(OK)
        }
        Err(error @ SamplesError::Goodays(_)) => {
            warn_user!("error: {error}");
            Ok(UNREACHABLE)
        }
        Err(error) => Err(error.into()),
    }
}
