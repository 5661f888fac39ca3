//! The Helm chart that a template is of, and what its values make of it.

use std::path::Path;

use serde_json::Value;

use crate::edit::{TemplateImage, template_images};
use crate::files;

/// A template is at most so many folders below its chart.
const MAX_FOLDERS: usize = 8;

/// The images of a template, where a chart is around it, and the file with its values.
pub fn images(path: &Path, text: &str) -> Vec<TemplateImage> {
    let folders = path.ancestors().skip(1).take(MAX_FOLDERS);
    let chart = folders
        .map(|folder| match folder == Path::new("") {
            true => Path::new("."),
            false => folder,
        })
        .find(|folder| folder.join("Chart.yaml").is_file());
    let Some(chart) = chart else {
        return Vec::new();
    };
    let values = value(&chart.join("values.yaml"));
    template_images(text, &values, &value(&chart.join("Chart.yaml")))
}

/// What a file says; nothing where it says nothing.
fn value(path: &Path) -> Value {
    let text = files::read_text(path).unwrap_or_default();
    files::first_value(&text).unwrap_or_default()
}
