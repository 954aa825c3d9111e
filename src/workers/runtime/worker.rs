//! Runs a worker: step after step, until it is stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::workers::{Fatal, Process, Shared, Step};

/// A loop of the daemon.
pub(crate) trait Worker: Send {
    const NAME: &'static str;

    /// The notification that wakes this worker before its time.
    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify;

    /// One piece of work.
    fn step(&mut self, shared: &Arc<Shared>) -> impl Future<Output = Result<Step, Fatal>> + Send;

    /// Continues the work that steps have started, until some of it has ended; false when there is none. Dropping the
    /// future early loses nothing.
    fn work(&mut self) -> impl Future<Output = Result<bool, Fatal>> + Send {
        std::future::ready(Ok(false))
    }
}

/// Ends the process when what it must not go on without ends by a fatal error or a panic.
struct Alarm {
    name: &'static str,
    process: Arc<Process>,
    token: CancellationToken,
}

impl Alarm {
    fn ring(&self) {
        self.process.failed.store(true, Ordering::SeqCst);
        self.token.cancel();
    }

    /// A term that is over is no failure of the process: another instance may work, or this one again.
    fn end(&self, fatal: &Fatal) {
        let Fatal::Store(error) = fatal;
        if error.ends_term() {
            warn!(step = self.name, %error, "the term ends");
            self.token.cancel();
        } else {
            error!(step = self.name, %fatal, "a loop cannot go on");
            self.ring();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Not when the whole runtime is dropped: then the other workers end as well.
        if std::thread::panicking() {
            error!(step = self.name, "a loop has ended: the process must not go on without it");
            self.ring();
        }
    }
}

/// Runs what is no worker and what the process must not go on without: a panic in it ends the process.
pub(crate) async fn supervised<T>(
    name: &'static str,
    process: Arc<Process>,
    token: CancellationToken,
    work: impl Future<Output = T>,
) -> T {
    let _alarm = Alarm { name, process, token };
    work.await
}

/// Runs steps until the token is cancelled.
pub(crate) async fn run_worker<H: Worker>(hands: H, shared: Arc<Shared>, token: CancellationToken) {
    let alarm = Alarm { name: H::NAME, process: shared.process.clone(), token: token.clone() };
    if let Err(fatal) = steps(hands, &shared, &token).await {
        alarm.end(&fatal);
    }
}

/// Registers for the wake-up before each step, so that a wake-up during the step is not lost.
async fn steps<H: Worker>(
    mut hands: H,
    shared: &Arc<Shared>,
    token: &CancellationToken,
) -> Result<(), Fatal> {
    while !token.is_cancelled() {
        let wake = hands.wake(shared);
        let woken = wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let step = hands.step(shared).await;
        if !shared.goes_on(H::NAME, matches!(step, Ok(Step::Did))) {
            std::future::pending::<()>().await;
        }
        if let Step::Idle { until_ms } = step? {
            let now_ms = shared.clock.now_ms();
            // A minimum wait, so that no bug becomes a busy loop.
            let wait = until_ms.map_or(HOUR, |at| millis_between(now_ms, at)).max(Duration::from_millis(5));
            tokio::select! {
                () = token.cancelled() => {}
                () = &mut woken => {}
                () = tokio::time::sleep(wait) => {}
                ended = some_work(&mut hands) => ended?,
            }
        }
    }
    // A stop waits for calls in flight (design, rule 17); nothing new begins.
    while hands.work().await? {}
    Ok(())
}

/// Waits until some started work has ended; forever when there is none.
async fn some_work<H: Worker>(hands: &mut H) -> Result<(), Fatal> {
    if !hands.work().await? {
        std::future::pending::<()>().await;
    }
    Ok(())
}

const HOUR: Duration = Duration::from_secs(3600);

fn millis_between(now_ms: i64, at_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::stream::{FuturesUnordered, StreamExt};
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::clock::Clock;
    use crate::config::{Config, Secrets};
    use crate::demo::stage::MAPPINGS;
    use crate::mapping::{Mapping, Source};
    use crate::state::{Settings, Store};

    struct Clumsy;

    impl Worker for Clumsy {
        const NAME: &'static str = "clumsy";

        fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
            &shared.sweep
        }

        async fn step(&mut self, _: &Arc<Shared>) -> Result<Step, Fatal> {
            panic!("on purpose")
        }
    }

    /// Both remotes refuse every connection.
    pub async fn shared(dir: &std::path::Path) -> Arc<Shared> {
        let file = dir.join("connector.yaml");
        let text = "goodays: { base_url: 'http://127.0.0.1:1', token: t, webhook: { secrets: [s] } }\n\
                    salesforce: { login_url: 'http://127.0.0.1:1', auth: { client_id: i, client_secret: s } }\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load_with(&file, Secrets::Required, &|_| None).unwrap();
        let sources = MAPPINGS.map(|(name, text)| Source { name: name.to_owned(), text: text.to_owned() });
        let (mapping, _) = Mapping::from_sources(sources.to_vec()).unwrap();
        let store = Store::open(&dir.join("state"), Settings::default()).unwrap();
        Arc::new(Shared::open(config, mapping, store, Clock::System).await.unwrap())
    }

    #[tokio::test]
    async fn a_loop_that_panics_takes_the_process_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, token) = (shared(dir.path()).await, CancellationToken::new());
        let driving = tokio::spawn(run_worker(Clumsy, shared.clone(), token.clone()));
        assert!(driving.await.unwrap_err().is_panic());
        assert!(token.is_cancelled());
        assert!(shared.failed.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn what_is_no_worker_and_panics_takes_the_process_with_it_too() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, token) = (shared(dir.path()).await, CancellationToken::new());
        let quiet = supervised("quiet", shared.process.clone(), token.clone(), async { 7 });
        assert_eq!((quiet.await, token.is_cancelled()), (7, false));
        let clumsy = async { panic!("on purpose") };
        let running = supervised::<()>("clumsy", shared.process.clone(), token.clone(), clumsy);
        assert!(tokio::spawn(running).await.unwrap_err().is_panic());
        assert!(token.is_cancelled() && shared.failed.load(Ordering::SeqCst));
    }

    /// Has calls in flight, which the test ends.
    struct Patient {
        calls: FuturesUnordered<oneshot::Receiver<()>>,
        ended: Arc<AtomicUsize>,
    }

    impl Worker for Patient {
        const NAME: &'static str = "patient";

        fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
            &shared.sweep
        }

        async fn step(&mut self, _: &Arc<Shared>) -> Result<Step, Fatal> {
            Ok(Step::Idle { until_ms: None })
        }

        async fn work(&mut self) -> Result<bool, Fatal> {
            let ended = self.calls.next().await.is_some();
            self.ended.fetch_add(usize::from(ended), Ordering::SeqCst);
            Ok(ended)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_work_goes_on_beside_the_steps_and_a_stop_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, token) = (shared(dir.path()).await, CancellationToken::new());
        let (stepped, mut steps) = mpsc::unbounded_channel();
        shared.watch_steps(move |_, _| stepped.send(()).is_ok());
        let (first, call) = oneshot::channel();
        let (second, other) = oneshot::channel();
        let ended = Arc::new(AtomicUsize::new(0));
        let hands = Patient { calls: [call, other].into_iter().collect(), ended: ended.clone() };
        let mut driving = tokio::spawn(run_worker(hands, shared, token.clone()));
        steps.recv().await.unwrap();
        first.send(()).unwrap();
        steps.recv().await.expect("a step follows what has ended");
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        token.cancel();
        let moment = Duration::from_secs(1);
        assert!(tokio::time::timeout(moment, &mut driving).await.is_err(), "the stop waits");
        second.send(()).unwrap();
        driving.await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }
}
