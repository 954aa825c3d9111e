//! Commands about files: check, samples.

use std::path::Path;

use super::out::{self, say, warn_user};
use super::{OK, UNREACHABLE, load};
use crate::check as checks;
use crate::config::Secrets;
use crate::samples::SamplesError;

pub async fn check(path: &Path, offline: bool, json: bool) -> anyhow::Result<u8> {
    let report = checks::run(path, offline).await;
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        out::print(&report.render());
    }
    Ok(report.exit_code())
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
