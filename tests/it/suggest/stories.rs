//! The two questions that the program began with.

use archmatch::report::{Circumstances, ReportBuilder, ReportRequest};

use super::{Build, Hub, nodes, rules};
use crate::documentation::published;

const ALL: [&str; 3] = ["linux/amd64", "linux/arm64/v8", "linux/s390x"];

#[tokio::test]
async fn a_distribution_without_the_platform_is_answered_by_one_that_has_it() {
    let hub = Hub::new().await;
    let without = &ALL[..2];
    for tag in ["22", "22-bookworm"] {
        hub.publish(&format!("library/node:{tag}"), without, Build::default());
    }
    for tag in ["22-trixie", "21"] {
        hub.publish(&format!("library/node:{tag}"), &ALL, Build::default());
    }
    for asked in ["node:22", "node:22-bookworm"] {
        let suggestions = hub.suggestions(asked, &ALL).await;
        assert_eq!(suggestions, ["flavour node:22-trixie"], "{asked}");
        let requests = hub.registry.take_requests();
        assert!(requests.len() <= 8, "{requests:?}");
        let findings = hub.findings(asked, &ALL).await;
        assert_eq!(rules(&findings), ["not-offered linux/s390x"], "{asked}");
        let refined = findings
            .iter()
            .find(|finding| !finding.rule.is_gap())
            .unwrap();
        let evidence = refined.evidence.join("\n");
        assert!(
            evidence.contains("s390x/node:22") && evidence.contains("node:22-trixie"),
            "{evidence}"
        );
    }
}

#[tokio::test]
async fn what_is_published_apart_already_is_on_its_way() {
    let hub = Hub::new().await;
    let build = Build::default();
    hub.publish("library/node:22.15-bullseye-slim", &["linux/amd64"], build);
    hub.publish(
        "arm64v8/node:22.15-bullseye-slim",
        &["linux/arm64/v8"],
        build,
    );
    hub.publish("library/node:bullseye-slim", &ALL, build);
    hub.publish(
        "library/node:22-bullseye-slim",
        &["linux/amd64"],
        Build {
            created: "2026-08-20T00:00:00Z",
            ..build
        },
    );
    let asked = "node:22.15-bullseye-slim";
    let suggestions = hub.suggestions(asked, &["linux/arm64"]).await;
    assert_eq!(
        suggestions,
        [
            "spelling node:bullseye-slim",
            "per-arch arm64v8/node:22.15-bullseye-slim"
        ]
    );
    let requests = hub.registry.take_requests();
    assert!(requests.len() <= 8, "{requests:#?}");
    let findings = hub.findings(asked, &["linux/amd64", "linux/arm64"]).await;
    assert_eq!(rules(&findings), ["still-publishing linux/arm64"]);
    let suggestions = hub
        .suggestions(asked, &["linux/amd64", "linux/arm64"])
        .await;
    assert_eq!(suggestions, ["spelling node:bullseye-slim"]);
}

/// The report that the documentation shows.
#[tokio::test]
async fn both_stories_are_told_as_the_documentation_shows_them() {
    let hub = Hub::new().await;
    let old = Build {
        created: "2026-06-02T10:00:00Z",
        ..Build::default()
    };
    let new = Build {
        created: "2026-08-20T10:00:00Z",
        revision: Some("b2"),
        ..old
    };
    hub.publish("library/node:22", &ALL[..2], old);
    hub.publish("library/node:22-trixie", &ALL, old);
    let late = "22.15-bullseye-slim";
    hub.publish(&format!("library/node:{late}"), &[ALL[0], ALL[2]], new);
    hub.publish(&format!("arm64v8/node:{late}"), &[ALL[1]], new);
    hub.publish("library/node:bullseye-slim", &ALL, old);
    let mut report = ReportBuilder::new(ReportRequest::default());
    for (place, image) in ["node:22", &format!("node:{late}")].into_iter().enumerate() {
        report.add(place, &hub.judge(image, &ALL).await);
    }
    let circumstances = Circumstances {
        created: "2026-08-22T00:00:00Z".to_owned(),
        ..Circumstances::default()
    };
    let report = report.finish(&nodes(&ALL), circumstances);
    let text = archmatch::report::json(&report).unwrap();
    published("tests/data/reports/instead.json", &text);
}
