//! What must hold for bytes of others, whatever they are: one property per target of
//! `fuzz/`.
//!
//! A function panics where its property does not hold. Built for fuzzing (`make fuzz`) and
//! for tests, which try the committed seeds; no part of the program.

use reqwest::Url;

pub use crate::admission::fuzzing::review;
use crate::domain::reference::ImageReference;
pub use crate::registry::fuzzing::{cache_file, challenge, docker_config, document};

/// An image reference: what is printed reads the same, and the URL made of it leads to its
/// own registry and repository.
pub fn reference(bytes: &[u8]) {
    let Ok(Ok(image)) = std::str::from_utf8(bytes).map(str::parse::<ImageReference>) else {
        return;
    };
    assert_eq!(image.to_string().parse().as_ref(), Ok(&image));
    assert!(image.tag().is_some() || image.digest().is_some());

    let (registry, repository) = (image.registry(), image.repository());
    assert!(!registry.is_empty() && !registry.contains(['@', '/', '?', '#', '\\']));
    let tag = image.tag().unwrap_or("latest");
    let selector = image
        .digest()
        .map_or_else(|| tag.to_owned(), ToString::to_string);
    let path = format!("/v2/{repository}/manifests/{selector}");
    // A name that no URL can have is refused when it is to be contacted.
    if let Ok(mut url) = Url::parse(&format!("https://{registry}/")) {
        url.set_path(&path);
        assert_eq!(url.path(), path);
        assert_eq!((url.username(), url.password()), ("", None));
        assert_eq!((url.query(), url.fragment()), (None, None));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[track_caller]
    fn seeds_hold(target: &str, property: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let seeds = std::fs::read_dir(corpus.join(target)).expect("there are seeds");
        let mut count = 0;
        for seed in seeds {
            let path = seed.expect("a seed").path();
            let bytes = std::fs::read(&path).expect("a seed that can be read");
            println!("{}", path.display());
            property(&bytes);
            count += 1;
        }
        assert!(count > 0, "there are seeds for {target}");
    }

    #[test]
    fn properties_hold_for_the_seeds() {
        seeds_hold("reference", super::reference);
        seeds_hold("document", super::document);
        seeds_hold("cache_file", super::cache_file);
        seeds_hold("challenge", super::challenge);
        seeds_hold("docker_config", super::docker_config);
        seeds_hold("review", super::review);
    }
}
