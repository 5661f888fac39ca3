//! Reports that are looked at.

use archmatch::report::{Format, Report, Style};
use serde_json::{Value, json};

/// What the demonstration ends with.
pub fn demo() -> Value {
    read("demo")
}

/// A cluster in which s390x nodes are new, and an image lags on arm64.
pub fn stories() -> Value {
    read("stories")
}

/// A report with one of every outcome.
pub fn mixed() -> Value {
    read("mixed")
}

fn read(name: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/tests/data/reports/{name}.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A report in which nothing was checked.
pub fn empty() -> Value {
    let mut report = mixed();
    for list in ["workloads", "findings", "readiness", "platforms"] {
        report[list] = json!([]);
    }
    for count in report["summary"].as_object_mut().unwrap().values_mut() {
        *count = json!(0);
    }
    report["passed"] = json!(true);
    report
}

/// The example's workloads again and again, by other names, in so many namespaces.
pub fn large(workloads: usize, namespaces: usize) -> Value {
    let mut report = stories();
    let samples = report["workloads"].as_array().unwrap().clone();
    let findings = report["findings"].as_array().unwrap().clone();
    let mut all = Vec::with_capacity(workloads);
    let mut found = Vec::new();
    for position in 0..workloads {
        let sample = position % samples.len();
        let mut workload = samples[sample].clone();
        workload["namespace"] = json!(format!("team-{}", position % namespaces));
        workload["name"] = json!(format!("{}-{position}", workload["name"].as_str().unwrap()));
        all.push(workload);
        for finding in findings
            .iter()
            .filter(|one| one["workload"] == json!(sample))
        {
            let mut finding = finding.clone();
            finding["workload"] = json!(position);
            finding["id"] = json!(format!("{}-{position}", finding["id"].as_str().unwrap()));
            found.push(finding);
        }
    }
    report["workloads"] = json!(all);
    report["findings"] = json!(found);
    report
}

/// The page of a report.
pub fn page(report: &Value) -> String {
    let report = Report::parse(&report.to_string()).unwrap();
    Format::Html.render(&report, Style::PLAIN).unwrap()
}
