//! Commands about files: check, plan, samples.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::{FINDINGS, OK, UNREACHABLE, admin, load, render};
use crate::config::Secrets;
use crate::mapping::Mapping;
use crate::samples::SamplesError;
use crate::{check as checks, preview};

pub async fn check(path: &Path, offline: bool, json: bool) -> anyhow::Result<u8> {
    let report = checks::run(path, offline).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.render());
    }
    Ok(report.exit_code())
}

pub async fn plan(event: &str, path: &Path, diff: bool, json: bool) -> anyhow::Result<u8> {
    let config = load(path, if diff { Secrets::Required } else { Secrets::Optional })?;
    let (mapping, _) = Mapping::load(&config.mappings).map_err(|m| anyhow::anyhow!("{}", render(&m)))?;
    let perimeter = crate::run::perimeter(&config);
    let mut code = OK;
    for (name, body) in bodies(event, path).await? {
        let body = match body {
            Ok(body) => body,
            Err(why) => {
                eprintln!("{name}: {why}");
                code = FINDINGS;
                continue;
            }
        };
        let shown = preview::event(&mapping, None, None, &perimeter, &body);
        if json {
            println!("{}", serde_json::to_string_pretty(&shown)?);
        } else {
            println!("{name}\n{}", shown.render());
        }
        if diff {
            match checks::case_of(&config, &mapping, &body).await {
                Ok(Some(row)) => println!("{}", shown.render_diff(&row)),
                Ok(None) => println!("Salesforce has no Case for it yet."),
                Err(failure) => {
                    eprintln!("error: Salesforce: {failure}");
                    return Ok(UNREACHABLE);
                }
            }
        }
    }
    Ok(code)
}

type Body = (String, Result<Value, String>);

async fn bodies(event: &str, path: &Path) -> anyhow::Result<Vec<Body>> {
    let file = Path::new(event);
    if file.exists() {
        return preview::bodies(file).with_context(|| format!("{event} cannot be read"));
    }
    let body = admin::event(path, event)
        .await
        .with_context(|| format!("{event} is neither a file nor an event that a running daemon holds"))?;
    Ok(vec![(event.to_owned(), Ok(body))])
}

pub async fn samples(path: &Path, dir: &Path) -> anyhow::Result<u8> {
    let config = load(path, Secrets::Required)?;
    match crate::samples::fetch(&config, dir).await {
        Ok(fetched) => {
            print!("{}", fetched.render());
            Ok(OK)
        }
        Err(error @ SamplesError::Goodays(_)) => {
            eprintln!("error: {error}");
            Ok(UNREACHABLE)
        }
        Err(error) => Err(error.into()),
    }
}
