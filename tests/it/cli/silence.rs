//! Hosts that never answer.

use super::World;
use crate::support::registry::{FakeRegistry, Fault};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_answers_holds_up_no_image_of_another() {
    let world = World::new().await;
    let silent = FakeRegistry::start().await;
    silent.misbehave("GET", Fault::Silence);
    let hosts = [world.registry.host(), silent.host()];
    let hosts = hosts.map(|host| format!("{{host: '{host}', plainHttp: true, addresses: any}}"));
    world.write(
        "config.yaml",
        &format!("registries: [{}]\n", hosts.join(", ")),
    );
    let mut images: Vec<String> = (0..60)
        .map(|number| format!("{}/app-{number}:1", silent.host()))
        .collect();
    images.push(world.image("node:21"));
    let arguments = ["check", "--platform", "linux/s390x", "--timeout", "5s"];
    let words: Vec<&str> = arguments
        .into_iter()
        .chain(images.iter().map(String::as_str))
        .collect();
    let asked = async {
        world.registry.requested(1).await;
        // Its turn came while the first requests to the other still waited.
        assert!(silent.requests().len() <= 8, "{:?}", silent.requests());
    };
    let (run, ()) = tokio::join!(world.run(&words), asked);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
}
