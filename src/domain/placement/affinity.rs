//! Node selectors and required node affinity.
//!
//! Source: <https://github.com/kubernetes/component-helpers/blob/master/scheduling/corev1/nodeaffinity/nodeaffinity.go>

use std::collections::BTreeSet;

use strum::{EnumString, IntoStaticStr};

use crate::domain::labels::{is_label_key, is_label_value};

/// The only field of a node that can be selected by.
pub const NAME_FIELD: &str = "metadata.name";

/// Values of a requirement that take as long to compare with as a requirement without.
const VALUES_OF_ONE_STEP: usize = 16;

/// A required node affinity: one of its terms must match. Without terms nothing matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelector {
    /// Alternatives.
    pub terms: Vec<Term>,
}

/// One alternative: all its requirements must match. Without requirements it never does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Term {
    /// Requirements on labels.
    pub expressions: Vec<Requirement>,
    /// Requirements on fields; nodes have one, `metadata.name`.
    pub fields: Vec<Requirement>,
}

/// How a requirement compares a label with its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// It has none of them, or is absent.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
    /// Its number is greater.
    Gt,
    /// Its number is less.
    Lt,
    /// At least: of NodePools alone.
    Gte,
    /// At most: of NodePools alone.
    Lte,
    /// Anything else that a person wrote, which means nothing.
    #[default]
    Other,
}

impl Operator {
    /// The operator of a name in an object.
    pub fn from_name(name: &str) -> Self {
        name.parse().unwrap_or_default()
    }

    /// The name in objects.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Label key or field path.
    pub key: String,
    /// How to compare.
    pub operator: Operator,
    /// Values to compare with.
    pub values: Vec<String>,
}

impl NodeSelector {
    /// Every label key that the selector reads.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.terms
            .iter()
            .flat_map(|term| &term.expressions)
            .map(|requirement| requirement.key.as_str())
    }

    /// The only names that a matching node can have, if every term asks for one. Upstream
    /// does not look at the fields of a node without a name, so that is among them.
    pub fn names(&self) -> Option<BTreeSet<&str>> {
        let mut names = BTreeSet::from([""]);
        for term in &self.terms {
            let mut fields = term.fields.iter();
            let name =
                fields.find(|field| field.key == NAME_FIELD && field.operator == Operator::In)?;
            names.extend(name.values.iter().map(String::as_str));
        }
        Some(names)
    }

    /// Whether the selector reads the node's name.
    pub fn reads_name(&self) -> bool {
        self.terms.iter().any(|term| !term.fields.is_empty())
    }
}

impl Term {
    /// Whether a node with this name and these labels matches a term that is valid.
    pub(in crate::domain) fn fits<'a>(
        &self,
        name: &str,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        (name.is_empty() || self.fields_match(name))
            && self
                .expressions
                .iter()
                .all(|requirement| requirement.matches(label(&requirement.key)))
    }

    /// How much there is to try: its requirements, a long list of values more than once.
    pub(in crate::domain) fn effort(&self) -> usize {
        let requirements = self.expressions.iter().chain(&self.fields);
        let sizes =
            requirements.map(|requirement| 1 + requirement.values.len() / VALUES_OF_ONE_STEP);
        sizes.sum()
    }

    /// Whether the term counts at all.
    pub(in crate::domain) fn is_valid(&self) -> bool {
        // An invalid requirement spoils its term, not the others.
        if self.expressions.is_empty() && self.fields.is_empty() {
            return false;
        }
        self.expressions.iter().all(Requirement::is_valid)
            && self.fields.iter().all(Requirement::is_valid_field)
    }

    /// Upstream does not look at the fields of a node without a name.
    fn fields_match(&self, name: &str) -> bool {
        self.fields.iter().all(|requirement| {
            // A field that nodes do not have compares as the empty string.
            let value = match requirement.key.as_str() {
                NAME_FIELD => name,
                _ => "",
            };
            requirement.matches(Some(value))
        })
    }
}

impl Requirement {
    /// Whether a label with this value, or without one, matches.
    pub(in crate::domain) fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|candidate| candidate == value);
        let compares = |holds: fn(&i64, &i64) -> bool| {
            let number = |text: &str| text.parse().ok();
            let wanted = self.values.first().and_then(|text| number(text));
            let found = value.and_then(number).zip(wanted);
            found.is_some_and(|(found, wanted)| holds(&found, &wanted))
        };
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compares(i64::gt),
            Operator::Lt => compares(i64::lt),
            Operator::Gte | Operator::Lte | Operator::Other => false,
        }
    }

    fn is_valid(&self) -> bool {
        let count_fits = match self.operator {
            Operator::In | Operator::NotIn => !self.values.is_empty(),
            Operator::Exists | Operator::DoesNotExist => self.values.is_empty(),
            Operator::Gt | Operator::Lt => {
                matches!(self.values.as_slice(), [one] if one.parse::<i64>().is_ok())
            }
            Operator::Gte | Operator::Lte | Operator::Other => false,
        };
        count_fits
            && is_label_key(&self.key)
            && self.values.iter().all(|value| is_label_value(value))
    }

    fn is_valid_field(&self) -> bool {
        matches!(self.operator, Operator::In | Operator::NotIn) && self.values.len() == 1
    }
}
