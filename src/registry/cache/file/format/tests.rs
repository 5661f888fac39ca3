use super::*;
use proptest::prelude::*;

const NO_LIMIT: usize = usize::MAX;

fn bytes_of(contents: &Contents, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(contents, most, &mut bytes).unwrap();
    bytes
}

fn digest(number: u8) -> Digest {
    Digest::new("sha256", &[number; 32]).unwrap()
}

fn entry(number: u8, platform: Option<&str>) -> Entry {
    Entry {
        digest: digest(number),
        kind: EntryKind::Manifest,
        platform: platform.map(|text| Arc::new(text.parse().unwrap())),
        zstd: false,
        build: None,
    }
}

/// Everything that contents can have, once.
fn sample() -> Contents {
    let windows = Platform {
        os_version: "10.0.1".to_owned(),
        os_features: vec!["win32k".to_owned(), String::new()],
        ..Platform::new("windows", "amd64", "")
    };
    let build = Arc::new(Build {
        revision: Some("a1".into()),
        created: Some(1_700_000_000),
        base: Some("debian:bookworm".into()),
    });
    let entries = vec![
        entry(1, Some("linux/amd64")),
        Entry {
            digest: Digest::new("sha512", &[2; 64]).unwrap(),
            kind: EntryKind::Index,
            platform: Some(Arc::new(windows.clone())),
            zstd: true,
            build: Some(Arc::clone(&build)),
        },
        Entry {
            digest: Digest::new("sha384", &[3; 48]).unwrap(),
            kind: EntryKind::Other,
            build: Some(Arc::clone(&build)),
            ..entry(0, None)
        },
        entry(4, Some("linux/amd64")),
    ];
    let documents = [
        (MediaType::OciIndex, Content::Index(entries)),
        (MediaType::DockerManifestList, Content::Index(Vec::new())),
        (MediaType::OciManifest, Content::Manifest(windows)),
        (MediaType::DockerManifest, Content::Artifact),
    ];
    let documents = documents.into_iter().zip(9..);
    let documents: Vec<_> = documents
        .map(|((media_type, content), number)| {
            Arc::new(Inspection {
                digest: digest(number),
                media_type,
                content,
                build: (number % 2 == 0).then(|| Arc::clone(&build)),
            })
        })
        .collect();
    let answer = |image: &str, position: usize, confirmed: Option<u64>| PublicAnswer {
        image: image.parse().unwrap(),
        inspection: Arc::clone(&documents[position]),
        confirmed: confirmed.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
    };
    let answers = vec![
        answer("node:22", 0, Some(1_700_000_000)),
        answer("[2001:DB8::1]:5000/a/b:latest", 0, Some(0)),
        answer(&format!("r.example/app@{}", digest(10)), 1, None),
    ];
    Contents { documents, answers }
}

#[test]
fn what_was_written_reads_the_same() {
    for contents in [sample(), Contents::default()] {
        assert_eq!(decode(&bytes_of(&contents, NO_LIMIT)), Ok(contents));
    }
}

/// The bytes are the same on every machine.
#[test]
fn the_format_is_fixed() {
    let bytes = bytes_of(&Contents::default(), NO_LIMIT);
    assert_eq!(bytes.len(), VERSION.len() + CHECKSUM_BYTES);
    let mut one = sample();
    one.documents.drain(..2);
    one.answers.clear();
    let bytes = bytes_of(&one, NO_LIMIT);
    let records = &bytes[VERSION.len()..bytes.len() - CHECKSUM_BYTES];
    let platform = b"\x00\x07windows\x05amd64\x00\x0610.0.1\x02\x06win32k\x00";
    let manifest = [b"\x01\x20", &[11; 32][..], b"\x02\x01\x00\x00"].concat();
    let build = b"\x01\x02\x02a1\x01\x80\xe2\xcf\xaa\x06\x02\x0fdebian:bookworm";
    let artifact = [b"\x01\x20", &[12; 32][..], b"\x03\x02", build].concat();
    assert_eq!(records, [&platform[..], &manifest, &artifact].concat());
}

#[test]
fn equal_platforms_are_written_once_and_are_one_in_memory() {
    let read = decode(&bytes_of(&sample(), NO_LIMIT)).unwrap();
    let Content::Index(entries) = &read.documents[0].content else {
        panic!("an index was written");
    };
    let platform = |position: usize| entries[position].platform.clone().unwrap();
    assert!(Arc::ptr_eq(&platform(0), &platform(3)));
    let bytes = bytes_of(&sample(), NO_LIMIT);
    let amd64 = bytes.windows(5).filter(|window| *window == b"amd64");
    assert_eq!(amd64.count(), 2, "on linux and on windows");
}

#[test]
fn one_flipped_bit_anywhere_drops_all() {
    let bytes = bytes_of(&sample(), NO_LIMIT);
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "bit {bit} of byte {position}");
        }
    }
}

#[test]
fn a_part_of_it_is_nothing() {
    let bytes = bytes_of(&sample(), NO_LIMIT);
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(decode(&longer), Err(FileRefusal::Damaged));
}

#[test]
fn other_versions_and_other_files_are_told_apart() {
    let bytes = bytes_of(&sample(), NO_LIMIT);
    let text = |start: &[u8]| [start, &bytes[VERSION.len()..]].concat();
    assert_eq!(
        decode(&text(b"archmatch cache 1\n")),
        Err(FileRefusal::Version)
    );
    assert_eq!(
        decode(&text(b"archmatch cache 20\n")),
        Err(FileRefusal::Version)
    );
    assert_eq!(
        decode(&text(b"archmatch catch 2\n")),
        Err(FileRefusal::Foreign)
    );
    assert_eq!(decode(b""), Err(FileRefusal::Foreign));
}

/// A cache file of a document and an answer that stands for it.
fn answering(image: &str, confirmed: Option<u64>) -> Result<Contents, FileRefusal> {
    let document = &sample().documents[3];
    let answer = FileRecord::Answer {
        document: 0,
        image: image.into(),
        confirmed,
    };
    let records = [stored(document, |_| 0), answer];
    let bytes = records.map(|record| postcard::to_allocvec(&record).unwrap());
    decode(&sealed(&bytes.concat()))
}

/// Whoever can write the file can also make the checksum fit.
#[test]
fn a_body_that_nobody_would_write_is_damaged() {
    let sample = sample();
    let refused = |change: &dyn Fn(&mut Contents)| {
        let mut contents = sample.clone();
        change(&mut contents);
        assert_eq!(
            decode(&bytes_of(&contents, NO_LIMIT)),
            Err(FileRefusal::Damaged)
        );
    };
    for text in ["", "a b", &"x".repeat(200)] {
        refused(&|contents| {
            Arc::make_mut(&mut contents.documents[0]).build = Some(Arc::new(Build {
                base: Some(text.into()),
                ..Build::default()
            }));
        });
    }
    refused(&|contents| {
        let entries = vec![entry(1, None); MAX_ENTRIES + 1];
        Arc::make_mut(&mut contents.documents[0]).content = Content::Index(entries);
    });
    refused(&|contents| {
        Arc::make_mut(&mut contents.documents[0]).media_type = MediaType::OciManifest;
    });
    refused(&|contents| {
        Arc::make_mut(&mut contents.documents[3]).media_type = MediaType::OciIndex;
    });
    refused(&|contents| {
        let mut platform = Platform::new("linux", "amd64", "");
        platform.os_features = vec![String::new(); MAX_OS_FEATURES + 1];
        Arc::make_mut(&mut contents.documents[2]).content = Content::Manifest(platform);
    });
    refused(&|contents| {
        let mut other = contents.documents[3].clone();
        Arc::make_mut(&mut other).media_type = MediaType::OciManifest;
        contents.documents.push(other);
    });

    let own = digest(12);
    for (image, confirmed) in [
        ("r.example/app:1".to_owned(), Some(0)),
        (format!("r.example/app@{own}"), None),
    ] {
        let read = answering(&image, confirmed).unwrap();
        assert_eq!(read.answers[0].image.to_string(), image);
    }
    for (image, confirmed) in [
        // Read as `docker.io/library/app`.
        ("app:1".to_owned(), Some(0)),
        ("r.example/app".to_owned(), Some(0)),
        ("r.example/app:".to_owned(), Some(0)),
        ("r.example/app:../1".to_owned(), Some(0)),
        ("r.example/APP:1".to_owned(), Some(0)),
        ("r.example/app@sha256:1".to_owned(), Some(0)),
        (format!("r.example/../app@{own}"), None),
        (format!("r.example/app:1@{own}"), None),
        (format!("r.example/app@{}", digest(11)), None),
        // A tag ages, a digest does not.
        ("r.example/app:1".to_owned(), None),
        ("r.example/app:1".to_owned(), Some(u64::MAX)),
        (format!("r.example/app@{own}"), Some(0)),
    ] {
        let read = answering(&image, confirmed);
        assert_eq!(read, Err(FileRefusal::Damaged), "{image}");
    }
}

#[test]
fn a_record_has_an_end() {
    let image = format!("{}example/app:1", "a.".repeat(MAX_RECORD_BYTES / 2));
    assert_eq!(answering(&image, Some(0)), Err(FileRefusal::Damaged));
    let mut contents = sample();
    contents.answers[1].image = image.parse().unwrap();
    let read = decode(&bytes_of(&contents, NO_LIMIT)).unwrap();
    contents.answers.remove(1);
    assert_eq!(read, contents, "left out by itself");
}

#[test]
fn lengths_that_lie_cost_no_memory() {
    let empty_index = &sample().documents[1];
    let index = postcard::to_allocvec(&stored(empty_index, |_| 0)).unwrap();
    let huge = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 64]].concat();
    for start in [&[0], &[1], &[2], &[3], &index[..index.len() - 1]] {
        for length in [&[0xff; 64][..], &huge] {
            let records = [start, length].concat();
            assert_eq!(decode(&sealed(&records)), Err(FileRefusal::Damaged));
        }
    }
}

#[test]
fn what_does_not_fit_is_left_out_whole() {
    let contents = sample();
    let whole = bytes_of(&contents, NO_LIMIT).len();
    for most in 0..whole {
        let bytes = bytes_of(&contents, most);
        assert!(bytes.len() <= most.max(VERSION.len() + CHECKSUM_BYTES));
        let read = decode(&bytes).unwrap();
        let documents = &contents.documents[..read.documents.len()];
        assert_eq!(read.documents, documents, "the first ones");
        for answer in &read.answers {
            assert!(read.documents.contains(&answer.inspection));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(start in 0usize..500, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&rest);
        let whole = bytes_of(&sample(), NO_LIMIT);
        let records = &whole[VERSION.len()..whole.len() - CHECKSUM_BYTES];
        let records = [&records[..start.min(records.len())], &rest].concat();
        let _ = decode(&sealed(&records));
    }
}
