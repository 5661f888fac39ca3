//! What a report says, what is done with saved ones, and every format.

mod content;
mod formats;
mod made;
mod markdown;
mod readers;
mod reference;
mod saved;
