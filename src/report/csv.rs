//! One line a finding, for spreadsheets.

use csv::{IntoInnerError, Writer};

use super::escape::visible_escapes;
use super::model::Report;

/// The columns.
const HEADER: [&str; 11] = [
    "severity",
    "rule",
    "namespace",
    "kind",
    "name",
    "containers",
    "image",
    "platforms",
    "what",
    "next",
    "id",
];

/// The whole table.
///
/// # Errors
/// What the writer of CSV says.
pub(super) fn render(report: &Report) -> csv::Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for finding in &report.findings {
        let workload = report.workloads.get(finding.workload);
        let namespace = workload.and_then(|one| one.namespace.as_deref());
        let (containers, platforms) = (finding.containers.join(", "), finding.platforms.join(", "));
        let severity = finding.severity.to_string();
        let cells: [&str; 11] = [
            &severity,
            finding.rule.name(),
            namespace.unwrap_or_default(),
            workload.map_or("", |one| one.kind.as_str()),
            workload.map_or("", |one| one.name.as_str()),
            &containers,
            finding.image.as_deref().unwrap_or_default(),
            &platforms,
            &finding.what,
            &finding.next,
            &finding.id,
        ];
        writer.write_record(cells.map(cell))?;
    }
    let bytes = writer.into_inner().map_err(IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A cell that no spreadsheet takes for a formula.
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>
fn cell(text: &str) -> String {
    let text = visible_escapes(text);
    match text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        true => format!("'{text}"),
        false => text.into_owned(),
    }
}
