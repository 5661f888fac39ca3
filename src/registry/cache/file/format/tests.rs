use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::inspection::Entry;
use crate::registry::document::{MOST_ENTRIES, MOST_FEATURES};
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
    }
}

/// Everything that contents can have, once.
fn sample() -> Contents {
    let windows = Platform {
        os_version: "10.0.1".to_owned(),
        os_features: vec!["win32k".to_owned(), String::new()],
        ..Platform::new("windows", "amd64", "")
    };
    let entries = vec![
        entry(1, Some("linux/amd64")),
        Entry {
            digest: Digest::new("sha512", &[2; 64]).unwrap(),
            kind: EntryKind::Index,
            platform: Some(Arc::new(windows.clone())),
            zstd: true,
        },
        Entry {
            digest: Digest::new("sha384", &[3; 48]).unwrap(),
            kind: EntryKind::Other,
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
    assert_eq!(bytes.len(), VERSION.len() + CHECKSUM);
    let mut one = sample();
    one.documents.drain(..2);
    one.answers.clear();
    let bytes = bytes_of(&one, NO_LIMIT);
    let records = &bytes[VERSION.len()..bytes.len() - CHECKSUM];
    let platform = b"p\x07\0\0\0windows\x05\0\0\0amd64\0\0\0\0\x06\0\0\x0010.0.1\x02\0\0\0\x06\0\0\0win32k\0\0\0\0";
    let manifest = [b"d\0", &[11; 32][..], b"\x02\x01\0\0\0\0"].concat();
    let artifact = [b"d\0", &[12; 32][..], b"\x03\x02"].concat();
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
        decode(&text(b"archmatch cache 2\n")),
        Err(FileRefusal::Version)
    );
    assert_eq!(
        decode(&text(b"archmatch cache 10\n")),
        Err(FileRefusal::Version)
    );
    assert_eq!(
        decode(&text(b"archmatch catch 1\n")),
        Err(FileRefusal::Foreign)
    );
    assert_eq!(decode(b""), Err(FileRefusal::Foreign));
}

/// Puts a right checksum behind records.
fn sealed(records: &[u8]) -> Vec<u8> {
    let mut bytes = [VERSION, records].concat();
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
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
    refused(&|contents| {
        let entries = vec![entry(1, None); MOST_ENTRIES + 1];
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
        platform.os_features = vec![String::new(); MOST_FEATURES + 1];
        Arc::make_mut(&mut contents.documents[2]).content = Content::Manifest(platform);
    });
    refused(&|contents| {
        let mut other = contents.documents[3].clone();
        Arc::make_mut(&mut other).media_type = MediaType::OciManifest;
        contents.documents.push(other);
    });

    let read = |name: &str, kind: u8, tag: &str| {
        let mut records = Vec::new();
        document(
            &mut records,
            &sample.documents[3],
            &mut Platforms::default(),
        );
        records.push(ANSWER);
        number(&mut records, 0);
        text(&mut records, name);
        records.push(kind);
        if kind == BY_TAG {
            text(&mut records, tag);
            records.extend([0; 8]);
        }
        decode(&sealed(&records)).map(|read| read.answers[0].image.to_string())
    };
    assert_eq!(
        read("r.example/app", BY_TAG, "1").unwrap(),
        "r.example/app:1"
    );
    let by_digest = format!("r.example/app@{}", digest(12));
    assert_eq!(read("r.example/app", BY_DIGEST, "").unwrap(), by_digest);
    for (name, kind, tag) in [
        // Read as `docker.io/library/app`.
        ("app", BY_TAG, "1"),
        ("r.example/app", BY_TAG, ""),
        ("r.example/app", BY_TAG, "../1"),
        ("r.example/APP", BY_TAG, "1"),
        ("r.example/../app", BY_DIGEST, ""),
        ("r.example/app:1", BY_DIGEST, ""),
        ("r.example/app@sha256", BY_TAG, "1"),
        ("r.example/app", 2, ""),
    ] {
        assert_eq!(
            read(name, kind, tag),
            Err(FileRefusal::Damaged),
            "{name} {tag}"
        );
    }
}

#[test]
fn lengths_that_lie_cost_no_memory() {
    let mut index = Vec::new();
    document(
        &mut index,
        &sample().documents[1],
        &mut Platforms::default(),
    );
    for start in [b"p", b"d", b"a", b"x", &index[..index.len() - 4]] {
        let records = [start, &[0xff; 64]].concat();
        assert_eq!(decode(&sealed(&records)), Err(FileRefusal::Damaged));
    }
}

#[test]
fn what_does_not_fit_is_left_out_whole() {
    let contents = sample();
    let whole = bytes_of(&contents, NO_LIMIT).len();
    for most in 0..whole {
        let bytes = bytes_of(&contents, most);
        assert!(bytes.len() <= most.max(VERSION.len() + CHECKSUM));
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
        let records = &whole[VERSION.len()..whole.len() - CHECKSUM];
        let records = [&records[..start.min(records.len())], &rest].concat();
        let _ = decode(&sealed(&records));
    }
}
