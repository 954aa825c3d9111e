//! The daemon's log of one test, as an operator would see it.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The log levels of a world.
pub const USUAL: &str = "warn,goodays_salesforce=debug";

thread_local! {
    /// The logs of this thread, the newest last. A guard may not leave its thread, and a log is looked at from others.
    static LISTENING: RefCell<Vec<DefaultGuard>> = const { RefCell::new(Vec::new()) };
}

/// Collects the log of this thread. A test's whole runtime is on its thread.
pub struct Log {
    lines: Lines,
}

impl Drop for Log {
    fn drop(&mut self) {
        LISTENING.with_borrow_mut(|all| drop(all.pop()));
    }
}

/// Lines of a log. Clones share them.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn start() -> Self {
        Self::at(USUAL)
    }

    /// With other levels.
    pub fn at(directives: &str) -> Self {
        // With only one subscriber, a log call that another test reaches first is disabled for all threads.
        static SECOND: LazyLock<tracing::Dispatch> =
            LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::fmt().finish()));
        LazyLock::force(&SECOND);
        let lines = Lines::default();
        let guard = lines.listen(directives);
        LISTENING.with_borrow_mut(|all| all.push(guard));
        Self { lines }
    }

    pub fn text(&self) -> String {
        self.lines.text()
    }

    /// For other threads, which log into the same.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

impl Lines {
    /// Also collects what this thread logs from now on.
    pub fn listen(&self, directives: &str) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(directives))
            .with_writer(self.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
