use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn parse(text: &str) -> Vec<Result<(String, Value), String>> {
    let mut found = Vec::new();
    read_input("f", text.as_bytes(), &mut |object| {
        found.push(match object {
            Ok(object) => Ok((object.source, object.value)),
            Err(error) => Err(error.to_string()),
        });
    });
    found
}

/// Sources and names of the objects, and the beginnings of errors.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = parse(text);
    let shown: Vec<String> = found
        .iter()
        .map(|object| match object {
            Ok((source, value)) => {
                let name = value["metadata"]["name"].as_str().unwrap_or("?");
                let kind = value["kind"].as_str().unwrap_or("?");
                format!("{source} {kind} {name}")
            }
            Err(error) => format!("error {error}"),
        })
        .collect();
    assert_eq!(shown.len(), expected.len(), "{text}\n{shown:?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.starts_with(expected), "{text}\n{shown}\n{expected}");
    }
}

fn yaml(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n")
}

#[test]
fn documents_know_their_lines() {
    let (a, b) = (yaml("a"), yaml("b"));
    check("", &[]);
    check("# nothing\n---\n\n---\n", &[]);
    check(&a, &["f:1 Pod a"]);
    check(
        &format!("---\n# Source: x\n{a}---\n{b}"),
        &["f:3 Pod a", "f:8 Pod b"],
    );
    check(
        &format!("%YAML 1.2\n---\n{a}...\n---\n{b}"),
        &["f:3 Pod a", "f:9 Pod b"],
    );
    check(
        &format!("{a}\r\n---\r\n{b}")
            .replace('\n', "\r\n")
            .replace("\r\r", "\r"),
        &["f:1 Pod a", "f:7 Pod b"],
    );
    check("--- {kind: Pod, metadata: {name: a}}\n", &["f:1 Pod a"]);
    check("\u{feff}kind: Pod\n", &["f:1 Pod ?"]);
    check(
        "kind: Pod\nmetadata:\n  name: |-\n    x\n    --- y\n",
        &["f:1 Pod x"],
    );
}

#[test]
fn a_broken_document_does_not_stop_the_others() {
    let (a, b) = (yaml("a"), yaml("b"));
    check(
        &format!("{a}---\nkind: Pod\n  bad: indent\n---\n{b}---\n\"open\n---\n{a}"),
        &[
            "f:1 Pod a",
            "error f:7: ",
            "f:9 Pod b",
            "error f:14: ",
            "f:16 Pod a",
        ],
    );
    check(
        &format!("{{\"kind\": \n]}}\n---\n{b}"),
        &["error f:2: expected value", "f:4 Pod b"],
    );
    check(
        "kind: Pod\n---\n- a\n- b\n",
        &["f:1 Pod", "error f:3: expected a Kubernetes object"],
    );
    check(
        &format!("kind: Pod\nspec:\n  image: a\n  image: b\n---\n{b}"),
        &["error f:4: duplicate mapping key: image", "f:6 Pod b"],
    );
    check(
        "{{ template }}\n---\nkind: Pod\n",
        &["error f:1: no YAML; it looks like a template", "f:3 Pod"],
    );
}

#[test]
fn json_is_read_one_object_after_the_other() {
    check(
        "{\"kind\": \"Pod\"}\n\n{\"kind\": \"Job\",\n \"metadata\": {\"name\": \"j\"}} {\"kind\": \"Pod\"}\n",
        &["f:1 Pod ?", "f:3 Job j", "f:4 Pod ?"],
    );
    check(
        "\n\n{\"kind\": \"Pod\"}\n---\n{\"kind\": \"Job\"}",
        &["f:3 Pod", "f:5 Job"],
    );
    check("{kind: Pod, metadata: {name: flow}}", &["f:1 Pod flow"]);
    check(
        "{\"kind\": \"Pod\"}\n[1]\n",
        &["f:1 Pod", "error f:2: expected a Kubernetes object"],
    );
}

#[test]
fn lists_are_flattened() {
    check(
        "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n {\"kind\": \"Pod\"},\n {\"kind\": \"Job\"},\n 3\n]}",
        &[
            "f:2 Pod",
            "f:3 Job",
            "error f:4: expected a Kubernetes object",
        ],
    );
    check(
        "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  spec:\n    containers:\n    - name: x\n- kind: Job\nmetadata: {}\n",
        &["f:4 Pod", "f:8 Job"],
    );
    check(
        "kind: List\nitems: [{kind: Pod}, {kind: Job}]\n",
        &["f:1 Pod", "f:1 Job"],
    );
    check("kind: List\nitems: []\n", &[]);
    check(
        "kind: List\nitems:\n- kind: List\n  items:\n  - kind: Pod\n",
        &["f:3 Pod"],
    );
    // An object of a kind that only looks like a list.
    check("kind: AllowList\nspec: {}\n", &["f:1 AllowList"]);
    for text in [
        "{\"kind\": \"NodeList\", \"apiVersion\": \"v1\", \"items\": [{\"metadata\": {\"name\": \"a\"}}]}",
        "kind: NodeList\napiVersion: v1\nitems:\n- metadata:\n    name: a\n",
    ] {
        let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "a"}});
        assert_eq!(parse(text)[0].as_ref().unwrap().1, node);
    }
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    let text =
        "a: no\nb: off\nc: true\nd: \"1\"\ne: 1\nf: 1.5\ng: ~\nh: '0777'\ni: on\nkind: Y\n1: key\n";
    let found = parse(text);
    assert_eq!(
        found[0].as_ref().unwrap().1,
        json!({"a": "no", "b": "off", "c": true, "d": "1", "e": 1, "f": 1.5, "g": null, "h": "0777", "i": "on", "kind": "Y", "1": "key"})
    );
}

#[test]
fn anchors_work_and_bombs_do_not() {
    let found = parse("kind: K\na: &x {k: v}\nb: *x\nc:\n  <<: *x\n  l: w\n");
    assert_eq!(
        found[0].as_ref().unwrap().1,
        json!({"kind": "K", "a": {"k": "v"}, "b": {"k": "v"}, "c": {"k": "v", "l": "w"}})
    );
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    check(
        &format!("{bomb}---\nkind: Pod\n"),
        &["error f:", "f:11 Pod"],
    );
    check(&"[".repeat(100_000), &["error f:1: "]);
    check(&"{\"a\":".repeat(100_000), &["error f:1: "]);
    check(&"- ".repeat(10_000), &["error f:1: "]);
}

#[test]
fn what_is_no_text_is_named() {
    let mut found = Vec::new();
    read_input("f", &b"a: b\nc: \xff\n"[..], &mut |object| {
        found.push(object);
    });
    assert_eq!(
        found[0].as_ref().unwrap_err().to_string(),
        "f:2: not UTF-8 text"
    );
    let mut found = Vec::new();
    read_input("f", io::repeat(b' '), &mut |object| found.push(object));
    assert_eq!(
        found[0].as_ref().unwrap_err().to_string(),
        "f: larger than 64 MiB"
    );
}

#[test]
fn directories_are_read_as_kubectl_does() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("sub")).unwrap();
    for (name, text) in [
        ("b.yaml", yaml("b")),
        (
            "a.json",
            "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}".to_owned(),
        ),
        ("c.yml", yaml("c")),
        ("values.yaml", "image: {tag: v1}\n---\nmore: 1\n".to_owned()),
        ("list.yaml", "- a\n".to_owned()),
        ("readme.md", "no object".to_owned()),
        ("sub/d.yaml", yaml("d")),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(root, root.join("sub/circle")).unwrap();
    let names = |recursion| -> Vec<String> {
        let found = read(&[root.display().to_string()], recursion);
        assert_eq!(found.passed_over, 2);
        let values = found
            .objects
            .into_iter()
            .map(|object| object.unwrap().value);
        values
            .map(|value| value["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(Recursion::Flat), ["a", "b", "c"]);
    assert_eq!(names(Recursion::Recursive), ["a", "b", "c", "d"]);
    // A file that is named is read whatever it is called.
    let named = root.join("readme.md").display().to_string();
    let absent = root.join("absent.yaml").display().to_string();
    let found = read(
        &[named.clone(), absent.clone(), "/".to_owned() + "\u{1}"],
        Recursion::Flat,
    );
    let errors: Vec<String> = found
        .objects
        .into_iter()
        .map(|object| object.unwrap_err().to_string())
        .collect();
    assert_eq!(
        errors[0],
        format!("{named}:1: expected a Kubernetes object, with apiVersion and kind")
    );
    assert!(errors[1].starts_with(&format!("{absent}: ")), "{errors:?}");
    // Beside an object, what is none is a mistake.
    fs::write(
        root.join("values.yaml"),
        "a: 1\n---\n".to_owned() + &yaml("e"),
    )
    .unwrap();
    let found = read(&[root.display().to_string()], Recursion::Flat);
    let errors = found.objects.iter().filter(|object| object.is_err());
    assert_eq!((errors.count(), found.passed_over), (1, 1));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([a-z\\[\\]{}:,&*!|>'\"#%\n \t-]|---\n|items:\n- ){0,60}|\\PC{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn documents_are_found_wherever_they_are(names in proptest::collection::vec("[a-z]{1,5}", 1..6), blank in 0_usize..3) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for name in &names {
            text.push_str(&"\n# comment\n".repeat(blank));
            let line = text.matches('\n').count() + 1;
            expected.push(format!("f:{line}"));
            text.push_str(&yaml(&format!("x{name}")));
            text.push_str("---\n");
        }
        let found: Vec<String> = parse(&text).into_iter().map(|object| object.unwrap().0).collect();
        prop_assert_eq!(found, expected);
    }
}
