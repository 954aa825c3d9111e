//! The progress of long work, on standard error, and only on a terminal.

use std::io::IsTerminal as _;

use crate::out;

/// Characters of the bar.
const WIDTH: usize = 30;

/// How far the work is.
pub struct Progress {
    total: usize,
    done: usize,
    shown: bool,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self { total, done: 0, shown: is_terminal() }
    }

    /// So many more are done.
    pub fn add(&mut self, count: usize) {
        self.done = (self.done + count).min(self.total);
        if self.shown {
            out::print_error(&format!("\r{}", line(self.done, self.total)));
        }
    }

    /// Removes the bar.
    pub fn end(self) {
        if self.shown && self.done > 0 {
            out::print_error(&format!("\r{}\r", " ".repeat(line(self.total, self.total).chars().count())));
        }
    }
}

/// One line about work whose end is not known.
pub struct Line {
    shown: bool,
    /// Characters of the line that stands there.
    wide: usize,
}

impl Line {
    pub fn new() -> Self {
        Self { shown: is_terminal(), wide: 0 }
    }

    /// Whether anybody sees it.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    pub fn say(&mut self, line: &str) {
        if self.shown {
            out::print_error(&format!("\r{line:<width$}", width = self.wide));
            self.wide = line.chars().count();
        }
    }

    /// Removes the line.
    pub fn end(self) {
        if self.wide > 0 {
            out::print_error(&format!("\r{:width$}\r", "", width = self.wide));
        }
    }
}

/// In a pipe or a file, progress would only be noise.
fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn line(done: usize, total: usize) -> String {
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH);
    format!("[{:<WIDTH$}] {done} of {total}", "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_bar_grows() {
        assert_eq!(line(0, 4), format!("[{}] 0 of 4", " ".repeat(30)));
        assert_eq!(line(2, 4), format!("[{}{}] 2 of 4", "#".repeat(15), " ".repeat(15)));
        assert_eq!(line(0, 0), format!("[{}] 0 of 0", "#".repeat(30)));
    }
}
