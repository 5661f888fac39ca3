//! How much is tried for one review.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many steps one review has, over all pod templates of an object. A step is one
/// requirement or toleration tried on one node or group, or one entry of an index tried for
/// one node platform.
pub const MOST_STEPS: u64 = 2_000_000;

/// The steps that are left, and one: at none, more were wanted than there are.
#[derive(Debug)]
pub struct Steps(AtomicU64);

impl Default for Steps {
    fn default() -> Self {
        Self::of(MOST_STEPS)
    }
}

impl Steps {
    /// So many, and no more.
    pub fn of(most: u64) -> Self {
        Self(AtomicU64::new(most.saturating_add(1)))
    }

    /// Takes so many; false when there are not as many, and from then on.
    pub fn take(&self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let rest = |left: u64| Some(left.saturating_sub(count));
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let left = self.0.fetch_update(set, get, rest);
        left.is_ok_and(|left| left > count)
    }

    /// Whether more were wanted than there are.
    pub fn ran_out(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
