//! The levels of a namespace: the cluster's, and what its labels make of them.

use crate::cluster::view::View;
use crate::domain::policy::Levels;

/// The levels of a namespace. A label that is no level counts as absent, and says so.
pub(super) fn of_namespace(
    view: &View,
    namespace: &str,
    defaults: Levels,
) -> (Levels, Vec<String>) {
    let mut levels = defaults;
    let mut warnings = Vec::new();
    let Some(labels) = view.namespace(namespace) else {
        return (levels, warnings);
    };
    let modes = [
        ("enforce", &labels.enforce, &mut levels.enforce),
        ("warn", &labels.warn, &mut levels.warn),
        ("audit", &labels.audit, &mut levels.audit),
    ];
    for (mode, label, level) in modes {
        match label {
            None => {}
            Some(Ok(stated)) => *level = *stated,
            Some(Err(error)) => warnings.push(format!(
                "label archmatch.io/{mode} of namespace {namespace}: {error}; the default {level} counts"
            )),
        }
    }
    (levels, warnings)
}
