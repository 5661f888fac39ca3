//! How far a run has come, for a person at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What ends sooner needs no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// How often the bar changes at most.
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);

/// A bar on stderr, which goes away with this value. Elsewhere than on a terminal it is none.
pub struct Progress {
    total: Option<usize>,
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// A bar for so many steps, or a count where nobody knows how many there are.
    pub fn new(total: Option<usize>) -> Self {
        let is_wanted = io::stderr().is_terminal();
        Self {
            total,
            next: is_wanted.then(|| Instant::now() + SHOWN_AFTER),
            is_shown: false,
        }
    }

    /// So many steps are done.
    pub fn show(&mut self, done: usize) {
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + BETWEEN_CHANGES);
            self.is_shown = true;
            // Nobody is told that a bar could not be drawn.
            let _ = write!(io::stderr(), "\r\u{1b}[K{}", bar(done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn bar(done: usize, total: Option<usize>) -> String {
    const WIDTH: usize = 20;
    let Some(total) = total else {
        return format!("{done} checked");
    };
    let full = done.min(total) * WIDTH / total.max(1);
    let (full, rest) = ("#".repeat(full), ".".repeat(WIDTH - full));
    format!("[{full}{rest}] {done} of {total} checked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_whatever_is_done() {
        assert_eq!(bar(0, Some(3)), "[....................] 0 of 3 checked");
        assert_eq!(bar(1, Some(2)), "[##########..........] 1 of 2 checked");
        assert_eq!(bar(7, Some(7)), "[####################] 7 of 7 checked");
        assert_eq!(bar(0, Some(0)), "[....................] 0 of 0 checked");
        assert_eq!(bar(5, None), "5 checked");
    }
}
