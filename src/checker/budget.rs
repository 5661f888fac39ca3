//! What one review may take of the processor: steps, a deadline, and turns for what takes
//! long.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{Rules, offload};
use crate::domain::candidates::{Candidates, Steps, candidates_within, takes_long};
use crate::domain::node::Nodes;
use crate::domain::placement::Placement;
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::workload::PodTemplate;

/// What one pod template may take.
pub(super) struct Budget {
    pub(super) deadline: Instant,
    steps: Arc<Steps>,
    /// Whose image is compared, where that takes long.
    turn: Semaphore,
}

impl Budget {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            steps: Arc::default(),
            turn: Semaphore::new(1),
        }
    }

    /// Takes steps that are about to be done; a turn is kept while they are.
    pub(super) async fn spend(&self, steps: usize) -> Result<Option<SemaphorePermit<'_>>, Unknown> {
        /// Fewer are done in less than a tenth of a millisecond.
        const FEW_STEPS: usize = 500;
        let too_late = || Unknown::new(Reason::Timeout, "there was no time left to compare it");
        if !self.steps.take(steps) {
            return Err(Unknown::new(
                Reason::TooLarge,
                "the pod's images name more platforms than are compared for one review",
            ));
        }
        if steps <= FEW_STEPS {
            return Ok(None);
        }
        let turn = self.turn.acquire().await.map_err(|_| too_late())?;
        yield_now().await;
        if Instant::now() >= self.deadline {
            return Err(too_late());
        }
        Ok(Some(turn))
    }
}

/// Where the pod may go; off the threads that answer others if that takes long.
pub(super) async fn find_candidates(
    nodes: &Nodes,
    placement: &Placement,
    rules: Rules,
    budget: &Budget,
) -> Candidates {
    let (deadline, steps) = (budget.deadline, &budget.steps);
    if !takes_long(nodes, placement) {
        return candidates_within(nodes, placement, rules.candidates, steps);
    }
    let (nodes, placement, steps) = (nodes.clone(), placement.clone(), Arc::clone(steps));
    let find = move || candidates_within(&nodes, &placement, rules.candidates, &steps);
    offload(deadline, find).await.unwrap_or_else(|| Candidates {
        undetermined: Some(Unknown::new(
            Reason::Timeout,
            "there was no time left to find where the pod may go",
        )),
        ..Candidates::default()
    })
}

/// Where the pods of each template may go, one after the other; others have their turn between
/// two of them.
pub(super) async fn all_candidates(
    templates: &[PodTemplate],
    nodes: &Nodes,
    rules: Rules,
    budget: &Budget,
) -> Vec<Candidates> {
    let mut found = Vec::with_capacity(templates.len());
    for template in templates {
        if !found.is_empty() {
            yield_now().await;
        }
        found.push(find_candidates(nodes, &template.placement, rules, budget).await);
    }
    found
}
