use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::files::{FileObject, read_from};

const OLD: &str = "node:22";
const NEW: &str = "node:22-trixie";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER_DIGEST: &str =
    "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// What images become in these tests.
fn new_image(image: &str) -> Option<String> {
    let pinned = format!("node:22@{DIGEST}");
    let new = match image {
        OLD => NEW.to_owned(),
        "node" => "node:24-trixie".to_owned(),
        "redis:7-alpine" => "redis:7".to_owned(),
        "localhost:5000/app" => "localhost:5000/app:2".to_owned(),
        "docker.io/library/node:22" => "docker.io/library/node:22-trixie".to_owned(),
        "s390x/app:1" => "app:1".to_owned(),
        image if image == pinned => format!("node:22-trixie@{OTHER_DIGEST}"),
        image if *image == format!("app:1@{DIGEST}") => "app:2".to_owned(),
        image if *image == format!("app@{DIGEST}") => format!("app@{OTHER_DIGEST}"),
        _ => return None,
    };
    Some(new)
}

fn edited(text: &str) -> Edited {
    edit(text, &KindRule::well_known(), &|_, image| new_image(image))
}

fn pod(container: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{container}")
}

fn deployment(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n{spec}"
    )
}

/// Every `«old»` of a shape becomes its new image, and nothing else changes.
#[track_caller]
fn check_changed(name: &str, shape: &str) {
    let before = shape.replace(['«', '»'], "");
    let mut after = String::new();
    let mut count = 0;
    for part in shape.split('«') {
        match part.split_once('»') {
            Some((image, rest)) => {
                after.push_str(&new_image(&image.replace("\\/", "/")).unwrap());
                if image.contains("\\/") {
                    after = after.replace("docker.io/library/", "docker.io\\/library\\/");
                }
                after.push_str(rest);
                count += 1;
            }
            None => after.push_str(part),
        }
    }
    let edited = edited(&before);
    assert_eq!(edited.text, after, "{name}: {:?}", edited.left_alone);
    assert_eq!(edited.left_alone, [], "{name}");
    assert!(edited.changed.len() >= count && count > 0, "{name}");
    for change in &edited.changed {
        let line = after.lines().nth(change.line - 1).unwrap();
        let tag = change.new.rsplit(['/', ':']).next().unwrap();
        assert!(line.contains(tag), "{name}: {change:?}: {line}");
    }
    // Once edited, nothing is left to do.
    let again = super::tests::edited(&after);
    assert_eq!((again.text, again.changed.len()), (after, 0), "{name}");
}

#[test]
fn images_change_where_they_stand_and_nothing_else_does() {
    let pinned = format!("node:22@{DIGEST}");
    let by_digest = format!("app@{DIGEST}");
    let tab = "\t";
    let long = "x".repeat(5000);
    let shapes = [
        ("plain", pod("  - name: a\n    image: «node:22»\n")),
        ("single quotes", pod("  - {name: a, image: '«node:22»'}\n")),
        ("double quotes", pod("  - image: \"«node:22»\"\n    name: a\n")),
        ("no tag", pod("  - image: «node»\n")),
        ("a port is no tag", pod("  - image: «localhost:5000/app» # why\n")),
        ("tag and digest", pod(&format!("  - image: «{pinned}»\n"))),
        ("digest alone", pod(&format!("  - image: \"«{by_digest}»\"\n"))),
        ("no newline at the end", pod("  - image: «node:22»")),
        ("carriage returns", pod("  - image: «node:22»\n    name: a\n").replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{}", pod("  - image: «node:22»\n"))),
        ("comments", pod("  # node:22\n  - image:   «node:22»   # node:22, once\n  # end\n")),
        ("directives", format!("%YAML 1.2\n---\n{}...\n", pod("  - image: «node:22»\n"))),
        ("a tag of YAML", pod("  - image: !!str «node:22»\n")),
        ("a folded block", pod("  - image: >-\n      «node:22»\n    name: a\n")),
        ("a literal block", pod("  - image: |-\n      «node:22»")),
        ("blanks at the end", pod("  - image: «node:22»  \n")),
        ("on its own line", pod("  - image:\n      «node:22»\n")),
        ("an odd indentation", pod("       - image: «node:22»\n         name: a\n")),
        ("tabs between", pod(&format!("  -{tab}image:{tab}«node:22»{tab}# c\n"))),
        ("a long line", pod(&format!("  - {{image: «node:22», args: [{long}]}}\n"))),
        ("letters beyond ASCII", pod("  - name: ä字\n    image: «node:22» # ü\n")),
        (
            "two on a line",
            pod("    [{name: a, image: «node:22»}, {name: b, image: '«node»'}, {name: c, image: node:23}]\n"),
        ),
        (
            "flow style",
            "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{image: «node:22»}]}}".to_owned(),
        ),
        (
            "the name last",
            "spec: {template: {spec: {containers: [{image: «node:22», name: a}]}}}\nkind: Deployment\nmetadata: {name: d}\napiVersion: apps/v1\n".to_owned(),
        ),
        (
            "all lists",
            deployment("    spec:\n      initContainers: [{image: «node:22»}]\n      containers: [{image: «redis:7-alpine»}]\n      ephemeralContainers: [{image: «node»}]\n      volumes:\n      - {name: v, image: {reference: «node:22»}}\n      - {name: e, emptyDir: {}}\n"),
        ),
        (
            "a CronJob",
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n          - image: «node:22»\n".to_owned(),
        ),
        (
            "a configured kind",
            "apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\nmetadata: {name: j}\nspec:\n  replicatedJobs:\n  - template: {spec: {template: {spec: {containers: [{image: «node:22»}]}}}}\n".to_owned(),
        ),
        (
            "several documents",
            format!("# first\n{}---\n{}--- # third\n{}", pod("  - image: «node:22»\n"), pod("  - image: node:23\n"), pod("  - image: «node»\n")),
        ),
        (
            "a broken document beside it",
            format!("kind: [\n---\n{}---\n\"open\n", pod("  - image: «node:22»\n")),
        ),
        (
            "a list",
            format!("apiVersion: v1\nkind: List\nitems:\n- {}", pod("  - image: «node:22»\n").trim_end().replace('\n', "\n  ")),
        ),
        (
            "a typed list",
            "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {containers: [{image: «node:22»}]}\n".to_owned(),
        ),
        (
            "JSON",
            "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"p\\ud83d\\ude00\"},\n\t\"spec\": {\"containers\": [{\"image\":\"«node:22»\"}, {\"image\": \"«docker.io\\/library\\/node:22»\"}]}\n}\n".to_owned(),
        ),
        (
            "JSON, one after the other",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"image\":\"«node:22»\"}]}}\n\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"image\":\"«node»\"}]}} {}".to_owned(),
        ),
        (
            "an anchor of images",
            pod("  - {name: a, image: &i «node:22»}\n  - {name: b, image: *i}\n"),
        ),
        (
            "an anchor of a container",
            pod("  - &c {name: a, image: «node:22»}\n  - {<<: *c, name: b}\n  - <<: [*c]\n    image: node:23\n"),
        ),
        (
            "an anchor of a name",
            pod("  - {name: &n node:22, image: «node:22»}\n  - {name: b, image: node:23, args: [*n]}\n"),
        ),
        (
            "text elsewhere",
            format!("{}  annotations: {{was: node:22}}\n", pod("  - {name: node:22, image: «node:22», args: [node:22], env: [{name: image, value: node:22}]}\n")),
        ),
    ];
    assert!(shapes.len() >= 35);
    for (name, shape) in shapes {
        check_changed(name, &shape);
    }
}

#[test]
fn what_cannot_be_edited_alone_is_left_alone_with_its_line() {
    let app = format!("app:1@{DIGEST}");
    for (name, text, expected) in [
        (
            "an anchor outside of images",
            pod("  - {name: &n node:22, image: *n}\n"),
            (6, OLD, "something else refers to"),
        ),
        (
            "an alias outside of images",
            pod("  - {image: &i node:22, args: [*i]}\n"),
            (6, OLD, "something else refers to"),
        ),
        (
            "an object merged outside of images",
            format!("x: &x {{image: node:22}}\n{}", pod("  - <<: *x\n")),
            (1, OLD, "something else refers to"),
        ),
        (
            "escapes in the tag",
            pod("  - image: \"node:\\x322\"\n"),
            (6, OLD, "is written with escapes"),
        ),
        (
            "a quoted text over two lines",
            pod("  - image: \"node:\\\n      22\"\n"),
            (6, OLD, "is written with escapes"),
        ),
        (
            "JSON with a key twice",
            "{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\"spec\": {\"containers\": [{\"image\": \"a\", \"image\": \"node:22\"}]}}".to_owned(),
            (1, OLD, "an object that has a key twice"),
        ),
        (
            "a digest that would still decide",
            pod(&format!("  - image: {app}\n")),
            (1, app.as_str(), "has a digest, which would still decide"),
        ),
        (
            "another name",
            pod("  - image: s390x/app:1\n"),
            (1, "s390x/app:1", "more than another tag"),
        ),
    ] {
        let edited = edited(&text);
        assert_eq!(edited.text, text, "{name}");
        assert_eq!(edited.changed, [], "{name}");
        let (line, image, why) = expected;
        let left: Vec<(usize, &str)> = edited
            .left_alone
            .iter()
            .map(|left| (left.line, left.image.as_str()))
            .collect();
        assert_eq!(left, [(line, image)], "{name}: {:?}", edited.left_alone);
        assert!(edited.left_alone[0].why.contains(why), "{name}: {:?}", edited.left_alone);
    }
    // What is left alone keeps nothing else from its change.
    let text = pod("  - {name: &n node:22, image: *n}\n  - image: node:22\n");
    let edited = edited(&text);
    assert_eq!((edited.changed.len(), edited.left_alone.len()), (1, 1));
    assert_eq!(
        edited.text,
        text.replace("- image: node:22", "- image: node:22-trixie")
    );
}

#[test]
fn images_of_one_anchor_that_become_different_ones_are_left_alone() {
    let items = "- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{image: &i node:22}]}}\n\
                 - {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{image: *i}]}}\n";
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let edited = edit(&text, &[], &|owner, image| {
        let tag = if owner.name == "a" { "one" } else { "two" };
        (image == OLD).then(|| format!("{image}-{tag}"))
    });
    assert_eq!(edited.text, text);
    let whys = edited.left_alone.iter().map(|left| left.why);
    assert!(edited.left_alone.len() == 2 && whys.clone().all(|why| why.contains("different ones")));
}

#[test]
fn what_has_no_images_or_no_wanted_ones_stays() {
    for text in [
        "",
        "# node:22\n",
        "a: &a [*a]\nimage: node:22\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: {image: node:22}\nspec: {containers: [{image: node:22}]}\n",
        "apiVersion: v1\nkind: Pod\nspec: {containers: {image: node:22}, volumes: [{image: node:22}]}\n",
        "{{ if .Values.x }}\nimage: node:22\n{{ end }}\n",
        "kind: [\n",
        "\u{0}",
    ] {
        let edited = edited(text);
        let nothing = Edited {
            text: text.to_owned(),
            ..Edited::default()
        };
        assert_eq!(edited, nothing, "{text}");
    }
}

/// The net below all: an edit that hits more than the image takes nothing of the text along.
#[test]
fn an_edit_that_says_more_is_not_made() {
    let text = pod("  - {name: a, image: node:22, args: [node:22]}\n");
    let plans = |text| -> Vec<Option<EditPlan<'_>>> {
        let mut edits = Vec::new();
        let plans = documents(text).into_iter().map(|mut document| {
            let values = document.values.take()?;
            let images = objects::images(&values, &[]).into_iter();
            let asked = images.map(|named| WantedChange {
                path: named.path,
                old: named.image.into(),
                shown: Default::default(),
                change: Ok((NEW.to_owned(), 4)),
            });
            let asked = asked.collect();
            let mut plan = EditPlan::new(document, values, asked);
            plan.find_edits(&mut edits);
            Some(plan)
        });
        plans.collect()
    };
    let plans = plans(&text);
    let right = text.replace("image: node:22", "image: node:22-trixie");
    assert!(differs_as_planned(&right, &plans));
    for wrong in [
        text.clone(),
        text.replace(OLD, NEW),
        text.replace("image: node:22", "image: node:23"),
        right.replace("name: a", "name: b"),
        right.replace(", args: [node:22]", ""),
        right.replace("args: [node:22]", "args: []"),
        format!("{right}---\nkind: More\n"),
        right.replace("kind: Pod", "kind: [Pod"),
        format!("{right}more: 1\n"),
    ] {
        assert!(!differs_as_planned(&wrong, &plans), "{wrong}");
    }
}

#[test]
fn bombs_of_aliases_and_deep_documents_end() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let deep = format!("x: {}{}\n", "[".repeat(60_000), "]".repeat(60_000));
    for more in [bomb, deep, "m: &m {<<: *m}\n".to_owned()] {
        let text = format!("{}{more}", pod("  - image: node:22\n"));
        assert_eq!(edited(&text).text, text);
    }
}

#[test]
fn a_diff_has_the_lines_that_changed_with_three_around_them() {
    let before = "1\n2\n3\n4\nold\r\n6\n7\n8\n9\r";
    let after = "1\n2\n3\n4\nnew\r\n6\n7\n8\n9\r";
    assert_eq!(
        unified_diff("a b.yaml", before, after),
        "--- a/a b.yaml\t\n+++ b/a b.yaml\t\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-old\r\n+new\r\n 6\n 7\n 8\n"
    );
    assert_eq!(
        unified_diff("x", "a\rold\r", "a\rnew\r"),
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\rold\r\n\\ No newline at end of file\n+a\rnew\r\n\\ No newline at end of file\n"
    );
    let named = unified_diff("q\"\n\u{e9}", "a\n", "b\n");
    assert!(
        named.starts_with("--- \"a/q\\\"\\012\\303\\251\"\n"),
        "{named}"
    );
    assert_eq!(unified_diff("x", before, before), "");
}

/// How an image is spelled, and what is around it.
fn spelled_image() -> impl Strategy<Value = (String, bool)> {
    let image = prop_oneof![
        Just((OLD, true)),
        Just(("node", true)),
        Just(("localhost:5000/app", true)),
        Just(("node:23", false)),
        Just(("quay.io/x/y:1", false)),
    ];
    let style = prop_oneof![
        Just(("", "")),
        Just(("'", "'")),
        Just(("\"", "\"")),
        Just(("!!str ", "")),
        Just((">-\n          ", ""))
    ];
    (image, style).prop_map(|((image, is_wanted), (open, close))| {
        (format!("{open}{image}{close}"), is_wanted)
    })
}

/// A document around images, in pieces that are put together anew each time.
fn document() -> impl Strategy<Value = String> {
    let comment = prop_oneof![Just(""), Just("  # node:22"), Just("   "), Just(" #")];
    let between = prop_oneof![
        Just(""),
        Just("# node:22\n"),
        Just("\n"),
        Just("        args: [node:22, \"node:22\", 'a: b']\n"),
        Just("        env:\n          - {name: image, value: node:22}\n"),
        Just("        command:\n        - |\n          image: node:22\n\n          - x\n"),
    ];
    let container = (
        spelled_image(),
        comment,
        between,
        "[a-zäß ]{0,6}",
        any::<bool>(),
    );
    let containers = proptest::collection::vec(container, 1..5);
    let list = prop_oneof![Just("containers"), Just("initContainers")];
    (containers, list, any::<bool>()).prop_map(|(containers, list, is_cron_job)| {
        let mut text = match is_cron_job {
            true => "kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: x\n  annotations: {was: node:22}\nspec:\n  template:\n    spec:\n".to_owned(),
            false => "kind: StatefulSet\napiVersion: \"apps/v1\"\nspec:\n  serviceName: 'node:22'\n  template:\n    spec:\n".to_owned(),
        };
        text.push_str(&format!("      {list}:\n"));
        for ((image, _), comment, between, name, is_first) in containers {
            let is_block = image.starts_with('>');
            let comment = if is_block { "" } else { comment };
            match is_first {
                true => text.push_str(&format!("      - image: {image}{comment}\n{between}        name: '{name}'\n")),
                false => text.push_str(&format!("      - name: \"{name}\"\n{between}        image: {image}{comment}\n")),
            }
        }
        text
    })
}

fn values(text: &str) -> Vec<Value> {
    let objects = read_from("f", text.as_bytes()).into_iter();
    objects
        .map(|object| object.map(|FileObject { value, .. }| value).unwrap())
        .collect()
}

/// The value with its images changed, told by the words around them and not by the edit.
fn with_new_images(mut value: Value) -> Value {
    let spec = &mut value["spec"]["template"]["spec"];
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(new) = container["image"].as_str().and_then(new_image) {
                container["image"] = new.into();
            }
        }
    }
    value
}

proptest! {
    #[test]
    fn only_images_change_whatever_is_around_them(documents in proptest::collection::vec(document(), 1..4), has_returns: bool, ends: bool) {
        let mut text = documents.join("---\n");
        if has_returns {
            text = text.replace('\n', "\r\n");
        }
        if !ends {
            text.truncate(text.trim_end().len());
        }
        let edited = edited(&text);
        prop_assert_eq!(&edited.left_alone, &[]);
        let before = values(&text);
        let expected: Vec<Value> = before.into_iter().map(with_new_images).collect();
        prop_assert_eq!(values(&edited.text), expected);
        // Line by line, what differs is one image and nothing beside it.
        let mut changed: BTreeMap<usize, (&str, &str)> = BTreeMap::new();
        for change in &edited.changed {
            changed.insert(change.line, (&change.old, &change.new));
        }
        let pairs = text.split('\n').zip(edited.text.split('\n'));
        for (position, (before, after)) in pairs.enumerate() {
            let expected = match changed.get(&(position + 1)) {
                Some((old, new)) => before.replacen(old, new, 1),
                None => before.to_owned(),
            };
            prop_assert_eq!(after, expected);
        }
        prop_assert_eq!(text.matches('\n').count(), edited.text.matches('\n').count());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(kind: Pod\n|apiVersion: v1\n|spec: |\\{containers: \\[\\{image: |node:22|[\\]}]|&a |\\*a|<<: |[ \n,\"'|>#-]|---\n){0,40}") {
        let edited = edited(&text);
        prop_assert_eq!(edited.text == text, edited.changed.is_empty());
    }
}
