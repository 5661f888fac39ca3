//! Labels, as nodes and selectors have them.

use std::collections::BTreeMap;

/// Keys with their values.
pub type Labels = BTreeMap<String, String>;
