//! Ids of rows, which links name.

use std::collections::HashMap;
use std::fmt::Write;

use super::super::model::ReportedWorkload;
use crate::domain::text::{LONGEST_NAME, shortened};

/// Ids that are given already, each with how often.
#[derive(Debug, Default)]
pub(super) struct RowIds {
    given: HashMap<String, usize>,
}

impl RowIds {
    /// `Deployment-web-shop`; with a number where another workload has the same.
    pub(super) fn of(&mut self, workload: &ReportedWorkload) -> String {
        let namespace = workload.namespace.as_deref();
        let parts = [Some(&*workload.kind), namespace, Some(&*workload.name)];
        let mut id = String::new();
        for part in parts.into_iter().flatten() {
            if !id.is_empty() {
                id.push('-');
            }
            encode(part, &mut id);
        }
        let count = self.given.entry(id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            // No encoded name has such a character.
            let _ = write!(id, "~{count}");
        }
        id
    }
}

/// Adds a name, percent-encoded but for characters that a fragment may have as they are.
/// Source: <https://www.rfc-editor.org/rfc/rfc3986#section-3.5>
fn encode(name: &str, id: &mut String) {
    for byte in shortened(name, LONGEST_NAME).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' | b'@' => {
                id.push(char::from(byte));
            }
            _ => {
                let _ = write!(id, "%{byte:02X}");
            }
        }
    }
}
