//! What was said of images beside what became of pods.

use serde::{Deserialize, Serialize};

use crate::domain::observation::{Agreement, Observation};
use crate::domain::outcome::OutcomeKind;

/// How many differences are kept.
pub(super) const MAX_DIFFERENCES: usize = 10_000;

/// How often what is said of an image on a node is what became of a container there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Observed {
    /// Containers that became what is said.
    pub right: usize,
    /// Containers that did not.
    pub wrong: usize,
    /// Containers whose state tells something, and of which nothing can be said.
    pub undecided: usize,
    /// Containers whose state tells nothing of the image as it is now.
    pub silent: usize,
    /// The first 10,000 of those that did not become what is said.
    pub differences: Vec<Difference>,
}

/// A container that did not become what is said of its image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The image as the pod names it.
    pub image: String,
    /// The node that the pod is on.
    pub node: String,
    /// What the node's runtime looks for.
    pub platform: String,
    /// What is said of the image on that platform.
    pub said: OutcomeKind,
    /// What happened.
    pub happened: Observation,
}

impl Observed {
    /// Counts a container.
    pub fn count(&mut self, agreement: Agreement) {
        let count = match agreement {
            Agreement::Right => &mut self.right,
            Agreement::Wrong => &mut self.wrong,
            Agreement::Undecided => &mut self.undecided,
            Agreement::Silent => &mut self.silent,
        };
        *count += 1;
    }

    /// Keeps a difference, while there is room.
    pub fn differs(&mut self, difference: Difference) {
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(difference);
        }
    }

    /// Puts the differences in order, whichever came first.
    pub fn sort(&mut self) {
        self.differences.sort();
    }
}
