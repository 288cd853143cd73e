//! Whether files have changed, by looking at them from time to time.
//!
//! Looking works where watching does not: over network file systems, for editors that write another
//! file and rename it, and for Kubernetes, which swaps a symbolic link above the file.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Folders in folders that are looked into.
const DEPTH: usize = 16;

/// Files that are looked at. Metadata of a thousand tables has some thousand.
const FILES: usize = 50_000;

/// What files looked like: equal only if nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(BTreeMap<PathBuf, Option<State>>);

/// What a file's content cannot change without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Device and number: another file in its place.
    identity: (u64, u64),
    modified: (i64, i64),
    length: u64,
}

impl Look {
    /// Looks at files, and at folders with all that is in them. One that is not there is a state like
    /// any other.
    pub fn at(paths: &[PathBuf]) -> Self {
        let mut look = Self::default();
        for path in paths {
            look.add(path, DEPTH);
        }
        look
    }

    fn add(&mut self, path: &Path, depth: usize) {
        if self.0.len() >= FILES {
            return;
        }
        // Links are followed: what they lead to is what counts.
        let found = fs::metadata(path).ok();
        let is_folder = found.as_ref().is_some_and(fs::Metadata::is_dir);
        let state = found.map(|found| State {
            identity: (found.dev(), found.ino()),
            modified: (found.mtime(), found.mtime_nsec()),
            length: found.len(),
        });
        self.0.insert(path.to_owned(), state);
        if is_folder && depth > 0 {
            for entry in entries(path).unwrap_or_default() {
                self.add(&entry, depth - 1);
            }
        }
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Tells when files have changed and are quiet again.
pub struct Watcher {
    known: Look,
    /// What was seen the last time, if it is not what is known: it may be half written.
    moving: Option<Look>,
}

impl Watcher {
    /// What is there now is known.
    pub fn new(known: Look) -> Self {
        Self { known, moving: None }
    }

    /// Takes a look. Says whether there is something new that was the same at the last look.
    pub fn sees(&mut self, look: Look) -> bool {
        if look == self.known {
            self.moving = None;
            return false;
        }
        if self.moving.as_ref() != Some(&look) {
            self.moving = Some(look);
            return false;
        }
        self.known = look;
        self.moving = None;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("artesian_{name}_{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            fs::create_dir_all(self.0.join(name).parent().unwrap()).unwrap();
            fs::write(self.0.join(name), text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = Folder::new("files");
        folder.write("a/b.yaml", "1");
        folder.write("one/file", "1");
        folder.write("two/file", "1");
        symlink("one", folder.0.join("data")).unwrap();
        let paths = [folder.0.join("a"), folder.0.join("data/file"), folder.0.join("later")];
        let mut last = Look::at(&paths);
        assert_eq!(Look::at(&paths), last);
        let mut changes = |what: &str, change: &dyn Fn()| {
            change();
            let look = Look::at(&paths);
            assert_ne!(look, last, "{what}");
            last = look;
        };
        changes("longer", &|| folder.write("a/b.yaml", "12"));
        changes("a new file", &|| folder.write("a/c/d.yaml", ""));
        changes("a file less", &|| fs::remove_file(folder.0.join("a/c/d.yaml")).unwrap());
        changes("a file that was not there", &|| folder.write("later", ""));
        changes("renamed over", &|| {
            folder.write("swap", "34");
            fs::rename(folder.0.join("swap"), folder.0.join("a/b.yaml")).unwrap();
        });
        changes("a link above it", &|| {
            symlink("two", folder.0.join("new")).unwrap();
            fs::rename(folder.0.join("new"), folder.0.join("data")).unwrap();
        });
    }

    #[test]
    fn links_in_circles_end() {
        let folder = Folder::new("circle");
        symlink(".", folder.0.join("again")).unwrap();
        assert!(Look::at(std::slice::from_ref(&folder.0)).0.len() <= DEPTH + 1);
    }

    #[test]
    fn what_is_being_written_is_left_alone() {
        let look = |length: u64| {
            let state = State { identity: (1, 1), modified: (1, 1), length };
            Look([(PathBuf::from("a"), Some(state))].into())
        };
        let mut watcher = Watcher::new(look(1));
        let seen = [1, 2, 3, 3, 3, 4, 3, 3].map(|length| watcher.sees(look(length)));
        assert_eq!(seen, [false, false, false, true, false, false, false, false]);
    }
}
