use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::files::FileError;
use crate::report::Report;

/// A folder with files that are judged and fixed by a plan that stands for a registry.
struct World {
    folder: tempfile::TempDir,
}

const NEW: [(&str, &str); 4] = [
    ("node:22", "node:22-trixie"),
    ("redis:7-alpine", "redis:7"),
    ("quay.io/x/app:1", "quay.io/x/app:1-slim"),
    ("node:20", "node:20-trixie"),
];

/// An image for which nothing is known that would help.
const HOPELESS: &str = "hopeless:1";

/// A report in which some images lack a platform, with a fix where there is one.
fn report(subjects: &Subjects) -> Report {
    let mut findings = Vec::new();
    let mut workloads = Vec::new();
    for (position, Subject { workload, source }) in subjects.workloads.iter().enumerate() {
        let images = workload
            .templates
            .iter()
            .flat_map(|template| &template.images);
        let images: Vec<&str> = images.map(|row| row.image.as_str()).collect();
        let lacking = images.iter().filter_map(|image| {
            let new = NEW.iter().find(|(old, _)| old == image);
            let fixes: Vec<Value> = new
                .map(|(old, new)| json!({"type": "retag", "path": "", "old": old, "new": new}))
                .into_iter()
                .collect();
            (new.is_some() || *image == HOPELESS).then(|| json!({
                "id": format!("{position}{image}"), "rule": "missing-platform", "severity": "warning",
                "workload": position, "image": image, "platforms": ["linux/s390x"],
                "what": format!("{image} has no manifest for linux/s390x"),
                "why": "", "next": "", "fixes": fixes, "source": source,
            }))
        });
        let before = findings.len();
        findings.extend(lacking);
        let level = if findings.len() > before {
            "fail"
        } else {
            "pass"
        };
        workloads.push(json!({
            "apiVersion": workload.api_version, "kind": workload.kind, "name": workload.name,
            "namespace": workload.namespace, "source": source, "candidates": [], "images": [],
            "levels": {"runnable": level, "portable": level},
        }));
    }
    let errors: Vec<Value> = subjects
        .errors
        .iter()
        .map(|error| json!({"source": error.source, "problem": error.problem}))
        .collect();
    let counts = json!({"workloads": 0, "portable": 0, "runnable": 0, "failing": 0, "undecided": 0, "images": 0, "withoutImages": 0});
    let report = json!({
        "apiVersion": "archmatch.io/v1alpha1", "kind": "Report", "created": "", "tool": {"version": ""},
        "scope": "files", "level": "portable", "passed": false, "summary": counts,
        "errors": errors, "partial": [], "skipped": [], "findings": findings,
        "readiness": [], "platforms": [], "workloads": workloads,
    });
    serde_json::from_value(report).unwrap()
}

/// What came of a fix.
struct Fixed {
    sheets: Sheets,
    is_left: bool,
    lines: Vec<String>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Fixes everything that `-R -f` finds.
    fn fix(&self) -> Fixed {
        self.fix_of(&[self.path("")], None, "")
    }

    /// Fixes a kustomization, of which kubectl renders this.
    fn fix_rendered(&self, folder: &str, rendered: &str) -> Fixed {
        self.fix_of(&[], Some(self.path(folder)), rendered)
    }

    fn fix_of(&self, sources: &[String], rendered: Option<String>, objects: &str) -> Fixed {
        let recursion = Recursion::Recursive;
        let mut found = object_files::read(sources, recursion);
        let rendered = rendered.as_deref();
        if let Some(folder) = rendered {
            found
                .objects
                .extend(object_files::read_from(folder, objects.as_bytes()));
        }
        let mut subjects = Subjects::default();
        subjects.add(found, None, None, &[]);
        let mut sheets = Sheets::default();
        let files = Files::of(&subjects, rendered.map(Path::new), &mut sheets);
        let templates = files.templates().iter().map(|(source, image)| Subject {
            source: Some(source.clone()),
            ..by_name(&image.image)
        });
        subjects.workloads.extend(templates);
        let mut outcome = FixOutcome::default();
        files.edit(&report(&subjects), &[], &mut sheets, &mut outcome);
        let FixOutcome { is_left, lines } = outcome;
        Fixed {
            sheets,
            is_left,
            lines,
        }
    }
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web # node:22\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {image}\n"
    )
}

/// Files of many shapes; the first word says whether all of it can be fixed.
fn shapes() -> Vec<(&'static str, String)> {
    let plain = deployment("node:22");
    let pod = |containers: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: {containers}\n"
        )
    };
    vec![
        ("plain.yaml", plain.clone()),
        ("single.yaml", deployment("'node:22'")),
        ("double.yml", deployment("\"node:22\"   # why")),
        ("returns.yaml", plain.replace('\n', "\r\n")),
        ("unfinished.yaml", plain.trim_end().to_owned()),
        ("unfinished-returns.yaml", plain.trim_end().replace('\n', "\r\n")),
        ("mark.yaml", format!("\u{feff}{plain}")),
        ("directive.yaml", format!("%YAML 1.2\n---\n{plain}...\n")),
        ("documents.yaml", format!("{plain}---\n{}---\n# end\n", deployment("redis:7-alpine"))),
        ("list.yaml", format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", plain.trim_end().replace('\n', "\n  "))),
        ("object.json", json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "node:22"}]}}).to_string()),
        ("flow.yaml", pod("[{name: a, image: node:22}, {name: b, image: \"redis:7-alpine\"}]")),
        ("anchor.yaml", pod("[{name: a, image: &i node:22}, {name: b, image: *i}]")),
        ("merge.yaml", pod("[&c {name: a, image: node:22}, {<<: *c, name: b}]")),
        ("folded.yaml", deployment(">-\n          node:22")),
        ("literal.yaml", deployment("|-\n          node:22")),
        ("tagged.yaml", deployment("!!str node:22")),
        ("comments.yaml", format!("# node:22\n\n{plain}# node:22\n#\n")),
        ("name with blanks.yaml", plain.clone()),
        ("deep/er/cron.yaml", "kind: CronJob\napiVersion: batch/v1\nspec: {jobTemplate: {spec: {template: {spec: {initContainers: [{image: quay.io/x/app:1, name: i}]}}}}}\nmetadata: {name: c}\n".to_owned()),
        ("letters-ä.yaml", deployment("node:22 # 字")),
        ("long.yaml", deployment(&format!("node:22 # {}", "x".repeat(10_000)))),
        ("other.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {image: node:22}\n".to_owned()),
        ("fine.yaml", deployment("node:23")),
    ]
}

fn copy_to(world: &World, shapes: &[(&str, String)]) {
    for (name, text) in shapes {
        world.write(name, text);
    }
}

#[test]
fn a_folder_of_all_shapes_is_fixed_and_nothing_is_left() {
    let shapes = shapes();
    assert!(shapes.len() >= 20);
    let world = World::new(&[]);
    copy_to(&world, &shapes);
    let fixed = world.fix();
    assert!(!fixed.is_left);
    let times = |name: &str| {
        let found = fs::metadata(world.folder.path().join(name)).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec())
    };
    let before: Vec<_> = ["other.yaml", "fine.yaml"].map(times).into();
    assert!(fixed.sheets.write().is_empty());
    // What has no fix is not written at all.
    assert_eq!(before, ["other.yaml", "fine.yaml"].map(times));
    for (name, text) in &shapes {
        let changed = match *name {
            "other.yaml" | "fine.yaml" => text.clone(),
            "comments.yaml" | "list.yaml" | "documents.yaml" => {
                NEW.iter().fold(text.clone(), |text, (old, new)| {
                    text.replace(&format!("image: {old}"), &format!("image: {new}"))
                })
            }
            // Only the last is an image.
            _ => {
                let mut text = text.clone();
                for (old, new) in NEW {
                    if let Some(at) = text.rfind(old) {
                        text.replace_range(at..at + old.len(), new);
                    }
                }
                text
            }
        };
        assert_eq!(world.text(name), changed, "{name}");
    }
    // Another run finds nothing to do.
    let again = world.fix();
    assert_eq!((again.sheets.diff().as_str(), again.is_left), ("", false));
}

#[test]
fn patch_makes_of_the_diff_what_apply_writes() {
    let shapes = shapes();
    let (applied, patched) = (World::new(&[]), World::new(&[]));
    copy_to(&applied, &shapes);
    copy_to(&patched, &shapes);
    assert!(applied.fix().sheets.write().is_empty());
    let root = patched.path("");
    let diff = patched.fix().sheets.diff();
    // The paths are those that were given, here absolute ones: they are taken from the root.
    assert!(diff.contains(&format!("--- a/{root}plain.yaml\n+++ b/{root}plain.yaml\n")));
    run_patch(Path::new("/"), &diff);
    for (name, _) in &shapes {
        assert_eq!(patched.text(name), applied.text(name), "{name}");
    }
    // Relative ones are taken from where they were given.
    for prefix in ["", "./"] {
        copy_to(&patched, &shapes);
        run_patch(patched.folder.path(), &diff.replace(&root, prefix));
        for (name, _) in &shapes {
            assert_eq!(patched.text(name), applied.text(name), "{prefix}{name}");
        }
    }
}

fn run_patch(folder: &Path, diff: &str) {
    let mut child = Command::new("patch")
        .args(["-p1", "--binary", "--no-backup-if-mismatch"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    io::Write::write_all(&mut child.stdin.take().unwrap(), diff.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{diff}");
    assert!(!said.contains("fuzz") && !said.contains("offset"), "{said}");
}

#[test]
fn what_cannot_be_fixed_is_left_and_the_rest_is_fixed() {
    let chart = [
        ("chart/Chart.yaml", "name: c\nappVersion: '1'\n"),
        ("chart/values.yaml", "image: {repository: node, tag: 22}\n"),
    ];
    let template = deployment("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"");
    for (name, text) in [
        ("a.yaml", deployment(HOPELESS)),
        (
            "a.yaml",
            format!(
                "{}  annotations: {{a: \"{{{{ .x }}}}\"}}\n",
                deployment("node:22")
            ),
        ),
        (
            "a.yaml",
            "{{ if .x }}\n".to_owned() + &deployment("node:22") + "{{ end }}\n",
        ),
        ("chart/templates/d.yaml", template),
        ("a.yaml", "kind: [\n".to_owned()),
        ("a.yaml", deployment("node:22\n        image: node:22")),
        (
            "a.yaml",
            deployment("node:22")
                .replace("name: web\n", "name: &n node:22\n")
                .replace("image: node:22", "image: *n"),
        ),
    ] {
        let world = World::new(&chart);
        world.write(name, &text);
        world.write("good.yaml", &deployment("node:22"));
        let fixed = world.fix();
        assert!(fixed.is_left, "{text}");
        assert!(fixed.sheets.write().is_empty());
        assert_eq!(world.text(name), text);
        assert_eq!(world.text("good.yaml"), deployment("node:22-trixie"));
    }
}

#[test]
fn modes_and_links_stay_and_each_file_is_changed_once() {
    let world = World::new(&[("a/file.yaml", &deployment("node:22"))]);
    let file = world.folder.path().join("a/file.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file.yaml", world.folder.path().join("a/link.yaml")).unwrap();
    let fixed = world.fix();
    assert_eq!(fixed.sheets.diff().matches("--- a/").count(), 1);
    assert!(fixed.sheets.write().is_empty());
    assert_eq!(world.text("a/link.yaml"), deployment("node:22-trixie"));
    let link = fs::symlink_metadata(world.folder.path().join("a/link.yaml")).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
    assert_eq!(
        fs::read_dir(world.folder.path().join("a")).unwrap().count(),
        2
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_others_are_whole() {
    let world = World::new(&[
        ("a.yaml", &deployment("node:22")),
        ("b.yaml", &deployment("node:22")),
        ("c.yaml", &deployment("node:22")),
    ]);
    let fixed = world.fix();
    let changed = deployment("node:22 # since then");
    world.write("b.yaml", &changed);
    let errors = fixed.sheets.write();
    let named: Vec<&str> = errors.iter().map(FileError::source_name).collect();
    assert_eq!(named, [world.path("b.yaml")]);
    let whole = deployment("node:22-trixie");
    let texts = ["a.yaml", "b.yaml", "c.yaml"].map(|name| world.text(name));
    assert_eq!(texts, [whole.clone(), changed, whole]);
}

#[test]
fn two_workloads_of_one_image_are_two_and_each_has_its_own_fix() {
    let text = format!(
        "{}---\n{}",
        deployment("node:22"),
        deployment("node:22").replace("web", "other")
    );
    let world = World::new(&[("a.yaml", &text)]);
    let mut subjects = Subjects::default();
    let found = object_files::read(&[world.path("a.yaml")], Recursion::Flat);
    subjects.add(found, None, None, &[]);
    let mut sheets = Sheets::default();
    let files = Files::of(&subjects, None, &mut sheets);
    let mut report = report(&subjects);
    report.findings.retain(|finding| finding.workload == 1);
    files.edit(&report, &[], &mut sheets, &mut FixOutcome::default());
    assert!(sheets.write().is_empty());
    let expected = format!(
        "{}---\n{}",
        deployment("node:22"),
        deployment("node:22-trixie").replace("web", "other")
    );
    assert_eq!(world.text("a.yaml"), expected);
}

/// Files before and after, what kubectl renders of them, and whether something is left.
#[test]
fn a_kustomization_is_changed_where_it_names_the_image() {
    type Row<'a> = (
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a str,
        &'a [(&'a str, &'a str)],
        bool,
    );
    let (digest, plain) = (format!("sha256:{}", "a".repeat(64)), deployment("node:22"));
    let by_digest = format!("images: [{{name: node, digest: '{digest}'}}]\nresources: [d.yaml]\n");
    let (tag_set, fixed) = (deployment("node:1"), deployment("node:22-trixie"));
    let old_tag = deployment("app:7-alpine");
    let new_tag = deployment("app:7");
    let rows: [Row<'_>; 9] = [
        (
            "newTag",
            &[
                (
                    "o/kustomization.yaml",
                    "resources: [d.yaml]\nimages:\n- name: node\n  newTag: \"22\" # c\n",
                ),
                ("o/d.yaml", &tag_set),
            ],
            "node:22",
            &[(
                "o/kustomization.yaml",
                "resources: [d.yaml]\nimages:\n- name: node\n  newTag: \"22-trixie\" # c\n",
            )],
            false,
        ),
        (
            "an entry with another name",
            &[
                (
                    "o/kustomization.yml",
                    "resources: [d.yaml]\nimages:\n- {name: other, newTag: '22'}\n- {name: app, newName: node, newTag: '22'}\n",
                ),
                ("o/d.yaml", "kind: X\n"),
            ],
            "node:22",
            &[(
                "o/kustomization.yml",
                "resources: [d.yaml]\nimages:\n- {name: other, newTag: '22'}\n- {name: app, newName: node, newTag: '22-trixie'}\n",
            )],
            false,
        ),
        (
            "a tag that reads as a number is quoted",
            &[
                (
                    "o/Kustomization",
                    "resources: [d.yaml]\nimages:\n- name: redis\n  newTag: 7-alpine\n",
                ),
                ("o/d.yaml", "kind: X\n"),
            ],
            "redis:7-alpine",
            &[(
                "o/Kustomization",
                "resources: [d.yaml]\nimages:\n- name: redis\n  newTag: \"7\"\n",
            )],
            false,
        ),
        (
            "newName alone",
            &[
                (
                    "o/kustomization.yaml",
                    "resources: [d.yaml]\nimages: [{name: app, newName: redis}]\n",
                ),
                ("o/d.yaml", &old_tag),
            ],
            "redis:7-alpine",
            &[("o/d.yaml", &new_tag)],
            false,
        ),
        (
            "a base in another folder",
            &[
                ("o/kustomization.yaml", "resources: [../base]\n"),
                ("base/kustomization.yaml", "resources: [d.yaml, e.yaml]\n"),
                ("base/d.yaml", &plain),
                ("base/e.yaml", &tag_set),
            ],
            "node:22",
            &[("base/d.yaml", &fixed)],
            false,
        ),
        (
            "newTag of a base",
            &[
                ("o/kustomization.yaml", "bases: [../base]\n"),
                (
                    "base/kustomization.yaml",
                    "resources: [d.yaml]\nimages: [{name: node, newTag: '22'}]\n",
                ),
                ("base/d.yaml", &tag_set),
            ],
            "node:22",
            &[(
                "base/kustomization.yaml",
                "resources: [d.yaml]\nimages: [{name: node, newTag: '22-trixie'}]\n",
            )],
            false,
        ),
        (
            "a patch",
            &[
                (
                    "o/kustomization.yaml",
                    "resources: [d.yaml]\npatches: [{path: p.yaml}]\n",
                ),
                ("o/d.yaml", &tag_set),
                ("o/p.yaml", &plain),
            ],
            "node:22",
            &[("o/p.yaml", &fixed)],
            false,
        ),
        (
            "a digest stays where the fix is a tag",
            &[("o/kustomization.yaml", &by_digest), ("o/d.yaml", &plain)],
            "node:22",
            &[],
            true,
        ),
        (
            "a remote resource",
            &[(
                "o/kustomization.yaml",
                "resources: ['https://example.com/a.yaml']\n",
            )],
            "node:22",
            &[],
            true,
        ),
    ];
    for (name, files, image, expected, is_left) in rows {
        let world = World::new(files);
        let fixed = world.fix_rendered("o", &deployment(image));
        assert_eq!(fixed.is_left, is_left, "{name}");
        let diff = fixed.sheets.diff();
        assert!(!diff.contains(".."), "{name}: {diff}");
        assert!(fixed.sheets.write().is_empty());
        for (file, before) in files {
            let after = expected.iter().find(|(known, _)| known == file);
            let after = after.map_or(*before, |(_, after)| *after);
            assert_eq!(world.text(file), after, "{name}: {file}");
        }
    }
}

fn lacking(spec: Value, kind: &str, api_version: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "d", "namespace": "web"}, "spec": {"template": {"spec": spec}}})
}

/// What fix shows for objects of a snapshot or a cluster.
async fn patches_of(values: &[Value], objects: &PatchedObjects) -> (String, bool) {
    let text = values.iter().map(|value| format!("---\n{value}\n"));
    let text: String = text.collect();
    let mut subjects = Subjects::default();
    let found = FoundObjects {
        objects: object_files::read_from("s", text.as_bytes()),
        passed_over: 0,
    };
    let rules = crate::objects::kinds::KindRule::well_known();
    subjects.add(found, None, None, &rules);
    let mut outcome = FixOutcome::default();
    let deadline = Instant::now() + Duration::from_secs(60);
    let report = report(&subjects);
    let patches = live::patches(&report, objects, deadline, &mut outcome).await;
    (patches.unwrap(), outcome.is_left)
}

const PATCHES: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
  namespace: web
spec:
  template:
    spec:
      containers:
      - image: node:22-trixie
        name: a
      initContainers:
      - image: redis:7
        name: b
";

fn workload() -> Value {
    lacking(
        json!({
            "containers": [{"name": "a", "image": "node:22"}, {"name": "c", "image": "node:23"}],
            "initContainers": [{"name": "b", "image": "redis:7-alpine"}],
        }),
        "Deployment",
        "apps/v1",
    )
}

#[tokio::test]
async fn a_workload_without_a_file_gets_a_patch_of_its_containers() {
    let daemons = lacking(
        json!({"containers": [{"name": "a", "image": "node:22"}]}),
        "DaemonSet",
        "apps/v1",
    );
    let rollout = lacking(
        json!({"containers": [{"name": "a", "image": "node:22"}]}),
        "Rollout",
        "argoproj.io/v1alpha1",
    );
    let snapshot = |values: &[Value]| {
        let texts = values.iter().map(ToString::to_string);
        let objects = texts.flat_map(|text| object_files::read_from("s", text.as_bytes()));
        PatchedObjects::Files(objects.map(Result::unwrap).collect())
    };
    let one = [workload()];
    let (text, is_left) = patches_of(&one, &snapshot(&one)).await;
    assert_eq!((text.as_str(), is_left), (PATCHES, false));
    let both = [workload(), daemons];
    let (text, _) = patches_of(&both, &snapshot(&both)).await;
    let documents: Vec<&str> = text.split("---\n").collect();
    assert!(
        documents.len() == 2 && documents[1].contains("kind: DaemonSet"),
        "{text}"
    );
    // What no such patch can change, and what is gone by now.
    for (value, objects) in [
        (rollout.clone(), snapshot(&[rollout])),
        (workload(), snapshot(&[])),
    ] {
        let found = patches_of(&[value], &objects).await;
        assert_eq!(found, (String::new(), true));
    }
}

#[tokio::test]
async fn the_object_of_a_patch_is_the_one_that_the_api_server_has_now() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let now = axum::routing::get(async || workload().to_string());
    let path = "/apis/apps/v1/namespaces/web/deployments/d";
    let server =
        tokio::spawn(axum::serve(listener, axum::Router::new().route(path, now)).into_future());
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let objects = PatchedObjects::Live(kube::Client::try_from(config).unwrap());
    let found = patches_of(&[workload()], &objects).await;
    assert_eq!(found, (PATCHES.to_owned(), false));
    let mut gone = workload();
    gone["metadata"]["name"] = "gone".into();
    assert_eq!(patches_of(&[gone], &objects).await, (String::new(), true));
    server.abort();
}

#[test]
fn people_are_told_file_and_line_and_the_value_to_set() {
    let image = "\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"";
    let world = World::new(&[
        ("chart/Chart.yaml", "name: c\n"),
        ("chart/values.yaml", "image: {repository: node, tag: 22}\n"),
        ("chart/templates/d.yaml", &deployment(image)),
        ("good.yaml", &deployment("node:22")),
        ("worse.yaml", &deployment(HOPELESS)),
    ]);
    let template = world.path("chart/templates/d.yaml");
    let expected = [
        format!(
            "left alone: {template}: it has template expressions, {{{{ … }}}}, which have to be rendered first"
        ),
        format!("left alone: {template}:10: node:22 is made of values: set image.tag to 22-trixie"),
        format!("{}:10: node:22 → node:22-trixie", world.path("good.yaml")),
        format!(
            "no fix: {}:1: hopeless:1 has no manifest for linux/s390x",
            world.path("worse.yaml")
        ),
    ];
    let lines = world.fix().lines;
    assert_eq!(
        lines.iter().filter(|line| expected.contains(line)).count(),
        4,
        "{lines:#?}"
    );
}
