//! A file with another text, at once or not at all.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::FileError;

/// Replaces the text of a file, which keeps its mode and owner. What a link points to is
/// written, and the link stays one.
///
/// A new file takes the place of the old one, so that whoever reads sees one of both. Where
/// that cannot be, since the folder is closed or the file has other names, the file itself is
/// written.
///
/// # Errors
/// That the file is no longer what was read, or cannot be written: then it is as it was.
pub fn replace(path: &Path, before: &str, after: &str) -> Result<(), FileError> {
    let replaced = File::options()
        .read(true)
        .write(true)
        .open(path)
        .and_then(|file| replace_open(path, file, before, after));
    replaced.map_err(|error| {
        let name = path.display().to_string();
        FileError::new(name, format!("not written: {error}"))
    })
}

fn replace_open(path: &Path, mut file: File, before: &str, after: &str) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(before.len());
    let limit = u64::try_from(before.len()).unwrap_or(u64::MAX);
    Read::by_ref(&mut file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes != before.as_bytes() {
        return Err(io::Error::other("it has changed since it was read"));
    }
    let target = fs::canonicalize(path)?;
    match Unfinished::like(&file, &target)? {
        Some(unfinished) => unfinished.finish(after, &target),
        None => overwrite(&mut file, after).inspect_err(|_| {
            // What was there fitted before.
            let _ = overwrite(&mut file, before);
        }),
    }
}

fn overwrite(file: &mut File, text: &str) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// A file that is to take the place of another. It goes when it is dropped before.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// An empty file beside another, with its mode and owner; none where there can be none.
    fn like(file: &File, target: &Path) -> io::Result<Option<Self>> {
        let old = file.metadata()?;
        let Some(folder) = target.parent().filter(|_| old.nlink() == 1) else {
            return Ok(None);
        };
        let random = RandomState::new().hash_one(std::process::id());
        let path = folder.join(format!(".archmatch-{random:016x}"));
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let Ok(file) = options.open(&path) else {
            return Ok(None);
        };
        let unfinished = Self { path, file };
        let new = unfinished.file.metadata()?;
        let is_owned_alike = (old.uid(), old.gid()) == (new.uid(), new.gid())
            || fchown(&unfinished.file, Some(old.uid()), Some(old.gid())).is_ok();
        if !is_owned_alike {
            return Ok(None);
        }
        let mode = fs::Permissions::from_mode(old.mode());
        unfinished.file.set_permissions(mode)?;
        Ok(Some(unfinished))
    }

    fn finish(mut self, text: &str, target: &Path) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.path, target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the renaming it has another name.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_mode_and_links_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o751)).unwrap();
        symlink("file", at("link")).unwrap();
        replace(&at("link"), "old", "new").unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "new");
        assert_eq!(fs::metadata(at("file")).unwrap().mode() & 0o7777, 0o751);
        // Another name of the file is another name of it after that, too.
        fs::hard_link(at("file"), at("same")).unwrap();
        replace(&at("file"), "new", "n").unwrap();
        assert_eq!(fs::read_to_string(at("same")).unwrap(), "n");
        assert_eq!(fs::metadata(at("same")).unwrap().nlink(), 2);
        assert_eq!(names(folder.path()), ["file", "link", "same"]);
    }

    #[test]
    fn what_changed_since_or_is_no_file_stays_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for now in ["other", "old and more", "", "ol"] {
            fs::write(&file, now).unwrap();
            let error = replace(&file, "old", "new").unwrap_err();
            assert_eq!(error.source_name(), file.display().to_string());
            assert_eq!(
                error.problem(),
                "not written: it has changed since it was read"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), now);
        }
        for absent in ["absent", "."] {
            let error = replace(&folder.path().join(absent), "old", "new").unwrap_err();
            assert!(error.problem().starts_with("not written: "), "{error}");
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn nothing_is_left_over_where_the_new_file_cannot_take_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("file"), folder.path().join("folder"));
        fs::write(&file, "old").unwrap();
        fs::create_dir(&other).unwrap();
        let open = File::open(&file).unwrap();
        let unfinished = Unfinished::like(&open, &file).unwrap().unwrap();
        assert_eq!(names(folder.path()).len(), 3);
        assert!(unfinished.finish("new", &other).is_err());
        assert_eq!(names(folder.path()), ["file", "folder"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }
}
