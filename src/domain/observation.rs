//! What the state of a pod proves of an image on its node, and whether it is what was said.

use serde::{Deserialize, Serialize};

use super::inspection::Inspection;
use super::outcome::{Outcome, OutcomeKind};
use super::reference::Digest;
use super::verdict::ImageVerdict;

/// What happened when a container was started on its node.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Observation {
    /// Its program ran.
    Ran,
    /// The pull failed, since nothing of the image is for the node.
    NoMatch,
    /// It was pulled, and the node cannot execute its program.
    ExecFormatError,
    /// The kubelet refused the name.
    InvalidImageName,
}

/// Whether what was said of an image is what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It is.
    Right,
    /// It is not.
    Wrong,
    /// Nothing was said.
    Undecided,
    /// Nobody knows what happened, or it happened to another version of the image, or to one
    /// that no registry is asked for.
    Silent,
}

/// A container of a pod that a node has, as its status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Its name.
    pub name: String,
    /// What its state proves, where it proves anything.
    pub observation: Option<Observation>,
    /// The digest of what was pulled, where the runtime says it: that of the index, or of a
    /// manifest in it.
    pub digest: Option<Digest>,
}

impl Observation {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The outcome that says so beforehand.
    fn foretold_by(self) -> OutcomeKind {
        match self {
            Self::Ran => OutcomeKind::Supported,
            Self::NoMatch => OutcomeKind::Missing,
            Self::ExecFormatError => OutcomeKind::Mismatched,
            Self::InvalidImageName => OutcomeKind::Invalid,
        }
    }
}

impl ObservedContainer {
    /// Whether what was said of its image on its node is what happened.
    pub fn compare(&self, image: &ImageVerdict, outcome: &Outcome) -> Agreement {
        let Some(observation) = self.observation.filter(|_| !image.image.preloaded) else {
            return Agreement::Silent;
        };
        if outcome.kind() == OutcomeKind::Unknown {
            return Agreement::Undecided;
        }
        let was_pulled = matches!(observation, Observation::Ran | Observation::ExecFormatError);
        let is_known = image.inspection.as_deref();
        // A tag that moved since says nothing of what was pulled before.
        if was_pulled && is_known.is_some_and(|found| !self.is_of(found, outcome)) {
            return Agreement::Silent;
        }
        match observation.foretold_by() == outcome.kind() {
            true => Agreement::Right,
            false => Agreement::Wrong,
        }
    }

    /// Whether what was pulled is what the name leads to now.
    fn is_of(&self, found: &Inspection, outcome: &Outcome) -> bool {
        let Some(digest) = &self.digest else {
            return false;
        };
        *digest == found.digest
            || found.entry(digest).is_some()
            || outcome.picked().contains(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::inspection::{Content, Entry, EntryKind, MediaType};
    use crate::domain::outcome::{Compatibility, IndexDepth, MatchReason, MissReason};
    use crate::domain::platform::Platform;
    use crate::domain::reference::ImageReference;
    use crate::domain::unknown::{Reason, Unknown};
    use crate::domain::workload::{ContainerImage, Usage};

    fn digest(number: u8) -> Digest {
        format!("sha256:{number:064x}").parse().unwrap()
    }

    /// An index with digest 1 and an entry with digest 2, or nothing.
    fn image(is_found: bool) -> ImageVerdict {
        let entry = Entry {
            digest: digest(2),
            kind: EntryKind::Manifest,
            platform: None,
            zstd: false,
            build: None,
        };
        let inspection = Inspection {
            build: None,
            digest: digest(1),
            media_type: MediaType::OciIndex,
            content: Content::Index(vec![entry]),
        };
        ImageVerdict {
            image: ContainerImage {
                image: "app".to_owned(),
                reference: "app".parse(),
                containers: vec!["web".to_owned()],
                usage: Usage::Container,
                preloaded: false,
            },
            inspection: is_found.then(|| Arc::new(inspection)),
            outdated: None,
            advice: None,
            outcomes: Vec::new(),
        }
    }

    #[test]
    fn what_was_said_is_compared_with_what_happened_to_the_same_image() {
        use Agreement::{Right, Silent, Undecided, Wrong};
        use Observation::{ExecFormatError, InvalidImageName, NoMatch, Ran};
        let why = MatchReason::Plain(Compatibility::Own);
        // Of a nested index, which is not kept.
        let picked = vec![digest(2), digest(3)];
        let supported = || Outcome::Supported {
            picked: picked.clone(),
            why,
        };
        let mismatched = || Outcome::Mismatched {
            picked: Vec::new(),
            made_for: Platform::new("linux", "amd64", ""),
            why,
        };
        let missing = || Outcome::Missing(MissReason::NoEntry(IndexDepth::First));
        let invalid = || Outcome::from("-".parse::<ImageReference>().unwrap_err());
        let unknown = || Outcome::from(Unknown::new(Reason::Timeout, "late"));
        for (observation, pulled, outcome, expected) in [
            (Some(Ran), Some(1), supported(), Right),
            (Some(Ran), Some(2), supported(), Right),
            (Some(Ran), Some(3), supported(), Right),
            (Some(Ran), Some(2), missing(), Wrong),
            (Some(Ran), Some(1), mismatched(), Wrong),
            (Some(Ran), Some(4), missing(), Silent),
            (Some(Ran), None, supported(), Silent),
            (Some(Ran), Some(4), unknown(), Undecided),
            (Some(NoMatch), None, missing(), Right),
            (Some(NoMatch), None, supported(), Wrong),
            (Some(NoMatch), None, mismatched(), Wrong),
            (Some(NoMatch), None, unknown(), Undecided),
            (Some(ExecFormatError), Some(1), mismatched(), Right),
            (Some(ExecFormatError), Some(1), supported(), Wrong),
            (Some(ExecFormatError), Some(4), supported(), Silent),
            (None, Some(1), supported(), Silent),
            (None, None, unknown(), Silent),
        ] {
            let container = ObservedContainer {
                name: "web".to_owned(),
                observation,
                digest: pulled.map(digest),
            };
            let found = container.compare(&image(true), &outcome);
            assert_eq!(found, expected, "{observation:?} {pulled:?} {outcome:?}");
        }
        for (observation, outcome, expected) in [
            (InvalidImageName, invalid(), Right),
            (InvalidImageName, unknown(), Undecided),
            (Ran, invalid(), Wrong),
        ] {
            let container = ObservedContainer {
                name: "web".to_owned(),
                observation: Some(observation),
                digest: Some(digest(1)),
            };
            let found = container.compare(&image(false), &outcome);
            assert_eq!(found, expected, "{observation:?} {outcome:?}");
        }
    }
}
