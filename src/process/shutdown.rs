//! The end of the process, in phases.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody asked for an end.
    Running,
    /// Not ready any more, still accepting: clients are still being told.
    Draining,
    /// No new connections; requests in flight are finished.
    Stopping,
    /// Whatever is left is dropped.
    Now,
}

/// What others see of the end. Clones see the same.
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: watch::Receiver<Phase>,
}

/// Brings the end about.
#[derive(Debug)]
pub struct Trigger {
    phase: watch::Sender<Phase>,
}

/// An end that has not begun.
pub fn shutdown() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger { phase: sender }, Shutdown { phase: receiver })
}

impl Shutdown {
    /// How far the end has come.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the end has come so far. An end without a trigger comes at once.
    pub async fn reached(&self, wanted: Phase) {
        let mut phase = self.phase.clone();
        // An error means that the trigger is gone: nobody is left to wait for.
        let _ = phase.wait_for(|phase| *phase >= wanted).await;
    }
}

impl Trigger {
    /// Moves on to a phase; the end never goes back.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            if later {
                *phase = to;
            }
            later
        });
    }

    /// Waits for SIGTERM or SIGINT and then goes through the phases: `drain_delay` for
    /// clients to learn that we leave, `grace_period` for requests in flight. A second
    /// signal ends at once.
    ///
    /// # Errors
    /// When the process may not handle signals.
    pub async fn on_signals(
        self,
        drain_delay: Duration,
        grace_period: Duration,
    ) -> std::io::Result<()> {
        // A program with process id 1 that handles no signal ignores SIGTERM.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut asked = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        asked().await;
        tracing::info!("shutting down");
        self.advance(Phase::Draining);
        tokio::select! {
            () = asked() => {}
            () = async {
                tokio::time::sleep(drain_delay).await;
                self.advance(Phase::Stopping);
                tokio::time::sleep(grace_period).await;
            } => {}
        }
        self.advance(Phase::Now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_only_moves_on() {
        let (trigger, shutdown) = shutdown();
        assert_eq!(shutdown.phase(), Phase::Running);
        trigger.advance(Phase::Stopping);
        trigger.advance(Phase::Draining);
        assert_eq!(shutdown.phase(), Phase::Stopping);
        shutdown.reached(Phase::Draining).await;
        drop(trigger);
        shutdown.reached(Phase::Now).await;
    }
}
