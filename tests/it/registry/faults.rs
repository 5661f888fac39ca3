//! Registries that misbehave, in the order of a table of faults: R1 to R24.
//!
//! | fault | tests |
//! | --- | --- |
//! | R1 to R4: no connection, no answer, a slow answer, TLS | `connections` |
//! | R5 to R7: limits and failures | `limits` |
//! | R8, R9: proofs, hidden and missing images | `proofs` |
//! | R10 to R14, R16, R17: bodies and documents | `documents` |
//! | R15, R22, R23: what is kept | `kept` |
//! | R18: redirects | `redirects` |
//! | R19, R20: realms and tokens | `proofs`, and `access` beside this module |
//! | R21: names | `names` |
//! | R24: a dead host beside a healthy one | `bulkheads` |
//! | what one namespace or repository does to others | `fairness` |

mod bulkheads;
mod concealed;
mod connections;
mod documents;
mod fairness;
mod kept;
mod limits;
mod names;
mod proofs;
mod redirects;

use std::time::Duration;

use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Reason;
use archmatch::registry::{HostSettings, Inspector};
use tokio::time::Instant;

use super::{inspect, inspector_with, is_unknown};
use crate::support::registry::{Document, FakeRegistry, Fault};

/// What a request may take in these tests.
const REQUEST: Duration = Duration::from_secs(1);

/// What a look-up of a registry that misbehaves comes to.
struct Failure {
    reason: Reason,
    /// Requests that the registry sees.
    requests: usize,
    /// How the last of them is counted.
    status: &'static str,
}

/// An inspector that gives a request little time.
fn hasty(hosts: &[HostSettings]) -> Inspector {
    inspector_with(hosts, |settings| {
        settings.limits.request = REQUEST;
        settings.limits.late = REQUEST;
    })
}

/// A look-up fails as it should, in time, and leaves nothing behind but the failure; the
/// next caller gets that without a request.
async fn fails(inspector: &Inspector, image: &ImageReference, reason: Reason, status: &str) {
    let counted = |inspector: &Inspector| {
        let requests = inspector.statistics().requests();
        let found = requests.iter().find(|(class, _)| *class == status);
        found.map_or(0, |(_, count)| *count)
    };
    let before = counted(inspector);
    let started = Instant::now();
    is_unknown(inspect(inspector, image).await, reason);
    let elapsed = started.elapsed();
    assert!(elapsed < 4 * REQUEST, "{elapsed:?}: a request has a limit");
    let after = counted(inspector);
    assert!(after > before, "{image}: counted as {status}");
    let kept = inspector.entries();
    assert_eq!(kept, [("digest", 0), ("answer", 0), ("failure", 1)]);

    is_unknown(inspect(inspector, image).await, reason);
    let requests = inspector.statistics().requests();
    let total: u64 = requests.iter().map(|(_, count)| count).sum();
    assert_eq!(counted(inspector), after, "{total} requests");
}

/// One fault of one image.
async fn faulty(document: &Document, part: &str, faults: Vec<Fault>, expected: Failure) {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", document);
    for fault in faults {
        registry.misbehave(part, fault);
    }
    let inspector = hasty(&[registry.settings()]);
    fails(&inspector, &image, expected.reason, expected.status).await;
    let requests = registry.requests();
    assert_eq!(requests.len(), expected.requests, "{requests:?}");
}
