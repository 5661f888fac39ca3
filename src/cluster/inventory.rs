//! The objects of a live cluster that an audit judges, page by page.
//!
//! Kinds are listed one after the other, owners before what they own, and one page is in
//! memory at a time. What cannot be listed is said, and the rest goes on.

mod call;
mod list;

use std::collections::VecDeque;

use futures::stream::{self, Stream};
use jiff::Timestamp;
use kube::Client;
use tokio::time::Instant;

use self::call::Caller;
use self::list::{KindList, ListedKind, UnreadObject, observed_pod, workload};
use crate::domain::ownership::{JudgedPods, Ownership};
use crate::domain::workload::Workload;
use crate::objects::kinds::{KindRef, KindRule};
use crate::objects::list::ListItem;
use crate::objects::observed::ObservedPod;

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

/// What was found: a workload to judge, unless said otherwise.
#[derive(Debug)]
pub enum Listed<T = Workload> {
    /// An object that can be read.
    Object(Box<T>),
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
        let configured = self.kinds.iter().map(ListedKind::configured);
        // What is built in is listed once, whatever the configuration has.
        let configured = configured.filter(|kind| !kind.reference().is_built_in());
        let built_in = KindRef::built_in().map(ListedKind::built_in);
        let waiting = configured.chain(built_in).collect();
        let rules = self.kinds.clone();
        Lists::new(self, waiting, deadline)
            .stream(move |item, kind, ownership| workload(item, kind, ownership, &rules))
    }

    /// The pods that nodes have, whoever owns them, with what their states prove at this time;
    /// in the same way.
    pub fn observed_pods(
        mut self,
        now: Timestamp,
        deadline: Instant,
    ) -> impl Stream<Item = Listed<ObservedPod>> + Send {
        let pods = KindRef::built_in().filter(KindRef::is_pod);
        let waiting = pods.map(ListedKind::built_in).collect();
        self.pods = JudgedPods::Each;
        Lists::new(self, waiting, deadline)
            .stream(move |item, kind, met| observed_pod(item, kind, met, now))
    }
}

/// The lists that are read, one at a time.
struct Lists {
    caller: Caller,
    page_objects: u32,
    ownership: Ownership,
    waiting: VecDeque<ListedKind>,
    open: Option<KindList>,
    /// Memory for a page.
    buffer: Vec<u8>,
}

impl Lists {
    fn new(inventory: Inventory, waiting: VecDeque<ListedKind>, deadline: Instant) -> Self {
        Self {
            waiting,
            caller: Caller {
                client: inventory.client,
                namespace: inventory.namespace,
                selector: inventory.selector,
                deadline,
            },
            page_objects: inventory.page_objects.max(1),
            ownership: Ownership::new(inventory.pods),
            open: None,
            buffer: Vec::new(),
        }
    }

    /// What the function makes of the objects.
    fn stream<T: Send>(self, make: impl Make<T>) -> impl Stream<Item = Listed<T>> + Send {
        stream::unfold((self, make), |(mut lists, make)| async move {
            let found = lists.next(&make).await?;
            Some((found, (lists, make)))
        })
    }

    async fn next<T>(&mut self, make: &impl Make<T>) -> Option<Listed<T>> {
        loop {
            let Some(list) = &mut self.open else {
                let kind = self.waiting.pop_front()?;
                let buffer = std::mem::take(&mut self.buffer);
                self.open = Some(KindList::new(kind, self.page_objects, buffer));
                continue;
            };
            match list.next_of_page(&mut self.ownership, make) {
                Some(Ok(made)) => return Some(Listed::Object(Box::new(made))),
                Some(Err(UnreadObject { object, problem })) => {
                    return Some(Listed::Unread { object, problem });
                }
                None => {}
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

/// Makes something of an item, where anything is to be made of it; an error is what is wrong
/// with it.
trait Make<T>:
    Fn(&ListItem<'_>, &KindRef<'_>, &mut Ownership) -> Result<Option<T>, String> + Send + Sync
{
}

impl<T, F> Make<T> for F where
    F: Fn(&ListItem<'_>, &KindRef<'_>, &mut Ownership) -> Result<Option<T>, String> + Send + Sync
{
}
