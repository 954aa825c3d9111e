//! Opening a file while too many files are open: it retries, because that ends and must not break the store.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::aside::aside;

/// 30 s in all. Connections that hold descriptors end within that time.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a file or a folder. Retries while this process or the machine has too many open files.
pub(super) fn open<T>(open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match open() {
        Err(error) if is_too_many(&error) => aside(|| again(&open, TRIES, PAUSE)),
        opened => opened,
    }
}

fn again<T>(open: impl Fn() -> io::Result<T>, tries: u32, pause: Duration) -> io::Result<T> {
    let mut opened = open();
    for _ in 1..tries {
        if !opened.as_ref().is_err_and(is_too_many) {
            break;
        }
        std::thread::sleep(pause);
        opened = open();
    }
    opened
}

fn is_too_many(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| number == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::File;

    use super::*;

    /// Fails this many times with this error, then opens.
    fn after(times: u32, errno: Errno, asked: &Cell<u32>) -> io::Result<File> {
        asked.set(asked.get() + 1);
        if asked.get() > times { File::open("/dev/null") } else { Err(errno.into()) }
    }

    #[test]
    fn d05_too_many_open_files_pass() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let asked = Cell::new(0);
            open(|| after(1, errno, &asked)).unwrap();
            assert_eq!(asked.get(), 2);
            let asked = Cell::new(0);
            again(|| after(3, errno, &asked), 10, Duration::ZERO).unwrap();
            assert_eq!(asked.get(), 4);
            // The retries end.
            let asked = Cell::new(0);
            again(|| after(u32::MAX, errno, &asked), 10, Duration::ZERO).unwrap_err();
            assert_eq!(asked.get(), 10);
        }
    }

    #[test]
    fn d05_what_does_not_pass_is_told_at_once() {
        for errno in [Errno::NOENT, Errno::IO, Errno::NOSPC] {
            let asked = Cell::new(0);
            open(|| after(9, errno, &asked)).unwrap_err();
            assert_eq!(asked.get(), 1);
        }
    }
}
