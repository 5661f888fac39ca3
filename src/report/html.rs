//! The HTML page: one file that works offline, and without scripts for reading.
//!
//! Every value passes `maud`, which escapes it, and [`PageBody::push`], which spells out
//! hidden characters. The policy in the page's head lets nothing run but `page.js`, and
//! nothing be fetched at all. With a script come search, filters, sorting, and links that
//! open what they point to.

mod body;
mod found;
mod images;
mod overview;
mod row_id;
mod workloads;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::body::PageBody;
use super::model::Report;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page.
pub(super) fn render(report: &Report) -> String {
    let mut page = head(report);
    let mut body = PageBody::default();
    body.open("<body>");
    body.open("<main>");
    overview::write(report, &mut body);
    images::write(report, &mut body);
    workloads::write(report, &mut body);
    body.open("</main>");
    page.push_str(&body.into_text());
    page.push_str("<script>");
    page.push_str(SCRIPT);
    page.push_str("</script>\n</body>\n</html>\n");
    page
}

fn head(report: &Report) -> String {
    // Source: <https://www.w3.org/TR/CSP3/#framework-policy>
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let result = if report.passed { "PASS" } else { "FAIL" };
    let mut head = PageBody::default();
    head.open("<!DOCTYPE html>");
    head.open("<html lang=\"en\">");
    head.push(&html! {
        meta charset="utf-8";
        meta http-equiv="Content-Security-Policy" content=(policy);
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        meta name="referrer" content="no-referrer";
        meta name="generator" content={ "archmatch " (report.tool.version) };
        // Without one, a browser asks the server for it.
        link rel="icon" href="data:,";
        title { (result) ": platforms of images, " (report.created) }
    });
    let mut head = head.into_text();
    head.push_str(&html! { style { (PreEscaped(STYLE)) } }.0);
    head.push('\n');
    head
}

/// A source of the policy: what has this hash, and nothing else.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
