//! Work on many items, which goes on when the browser leaves. Its page shows how far it is.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use serde_json::json;
use tokio::sync::watch;

use super::render::{Look, value};
use super::{Asked, Console, Shown, live, words};
use crate::sync::lock;
use crate::workers::SweepProgress;

/// The most jobs that are remembered.
const KEPT: usize = 50;
/// How often a browser that watches is told.
const LOOK: Duration = Duration::from_millis(500);

/// The last jobs.
#[derive(Default)]
pub struct Jobs {
    next: AtomicU64,
    last: Mutex<VecDeque<Arc<Job>>>,
}

struct Job {
    id: u64,
    what: What,
    result: watch::Receiver<Option<Result<serde_json::Value, String>>>,
}

/// What the work is, and how far.
pub enum What {
    Parked {
        done: Arc<AtomicUsize>,
        total: usize,
    },
    /// Both sides are compared; nobody knows how many responses there are.
    Sweep(Arc<SweepProgress>),
}

impl What {
    fn is_sweep(&self) -> bool {
        matches!(self, Self::Sweep(_))
    }

    /// How much is done of how much, if that is known.
    fn part(&self) -> Option<(usize, usize)> {
        match self {
            Self::Parked { done, total } => Some((done.load(Ordering::Relaxed), *total)),
            Self::Sweep(progress) => progress.how_far().place.map(|place| (place.percent.into(), 100)),
        }
    }

    /// `120 of 2000`; or how many responses were compared, and where in its period the sweep is.
    fn words(&self, look: &Look) -> String {
        let t = |name: &str, args: Vec<(&str, String)>| words::say(look.language, name, args);
        match self {
            Self::Parked { done, total } => {
                let done = done.load(Ordering::Relaxed);
                t("job-running", vec![("done", done.to_string()), ("total", total.to_string())])
            }
            Self::Sweep(progress) => {
                let how_far = progress.how_far();
                let compared = ("done", how_far.looked_at.to_string());
                match how_far.place {
                    None => t("job-compared", vec![compared]),
                    Some(place) => {
                        let date = place.date.to_zoned(look.zone.clone()).strftime("%Y-%m-%d").to_string();
                        let percent = ("percent", place.percent.to_string());
                        t("job-compared-to", vec![compared, ("date", date), percent])
                    }
                }
            }
        }
    }
}

/// How the work stands.
enum Stands {
    Runs,
    Ended(serde_json::Value),
    Failed(String),
    /// It was cut off.
    Broken,
}

impl Job {
    fn stands(&self) -> Stands {
        match &*self.result.borrow() {
            Some(Ok(tally)) => Stands::Ended(tally.clone()),
            Some(Err(why)) => Stands::Failed(why.clone()),
            None if self.result.has_changed().is_err() => Stands::Broken,
            None => Stands::Runs,
        }
    }
}

impl Jobs {
    /// Starts work that tells `what` how far it is. Returns the job's number.
    pub fn begin<W, E>(&self, what: What, work: W) -> u64
    where
        W: Future<Output = Result<serde_json::Value, E>> + Send + 'static,
        E: ToString + Send + 'static,
    {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (tell, result) = watch::channel(None);
        tokio::spawn(async move {
            let result = work.await.map_err(|why| why.to_string());
            let _ = tell.send(Some(result));
        });
        let mut last = lock(&self.last);
        last.push_back(Arc::new(Job { id, what, result }));
        if last.len() > KEPT {
            last.pop_front();
        }
        id
    }

    /// Resolves when the job has ended.
    pub async fn ended(&self, id: u64) {
        if let Some(job) = self.get(id) {
            let _ = job.result.clone().wait_for(Option::is_some).await;
        }
    }

    fn get(&self, id: u64) -> Option<Arc<Job>> {
        let last = lock(&self.last);
        last.iter().find(|job| job.id == id).cloned()
    }
}

pub async fn page(State(console): State<Arc<Console>>, asked: Asked, Path(id): Path<u64>) -> Shown {
    let look = &asked.look;
    let job = console.jobs.get(id).ok_or_else(|| unknown(look))?;
    let stands = job.stands();
    let (tally, failed) = match &stands {
        Stands::Runs => (None, None),
        Stands::Ended(tally) => (Some(value(tally)), None),
        Stands::Failed(why) => (None, Some(look.said(why))),
        Stands::Broken => (None, Some(look.t("job-broken"))),
    };
    let own = context! {
        title => if job.what.is_sweep() { look.t("sweep-title") } else { look.t("job-title") },
        id,
        sweep => job.what.is_sweep(),
        progress => job.what.words(look),
        part => job.what.part().map(|(done, total)| context! { done, total }),
        running => matches!(stands, Stands::Runs),
        tally,
        failed,
    };
    Ok(look.page(StatusCode::OK, "job.html", own))
}

fn unknown(look: &Look) -> Response {
    look.message(StatusCode::NOT_FOUND, look.t("job-unknown"), "")
}

/// The progress as it changes, and at last that there is no more.
pub async fn live(State(console): State<Arc<Console>>, asked: Asked, Path(id): Path<u64>) -> Shown {
    let job = console.jobs.get(id).ok_or_else(|| unknown(&asked.look))?;
    let (look, mut running) = (asked.look, true);
    Ok(live::events(console, LOOK, move |_| {
        let goes_on = running;
        running = matches!(job.stands(), Stands::Runs);
        let now = json!({ "running": running, "part": job.what.part(), "words": job.what.words(&look) });
        async move { goes_on.then_some(now) }
    }))
}
