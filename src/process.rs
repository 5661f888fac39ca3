//! The process itself: certificates, the accept loop, readiness, shutdown, telemetry.
//!
//! Nothing in here knows of images, nodes or reviews. Only `cli` uses it; the surfaces get
//! its products as arguments.

pub mod certificates;
pub mod listener;
pub mod readiness;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
