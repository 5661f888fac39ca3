//! Work that several wait for: once for all of them ([`flight`]), as urgent as they are
//! ([`audience`]), and in turns where places are few ([`turns`]).

pub(crate) mod audience;
pub(crate) mod flight;
pub(crate) mod turns;
