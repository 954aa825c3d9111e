//! The database of the run, and what the run itself asks it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, Row};

use crate::patroni::{self, Patroni};

/// How long one question may take.
const ASK: Duration = Duration::from_secs(2);

pub struct Database {
    pub servers: Servers,
    client: Mutex<Option<Client>>,
    url: String,
    _dir: tempfile::TempDir,
}

pub enum Servers {
    /// Three under Patroni: one can die, and another one goes on.
    Patroni(Patroni),
    /// A primary and its synchronous standby, as `tests/postgres` starts them.
    Pair(Pair),
}

pub struct Pair {
    dir: PathBuf,
    port: u16,
}

impl Pair {
    /// None where there is no PostgreSQL.
    fn start(dir: &Path) -> anyhow::Result<Option<Self>> {
        let started = script("start", Some("--standby"), dir)?;
        if started.status.code() == Some(3) {
            return Ok(None);
        }
        ensure!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let port = std::fs::read_to_string(dir.join("primary.port"))?.trim().parse()?;
        Ok(Some(Self { dir: dir.to_owned(), port }))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = script("stop", None, &self.dir);
    }
}

fn script(what: &str, option: Option<&str>, dir: &Path) -> anyhow::Result<std::process::Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    Ok(Command::new(script).arg(what).args(option).arg(dir).stdin(Stdio::null()).output()?)
}

impl Database {
    /// None where there is no PostgreSQL.
    pub async fn start(may_be_patroni: bool) -> anyhow::Result<Option<Self>> {
        let dir = tempfile::Builder::new().prefix("goodays-cluster").tempdir_in("/tmp")?;
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let servers = match patroni::programs().filter(|_| may_be_patroni) {
            Some(bin) => Servers::Patroni(Patroni::start(dir.path(), bin).await?),
            None => match Pair::start(dir.path())? {
                Some(pair) => Servers::Pair(pair),
                None => return Ok(None),
            },
        };
        let client = Mutex::default();
        let url = url("goodays", &servers.ports());
        Ok(Some(Self { servers, client, url, _dir: dir }))
    }

    /// The rows of one statement, from whichever server is the primary.
    pub async fn ask(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> anyhow::Result<Vec<Row>> {
        let mut client = self.client.lock().await;
        let open = match client.take().filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => timeout(ASK, connect(&self.url)).await.context("the database does not answer")??,
        };
        let rows = timeout(ASK, open.query(sql, params)).await.context("the database does not answer")??;
        *client = Some(open);
        Ok(rows)
    }

    /// Several statements without an answer.
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        Ok(connect(&self.url).await?.batch_execute(sql).await?)
    }

    pub fn patroni(&mut self) -> anyhow::Result<&mut Patroni> {
        match &mut self.servers {
            Servers::Patroni(patroni) => Ok(patroni),
            Servers::Pair(_) => anyhow::bail!("this fault needs Patroni"),
        }
    }

    pub fn keep_logs(&self, logs: &Path) {
        if let Servers::Patroni(patroni) = &self.servers {
            patroni.keep_logs(logs);
        }
    }

    /// Waits until all servers work that there are.
    pub async fn whole(&mut self) -> anyhow::Result<()> {
        if let Servers::Patroni(patroni) = &mut self.servers {
            patroni.revive()?;
            patroni.whole().await?;
        }
        Ok(())
    }
}

impl Servers {
    pub fn ports(&self) -> Vec<u16> {
        match self {
            Self::Patroni(patroni) => patroni.ports(),
            Self::Pair(pair) => vec![pair.port],
        }
    }
}

/// The address that names all servers.
pub fn url(user: &str, ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://{user}@{}/postgres", hosts.join(","))
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
