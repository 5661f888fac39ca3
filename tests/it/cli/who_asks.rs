//! What `serve` says at start of who may ask it.

use archmatch::process::certificates::SelfSigned;

use super::World;
use super::webhook::Webhook;

/// Whether it warns that anybody may ask in any namespace's name.
async fn warns(secrets: &str, more: &str) -> bool {
    let world = World::new().await;
    let authority = SelfSigned::make(&["kube-apiserver".to_owned()]).unwrap();
    let more = more.replace("CA", &world.write("ca.pem", &authority.ca));
    let config = format!("credentials: {{secrets: {secrets}}}\n{more}\n");
    world.write("config.yaml", &config);
    let webhook = Webhook::start(&world);
    webhook.said.iter().any(|message| {
        let of_port = message.contains("whoever reaches the webhook's port may ask");
        of_port && message.contains("clientAuth") && message.contains("NetworkPolicy")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn readable_pull_secrets_without_client_authentication_are_warned_of() {
    assert!(warns("cluster", "").await);
    assert!(warns("{namespaces: [web]}", "").await);
    assert!(!warns("none", "").await);
    let authenticated = "clientAuth: {ca: 'CA', names: [kube-apiserver]}";
    assert!(!warns("cluster", authenticated).await);
}
