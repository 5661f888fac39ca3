//! The pod templates of one object, within the limits of one review.

use std::collections::HashSet;

use super::{Limit, MOST_IMAGES, PodTemplate};
use crate::domain::access::MOST_PULL_SECRETS;

/// How many pod templates of an object are looked at. Built-in kinds have one.
pub const MOST_TEMPLATES: usize = 256;

/// How many images all templates of an object may name together, each of its own or not, and
/// how many pull secrets.
const MAX_ROWS: usize = 4 * MOST_IMAGES;

/// Collects templates. What goes beyond a limit is left out, and the last template that was
/// kept says so.
#[derive(Debug, Default)]
pub struct Templates {
    kept: Vec<PodTemplate>,
    images: HashSet<String>,
    pull_secrets: HashSet<String>,
    rows: usize,
}

impl Templates {
    /// Adds a template, as far as there is room.
    pub fn push(&mut self, mut template: PodTemplate) {
        if self.kept.len() >= MOST_TEMPLATES {
            if let Some(last) = self.kept.last_mut() {
                last.beyond = last.beyond.or(Some(Limit::Templates));
            }
            return;
        }
        let mut fits = |known: &mut HashSet<String>, name: &String, most: usize| {
            self.rows += 1;
            let is_known = known.contains(name);
            self.rows <= MAX_ROWS
                && (is_known || (known.len() < most && known.insert(name.clone())))
        };
        let images = &mut self.images;
        template
            .images
            .limit(|row| fits(images, &row.image, MOST_IMAGES));
        let (secrets, before) = (&mut self.pull_secrets, template.pull_secrets.len());
        template
            .pull_secrets
            .retain(|name| fits(secrets, name, MOST_PULL_SECRETS));
        if template.pull_secrets.len() < before {
            template.beyond = template.beyond.or(Some(Limit::PullSecrets));
        }
        self.kept.push(template);
    }

    /// What was kept.
    pub fn into_vec(self) -> Vec<PodTemplate> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::unknown::Reason;
    use crate::domain::workload::Usage;

    /// As many templates, each with so many images of its own and one that all share.
    fn collect(count: usize, images: usize, secrets: usize) -> Vec<PodTemplate> {
        let mut templates = Templates::default();
        for number in 0..count {
            let mut template = PodTemplate::default();
            template.add_image("c", "shared", Usage::Container, false);
            for image in 0..images {
                template.add_image("c", &format!("i{number}-{image}"), Usage::Container, false);
            }
            template.pull_secrets = (0..secrets).map(|one| format!("s{number}-{one}")).collect();
            templates.push(template);
        }
        templates.into_vec()
    }

    #[test]
    fn limits_count_over_all_templates_of_an_object() {
        for (count, images, secrets, limit) in [
            (256, 0, 0, None),
            (257, 0, 0, Some("256 pod templates")),
            (5, 51, 0, None),
            (5, 52, 0, Some("256 images")),
            (8, 0, 8, None),
            (8, 0, 9, Some("64 pull secrets")),
            (250, 1, 1, Some("64 pull secrets")),
        ] {
            let templates = collect(count, images, secrets);
            let overlooked = templates.iter().find_map(PodTemplate::overlooked);
            let case = format!("{count} {images} {secrets}");
            assert_eq!(overlooked.is_some(), limit.is_some(), "{case}");
            if let (Some(unknown), Some(limit)) = (overlooked, limit) {
                assert_eq!(unknown.reason, Reason::TooLarge);
                assert!(unknown.detail.contains(limit), "{unknown}");
            }
            let rows: HashSet<&str> = templates
                .iter()
                .flat_map(|template| &template.images)
                .map(|row| row.image.as_str())
                .collect();
            assert!(rows.len() <= MOST_IMAGES, "{case}");
        }
    }

    #[test]
    fn the_same_images_count_again_in_each_template() {
        for (count, is_beyond) in [(204, false), (205, true)] {
            let mut templates = Templates::default();
            for _ in 0..count {
                let mut template = PodTemplate::default();
                for image in ["a", "b", "c", "d", "e"] {
                    template.add_image("c", image, Usage::Container, false);
                }
                templates.push(template);
            }
            let templates = templates.into_vec();
            let rows: usize = templates.iter().map(|one| one.images.len()).sum();
            assert_eq!(rows, (5 * count).min(MAX_ROWS));
            let overlooked = templates.iter().find_map(PodTemplate::overlooked);
            assert_eq!(overlooked.is_some(), is_beyond, "{count}");
        }
    }
}
