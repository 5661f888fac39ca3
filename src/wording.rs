//! Every sentence that is made of domain values, for whoever shows it: the denial and the
//! warnings, the tables, the published JSON.
//!
//! Values say what is so; here is how it is put. A sentence borrows its values and makes its
//! words only when it is printed. Text of users and registries is cut and stripped of control
//! characters on the way.

pub(crate) mod advice;
mod caveat;
mod denial;
mod explanation;
mod gate;
mod nodes;
mod problem;
mod remedy;
pub(crate) mod sentences;
pub(crate) mod suggestion;
mod warnings;

pub(crate) use self::denial::{DenialCause, denial, denial_causes};
pub use self::explanation::Explanation;
pub use self::problem::ImageProblem;
pub(crate) use self::remedy::Remedy;
pub(crate) use self::warnings::{reminders, warnings};

#[cfg(test)]
mod tests;
