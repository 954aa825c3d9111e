//! File descriptors: raises the limit, and reserves some that connections may not use. The limit of a file's size is raised
//! with it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Reserved for the store's files, calls to the remotes, the log, and admin connections. A store that cannot open a
/// file cannot continue.
const RESERVED: u64 = 256;
/// More than we ever use, for systems without a limit.
const ENOUGH: u64 = 65_536;

/// Raises the soft limits to the hard ones. If that fails, fewer connections are allowed, and files stay as small as
/// they may be.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Fsize);
    if current != maximum {
        let _ = setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum });
    }
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// How many of the wanted connections are possible besides the reserve.
pub fn for_connections(wanted: usize) -> usize {
    fitting(wanted, getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH))
}

fn fitting(wanted: usize, limit: u64) -> usize {
    // If the limit is below the reserve, connections get a quarter of it.
    let room = limit.saturating_sub(RESERVED).max(limit / 4).max(1);
    wanted.min(usize::try_from(room).unwrap_or(wanted))
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
