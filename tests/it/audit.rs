//! The audit against a small API server.

mod api;
mod events;
mod reports;
