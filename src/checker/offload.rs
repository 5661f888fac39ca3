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
