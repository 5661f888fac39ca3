use super::*;
use crate::domain::unknown::Reason;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[track_caller]
fn entries_of(body: &str) -> Vec<Entry> {
    match parse(body.as_bytes(), Some(INDEX)).expect(body).body {
        Body::Index(entries) => entries,
        other => panic!("{body}: {other:?}"),
    }
}

#[track_caller]
fn fails(body: &str, content_type: &str, reason: Reason) {
    let content_type = (!content_type.is_empty()).then_some(content_type);
    let error = parse(body.as_bytes(), content_type).expect_err(body);
    assert_eq!(error.reason, reason, "{body}: {error}");
}

#[test]
fn entries_keep_what_the_document_says() {
    let entries = entries_of(&format!(
        r#"{{"manifests":[
            {{"digest":"{A}","mediaType":"{MANIFEST}","size":1,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}},
            {{"digest":"{A}","mediaType":"{INDEX}","annotations":{{"io.github.containers.compression.zstd":"true"}}}},
            {{"digest":"{A}","mediaType":"application/x","platform":{{"os":"windows","architecture":"amd64","os.version":"10.0.1","os.features":["win32k",null]}}}}
        ]}}"#
    ));
    assert_eq!(entries[0].kind, EntryKind::Manifest);
    assert_eq!(
        entries[0].platform.as_deref(),
        Some(&Platform::new("linux", "arm", "v7"))
    );
    assert_eq!((entries[1].kind, entries[1].zstd), (EntryKind::Index, true));
    assert_eq!(entries[1].platform, None);
    let windows = entries[2].platform.clone().unwrap();
    assert_eq!(entries[2].kind, EntryKind::Other);
    assert_eq!(windows.os_version, "10.0.1");
    assert_eq!(windows.os_features, ["win32k"]);
}

#[test]
fn a_platform_that_no_node_has_stays_one_and_is_short() {
    let long = |length: usize| "X".repeat(length);
    let platform = |length: usize| {
        let text = long(length);
        let fields = format!(
            r#"{{"os":"{text}","architecture":"{text}","variant":"{text}","os.version":"{text}","os.features":["{text}"]}}"#
        );
        let entries = entries_of(&format!(
            r#"{{"manifests":[{{"digest":"{A}","platform":{fields}}}]}}"#
        ));
        let platform = Platform::clone(entries[0].platform.as_ref().unwrap());
        assert_eq!(parse_config(fields.as_bytes()), Ok(platform.clone()));
        platform
    };
    let texts = |platform: Platform| {
        let mut texts = platform.os_features;
        texts.extend([platform.os, platform.architecture]);
        texts.extend([platform.variant, platform.os_version]);
        texts
    };
    assert_eq!(texts(platform(128)), vec![long(128); 5]);
    for length in [129, 50_000] {
        let shortened = format!("{}…", long(31));
        assert_eq!(texts(platform(length)), vec![shortened; 5]);
    }
}

#[test]
fn missing_and_null_parts_are_empty() {
    assert_eq!(entries_of("{}"), []);
    assert_eq!(
        entries_of(r#"{"manifests":null,"config":null,"schemaVersion":null}"#),
        []
    );
    let entries = entries_of(&format!(
        r#"{{"manifests":[{{"digest":"{A}","platform":null,"annotations":null}},{{"digest":"{A}","platform":{{"os":null}}}}]}}"#
    ));
    assert_eq!(entries[0].platform, None);
    assert_eq!(entries[1].platform.as_deref(), Some(&Platform::default()));
}

#[test]
fn annotations_say_how_an_image_was_built() {
    let annotated = |revision: &str, created: &str, base: &str| {
        format!(
            r#"{{"digest":"{A}","annotations":{{
                "org.opencontainers.image.revision":{revision},
                "org.opencontainers.image.created":{created},
                "org.opencontainers.image.base.name":{base}}}}}"#
        )
    };
    let long = format!("\"{}\"", "x".repeat(200));
    let whole = annotated(
        r#""a1""#,
        r#""2026-08-22T00:00:01Z""#,
        r#""debian:bookworm""#,
    );
    let later = annotated(
        r#""a1""#,
        r#""2026-08-22T00:00:02Z""#,
        r#""debian:bookworm""#,
    );
    let odd = annotated(r#""a b""#, r#""yesterday""#, &long);
    let early = annotated("null", r#""1969-12-31T23:59:59Z""#, r#""""#);
    let entries = entries_of(&format!(
        r#"{{"manifests":[{whole},{whole},{later},{odd},{early}]}}"#
    ));
    let build = Build {
        revision: Some("a1".into()),
        created: Some(1_787_356_801),
        base: Some("debian:bookworm".into()),
    };
    assert_eq!(entries[0].build.as_deref(), Some(&build));
    let builds: Vec<_> = entries[..3].iter().flat_map(|entry| &entry.build).collect();
    assert!(Arc::ptr_eq(builds[0], builds[1]));
    assert_eq!(builds[2].created, Some(1_787_356_802));
    let text = |build: &Build| build.base.clone().unwrap();
    assert!(Arc::ptr_eq(&text(builds[0]), &text(builds[2])));
    assert_eq!(entries[3].build, None);
    assert_eq!(entries[4].build, None);
    let body = r#"{"manifests":[],"annotations":{"org.opencontainers.image.revision":"b2"}}"#;
    let document = parse(body.as_bytes(), Some(INDEX)).unwrap();
    assert_eq!(document.build.unwrap().revision.as_deref(), Some("b2"));
}

#[test]
fn keys_are_read_as_go_reads_them() {
    let entries = entries_of(&format!(
        r#"{{"manifests":[],"Manifeſts":[{{"DIGEST":"{A}","platform":{{"os":"linux","OS":"windows","os":null}}}}],"more":{{"a":[1]}}}}"#
    ));
    assert_eq!(
        entries[0].platform.as_deref(),
        Some(&Platform::new("windows", "", ""))
    );
}

#[test]
fn a_document_is_one_thing() {
    let both = format!(
        r#"{{"manifests":[],"config":{{"digest":"{A}","mediaType":"application/vnd.oci.image.config.v1+json"}},"layers":[]}}"#
    );
    fails(&both, INDEX, Reason::Malformed);
    fails(&both, MANIFEST, Reason::Malformed);
    fails(r#"{"layers":[]}"#, INDEX, Reason::Malformed);
    fails(r#"{"LAYERS":[]}"#, LIST, Reason::Malformed);
    fails(
        &format!(r#"{{"mediaType":"{MANIFEST}"}}"#),
        INDEX,
        Reason::Malformed,
    );
    fails(
        &format!(r#"{{"mediaType":"{LIST}"}}"#),
        INDEX,
        Reason::Malformed,
    );
    fails(r#"{"mediaType":"x"}"#, INDEX, Reason::Malformed);
}

#[test]
fn the_type_comes_from_the_header_or_the_body() {
    let with_type = format!(r#"{{"mediaType":"{LIST}","manifests":[]}}"#);
    for content_type in [
        None,
        Some("application/json"),
        Some("text/plain; charset=utf-8"),
    ] {
        let document = parse(with_type.as_bytes(), content_type).unwrap();
        assert_eq!(document.media_type, MediaType::DockerManifestList);
    }
    let parameters = Some("Application/vnd.oci.image.index.v1+json; charset=utf-8");
    assert!(parse(b"{}", parameters).is_ok());
    fails("{}", "", Reason::Unsupported);
    fails("{}", "application/vnd.cncf.helm+json", Reason::Unsupported);
    fails(r#"{"mediaType":"application/x"}"#, "", Reason::Unsupported);
}

#[test]
fn what_is_no_document_is_refused() {
    fails("<html>", "text/html; charset=utf-8", Reason::Malformed);
    fails("<html>", INDEX, Reason::Malformed);
    fails("[]", INDEX, Reason::Malformed);
    fails("{} {}", INDEX, Reason::Malformed);
    fails(r#"{"manifests":{}}"#, INDEX, Reason::Malformed);
    fails(
        "{}",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        Reason::Unsupported,
    );
    fails(
        r#"{"schemaVersion":1,"fsLayers":[]}"#,
        "application/json",
        Reason::Unsupported,
    );
    fails(r#"{"schemaVersion":1}"#, MANIFEST, Reason::Unsupported);
}

#[test]
fn digests_are_read_strictly() {
    let upper = A.to_uppercase();
    for digest in [
        "",
        "../../x",
        "sha256:aa",
        upper.as_str(),
        "blake3:aa",
        &"a".repeat(10_000),
    ] {
        fails(
            &format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#),
            INDEX,
            Reason::Malformed,
        );
    }
    fails(r#"{"manifests":[null]}"#, INDEX, Reason::Malformed);
    fails(r#"{"manifests":[{"digest":7}]}"#, INDEX, Reason::Malformed);
}

#[test]
fn an_index_has_at_most_1000_entries() {
    let of = |count: usize| {
        let entry = format!(r#"{{"digest":"{A}"}}"#);
        format!(r#"{{"manifests":[{}]}}"#, vec![entry; count].join(","))
    };
    assert_eq!(entries_of(&of(1000)).len(), 1000);
    fails(&of(1001), INDEX, Reason::TooLarge);
    let features = format!(
        r#"{{"manifests":[{{"digest":"{A}","platform":{{"os.features":[{}""]}}}}]}}"#,
        "\"\",".repeat(64)
    );
    fails(&features, INDEX, Reason::TooLarge);
}

#[test]
fn manifests_are_told_apart_by_their_config() {
    let of = |media_type: &str, size: u64| {
        format!(
            r#"{{"config":{{"digest":"{A}","size":{size},"mediaType":"{media_type}"}},"layers":null}}"#
        )
    };
    let body = |text: String| parse(text.as_bytes(), Some(MANIFEST)).unwrap().body;
    let config: Digest = A.parse().unwrap();
    let image = "application/vnd.oci.image.config.v1+json";
    let docker = "application/vnd.docker.container.image.v1+json";
    assert_eq!(
        body(of(image, 7)),
        Body::Image {
            config: config.clone()
        }
    );
    assert_eq!(
        body(of(docker, 7)),
        Body::Image {
            config: config.clone()
        }
    );
    assert_eq!(
        body(of("application/octet-stream", 7)),
        Body::PerhapsImage { config }
    );
    assert_eq!(
        body(of("application/vnd.oci.empty.v1+json", 2)),
        Body::Artifact
    );
    fails(&of(image, 5_000_000), MANIFEST, Reason::TooLarge);
    fails(&of("", 2), MANIFEST, Reason::Malformed);
    fails("{}", MANIFEST, Reason::Malformed);
}

#[test]
fn configs_may_lack_parts() {
    let config =
        parse_config(br#"{"architecture":"s390x","os":"linux","rootfs":{},"history":null}"#);
    assert_eq!(config.unwrap(), Platform::new("linux", "s390x", ""));
    assert_eq!(parse_config(b"{}").unwrap(), Platform::default());
    assert_eq!(parse_config(b"[").unwrap_err().reason, Reason::Malformed);
}

#[test]
fn nesting_takes_no_stack() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(entries_of(&format!(r#"{{"x":{}}}"#, deep(1_000_000))), []);
    fails(
        &format!(r#"{{"manifests":{}}}"#, deep(1_000_000)),
        INDEX,
        Reason::Malformed,
    );
}

proptest::proptest! {
    #[test]
    fn no_document_panics(text in r#"(\{"manifests":\[|\{"digest":|"config":|"platform":\{|\}|\]|,|null|"x"|[0-9]){0,20}"#) {
        let _ = parse(text.as_bytes(), Some(INDEX));
        let _ = parse(text.as_bytes(), Some(MANIFEST));
        let _ = parse_config(text.as_bytes());
    }
}

#[test]
fn platforms_are_shared_between_documents_and_long_ones_are_not_kept() {
    let platform = |architecture: &str| shared(Platform::new("linux", architecture, ""));
    let short = "shared-by-this-test";
    assert!(Arc::ptr_eq(&platform(short), &platform(short)));
    let long = "x".repeat(MAX_SHARED_PLATFORM_BYTES + 1);
    assert!(!Arc::ptr_eq(&platform(&long), &platform(&long)));
}
