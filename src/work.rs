//! Work that several wait for: once for all of them ([`flight`]), as urgent as they are
//! ([`audience`]), in turns where places are few ([`turns`]), not too often ([`rate`]), and with
//! so many requests at most ([`limit`]).

pub(crate) mod audience;
pub(crate) mod flight;
pub(crate) mod limit;
pub(crate) mod rate;
pub(crate) mod turns;
