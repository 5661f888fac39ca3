//! Every sentence that is made of domain values, for whoever shows it: the denial and the
//! warnings, the tables, the published JSON.
//!
//! Values say what is so; here is how it is put. A sentence borrows its values and makes its
//! words only when it is printed. Text of users and registries is cut and stripped of control
//! characters on the way.

mod causes;
mod caveat;
mod denial;
mod explanation;
mod finding;
mod nodes;
mod remedy;
mod warnings;

pub use self::causes::short_digest;
pub(crate) use self::causes::{causes, consequence};
pub(crate) use self::caveat::caveats;
pub(crate) use self::denial::{DenialCause, denial, denial_causes};
pub(crate) use self::nodes::nodes_or_pools;
pub(crate) use self::remedy::Remedy;
pub(crate) use self::warnings::{reminders, warnings};

#[cfg(test)]
mod tests;
