//! SECURITY.md names a test for each promise; each of them exists.

use std::fs;
use std::path::Path;

/// Every test below a folder: what follows `fn`, and names in the lists of the suites that
/// have a runner of their own.
fn tests_below(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands between backticks and is written like the name of a test.
fn named(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|word| word.matches('_').count() >= 2 && !word.contains(' '))
        .collect()
}

#[test]
fn every_promise_of_security_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (mut tests, mut missing) = (String::new(), Vec::new());
    for folder in ["tests", "src"] {
        tests_below(&root.join(folder), &mut tests);
    }
    for name in named(&text) {
        let function = format!("fn {name}(");
        let listed = format!("\"{name}\"");
        if !tests.contains(&function) && !tests.contains(&listed) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "named in SECURITY.md: {missing:?}");
    let promises = text.split("## What we defend against").nth(1).unwrap();
    let promises = promises.split("\n## ").next().unwrap();
    for line in promises.lines().filter(|line| line.starts_with("- ")) {
        assert!(!named(line).is_empty(), "a promise without a test: {line}");
    }
}
