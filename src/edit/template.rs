//! Images that the templates of a Helm chart put together of its values.

use serde_json::Value;

/// Whether a text has template expressions, `{{ … }}`, so that it is no object yet.
pub fn is_template(text: &str) -> bool {
    let mut after = text.split("{{").skip(1);
    after.any(|rest| rest.contains("}}"))
}

/// An image of a template, as the chart's values make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateImage {
    /// The line on which it stands.
    pub line: usize,
    /// The image.
    pub image: String,
    /// The value that its tag comes from, such as `image.tag`.
    pub tag_value: String,
}

/// The images whose name and tag are values and nothing else, such as
/// `{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}`.
/// What has other expressions has to be rendered.
/// Source: <https://helm.sh/docs/chart_template_guide/values_files/>
pub fn template_images(text: &str, values: &Value, chart: &Value) -> Vec<TemplateImage> {
    let known = ChartValues { values, chart };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let field = line.trim_start().trim_start_matches("- ").trim_start();
            let (key, written) = field.split_once(':')?;
            (key.trim_matches('"') == "image").then_some(())?;
            let (image, tag_value) = known.image(written.trim().trim_matches(['"', '\'']))?;
            Some(TemplateImage {
                line: index + 1,
                image,
                tag_value,
            })
        })
        .collect()
}

/// What expressions refer to.
struct ChartValues<'a> {
    values: &'a Value,
    chart: &'a Value,
}

impl ChartValues<'_> {
    /// The image, and the value behind its last colon.
    fn image(&self, written: &str) -> Option<(String, String)> {
        let mut image = String::new();
        let mut tag_value = None;
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("{{") {
            let (expression, after) = after.split_once("}}")?;
            image.push_str(before);
            let (value, name) = self.evaluate(expression.trim_matches(['-', ' ']))?;
            tag_value = (image.ends_with(':') && after.is_empty()).then_some(name);
            image.push_str(&value);
            rest = after;
        }
        image.push_str(rest);
        Some((image, tag_value?))
    }

    /// An expression's text, and the first value that it names.
    fn evaluate(&self, expression: &str) -> Option<(String, String)> {
        let mut parts = expression.split('|').map(str::trim);
        let first = parts.next()?;
        let name = first.strip_prefix(".Values.")?.to_owned();
        let mut value = self.text(first)?;
        for part in parts {
            match part.split_once(' ') {
                None if matches!(part, "quote" | "toString" | "trim") => {}
                Some(("default", other)) if value.is_empty() => value = self.text(other.trim())?,
                Some(("default", _)) => {}
                _ => return None,
            }
        }
        Some((value, name))
    }

    /// What a field or a quoted text says; empty where it is not set.
    fn text(&self, operand: &str) -> Option<String> {
        let quoted = operand.strip_prefix('"');
        if let Some(text) = quoted.and_then(|text| text.strip_suffix('"')) {
            return Some(text.to_owned());
        }
        if operand == ".Chart.AppVersion" {
            return scalar(&self.chart["appVersion"]);
        }
        let path = operand.strip_prefix(".Values.")?;
        let value = path.split('.').fold(self.values, |value, key| &value[key]);
        scalar(value)
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_told_from_braces() {
        for (text, expected) in [
            ("image: {{ .Values.image }}", true),
            ("{{- if x }}\na: b\n{{- end }}", true),
            ("{\"a\":{\"b\":{}}}", false),
            ("a: {b: {c: d}}", false),
            ("# }} {{", false),
            ("", false),
        ] {
            assert_eq!(is_template(text), expected, "{text}");
        }
    }

    #[test]
    fn an_image_is_put_together_of_values_where_that_is_all() {
        let values = json!({
            "image": {"repository": "node", "tag": 22, "none": ""},
            "registry": "quay.io", "all": "node:22",
        });
        let chart = json!({"appVersion": "1.5"});
        for (written, expected) in [
            (
                "image: {{ .Values.image.repository }}:{{ .Values.image.tag }}",
                Some(("node:22", "image.tag")),
            ),
            (
                "  - image: \"{{ .Values.registry }}/x/{{ .Values.image.repository }}:{{ .Values.image.tag | quote }}\"",
                Some(("quay.io/x/node:22", "image.tag")),
            ),
            (
                "- image: 'app:{{- .Values.image.none | default .Chart.AppVersion -}}'",
                Some(("app:1.5", "image.none")),
            ),
            (
                "image: \"app:{{ .Values.absent | default \"2\" }}\"",
                Some(("app:2", "absent")),
            ),
            ("image: app:{{ .Values.image.tag }}-slim", None),
            ("image: {{ include \"image\" . }}", None),
            ("image: {{ .Values.all }}", None),
            ("image: app:{{ .Values.image | nindent 2 }}", None),
            ("image: app:{{ .Values.image.tag", None),
            ("image: node:22", None),
            ("images: app:{{ .Values.image.tag }}", None),
        ] {
            let found = template_images(&format!("a: b\n{written}\n"), &values, &chart);
            let expected = expected.map(|(image, tag_value)| TemplateImage {
                line: 2,
                image: image.to_owned(),
                tag_value: tag_value.to_owned(),
            });
            assert_eq!(found, Vec::from_iter(expected), "{written}");
        }
    }
}
