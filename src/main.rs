//! The program: crypto provider, arguments, run, exit code.

use std::process::ExitCode;

/// A review makes many small allocations on several threads, for which glibc takes locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // One provider for everybody, before anybody asks for one. It is the first thing that
    // the process does, so nobody can have installed another.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    archmatch::cli::run(std::env::args_os()).await.into()
}
