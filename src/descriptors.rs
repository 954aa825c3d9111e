//! File descriptors: as many as the system gives, and some of them never for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the store's files, calls to the remotes, the log, and the admin door's connections: a store that finds none
/// left cannot go on.
const RESERVED: u64 = 256;
/// More than is ever used; some systems have no limit.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit as far as the hard one lets us. Where that fails, connections are fewer.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// How many of the wanted connections fit, with descriptors kept in reserve.
pub fn for_connections(wanted: usize) -> usize {
    fitting(wanted, getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH))
}

fn fitting(wanted: usize, limit: u64) -> usize {
    // Where even the reserve is not there, a quarter is taken.
    let room = limit.saturating_sub(RESERVED).max(limit / 4).max(1);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d05_connections_leave_descriptors_for_the_store() {
        for (wanted, limit, fits) in
            [(1024, 65_536, 1024), (1024, 1024, 768), (1024, 256, 64), (64, 1024, 64), (1024, 0, 1)]
        {
            assert_eq!(fitting(wanted, limit), fits, "{limit}");
        }
    }
}
