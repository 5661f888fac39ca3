//! Times that differ a little, so that what came together does not come again together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The time, up to a fifth longer or shorter.
pub(super) fn jittered(time: Duration) -> Duration {
    // Each state has keys of its own: what it makes of nothing is as good as random.
    let random = RandomState::new().build_hasher().finish();
    // 800 to 1200 thousandths.
    let thousandths = 800 + u32::try_from(random % 401).unwrap_or(200);
    time * thousandths / 1000
}
