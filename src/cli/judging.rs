//! Judging for a person at a terminal.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use futures::stream::Stream;

use super::progress::Progress;
use crate::audit::{Judge, Subject};
use crate::report::ReportBuilder;

/// Judges the workloads with a bar, and until Ctrl-C, which is returned as what is missing
/// then. How many there are in all may be known.
pub async fn judge_for_person(
    judge: &Judge<'_>,
    subjects: impl Stream<Item = Subject>,
    total: Option<usize>,
    report: &mut ReportBuilder,
) -> Option<String> {
    let done = Cell::new(0);
    let mut progress = Progress::new(total);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut judging = pin!(judge.judge(subjects, report, |count| done.set(count)));
    loop {
        tokio::select! {
            () = &mut judging => return None,
            _ = tick.tick() => progress.show(done.get()),
            Ok(()) = &mut interrupted => {
                let done = done.get();
                return Some(match total {
                    Some(total) => format!("interrupted: {done} of {total} were checked"),
                    None => format!("interrupted: {done} were checked"),
                });
            }
        }
    }
}
