//! Every sentence that is made of domain values, for whoever shows it: the denial and the
//! warnings, the tables, the published JSON.
//!
//! Values say what is so; here is how it is put. A sentence borrows its values and makes its
//! words only when it is printed. Text of users and registries is cut and stripped of control
//! characters on the way.

pub(crate) mod causes;
mod caveat;
mod explanation;
mod finding;
pub(crate) mod message;
