//! Driving a loop: step after step, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Fatal, Shared, Step};

/// A loop's hands.
pub(super) trait Hands: Send {
    const NAME: &'static str;

    /// What wakes this loop before its time.
    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify;

    /// One piece of work.
    fn step(&mut self, shared: &Shared) -> impl Future<Output = Result<Step, Fatal>> + Send;
}

/// Ends the process when a loop ends that was not told to: by a fatal error, or by a panic.
struct Alarm {
    name: &'static str,
    shared: Arc<Shared>,
    token: CancellationToken,
}

impl Alarm {
    fn ring(&self) {
        self.shared.failed.store(true, Ordering::SeqCst);
        self.token.cancel();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Not when the whole runtime goes: then nobody goes on without this loop.
        if std::thread::panicking() {
            error!(step = self.name, "a loop has ended: the process must not go on without it");
            self.ring();
        }
    }
}

/// Steps until told to stop; interest in being woken is registered before looking for work.
pub(super) async fn drive<H: Hands>(mut hands: H, shared: Arc<Shared>, token: CancellationToken) {
    let alarm = Alarm { name: H::NAME, shared: shared.clone(), token: token.clone() };
    while !token.is_cancelled() {
        let wake = hands.wake(&shared);
        let woken = wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let step = hands.step(&shared).await;
        if !shared.goes_on(H::NAME, matches!(step, Ok(Step::Did))) {
            std::future::pending::<()>().await;
        }
        match step {
            Ok(Step::Did) => {}
            Ok(Step::Idle { until_ms }) => {
                let now_ms = shared.clock.now_ms();
                // At least a moment, so that no bug becomes a busy loop.
                let wait =
                    until_ms.map_or(HOUR, |at| millis_between(now_ms, at)).max(Duration::from_millis(5));
                tokio::select! {
                    () = token.cancelled() => {}
                    () = &mut woken => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Err(fatal) => {
                error!(step = H::NAME, %fatal, "a loop cannot go on");
                return alarm.ring();
            }
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn millis_between(now_ms: i64, at_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{Config, Secrets};
    use crate::demo::stage::MAPPINGS;
    use crate::mapping::{Mapping, Source};
    use crate::store::{Settings, Store};

    struct Clumsy;

    impl Hands for Clumsy {
        const NAME: &'static str = "clumsy";

        fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
            &shared.sweep
        }

        async fn step(&mut self, _: &Shared) -> Result<Step, Fatal> {
            panic!("on purpose")
        }
    }

    fn shared(dir: &std::path::Path) -> Arc<Shared> {
        let file = dir.join("connector.yaml");
        let text = "goodays: { base_url: 'http://127.0.0.1:1', token: t, webhook: { secrets: [s] } }\n\
                    salesforce: { login_url: 'http://127.0.0.1:1', auth: { client_id: i, client_secret: s } }\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load_with(&file, Secrets::Required, &|_| None).unwrap();
        let sources = MAPPINGS.map(|(name, text)| Source { name: name.to_owned(), text: text.to_owned() });
        let (mapping, _) = Mapping::from_sources(sources.to_vec()).unwrap();
        let store = Store::open(&dir.join("state"), Settings::default()).unwrap();
        Arc::new(Shared::open(config, mapping, store, Clock::System).unwrap())
    }

    #[tokio::test]
    async fn a_loop_that_panics_takes_the_process_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, token) = (shared(dir.path()), CancellationToken::new());
        let driving = tokio::spawn(drive(Clumsy, shared.clone(), token.clone()));
        assert!(driving.await.unwrap_err().is_panic());
        assert!(token.is_cancelled());
        assert!(shared.failed.load(Ordering::SeqCst));
    }
}
