//! Work on many items, which goes on when the browser leaves. Its page shows how far it is.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use minijinja::context;
use tokio::sync::watch;

use super::render::value;
use super::{Asked, Console, Shown};
use crate::workers::Fatal;

/// The most jobs that are remembered.
const KEPT: usize = 50;

/// The last jobs.
#[derive(Default)]
pub struct Jobs {
    next: AtomicU64,
    last: Mutex<VecDeque<Arc<Job>>>,
}

struct Job {
    id: u64,
    total: usize,
    done: Arc<AtomicUsize>,
    result: watch::Receiver<Option<Result<serde_json::Value, String>>>,
}

impl Jobs {
    /// Starts work on `total` items, which counts what it has done. Returns the job's number.
    pub fn begin<W>(&self, total: usize, work: impl FnOnce(Arc<AtomicUsize>) -> W) -> u64
    where
        W: Future<Output = Result<serde_json::Value, Fatal>> + Send + 'static,
    {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (tell, result) = watch::channel(None);
        let done = Arc::new(AtomicUsize::new(0));
        let work = work(done.clone());
        tokio::spawn(async move {
            let result = work.await.map_err(|fatal| fatal.to_string());
            let _ = tell.send(Some(result));
        });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(Arc::new(Job { id, total, done, result }));
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
    let Some(job) = console.jobs.get(id) else {
        return Err(look.message(StatusCode::NOT_FOUND, look.t("job-unknown"), ""));
    };
    let result = job.result.borrow().clone();
    let (tally, failed) = match &result {
        Some(Ok(tally)) => (Some(value(tally)), None),
        Some(Err(why)) => (None, Some(why.clone())),
        // The work was cut off.
        None if job.result.has_changed().is_err() => (None, Some(look.t("job-broken"))),
        None => (None, None),
    };
    let running = tally.is_none() && failed.is_none();
    let own = context! {
        title => look.t("job-title"),
        done => job.done.load(Ordering::Relaxed),
        total => job.total,
        tally,
        failed,
        running,
    };
    Ok(look.page(StatusCode::OK, "job.html", own))
}
