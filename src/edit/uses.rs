//! What each scalar of a document is used for.

use std::collections::BTreeMap;

use super::places::{ChangePlace, ChangePlaces};
use super::tree::{DocumentTree, NodeContent, NodeId};

/// What the value of a scalar is used for.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The numbers of the changes that are asked for.
    pub(super) changes: Vec<usize>,
    /// Whether something else has the value, too.
    pub(super) elsewhere: bool,
}

/// Goes through a document as aliases and merge keys make it, and says what its scalars are
/// used for. Without aliases, only what is to change is looked at.
///
/// # Errors
/// What the document has that nobody can follow.
pub(super) fn uses(
    tree: &DocumentTree<'_>,
    places: &ChangePlaces,
) -> Result<BTreeMap<NodeId, Uses>, &'static str> {
    /// As often as the reader of objects follows aliases.
    const MAX_REPEATED: usize = 200_000;
    let mut uses: BTreeMap<NodeId, Uses> = BTreeMap::new();
    let roots = tree.roots().iter().copied().enumerate();
    let mut left: Vec<(NodeId, Option<&ChangePlace>)> = roots
        .map(|(position, root)| (root, places.of_root(position)))
        .collect();
    let mut steps = tree.len() + MAX_REPEATED;
    let everywhere = tree.has_aliases();
    while let Some((node, place)) = left.pop() {
        steps = steps
            .checked_sub(1)
            .ok_or("is in a document of too many aliases")?;
        if place.is_none() && !everywhere {
            continue;
        }
        let below = |key: &str| place.and_then(|place| place.below(key));
        match tree.content(node) {
            Some(NodeContent::Alias(target)) => left.push((*target, place)),
            Some(NodeContent::Sequence(items)) => {
                let items = items.iter().enumerate();
                left.extend(items.map(|(position, item)| (*item, below(&position.to_string()))));
            }
            Some(NodeContent::Mapping(_)) => {
                let fields = tree.fields(node);
                let fields = fields.map_err(|_| "is in an object that has a key twice")?;
                left.extend(fields.into_iter().map(|(key, value)| (value, below(key))));
            }
            Some(NodeContent::Scalar(..)) => {
                let uses = uses.entry(node).or_default();
                match place {
                    Some(ChangePlace::Value(number)) => uses.changes.push(*number),
                    _ => uses.elsewhere = true,
                }
            }
            None => {}
        }
    }
    Ok(uses)
}
