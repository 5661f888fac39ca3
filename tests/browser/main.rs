//! The HTML page in a real browser: Debian's Chromium, driven over the DevTools protocol.
//!
//! `CHROMIUM` names another one. With `ARCHMATCH_RENDER` the picture in `docs/` is taken
//! anew, and with `ARCHMATCH_SCREENSHOTS` naming a folder one of every view goes there.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

mod chromium;
mod large;
mod looks;
mod pages;
mod reading;
mod script;
mod tab;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};

use self::chromium::Chromium;

/// A test, and what it needs of the browser.
type Test = fn(Arc<Chromium>) -> BoxFuture<'static, ()>;

/// None takes longer on a slow machine.
const MAX_TEST: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Times are measured, and every page wants to be the one in front.
    arguments.test_threads = Some(1);
    let Some(program) = chromium::program() else {
        eprintln!("the tests of the HTML page are left out: they need Debian's chromium");
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads for the tests");
    let chromium = Arc::new(runtime.block_on(Chromium::launch(&program)));
    let tests: [&[(&str, Test)]; 4] = [script::TESTS, reading::TESTS, looks::TESTS, large::TESTS];
    let trials = tests.concat().into_iter().map(|(name, test)| {
        let (handle, chromium) = (runtime.handle().clone(), Arc::clone(&chromium));
        Trial::test(name, move || {
            let ended =
                handle.block_on(async { tokio::time::timeout(MAX_TEST, test(chromium)).await });
            ended.map_err(|_| format!("it took more than {MAX_TEST:?}").into())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let chromium = Arc::into_inner(chromium).expect("every test has ended");
    runtime.block_on(chromium.end());
    conclusion.exit_code()
}
