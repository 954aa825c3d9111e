//! Work on many items, which goes on when the browser leaves. Its page shows how far it is.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use serde_json::json;
use tokio::sync::watch;

use super::render::{Look, value};
use super::{Asked, Console, Shown, live, words};

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
    done: Arc<AtomicUsize>,
    result: watch::Receiver<Option<Result<serde_json::Value, String>>>,
}

/// What the work is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// So many parked items.
    Parked(usize),
    /// Both sides are compared; nobody knows how many responses there are.
    Sweep,
}

impl What {
    fn total(self) -> Option<usize> {
        match self {
            Self::Parked(total) => Some(total),
            Self::Sweep => None,
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

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// `120 of 2000`, or how many were compared.
    fn progress(&self, look: &Look) -> String {
        let args = |name| vec![(name, self.done().to_string())];
        match self.what.total() {
            Some(total) => {
                let args = [args("done"), vec![("total", total.to_string())]].concat();
                words::say(look.language, "job-running", args)
            }
            None => words::say(look.language, "job-compared", args("done")),
        }
    }
}

impl Jobs {
    /// Starts work that counts what it has done. Returns the job's number.
    pub fn begin<W, E>(&self, what: What, work: impl FnOnce(Arc<AtomicUsize>) -> W) -> u64
    where
        W: Future<Output = Result<serde_json::Value, E>> + Send + 'static,
        E: ToString + Send + 'static,
    {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (tell, result) = watch::channel(None);
        let done = Arc::new(AtomicUsize::new(0));
        let work = work(done.clone());
        tokio::spawn(async move {
            let result = work.await.map_err(|why| why.to_string());
            let _ = tell.send(Some(result));
        });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(Arc::new(Job { id, what, done, result }));
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
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
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
        title => if job.what == What::Sweep { look.t("sweep-title") } else { look.t("job-title") },
        id,
        sweep => job.what == What::Sweep,
        progress => job.progress(look),
        done => job.done(),
        total => job.what.total(),
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
        let now = json!({ "running": running, "done": job.done(), "words": job.progress(&look) });
        async move { goes_on.then_some(now) }
    }))
}
