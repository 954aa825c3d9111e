//! The daemon between both simulators, in a form that can be killed inside this process.
//!
//! Each run of it has its own thread and runtime. A kill drops every task at its await point, and the next run finds
//! what the files contained at that moment, without what the database had only in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use goodays_salesforce::app::App;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::config::Config;
use goodays_salesforce::demo::stage::{SECRET, Stage, Tuning};
use goodays_salesforce::workers::Shared;
use serde_json::json;
use tokio::sync::oneshot;

use crate::arena::is_idle;
use crate::judge::Judge;
use crate::now;
use crate::world::log::{Lines, USUAL};

/// Breaches and other failures, as text.
pub type Outcome = Result<(), String>;

/// All tests at once run on two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);
pub const TICK: Duration = Duration::from_millis(5);
/// How many polls without any work show that nothing more will come.
const STILL: usize = 3;

pub struct Mortal {
    pub stage: Stage,
    lines: Lines,
    life: Mutex<Option<Life>>,
    /// The number of kills. Each moves the state to a new folder.
    kills: AtomicUsize,
}

struct Life {
    shared: Arc<Shared>,
    webhook: String,
    end: oneshot::Sender<End>,
    thread: JoinHandle<bool>,
}

enum End {
    Killed,
    Stopped,
}

impl Mortal {
    /// Both remotes and the files. No daemon runs yet.
    pub async fn new(tuning: Tuning) -> Self {
        let stage = Stage::set(tuning).await.unwrap();
        crate::world::text_status(&stage.salesforce);
        Self { stage, lines: Lines::default(), life: Mutex::default(), kills: AtomicUsize::new(0) }
    }

    /// Starts the daemon on the existing state. The watcher is called after each step of its loops.
    pub async fn live(&self, watcher: impl Fn(&'static str, bool) -> bool + Send + Sync + 'static) {
        let mut config = self.stage.config().unwrap();
        config.state.path = self.state();
        let (born, birth) = oneshot::channel();
        let (end, ends) = oneshot::channel();
        let lines = self.lines.clone();
        let thread = std::thread::spawn(move || {
            let log = lines.listen(USUAL);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let clean = runtime.block_on(life(config, watcher, born, ends));
            // A killed process would log nothing more.
            drop(log);
            runtime.shutdown_background();
            clean
        });
        let (shared, webhook) = birth.await.expect("the daemon starts");
        let webhook = format!("http://{webhook}/webhooks/goodays");
        self.stage.goodays.set_webhook(&webhook, Some(SECRET.to_owned()));
        *self.life.lock().unwrap() = Some(Life { shared, webhook, end, thread });
    }

    /// As with SIGKILL: no task is awaited, and data that is in no file is lost.
    pub async fn kill(&self) {
        let Some(life) = self.life.lock().unwrap().take() else { return };
        let old = self.state();
        self.kills.fetch_add(1, Ordering::SeqCst);
        let new = self.state();
        tokio::task::spawn_blocking(move || {
            let _ = life.end.send(End::Killed);
            life.thread.join().unwrap();
            copy_state(&old, &new);
            // Only now: a database writes its data from memory when it is closed.
            drop(life.shared);
            fs::remove_dir_all(old).unwrap();
        })
        .await
        .unwrap();
    }

    /// As with SIGTERM.
    pub async fn stop(&self) -> Outcome {
        let Some(life) = self.life.lock().unwrap().take() else { return Ok(()) };
        let clean = tokio::task::spawn_blocking(move || {
            let _ = life.end.send(End::Stopped);
            life.thread.join().unwrap()
        });
        if clean.await.unwrap() { Ok(()) } else { Err("the daemon stopped with a failure".to_owned()) }
    }

    /// Removes the state. The daemon must not run.
    pub fn lose_state(&self) {
        fs::remove_dir_all(self.state()).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.stage.dir.path().join(format!("state-{}", self.kills.load(Ordering::SeqCst)))
    }

    pub fn shared(&self) -> Option<Arc<Shared>> {
        self.life.lock().unwrap().as_ref().map(|life| life.shared.clone())
    }

    /// The running daemon's webhook address.
    pub fn webhook(&self) -> Option<String> {
        self.life.lock().unwrap().as_ref().map(|life| life.webhook.clone())
    }

    pub fn log(&self) -> String {
        self.lines.text()
    }

    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) -> Outcome {
        let began = Instant::now();
        while !holds() {
            if began.elapsed() > PATIENCE {
                return Err(format!("not after {PATIENCE:?}: {what}\n{}", self.account()));
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Waits until nothing is in progress on either side, and polls find nothing more.
    pub async fn rest(&self) -> Outcome {
        let sent = tokio::time::timeout(PATIENCE, self.stage.goodays.webhooks_sent()).await;
        sent.map_err(|_| format!("webhooks are not taken\n{}", self.account()))?;
        let seen = Mutex::new((0, None));
        self.until("rest", || {
            let Some(shared) = self.shared() else { return false };
            let polled = **shared.poll_state.last_completed_ms.load();
            let mut seen = seen.lock().unwrap();
            if !now(is_idle(&shared)) {
                *seen = (0, polled);
            } else if seen.1 != polled {
                *seen = (seen.0 + 1, polled);
            }
            seen.0 > STILL
        })
        .await
    }

    /// Everything at Goodays is carried over completely and once, in both directions. Returns each breach as a line.
    /// `lost`: how many answers to a response need no reason, in addition to those that wait for a human.
    pub fn breaches(&self, lost: &dyn Fn(&str) -> usize) -> Vec<String> {
        let parked = self.shared().map(|shared| now(shared.parked(1000)).unwrap()).unwrap_or_default();
        let excused =
            |id: &str| lost(id) + parked.iter().filter(|p| p.response_id.as_deref() == Some(id)).count();
        let Stage { goodays, salesforce, .. } = &self.stage;
        let mut found = Judge { goodays, salesforce, told: None }.breaches(&excused);
        for id in goodays.response_ids() {
            let processed = goodays.processed(&id);
            for verb in ["reply", "call", "close", "spam"] {
                let done = processed.iter().filter(|p| p["action"] == json!(verb)).count();
                if done > 1 {
                    found.push(format!("{id}: {verb} was done {done} times"));
                }
            }
        }
        found.extend(self.log().lines().filter(|l| l.contains(" ERROR ")).map(str::to_owned));
        found
    }

    /// Everything that waits, and the log.
    pub fn account(&self) -> String {
        let waits = self.shared().map_or_else(
            || "nobody lives".to_owned(),
            |shared| {
                format!(
                    "pending {:?}; open {:#?}; parked {:#?}; salesforce {:?}; goodays {:?}",
                    now(shared.store.counters()).map(|counters| counters.pending),
                    now(shared.store.all_open_intents()),
                    now(shared.parked(20)),
                    shared.salesforce_breaker.trouble(),
                    shared.goodays_breaker.trouble(),
                )
            },
        );
        format!("{waits}\n{}", self.log())
    }
}

/// One run of the daemon, from its start to its end.
async fn life(
    config: Config,
    watcher: impl Fn(&'static str, bool) -> bool + Send + Sync + 'static,
    born: oneshot::Sender<(Arc<Shared>, std::net::SocketAddr)>,
    end: oneshot::Receiver<End>,
) -> bool {
    let app = App::start(config, Clock::System).await.unwrap();
    // The new loops have not been awaited yet, so none has begun.
    app.shared.watch_steps(watcher);
    let _ = born.send((app.shared.clone(), app.doors.webhook_addr()));
    match end.await {
        Ok(End::Stopped) => app.stop().await,
        Ok(End::Killed) | Err(_) => true,
    }
}

/// The files as of one moment, although a thread of the database may change them meanwhile.
fn copy_state(from: &Path, to: &Path) {
    let at_once = || {
        let before = stamps(from)?;
        copy(from, to)?;
        Ok::<bool, io::Error>(stamps(from)? == before)
    };
    // A file that disappears meanwhile is an error, and the copy is tried again.
    for _ in 0..200 {
        if at_once().unwrap_or_default() {
            return;
        }
        let _ = fs::remove_dir_all(to);
    }
    panic!("the files of {} do not keep still", from.display());
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy(&path, &target)? } else { fs::copy(&path, &target).map(|_| ())? }
    }
    Ok(())
}

fn stamps(dir: &Path) -> io::Result<BTreeMap<PathBuf, (SystemTime, u64)>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(stamps(&path)?);
        } else {
            let meta = fs::metadata(&path)?;
            all.insert(path, (meta.modified()?, meta.len()));
        }
    }
    Ok(all)
}
