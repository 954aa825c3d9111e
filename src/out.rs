//! Standard output and standard error. Their readers may go away: `check | head -1` ends quietly.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reader of standard output has gone.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// A line on standard output.
macro_rules! say {
    ($($words:tt)*) => { $crate::out::print(&format!("{}\n", format_args!($($words)*))) };
}

/// A line on standard error.
macro_rules! warn_user {
    ($($words:tt)*) => { $crate::out::print_error(&format!("{}\n", format_args!($($words)*))) };
}

pub(crate) use {say, warn_user};

/// Prints a text as it is. Once the reader has gone, the rest is discarded.
pub fn print(text: &str) {
    if UNREAD.load(Ordering::Relaxed) {
        return;
    }
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// Prints to standard error, which may have no reader from the beginning.
pub fn print_error(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether the reader of standard output left early. If so, the exit code is 0, as it has seen what it wanted.
pub fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
}
