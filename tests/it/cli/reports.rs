//! What is done with reports: saved, rendered again, compared, accepted.

use serde_json::{Value, json};

use super::{World, deployment};
use crate::support::command::{Run, archmatch};
use crate::support::registry::{index, manifest};

const BOTH: [&str; 2] = ["--platform", "linux/amd64,linux/s390x"];

fn saved(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A world with a file of a workload that lacks a platform, and one that does not.
async fn world_of_shops() -> (World, String) {
    let world = World::new().await;
    let text = [
        deployment("shop", &world.image("node:22")),
        "---\n".to_owned(),
        deployment("good", &world.image("node:21")),
        "---\n".to_owned(),
        deployment("open", &world.image("absent:1")),
    ];
    let file = world.write("shop.yaml", &text.concat());
    (world, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_report_gives_the_bytes_of_the_run_that_saved_it() {
    let (world, file) = world_of_shops().await;
    let nodes = world.path("nodes.yaml");
    let path = |format: &str| world.path(&format!("saved.{format}"));
    let outputs = ["json", "wide", "table"].map(|format| format!("{format}={}", path(format)));
    let [json, wide, table] = &outputs;
    let arguments = [
        "check",
        "-f",
        &file,
        "--snapshot",
        &nodes,
        "-o",
        json,
        "-o",
        wide,
        "-o",
        table,
    ];
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.stdout, "", "everything went to files");
    let report = path("json");
    for format in ["json", "wide", "table"] {
        let again = archmatch(&["report", &report, "-o", format], "");
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert_eq!(again.stdout, read(&path(format)), "{format}");
        let copy = format!("{format}={}", path("copy"));
        let again = archmatch(&["report", &report, "-o", &copy], "");
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert_eq!(read(&path("copy")), read(&path(format)), "{format}");
    }
    // Rows are those that are asked for now.
    let rows = archmatch(&["report", &report, "--by", "workload"], "");
    assert!(rows.stdout.contains("WORKLOAD"), "{}", rows.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_lines_say_how_ready_each_platform_is() {
    let (world, file) = world_of_shops().await;
    let nodes = world.path("nodes.yaml");
    let image = world.image("node:22");
    for format in ["table", "wide"] {
        let arguments = ["check", "-f", &file, "--snapshot", &nodes, "-o", format];
        let run = world.run(&arguments).await;
        let lines: Vec<&str> = run.stdout.lines().take(8).collect();
        let ready = "linux/amd64: 2 workloads ready, 0 blocked, 1 undecided";
        let blocked = format!(
            "linux/s390x: 1 workload ready, 1 blocked, 1 undecided; blocked by {image} (unblocks 1)"
        );
        assert_eq!(lines[..2], [ready, &blocked], "{}", run.stdout);
        let found = format!("  warning missing-platform: {image} has no linux/s390x manifest");
        assert!(run.stdout.contains(&found), "{found} in {}", run.stdout);
        let last = run.stdout.lines().last().unwrap();
        assert!(last.starts_with("FAIL at level portable: "), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_rules_make_the_exit_code() {
    let (world, _) = world_of_shops().await;
    let pinned = deployment("pinned", &world.image("node:21")).replace(
        "      containers:",
        "      nodeSelector: {kubernetes.io/arch: amd64}\n      containers:",
    );
    let pinned = world.write("pinned.yaml", &pinned);
    let absent = world.image("absent:1");
    let nodes = world.path("nodes.yaml");
    let cluster = ["--snapshot", &nodes];
    for (subject, fail_on, code) in [
        (vec!["-f", &*pinned], None, 0),
        (vec!["-f", &pinned], Some("needless-pin"), 1),
        (vec!["-f", &pinned], Some("version-skew,no-images"), 0),
        (vec!["-f", &pinned], Some("version-skew,needless-pin"), 1),
        (vec![&absent], None, 3),
        (vec![&absent], Some("could-not-check"), 1),
        (vec![&absent], Some("needless-pin"), 3),
    ] {
        let fail_on = fail_on.map(|rules| vec!["--fail-on", rules]);
        let arguments = [
            &["check"][..],
            &subject,
            &cluster,
            &fail_on.unwrap_or_default(),
        ];
        let run = world.run(&arguments.concat()).await;
        assert_eq!(run.code, Some(code), "{arguments:?}\n{}", run.stdout);
        let word = if code == 0 { "PASS" } else { "FAIL" };
        let last = run.stdout.lines().last().unwrap();
        assert!(last.starts_with(word), "{arguments:?} {last}");
    }
    let run = world
        .run(&["check", "-f", &pinned, "--snapshot", &nodes, "-o", "json"])
        .await;
    let finding = &saved(&run)["findings"][0];
    assert_eq!(finding["rule"], "needless-pin");
    assert_eq!(finding["platforms"], json!(["linux/s390x"]));
    assert_eq!(finding["source"], format!("{pinned}:1"));
    assert_eq!(
        finding["fixes"],
        json!([{"type": "unpin", "path": "spec.template.spec.nodeSelector",
                "old": "kubernetes.io/arch: amd64", "new": ""}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_accepts_what_was_found_before() {
    let (world, file) = world_of_shops().await;
    let check = ["check", "-f", &file, "--level", "portable"];
    let check = [&check[..], &BOTH].concat();
    let run = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let whole = world.write("baseline.json", &run.stdout);
    let report = saved(&run);
    let findings = report["findings"].as_array().unwrap();
    let id = |rule: &str| {
        let finding = findings.iter().find(|finding| finding["rule"] == rule);
        finding.expect(rule)["id"].as_str().unwrap().to_owned()
    };
    let list = |name: &str, rule: &str, expires: &str| {
        let text = format!(
            "apiVersion: archmatch.io/v1alpha1\nkind: Baseline\n\
             accepted: [{{id: '{}', reason: they build it, expires: {expires}}}]\n",
            id(rule)
        );
        world.write(name, &text)
    };
    let gap = list("gap.yaml", "missing-platform", "2999-12-31");
    let over = list("over.yaml", "missing-platform", "2020-01-01");
    for (baseline, code, says) in [
        (&whole, 0, "2 findings accepted"),
        (&gap, 3, "(accepted, until 2999-12-31: they build it)"),
        (&over, 1, "expired 2020-01-01"),
    ] {
        let arguments = [&check[..], &["--baseline", baseline]].concat();
        let run = world.run(&arguments).await;
        assert_eq!(run.code, Some(code), "{baseline} {}", run.stdout);
        assert!(run.stdout.contains(says), "{says} in {}", run.stdout);
    }
    // Nothing is asked or judged with a baseline that cannot be read.
    let asked = world.registry.requests().len();
    let newer = report.to_string().replace("v1alpha1", "v1beta1");
    let newer = world.write("newer.json", &newer);
    let broken = world.write("broken.yaml", "accepted: [\n");
    let absent = world.path("absent.yaml");
    for (baseline, problem) in [
        (
            &newer,
            "archmatch.io/v1beta1, and this program reads archmatch.io/v1alpha1",
        ),
        (&broken, "broken.yaml"),
        (&absent, "No such file"),
    ] {
        let arguments = [&check[..], &["--baseline", baseline]].concat();
        let run = world.run(&arguments).await;
        assert_eq!(run.code, Some(2), "{}", run.stdout);
        assert_eq!(run.stdout, "");
        assert!(
            run.stderr.contains(problem) && run.stderr.contains(baseline.as_str()),
            "{}",
            run.stderr
        );
    }
    assert_eq!(world.registry.requests().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_a_tag_lost_is_found_by_its_baseline() {
    let world = World::new().await;
    let image = world.image("node:21");
    let check = [&["check", &*image][..], &BOTH].concat();
    let run = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let before = world.write("before.json", &run.stdout);
    world
        .registry
        .push("node:21", &index([manifest("linux/amd64")]));
    let arguments = [&check[..], &["--baseline", &before, "-o", "json"]].concat();
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let report = saved(&run);
    let findings = report["findings"].as_array().unwrap();
    let lost = findings
        .iter()
        .find(|finding| finding["rule"] == "platform-lost");
    assert_eq!(lost.unwrap()["platforms"], json!(["linux/s390x"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_of_reports_fails_with_something_new_alone() {
    let (world, file) = world_of_shops().await;
    let save = async |name: &str, image: &str| {
        let arguments = [&["check", "-o", "json", "-f", &*file, image][..], &BOTH].concat();
        let run = world.run(&arguments).await;
        world.write(name, &run.stdout)
    };
    let less = save("less.json", &world.image("node:21")).await;
    let more = save("more.json", &world.image("node:22")).await;
    for (old, new, code, counts) in [
        (&less, &more, 1, [1, 0, 2]),
        (&more, &less, 0, [0, 1, 2]),
        (&more, &more, 0, [0, 0, 3]),
    ] {
        let run = archmatch(&["report", "diff", old, new, "-o", "json"], "");
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        let diff = saved(&run);
        let found = ["new", "gone", "still"].map(|key| diff[key].as_array().unwrap().len());
        assert_eq!(found, counts, "{}", run.stdout);
        let run = archmatch(&["report", "diff", old, new], "");
        assert_eq!(run.code, Some(code));
        assert!(
            run.stdout
                .contains("warning missing-platform: Deployment web/shop: "),
            "{}",
            run.stdout
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_saved_report_is_named_with_what_is_needed() {
    let (world, file) = world_of_shops().await;
    let nodes = world.path("nodes.yaml");
    let arguments = ["check", "-f", &file, "--snapshot", &nodes, "-o", "json"];
    let text = world.run(&arguments).await.stdout;
    let good = world.write("good.json", &text);
    let write = |name: &str, text: &str| world.write(name, text);
    let version = write("version.json", &text.replace("v1alpha1", "v2"));
    let beyond = write(
        "beyond.json",
        &text.replace("\"workload\": 0", "\"workload\": 9"),
    );
    let list = write("list.json", &text.replace("\"Report\"", "\"List\""));
    let cut = write("cut.json", &text[..text.len() / 2]);
    let shop = write("one.yaml", &deployment("shop", "node:22"));
    let absent = world.path("absent.json");
    for (path, problem) in [
        (
            &version,
            "archmatch.io/v2, and this program reads archmatch.io/v1alpha1",
        ),
        (&beyond, "damaged"),
        (&list, "expected Report of archmatch.io/v1alpha1"),
        (&cut, "EOF"),
        (
            &file,
            "several documents, expected one of archmatch.io/v1alpha1",
        ),
        (
            &shop,
            "apps/v1, and this program reads archmatch.io/v1alpha1",
        ),
        (&absent, "No such file"),
    ] {
        for arguments in [
            &["report", path][..],
            &["report", "diff", &good, path],
            &["report", "diff", path, &good],
        ] {
            let run = archmatch(arguments, "");
            assert_eq!(run.code, Some(2), "{arguments:?} {}", run.stdout);
            assert!(
                run.stderr.contains(problem) && run.stderr.contains(path.as_str()),
                "{arguments:?} {}",
                run.stderr
            );
            assert_eq!(run.stdout, "");
        }
    }
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_asked() {
    let check = ["check", "app:1", "--platform", "s390x"];
    for (arguments, problem) in [
        (&["-o", "sarif"][..], "points to lines of files"),
        (&["-o", "json="], "expected a file after ="),
        (&["-o", "jsonn"], "the nearest is json"),
        (&["-o", "xml"], "expected one of table, wide, json"),
        (
            &["--fail-on", "missing-platfrom"],
            "the nearest is missing-platform",
        ),
        (
            &["--fail-on", "needless-pin,nonsense-rule-x"],
            "nonsense-rule-x",
        ),
        (&["--by", "colour"], "colour"),
    ] {
        let run = archmatch(&[&check[..], arguments].concat(), "");
        assert_eq!(run.code, Some(2), "{arguments:?} {}", run.stdout);
        assert!(run.stderr.contains(problem), "{arguments:?} {}", run.stderr);
    }
}

#[test]
fn a_rule_is_explained_and_an_unknown_one_refused_with_the_nearest() {
    let run = archmatch(&["explain", "missing-platform"], "");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "missing-platform (error where",
        "no match for platform in manifest",
        "What to do: ",
    ] {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    let list = archmatch(&["explain"], "");
    assert_eq!(list.code, Some(0));
    for rule in ["missing-platform ", "could-not-check ", "no-images "] {
        let lines = list.stdout.lines().filter(|line| line.starts_with(rule));
        assert_eq!(lines.count(), 1, "{rule} in {}", list.stdout);
    }
    let run = archmatch(&["explain", "missing-platfrom"], "");
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(
        run.stderr.contains("the nearest is missing-platform"),
        "{}",
        run.stderr
    );
}

#[test]
fn help_lists_every_format() {
    let help = archmatch(&["audit", "--help"], "");
    for format in archmatch::report::Format::names() {
        assert!(
            help.stdout.contains(&format!("- {format}:")),
            "{format} in {}",
            help.stdout
        );
    }
}
