//! A YAML document as a tree that knows where its values stand.
//!
//! The parser is the one under the reader of objects, so that both see the same text. The
//! tree is one list of nodes: how deep a document is costs no stack.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

/// As many as the reader of objects takes.
const MAX_NODES: usize = 6_000_000;

/// The key whose value, an object or a list of objects, is added to the object it stands in.
/// Source: <https://yaml.org/type/merge.html>
const MERGE_KEY: &str = "<<";

/// A position in the tree.
pub(super) type NodeId = usize;

/// The values of a document.
#[derive(Debug)]
pub(super) struct DocumentTree<'t> {
    nodes: Vec<TreeNode<'t>>,
    roots: Vec<NodeId>,
    has_aliases: bool,
}

#[derive(Debug)]
struct TreeNode<'t> {
    content: NodeContent<'t>,
    span: Range<usize>,
    line: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum NodeContent<'t> {
    Scalar(Cow<'t, str>, ScalarStyle),
    Sequence(Vec<NodeId>),
    /// Keys and values.
    Mapping(Vec<(NodeId, NodeId)>),
    Alias(NodeId),
}

/// A collection that is being read.
struct OpenCollection {
    node: NodeId,
    key: Option<NodeId>,
}

impl<'t> DocumentTree<'t> {
    /// Reads a text. None where it is no YAML, or more than is looked at.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let mut tree = Self {
            nodes: Vec::new(),
            roots: Vec::new(),
            has_aliases: false,
        };
        let mut open: Vec<OpenCollection> = Vec::new();
        let mut anchors: BTreeMap<usize, NodeId> = BTreeMap::new();
        let options = granit_parser::options! { emit_comments: false };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.ok()?;
            let anchor = event.anchor_id();
            let (content, is_open) = match event {
                Event::Scalar(value, style, ..) => (NodeContent::Scalar(value, style), false),
                Event::SequenceStart(..) => (NodeContent::Sequence(Vec::new()), true),
                Event::MappingStart(..) => (NodeContent::Mapping(Vec::new()), true),
                Event::Alias(id) => {
                    tree.has_aliases = true;
                    (NodeContent::Alias(*anchors.get(&id)?), false)
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop()?;
                    continue;
                }
                _ => continue,
            };
            let id = tree.nodes.len();
            if id >= MAX_NODES {
                return None;
            }
            tree.nodes.push(TreeNode {
                content,
                span: span.byte_range()?,
                line: span.start.line(),
            });
            if let Some(anchor) = anchor {
                anchors.insert(anchor, id);
            }
            tree.attach(id, open.last_mut());
            if is_open {
                open.push(OpenCollection {
                    node: id,
                    key: None,
                });
            }
        }
        Some(tree)
    }

    fn attach(&mut self, id: NodeId, parent: Option<&mut OpenCollection>) {
        let Some(parent) = parent else {
            self.roots.push(id);
            return;
        };
        match self
            .nodes
            .get_mut(parent.node)
            .map(|node| &mut node.content)
        {
            Some(NodeContent::Sequence(items)) => items.push(id),
            Some(NodeContent::Mapping(entries)) => match parent.key.take() {
                None => parent.key = Some(id),
                Some(key) => entries.push((key, id)),
            },
            _ => {}
        }
    }

    /// The values at the top.
    pub(super) fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// Whether values stand for others.
    pub(super) fn has_aliases(&self) -> bool {
        self.has_aliases
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What a node is.
    pub(super) fn content(&self, id: NodeId) -> Option<&NodeContent<'t>> {
        self.nodes.get(id).map(|node| &node.content)
    }

    /// Where a node stands in the text, in bytes. A quoted one has its quotes; an anchor or a
    /// tag before it is left out.
    pub(super) fn span(&self, id: NodeId) -> Range<usize> {
        self.nodes.get(id).map_or(0..0, |node| node.span.clone())
    }

    /// The line of the text on which a node stands, the first being 1.
    pub(super) fn line(&self, id: NodeId) -> usize {
        self.nodes.get(id).map_or(1, |node| node.line)
    }

    /// The fields of a mapping, with those that merge keys add: its own win, then the first.
    ///
    /// # Errors
    /// A key that is there twice.
    pub(super) fn fields(&self, mapping: NodeId) -> Result<BTreeMap<&str, NodeId>, TwiceThere> {
        let mut fields = BTreeMap::new();
        // An object may be merged into itself by way of others: each counts once.
        let mut merged = vec![mapping];
        let mut next = 0;
        while let Some(id) = merged.get(next).copied() {
            next += 1;
            let Some(NodeContent::Mapping(entries)) = self.content(id) else {
                continue;
            };
            let mut own = BTreeMap::new();
            for (key, value) in entries {
                match self.text(*key) {
                    Some(MERGE_KEY) => {
                        let sources = self.merge_sources(*value);
                        let new = sources.filter(|source| !merged.contains(source));
                        let new: Vec<NodeId> = new.collect();
                        merged.extend(new);
                    }
                    Some(key) if own.insert(key, *value).is_some() => return Err(TwiceThere),
                    _ => {}
                }
            }
            for (key, value) in own {
                fields.entry(key).or_insert(value);
            }
        }
        Ok(fields)
    }

    fn merge_sources(&self, value: NodeId) -> impl Iterator<Item = NodeId> {
        let value = self.target(value);
        let sources = match self.content(value) {
            Some(NodeContent::Sequence(items)) => items.clone(),
            _ => vec![value],
        };
        sources.into_iter().map(|source| self.target(source))
    }

    /// What an alias stands for; the node itself where it is none.
    pub(super) fn target(&self, id: NodeId) -> NodeId {
        match self.content(id) {
            Some(NodeContent::Alias(target)) => *target,
            _ => id,
        }
    }

    fn text(&self, id: NodeId) -> Option<&str> {
        match self.content(self.target(id)) {
            Some(NodeContent::Scalar(value, _)) => Some(value),
            _ => None,
        }
    }
}

/// An object has a key twice, so that nobody can say what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TwiceThere;
