//! The objects of a live cluster that an audit judges, page by page.
//!
//! Kinds are listed one after the other, owners before what they own, and one page is in
//! memory at a time. What cannot be listed is said, and the rest goes on.

mod call;
mod list;

use std::collections::VecDeque;

use futures::stream::{self, Stream};
use kube::Client;
use tokio::time::Instant;

use self::call::Caller;
use self::list::{KindList, ListedKind};
use crate::domain::ownership::{JudgedPods, Ownership};
use crate::domain::workload::Workload;
use crate::objects::kinds::{KindRef, KindRule};

/// Objects in a page.
pub const PAGE_OBJECTS: u32 = 100;

/// Which objects are listed.
pub struct Inventory {
    /// Whom they are asked of.
    pub client: Client,
    /// The kinds that are listed beside the built-in ones.
    pub kinds: Vec<KindRule>,
    /// The only namespace that counts, if there is one.
    pub namespace: Option<String>,
    /// A label selector, as the API server has it; empty for all objects.
    pub selector: String,
    /// Which pods are judged.
    pub pods: JudgedPods,
    /// Objects in a page, such as [`PAGE_OBJECTS`]. Where these are too large, there are fewer.
    pub page_objects: u32,
}

/// What was found.
#[derive(Debug)]
pub enum Listed {
    /// An object to judge.
    Workload(Box<Workload>),
    /// An object that cannot be read.
    Unread {
        /// What it is called, such as `Pod web/shop`.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is not in the list, and why: a sentence without its full stop.
    Partial(String),
}

impl Inventory {
    /// The objects, for as long as there is time. Nothing is asked before it is polled, and no
    /// page before the one before it was taken.
    pub fn list(self, deadline: Instant) -> impl Stream<Item = Listed> + Send {
        stream::unfold(Lists::new(self, deadline), |mut lists| async move {
            let found = lists.next().await?;
            Some((found, lists))
        })
    }
}

/// The lists that are read, one at a time.
struct Lists {
    caller: Caller,
    kinds: Vec<KindRule>,
    page_objects: u32,
    ownership: Ownership,
    waiting: VecDeque<ListedKind>,
    open: Option<KindList>,
    /// Memory for a page.
    buffer: Vec<u8>,
}

impl Lists {
    fn new(inventory: Inventory, deadline: Instant) -> Self {
        let configured = inventory.kinds.iter().map(ListedKind::configured);
        // What is built in is listed once, whatever the configuration has.
        let configured = configured.filter(|kind| !kind.reference().is_built_in());
        let built_in = KindRef::built_in().map(ListedKind::built_in);
        Self {
            waiting: configured.chain(built_in).collect(),
            caller: Caller {
                client: inventory.client,
                namespace: inventory.namespace,
                selector: inventory.selector,
                deadline,
            },
            kinds: inventory.kinds,
            page_objects: inventory.page_objects.max(1),
            ownership: Ownership::new(inventory.pods),
            open: None,
            buffer: Vec::new(),
        }
    }

    async fn next(&mut self) -> Option<Listed> {
        loop {
            let Some(list) = &mut self.open else {
                let kind = self.waiting.pop_front()?;
                let buffer = std::mem::take(&mut self.buffer);
                self.open = Some(KindList::new(kind, self.page_objects, buffer));
                continue;
            };
            if let Some(found) = list.next_of_page(&mut self.ownership, &self.kinds) {
                return Some(found);
            }
            let end = match list.turn_page(&self.caller).await {
                Ok(true) => continue,
                Ok(false) => list.unsaid(),
                Err(problem) => Some(problem),
            };
            self.buffer = self.open.take().map(KindList::into_buffer)?;
            if let Some(sentence) = end {
                return Some(Listed::Partial(sentence));
            }
        }
    }
}
