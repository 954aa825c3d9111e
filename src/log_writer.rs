//! Writes log lines on a thread of its own, so that a slow log reader never blocks other threads. Lines that wait at the
//! same time are one write.
//!
//! Lines wait in a bounded queue; if it is full, lines are dropped and counted. If the reader has ended, only lines
//! are lost, and the process continues.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use crate::sync::lock;

/// Maximum bytes of queued lines.
const ROOM: usize = 1 << 20;
/// Bytes after which no further line joins a write.
const AT_ONCE: usize = 32 << 10;
/// Room for an ordinary line.
const LINE: usize = 256;
/// How long lines gather after a write, so that many in a row wake the thread once. A kill -9 takes them along.
const GATHER: Duration = Duration::from_millis(5);
/// How long the process waits at its end for the last lines.
const LAST: Duration = Duration::from_secs(1);

/// Counts the dropped lines of this process.
pub fn dropped() -> &'static Counter {
    static DROPPED: OnceLock<Counter> = OnceLock::new();
    DROPPED.get_or_init(Counter::default)
}

/// Lines that are not written yet.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread is writing lines.
    writing: bool,
    /// The thread waits for lines. To wake it costs a call of the kernel, so it is not woken without need.
    idle: bool,
    /// The process ends, and waits for the last lines.
    ending: bool,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    /// Notified when there are lines for an idle thread, and after each write while the process ends.
    changed: Condvar,
    dropped: Counter,
}

/// Queues log lines for the thread.
#[derive(Clone)]
pub struct LogWriter(Arc<Inner>);

/// When dropped, waits up to one second for the queue to become empty.
pub struct Pending(Arc<Inner>);

impl LogWriter {
    pub fn start(to: impl Write + Send + 'static) -> io::Result<(Self, Pending)> {
        Self::counting(to, dropped().clone())
    }

    /// `dropped`: counts the lines that are lost.
    fn counting(to: impl Write + Send + 'static, dropped: Counter) -> io::Result<(Self, Pending)> {
        let inner = Arc::new(Inner { dropped, ..Inner::default() });
        let thread = inner.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || thread.run(to))?;
        Ok((Self(inner.clone()), Pending(inner)))
    }
}

impl Inner {
    fn push(&self, line: Vec<u8>) {
        let mut queue = lock(&self.queue);
        if queue.bytes + line.len() > ROOM {
            self.dropped.inc();
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        let wake = std::mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.changed.notify_all();
        }
    }

    fn run(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let count = self.next(&mut lines);
            if to.write_all(&lines).and_then(|()| to.flush()).is_err() {
                self.dropped.inc_by(count);
            }
            let mut queue = lock(&self.queue);
            queue.bytes -= lines.len();
            queue.writing = false;
            if queue.ending {
                self.changed.notify_all();
            } else {
                drop(self.changed.wait_timeout(queue, GATHER));
            }
        }
    }

    /// Takes the lines that wait, for one write. Returns how many.
    fn next(&self, lines: &mut Vec<u8>) -> u64 {
        lines.clear();
        let (mut count, mut queue) = (0, lock(&self.queue));
        loop {
            while lines.len() < AT_ONCE
                && let Some(line) = queue.lines.pop_front()
            {
                lines.extend_from_slice(&line);
                count += 1;
            }
            if count > 0 {
                (queue.writing, queue.idle) = (true, false);
                return count;
            }
            queue.idle = true;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let end = Instant::now() + LAST;
        let mut queue = lock(&self.0.queue);
        queue.ending = true;
        while queue.writing || !queue.lines.is_empty() {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return };
            queue = self.0.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One line, queued when it is dropped.
pub struct Line {
    inner: Arc<Inner>,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if !line.is_empty() {
            self.inner.push(line);
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { inner: self.0.clone(), bytes: Vec::with_capacity(LINE) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Accepts nothing until it gets a message.
    struct Stuck(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn d03_who_logs_does_not_wait_and_what_does_not_fit_is_counted() {
        let (go_on, told) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let dropped = Counter::default();
        let stuck = Stuck(told, written.clone());
        let (writer, pending) = LogWriter::counting(stuck, dropped.clone()).unwrap();
        let line = vec![b'x'; 1 << 10];
        for _ in 0..2000 {
            writer.make_writer().write_all(&line).unwrap();
        }
        assert_eq!(dropped.get(), 2000 - 1024);
        drop(go_on);
        drop(pending);
        assert_eq!(written.lock().unwrap().len(), ROOM);
    }

    /// Like a pipe without a reader.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn d04_a_reader_that_is_gone_costs_the_lines_only() {
        let dropped = Counter::default();
        let (writer, pending) = LogWriter::counting(Gone, dropped.clone()).unwrap();
        for _ in 0..10 {
            writer.make_writer().write_all(b"a line\n").unwrap();
        }
        let waits = Instant::now();
        drop(pending);
        assert!(waits.elapsed() < LAST, "the thread goes on");
        assert_eq!(dropped.get(), 10);
    }
}
