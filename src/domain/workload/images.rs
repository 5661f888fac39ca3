//! The images that a pod names, each once, and no more of them than one review looks at.

use std::borrow::Cow;
use std::ops::Deref;

use super::{ContainerImage, Usage};
use crate::domain::text::{LONGEST_NAME, shortened};

/// How many distinct images of an object are looked at.
pub const MOST_IMAGES: usize = 256;

/// How many names of containers are kept for an image.
const MAX_CONTAINERS: usize = 64;

/// How many characters of an image are kept. Nobody can be asked for a longer one: a
/// repository has at most 255, a tag 128, a host 253.
const MAX_IMAGE_CHARACTERS: usize = 1024;

/// Distinct images in the order of the pod. Containers with the same image share a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    rows: Vec<ContainerImage>,
    /// Positions of the rows, by what tells rows apart: finding one among many costs the
    /// logarithm of their number.
    sorted: Vec<u16>,
    overflow: bool,
}

impl Images {
    /// Adds an image of a container or volume, if there is room for another row.
    pub fn add(&mut self, container: &str, image: &str, usage: Usage, preloaded: bool) {
        let text = shortened(image, MAX_IMAGE_CHARACTERS);
        match self.find(&text, usage, preloaded) {
            Ok(position) => self.name(position, container),
            Err(_) if self.rows.len() >= MOST_IMAGES => self.overflow = true,
            Err(place) => {
                let reference = image.parse();
                if matches!((&text, &reference), (Cow::Owned(_), Ok(_))) {
                    // A host of that length is none that could be asked.
                    self.overflow = true;
                    return;
                }
                let row = ContainerImage {
                    image: text.into_owned(),
                    reference,
                    containers: vec![shortened(container, LONGEST_NAME).into_owned()],
                    usage,
                    preloaded,
                };
                self.insert(place, row);
            }
        }
    }

    /// Adds the rows of another list after these.
    pub fn append(&mut self, other: Self) {
        self.overflow |= other.overflow;
        if self.rows.is_empty() {
            (self.rows, self.sorted) = (other.rows, other.sorted);
            return;
        }
        for row in other.rows {
            match self.find(&row.image, row.usage, row.preloaded) {
                Ok(position) => {
                    for container in &row.containers {
                        self.name(position, container);
                    }
                }
                Err(_) if self.rows.len() >= MOST_IMAGES => self.overflow = true,
                Err(place) => self.insert(place, row),
            }
        }
    }

    /// Keeps the rows for which `keep` says so; what goes is more than is looked at.
    pub(super) fn limit(&mut self, keep: impl FnMut(&ContainerImage) -> bool) {
        let before = self.rows.len();
        self.retain(keep);
        self.overflow |= self.rows.len() < before;
    }

    /// Drops the rows that count for nothing.
    pub fn retain(&mut self, keep: impl FnMut(&ContainerImage) -> bool) {
        let before = self.rows.len();
        self.rows.retain(keep);
        if self.rows.len() == before {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        self.sorted.clear();
        for row in rows {
            if let Err(place) = self.find(&row.image, row.usage, row.preloaded) {
                self.insert(place, row);
            }
        }
    }

    /// Drops the names of containers: an image that was named by itself has none.
    pub fn forget_containers(&mut self) {
        self.rows.iter_mut().for_each(|row| row.containers.clear());
    }

    /// Whether the pod names more images than there are here.
    pub fn overflow(&self) -> bool {
        self.overflow
    }

    fn find(&self, image: &str, usage: Usage, preloaded: bool) -> Result<usize, usize> {
        let wanted = (image, usage, preloaded);
        let found = self.sorted.binary_search_by(|position| {
            let row = self.rows.get(usize::from(*position));
            row.map(|row| (row.image.as_str(), row.usage, row.preloaded))
                .cmp(&Some(wanted))
        });
        found.map(|place| self.sorted.get(place).map_or(0, |row| usize::from(*row)))
    }

    fn insert(&mut self, place: usize, row: ContainerImage) {
        // There are not so many.
        let position = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        self.sorted.insert(place, position);
        self.rows.push(row);
    }

    fn name(&mut self, position: usize, container: &str) {
        if let Some(row) = self.rows.get_mut(position)
            && row.containers.len() < MAX_CONTAINERS
        {
            let name = shortened(container, LONGEST_NAME).into_owned();
            row.containers.push(name);
        }
    }
}

impl Deref for Images {
    type Target = [ContainerImage];

    fn deref(&self) -> &[ContainerImage] {
        &self.rows
    }
}

impl<'a> IntoIterator for &'a Images {
    type Item = &'a ContainerImage;
    type IntoIter = std::slice::Iter<'a, ContainerImage>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images<'a>(names: impl IntoIterator<Item = &'a str>) -> Images {
        let mut images = Images::default();
        for (position, name) in names.into_iter().enumerate() {
            images.add(&format!("c{position}"), name, Usage::Container, false);
        }
        images
    }

    #[test]
    fn rows_keep_the_pods_order_and_are_distinct() {
        let mut all = images(["z", "a", "z", "m", "a"]);
        all.add("v", "a", Usage::Volume, false);
        all.add("n", "a", Usage::Container, true);
        all.append(images(["m", "b"]));
        let rows: Vec<(&str, String)> = all
            .iter()
            .map(|row| (row.image.as_str(), row.containers.join(" ")))
            .collect();
        let expected = [
            ("z", "c0 c2"),
            ("a", "c1 c4"),
            ("m", "c3 c0"),
            ("a", "v"),
            ("a", "n"),
            ("b", "c1"),
        ];
        assert_eq!(rows, expected.map(|(name, all)| (name, all.to_owned())));
        assert!(!all.overflow());
        all.retain(|row| row.image != "a");
        assert_eq!(all.len(), 3);
        all.add("x", "m", Usage::Container, false);
        assert_eq!(all[1].containers, ["c3", "c0", "x"]);
    }

    #[test]
    fn as_many_images_are_kept_as_a_review_looks_at() {
        let names: Vec<String> = (0..700).map(|number| format!("i{number}")).collect();
        for (count, overflow) in [(256, false), (257, true), (700, true)] {
            let all = images(names[..count].iter().map(String::as_str));
            assert_eq!((all.len(), all.overflow()), (MOST_IMAGES, overflow));
        }
        let mut first = images(names[..200].iter().map(String::as_str));
        first.append(images(names[100..300].iter().map(String::as_str)));
        assert_eq!((first.len(), first.overflow()), (MOST_IMAGES, true));
    }

    #[test]
    fn texts_are_bounded_and_a_long_image_is_still_judged() {
        let long = "A".repeat(1 << 20);
        let mut all = images([long.as_str()]);
        assert!(all[0].image.len() < 1100);
        assert!(all[0].reference.is_err());
        assert!(!all.overflow());
        for _ in 0..1000 {
            all.add(&long, "a", Usage::Container, false);
        }
        assert_eq!(all[1].containers.len(), MAX_CONTAINERS);
        assert!(all[1].containers[0].len() < 300);
        let host = format!("{}example/app", "a.".repeat(4000));
        all.add("c", &host, Usage::Container, false);
        assert_eq!((all.len(), all.overflow()), (2, true));
    }
}
