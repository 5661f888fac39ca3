//! Arguments that ask for more than what an image has.

use std::sync::Arc;

use clap::Args;

use super::setup::Registries;
use crate::suggest::Advisor;

/// Whether other tags are looked for.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SuggestArguments {
    /// Look for other tags of images that lack a platform, and whether waiting helps: at most 8
    /// further requests an image
    #[arg(long)]
    pub suggest: bool,
}

impl SuggestArguments {
    /// Who finds that out, where it is asked for.
    pub fn advisor(self, registries: &Registries) -> Option<Arc<Advisor>> {
        self.suggest.then(|| Arc::new(registries.advisor()))
    }
}
