//! What the operator wants of the webhook.

use crate::checker::Rules;
use crate::domain::policy::{ForeignImages, Levels, OnUnknown, OwnedPods};
use crate::objects::kinds::KindRule;

/// What the operator wants of the webhook; replaced whole when the configuration changes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The cluster's levels; namespaces may have their own.
    pub levels: Levels,
    /// What an undecided level does.
    pub on_unknown: OnUnknown,
    /// How strictly a controller's own objects are judged.
    pub owned_pods: OwnedPods,
    /// Further user names that count as workload controllers.
    pub controllers: Vec<String>,
    /// Images that nobody here builds.
    pub foreign_images: ForeignImages,
    /// How candidates and entries are judged.
    pub rules: Rules,
    /// Further kinds that hold pod templates.
    pub kinds: Vec<KindRule>,
}
