//! The official images' own tags, with the architectures they are meant for
//! (`tests/data/official-tags.json`), and what is to be suggested for some of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// The tags of official images, with the architectures each is meant for.
pub(crate) type OfficialTags = BTreeMap<String, HashMap<String, HashSet<String>>>;

pub(crate) fn official() -> OfficialTags {
    let text = include_str!("../../tests/data/official-tags.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let repositories = file["repositories"].as_object().unwrap().iter();
    let repositories = repositories.map(|(name, entries)| {
        let mut tags: HashMap<String, HashSet<String>> = HashMap::new();
        for entry in entries.as_array().unwrap() {
            for tag in texts(&entry["tags"]) {
                let architectures = tags.entry(tag).or_default();
                architectures.extend(texts(&entry["architectures"]));
            }
        }
        (name.clone(), tags)
    });
    repositories.collect()
}

/// Repository, tag, the architecture that it lacks, and the suggestion.
pub(crate) const SUGGESTIONS: &[(&str, &str, &str, Option<&str>)] = &[
    ("node", "22", "s390x", Some("22-trixie")),
    ("node", "24", "s390x", Some("24-trixie")),
    ("node", "lts", "s390x", Some("lts-trixie")),
    ("node", "krypton", "s390x", Some("krypton-trixie")),
    ("node", "24-slim", "s390x", Some("24-trixie-slim")),
    ("node", "24-bookworm", "s390x", Some("24-trixie")),
    (
        "node",
        "24.19-bookworm-slim",
        "s390x",
        Some("24.19-trixie-slim"),
    ),
    ("node", "26.7.0-bullseye", "s390x", Some("26.7.0-trixie")),
    ("node", "lts-bookworm", "s390x", Some("lts-trixie")),
    (
        "node",
        "22-bullseye-slim",
        "ppc64le",
        Some("22-trixie-slim"),
    ),
    ("node", "current-alpine", "s390x", Some("current-slim")),
    ("node", "26-alpine3.23", "s390x", Some("26-slim")),
    ("node", "26.7-alpine3.24", "ppc64le", Some("26.7-slim")),
    ("node", "24-alpine3.24", "ppc64le", Some("24-slim")),
    ("node", "alpine", "s390x", None),
    ("node", "bookworm", "s390x", None),
    ("node", "22-slim", "s390x", Some("22-trixie-slim")),
    (
        "ruby",
        "4.0-slim-bookworm",
        "s390x",
        Some("4.0-slim-trixie"),
    ),
    ("ruby", "slim-bookworm", "s390x", Some("slim-trixie")),
    ("ruby", "3.3.12-bookworm", "s390x", Some("3.3.12-trixie")),
    ("ruby", "bookworm", "s390x", None),
    ("redmine", "7.0.0-bookworm", "ppc64le", Some("7.0.0-trixie")),
    ("redmine", "6-bookworm", "s390x", Some("6-trixie")),
    (
        "drupal",
        "11-php8.5-fpm-bookworm",
        "s390x",
        Some("11-php8.5-fpm-trixie"),
    ),
    (
        "drupal",
        "11.4.5-php8.4-apache-bookworm",
        "s390x",
        Some("11.4.5-php8.4-apache-trixie"),
    ),
    (
        "drupal",
        "11.3.16-fpm-bookworm",
        "s390x",
        Some("11.3.16-fpm-trixie"),
    ),
    (
        "hylang",
        "1.3-python3.10-bookworm",
        "s390x",
        Some("1.3-python3.10-trixie"),
    ),
    (
        "hylang",
        "python3.13-bookworm",
        "s390x",
        Some("python3.13-trixie"),
    ),
    (
        "hylang",
        "python3.15-rc-bookworm",
        "s390x",
        Some("python3.15-rc-trixie"),
    ),
    ("hylang", "1.3.1-pypy3.11-trixie", "s390x", None),
    ("hylang", "1.3.1-pypy-bookworm", "ppc64le", None),
    (
        "clojure",
        "temurin-26-tools-deps-1.12.5.1664-bullseye-slim",
        "ppc64le",
        Some("temurin-26-tools-deps-1.12.5.1664-trixie-slim"),
    ),
    ("clojure", "lein-bullseye", "s390x", Some("lein-trixie")),
    (
        "clojure",
        "temurin-21-lein-2.13.0-bullseye",
        "s390x",
        Some("temurin-21-lein-2.13.0-trixie"),
    ),
    (
        "clojure",
        "temurin-17-alpine",
        "s390x",
        Some("temurin-17-trixie-slim"),
    ),
    (
        "clojure",
        "temurin-17-lein-2.13.0-alpine",
        "arm64v8",
        Some("temurin-17-lein-2.13.0"),
    ),
    (
        "clojure",
        "temurin-26-tools-deps-alpine",
        "s390x",
        Some("temurin-26-tools-deps"),
    ),
    ("clojure", "temurin-8-bookworm-slim", "s390x", None),
    (
        "clojure",
        "temurin-8-tools-deps-1.12.5.1664-noble",
        "s390x",
        None,
    ),
    ("eclipse-temurin", "26-alpine", "ppc64le", Some("26")),
    (
        "eclipse-temurin",
        "26.0.2_10-jdk-alpine-3.24",
        "s390x",
        Some("26.0.2_10-jdk"),
    ),
    (
        "eclipse-temurin",
        "8u502-b07-jdk-alpine-3.23",
        "ppc64le",
        Some("8u502-b07-jdk"),
    ),
    (
        "eclipse-temurin",
        "11.0.32_9-jdk-alpine-3.21",
        "arm64v8",
        Some("11.0.32_9-jdk"),
    ),
    ("eclipse-temurin", "8-jdk-alpine-3.22", "s390x", None),
    ("eclipse-temurin", "8-noble", "s390x", None),
    (
        "eclipse-temurin",
        "8u502-b07-jdk-ubi9-minimal",
        "s390x",
        None,
    ),
    ("gradle", "8-jdk11-alpine", "s390x", Some("8-jdk11")),
    ("gradle", "6.9.4-alpine", "s390x", Some("6.9.4")),
    (
        "gradle",
        "6.9.4-jdk11-alpine",
        "arm64v8",
        Some("6.9.4-jdk11"),
    ),
    ("gradle", "jdk25-alpine", "ppc64le", Some("jdk25")),
    ("gradle", "jdk-graal", "s390x", None),
    ("gradle", "6.9.4-jdk8-corretto", "ppc64le", None),
    ("gradle", "jdk25-corretto-al2023", "s390x", None),
    ("gradle", "9.7.1-jdk25-graal-noble", "s390x", None),
    ("gradle", "8.14.5-jdk8-ubi9", "s390x", None),
    ("gradle", "9.7.1-jdk25-alpine", "s390x", Some("9.7.1-jdk25")),
    (
        "groovy",
        "3.0.25-jdk11-alpine",
        "s390x",
        Some("3.0.25-jdk11"),
    ),
    (
        "groovy",
        "6.0.0-beta-2-jdk17-alpine",
        "arm64v8",
        Some("6.0.0-beta-2-jdk17"),
    ),
    ("groovy", "4.0-alpine", "s390x", Some("4.0")),
    ("groovy", "4.0.33-jdk8-alpine", "s390x", None),
    (
        "groovy",
        "4.0.33-jdk8-alpine",
        "ppc64le",
        Some("4.0.33-jdk8"),
    ),
    ("groovy", "jdk8-jammy", "s390x", None),
    ("tomcat", "9.0.121-jdk8-temurin-noble", "s390x", None),
    ("tomcat", "9-jre8-temurin", "s390x", None),
    ("gcc", "13.4.0-bookworm", "s390x", None),
    ("gcc", "12", "s390x", None),
    ("julia", "1.13.0-rc3-trixie", "ppc64le", None),
    ("julia", "1.12", "ppc64le", Some("1.11")),
    ("julia", "1.10.12", "ppc64le", None),
    ("couchdb", "3.5", "s390x", Some("3.4")),
    ("couchdb", "3.5-nouveau", "s390x", Some("3.4-nouveau")),
    ("couchdb", "3.5.2.1", "s390x", None),
    ("couchdb", "latest", "s390x", None),
    ("geonetwork", "4.2.17", "s390x", Some("4")),
    ("geonetwork", "3.12.12-postgres", "s390x", None),
    ("orientdb", "3.1.20-tp3", "arm64v8", None),
    (
        "websphere-liberty",
        "26.0.0.6-full-java8-ibmjava",
        "arm64v8",
        None,
    ),
    ("websphere-liberty", "full-java8-ibmjava", "arm64v8", None),
    ("debian", "12-slim", "s390x", None),
    ("debian", "bookworm-20260803-slim", "s390x", None),
    ("debian", "oldstable-20260803", "s390x", None),
    ("buildpack-deps", "bookworm-curl", "s390x", None),
    ("buildpack-deps", "oldoldstable", "ppc64le", None),
];
