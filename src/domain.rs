//! The pure core: what a platform is, where a pod may go, what a runtime would pull,
//! and what follows from it.
//!
//! Nothing in here awaits, reads a clock or the environment, or logs. Everything that it
//! does not know, it returns as a value.

pub mod inspection;
pub mod platform;
pub mod reference;
pub mod unknown;
