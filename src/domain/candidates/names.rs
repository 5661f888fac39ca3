//! Names of candidate nodes, of which an answer shows the first.

use std::sync::Arc;

use crate::domain::node::FIRST_NAMES;

/// How many node names a candidate platform shows.
pub const NAMES: usize = FIRST_NAMES;

/// Names of nodes, as lists that groups and answers share. They are put in order when they
/// are read: a decision that shows no name does not pay for the order.
#[derive(Clone, Debug, Default)]
pub struct Names {
    lists: Vec<Arc<[Arc<str>]>>,
}

impl Names {
    /// Up to [`NAMES`] names, the first of all in alphabetical order.
    pub fn iter(&self) -> std::vec::IntoIter<&Arc<str>> {
        let mut names: Vec<&Arc<str>> = self.lists.iter().flat_map(|list| list.iter()).collect();
        names.sort_unstable();
        names.truncate(NAMES);
        names.into_iter()
    }

    /// Adds the first names of further nodes.
    pub(super) fn add(&mut self, list: Arc<[Arc<str>]>) {
        self.lists.push(list);
    }
}

impl<'a> IntoIterator for &'a Names {
    type Item = &'a Arc<str>;
    type IntoIter = std::vec::IntoIter<&'a Arc<str>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<N: Into<Arc<str>>> FromIterator<N> for Names {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        Self {
            lists: vec![names.into_iter().map(Into::into).collect()],
        }
    }
}

/// Equal when they would show the same names.
impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Names {}
