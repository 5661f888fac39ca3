//! Caches that remember longer than a test lasts.

use std::path::Path;
use std::time::Duration;

use archmatch::registry::{CacheFile, Inspector};

/// Makes what the inspector knows of public tags older, by way of a file in the folder.
pub(crate) async fn known_since(inspector: &Inspector, folder: &Path, age: Duration) {
    let file = CacheFile::new(folder.join("cache"), 1000);
    let mut keeper = inspector.keep_in(file.clone()).await;
    keeper.write().await;
    make_older(&file, age);
    inspector.keep_in(file).await;
}

/// Makes the tags of a file older.
pub(crate) fn make_older(file: &CacheFile, age: Duration) {
    let mut contents = file.read().unwrap();
    for answer in &mut contents.answers {
        answer.confirmed = answer.confirmed.map(|confirmed| confirmed - age);
    }
    file.write(&contents).unwrap();
}
