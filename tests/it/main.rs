//! The fast tests that cross modules, in one binary.

#[cfg(test)]
mod cluster;
mod layering;
