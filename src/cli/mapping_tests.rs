//! `test`, and `plan --update`, which writes a test.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::json;

use super::plan::bodies;
use super::{FINDINGS, OK, all, load};
use crate::config::{Config, Secrets};
use crate::mapping::Mapping;
use crate::mapping_tests::{GENERATED, Results, written};
use crate::out::{self, say, warn_user};
use crate::workers::perimeter;

pub fn test(path: &Path, json: bool) -> anyhow::Result<u8> {
    let (config, mapping) = files(path)?;
    let results = Results::of(&config.mappings, &mapping, &perimeter(&config));
    if json {
        say!("{:#}", json!(results));
    } else {
        out::print(&results.render());
    }
    Ok(if results.passed() { OK } else { FINDINGS })
}

/// Writes `mappings/tests/NAME.yaml` from one event.
pub async fn update(event: &str, path: &Path, name: &str) -> anyhow::Result<u8> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(fits) {
        bail!("--update {name:?}: a test's name has letters, digits, `-` and `_`, and no ending");
    }
    let (config, mapping) = files(path)?;
    let mut bodies = bodies(event, path).await?;
    if bodies.len() != 1 {
        bail!("{event} holds {} events: a test is written from one", bodies.len());
    }
    let (shown, body) = bodies.remove(0);
    let body = body.map_err(|why| anyhow::anyhow!("{shown}: {why}"))?;
    let text = written(&body, &mapping, &perimeter(&config)).map_err(anyhow::Error::msg)?;
    let folder = config.mappings.join("tests");
    let file = folder.join(format!("{name}.yaml"));
    if std::fs::read_to_string(&file).is_ok_and(|there| !there.starts_with(GENERATED)) {
        bail!("{} was not written by --update: take another name, or remove it first", file.display());
    }
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, text))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    say!("{}", file.display());
    warn_user!("note: names, addresses and texts are replaced; look it over before you keep it");
    Ok(OK)
}

fn files(path: &Path) -> anyhow::Result<(Config, Mapping)> {
    let config = load(path, Secrets::Optional)?;
    let (mapping, _) = Mapping::load(&config.mappings).map_err(|mistakes| all(&mistakes, "mappings"))?;
    Ok((config, mapping))
}
