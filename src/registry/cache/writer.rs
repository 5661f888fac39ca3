//! Keeps a cache and its file alike: read before anything is asked, written behind what
//! changes, and once more at the end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::contents::Generation;
use super::file::CacheFile;
use super::{Cache, TagInspector};
use crate::credentials::LookupCredentials;

/// How often new answers are written.
const WRITE_INTERVAL: Duration = Duration::from_secs(30);
/// How often it is written that the old ones still hold.
const CONFIRMED_WRITE_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Writes a cache to a file. It ends with the process that has it; what happened since the
/// last writing is lost without [`CacheWriter::write`].
pub struct CacheWriter<I> {
    cache: Arc<Cache<I>>,
    file: CacheFile,
    written: Generation,
    /// When writing the file was last tried.
    tried: Instant,
    /// Whether it was said that it cannot be written.
    complained: bool,
}

impl<I: TagInspector + 'static> CacheWriter<I> {
    /// Fills the cache from the file, with what everybody may know still. One that cannot be
    /// used is left out, which is logged.
    pub(in crate::registry) async fn open(
        cache: Arc<Cache<I>>,
        file: CacheFile,
        everybody: LookupCredentials,
    ) -> Self {
        let (filled, from) = (Arc::clone(&cache), file.clone());
        let read = spawn_blocking(move || -> std::io::Result<usize> {
            let contents = from.read()?;
            let count = contents.answers.len();
            filled.restore(contents, &everybody, SystemTime::now());
            Ok(count)
        });
        let path = file.path().display();
        match read.await.map_err(std::io::Error::other).flatten() {
            Ok(answers) => tracing::debug!(file = %path, answers, "read the cache file"),
            Err(error) => tracing::warn!(file = %path, %error, "began without the cache file"),
        }
        Self {
            written: Generation::default(),
            cache,
            file,
            tried: Instant::now(),
            complained: false,
        }
    }

    /// Writes whatever changes, until the end, and then what has changed since.
    pub async fn keep(mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = sleep(WRITE_INTERVAL) => {}
            }
            let is_new = self.cache.edition().new != self.written.new;
            if is_new || self.tried.elapsed() >= CONFIRMED_WRITE_INTERVAL {
                self.write().await;
            }
        }
        self.write().await;
    }

    /// Writes the file if anything changed. That it cannot be written is logged once.
    pub async fn write(&mut self) {
        let edition = self.cache.edition();
        if edition == self.written {
            return;
        }
        let (cache, file) = (Arc::clone(&self.cache), self.file.clone());
        let write = spawn_blocking(move || file.write(&cache.contents(SystemTime::now())));
        let written = write.await.map_err(std::io::Error::other).flatten();
        self.tried = Instant::now();
        match written {
            Ok(()) => {
                self.written = edition;
                self.complained = false;
            }
            Err(error) if !self.complained => {
                let path = self.file.path().display();
                tracing::warn!(file = %path, %error, "cannot write the cache file; going on without");
                self.complained = true;
            }
            Err(_) => {}
        }
    }
}
