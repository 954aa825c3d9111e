//! The second store beside the embedded one: PostgreSQL with a synchronous standby, on the same disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;
use tempfile::TempDir;

use crate::load::{Acknowledged, post};
use crate::org::Org;
use crate::process::{folder, size};
use crate::report::Row;
use crate::scenes::{CONNECTIONS, ROUNDS, Scenes, requests, row};
use crate::target::{Kind, Target};

/// Of each Salesforce call in the drain (milliseconds).
const LATENCY_MS: u64 = 150;

/// A server and its standby, as `tests/postgres` starts them.
pub struct Database {
    dir: TempDir,
    url: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = script(&["stop"], self.dir.path());
    }
}

fn script(arguments: &[&str], dir: &Path) -> anyhow::Result<std::process::Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    Ok(Command::new(script).args(arguments).arg(dir).stdin(Stdio::null()).output()?)
}

impl Database {
    /// None where there is no PostgreSQL.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let dir = folder()?;
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let started = script(&["start", "--standby"], dir.path())?;
        if started.status.code() == Some(3) {
            eprintln!("no PostgreSQL here: the second store is not measured (apt-get install postgresql)");
            return Ok(None);
        }
        ensure!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let url = String::from_utf8(started.stdout)?.trim().to_owned();
        Ok(Some(Self { dir, url }))
    }

    /// A daemon with its records there, in a schema of its own.
    pub async fn target(&self, schema: &str, org: &Org) -> anyhow::Result<Target> {
        let section = format!("postgres: {{ url: '{}', schema: {schema} }}", self.url);
        Target::on_postgres(org, &section).await
    }

    /// What the primary has on disk, its log included, in bytes.
    pub fn disk(&self) -> u64 {
        size(&self.dir.path().join("primary"))
    }
}

impl Scenes {
    /// Acknowledgements in turns while Salesforce is down, then the drain of an outage, on either store.
    pub async fn stores(&self) -> anyhow::Result<Vec<Row>> {
        let Some(database) = Database::start()? else { return Ok(Vec::new()) };
        let mut rows = self.doors_of_stores(&database).await?;
        for kind in [Kind::Ours, Kind::OnPostgres] {
            let mut org = Org::start().await?;
            let target = match kind {
                Kind::OnPostgres => database.target("drain", &org).await?,
                _ => Target::start(kind, &org, &PathBuf::new()).await?,
            };
            rows.push(self.drain(kind, &mut org, &target, LATENCY_MS).await?);
        }
        Ok(rows)
    }

    async fn doors_of_stores(&self, database: &Database) -> anyhow::Result<Vec<Row>> {
        let mut org = Org::start().await?;
        let targets = [
            (Kind::Ours, Target::start(Kind::Ours, &org, &PathBuf::new()).await?),
            (Kind::OnPostgres, database.target("doors", &org).await?),
        ];
        org.go_down().await?;
        let mut rounds: [Vec<Acknowledged>; 2] = Default::default();
        for round in 0..ROUNDS {
            let requests = requests(round * self.events, self.events);
            for ((_, target), results) in targets.iter().zip(&mut rounds) {
                results.push(post(target.addr, requests.clone(), CONNECTIONS).await?);
            }
        }
        let mut rows = Vec::new();
        for ((kind, target), mut results) in targets.iter().zip(rounds) {
            results.sort_by_key(|ack| ack.took);
            let mut row = row("acknowledge", *kind, 0, self.events * ROUNDS);
            row.process(&target.process, target.disk());
            row.acknowledged(&results[ROUNDS / 2]);
            rows.push(row);
        }
        Ok(rows)
    }
}
