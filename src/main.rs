//! archmatch
fn main() {}
