//! The fast tests that cross modules, in one binary.

mod layering;
