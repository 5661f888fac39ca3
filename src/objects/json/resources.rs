//! Resource lists, of which the names of extended resources matter.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::{Bounded, Text, each_entry, entries, weight_of};

/// A map of quantities, of which only zero matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::objects) struct Quantities<'a>(
    #[serde(borrow, deserialize_with = "entries")] Vec<(Text<'a>, Quantity)>,
);

impl Quantities<'_> {
    /// Names of the extended resources of which there are some.
    pub(in crate::objects) fn extended(&self) -> impl Iterator<Item = &str> {
        let is_extended = |name: &&str| is_extended_resource(name);
        self.names(false).filter(is_extended)
    }

    /// Names of resources of which there are none.
    pub(in crate::objects) fn zeros(&self) -> impl Iterator<Item = &str> {
        self.names(true)
    }

    fn names(&self, zero: bool) -> impl Iterator<Item = &str> {
        let entries = self.0.iter();
        let wanted = entries.filter(move |(_, quantity)| quantity.zero == zero);
        wanted.map(|(name, _)| &**name)
    }
}

/// Reads what a container asks for: the extended resources of which it wants some.
pub(in crate::objects) fn extended_requests<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Bounded<Vec<String>>, D::Error> {
    let mut names = Bounded::default();
    each_entry(deserializer, |name, quantity: Quantity| {
        if !quantity.zero && is_extended_resource(&name) {
            names.add(weight_of(&[&name]), |kept: &mut Vec<_>| {
                kept.push(name.to_string());
            });
        }
    })?;
    Ok(names)
}

/// Whether a resource name is an extended one, such as `nvidia.com/gpu`. That the name is
/// well formed is the API server's to check.
/// Source: `IsExtendedResourceName` in
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/v1/helper/helpers.go>
fn is_extended_resource(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

/// A quantity, of which only zero matters: the scheduler passes over a request of zero, and
/// a device plugin that left keeps its resource at zero.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/pkg/scheduler/framework/plugins/noderesources/fit.go>
#[derive(Clone, Copy, Debug, Default)]
struct Quantity {
    zero: bool,
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantityVisitor;

        impl Visitor<'_> for QuantityVisitor {
            type Value = Quantity;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a quantity")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                let digits = text.trim_start_matches(['+', '-']);
                let number = digits.trim_start_matches(['0', '.']);
                let zero = number.len() < digits.len()
                    && !number.starts_with(|character: char| character.is_ascii_digit());
                Ok(Quantity { zero })
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity { zero: number == 0 })
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity { zero: number == 0 })
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity {
                    zero: number == 0.0,
                })
            }

            fn visit_unit<E: de::Error>(self) -> Result<Quantity, E> {
                Ok(Quantity { zero: true })
            }
        }

        deserializer.deserialize_any(QuantityVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_resources_have_a_domain_of_their_own() {
        for (name, expected) in [
            ("nvidia.com/gpu", true),
            ("example.com/foo", true),
            ("cpu", false),
            ("hugepages-2Mi", false),
            ("attachable-volumes-aws-ebs", false),
            ("kubernetes.io/batch-cpu", false),
            ("sub.kubernetes.io/device", false),
            ("requests.nvidia.com/gpu", false),
        ] {
            assert_eq!(is_extended_resource(name), expected, "{name}");
        }
    }

    #[test]
    fn a_quantity_of_zero_asks_for_nothing() {
        for (quantity, zero) in [
            ("\"0\"", true),
            ("0", true),
            ("0.0", true),
            ("\"0.00Mi\"", true),
            ("\"0e5\"", true),
            ("\"-0\"", true),
            ("null", true),
            ("1", false),
            ("\"1\"", false),
            ("\"0.5\"", false),
            ("\"100m\"", false),
            ("\"007\"", false),
            ("\"\"", false),
        ] {
            let read: Quantity = serde_json::from_str(quantity).expect(quantity);
            assert_eq!(read.zero, zero, "{quantity}");
        }
    }
}
