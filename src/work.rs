//! Work that several wait for: once for all of them ([`flight`]), as urgent as they are
//! ([`audience`]), in turns where places are few ([`turns`]), and not too often ([`rate`]).

pub(crate) mod audience;
pub(crate) mod flight;
pub(crate) mod rate;
pub(crate) mod turns;
