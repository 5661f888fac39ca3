//! Which images a denial would rest on.

use crate::domain::outcome::{Outcome, Ternary};
use crate::domain::reference::ImageReference;
use crate::domain::verdict::ImageVerdict;

/// What a denial would rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestsOn {
    /// Images that are known to lack a platform.
    Gaps,
    /// Those, and images of which something could not be found out.
    Unknowns,
}

impl RestsOn {
    /// The image, if a denial would rest on it and a registry can be asked for it.
    pub(super) fn image(self, known: &ImageVerdict) -> Option<&ImageReference> {
        let counts = |outcome: &Outcome| match outcome.value() {
            Ternary::No => true,
            Ternary::Unknown => self == Self::Unknowns,
            Ternary::Yes => false,
        };
        let reference = known.image.reference.as_ref().ok();
        let is_asked = !known.image.preloaded && known.outcomes.iter().any(counts);
        reference.filter(|_| is_asked)
    }
}
