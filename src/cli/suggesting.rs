//! Arguments that ask for more than what an image has.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::maintainers::GitHubLists;
use super::setup::Registries;
use crate::suggest::{Advisor, Maintainers};

/// Whether other tags are looked for.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SuggestArguments {
    /// Look for other tags of images that lack a platform, and whether waiting helps: at most 8
    /// further requests an image
    #[arg(long)]
    pub suggest: bool,
    /// With --suggest: also read the list that the maintainers of Docker's official images keep
    /// on GitHub, which says what each tag is meant to have
    #[arg(long, requires = "suggest")]
    pub ask_maintainers: bool,
}

impl SuggestArguments {
    /// Who finds that out, where it is asked for.
    ///
    /// # Errors
    /// That GitHub cannot be asked.
    pub fn advisor(self, registries: &Registries) -> Result<Option<Arc<Advisor>>> {
        if !self.suggest {
            return Ok(None);
        }
        let maintainers = match self.ask_maintainers {
            true => Some(Arc::new(GitHubLists::new()?) as Arc<dyn Maintainers>),
            false => None,
        };
        Ok(Some(Arc::new(registries.advisor(maintainers))))
    }
}
