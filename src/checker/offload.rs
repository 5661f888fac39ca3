//! Long computing, off the threads that answer reviews.

use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// How many long computations run at the same time: half of the processors, so that short
/// reviews find the others free.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, usize::from);
    Semaphore::new((processors / 2).max(1))
});

/// Computes on a thread of its own. None when its turn, or its end, did not come by the
/// deadline; what has begun goes on to its end, and keeps its turn until then.
pub(crate) async fn offload<T: Send + 'static>(
    deadline: Instant,
    compute: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let computed = async {
        let turn = TURNS.acquire().await.ok()?;
        let running = spawn_blocking(move || {
            let computed = compute();
            drop(turn);
            computed
        });
        running.await.ok()
    };
    timeout_at(deadline, computed).await.ok().flatten()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::runtime::Builder;

    use super::*;

    /// Runs this where no other thread has time to compute anything: what it waits for does
    /// not come.
    pub(crate) fn with_no_other_thread<F: Future>(future: F) -> F::Output {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(1).build();
        let runtime = runtime.unwrap();
        let (end, until) = mpsc::channel::<()>();
        let output = runtime.block_on(async {
            spawn_blocking(move || until.recv());
            future.await
        });
        // The thread ends, and whatever waits for it is done by nobody.
        drop(end);
        runtime.shutdown_timeout(Duration::from_secs(10));
        output
    }

    #[tokio::test]
    async fn what_is_offloaded_is_computed_by_another_thread() {
        let deadline = Instant::now() + Duration::from_secs(600);
        let own = std::thread::current().id();
        let other = offload(deadline, || std::thread::current().id()).await;
        assert_ne!(other.unwrap(), own);
    }

    #[test]
    fn nobody_waits_for_it_beyond_the_deadline() {
        let computed = with_no_other_thread(async {
            let late = offload(Instant::now(), || ());
            timeout_at(Instant::now() + Duration::from_secs(5), late).await
        });
        assert_eq!(computed.ok(), Some(None));
    }
}
