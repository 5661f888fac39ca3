//! The pure core: what a platform is, where a pod may go, what a runtime would pull,
//! and what follows from it.
//!
//! Nothing in here awaits, reads a clock or the environment, or logs. Everything that it
//! does not know, it returns as a value.

pub mod access;
pub mod advice;
pub mod candidates;
pub mod elsewhere;
pub mod glob;
pub mod inspection;
pub mod labels;
pub mod node;
pub mod observation;
pub mod open_labels;
pub mod outcome;
pub mod ownership;
pub mod pick;
pub mod pin;
pub mod placement;
pub mod platform;
pub mod policy;
pub mod pool;
pub mod reference;
pub mod runtime;
pub mod tag;
pub mod taint;
pub mod text;
pub mod unknown;
pub mod verdict;
pub mod workload;
