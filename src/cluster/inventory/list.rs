//! The list of one kind, from its first page to its last.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::call::{CallError, Caller, PageQuery};
use crate::domain::ownership::{Ownership, Standing, Ties};
use crate::domain::text::{LONGEST_NAME, printable, shortened};
use crate::domain::workload::Workload;
use crate::objects::kinds::{self, KindRef, KindRule};
use crate::objects::list::{ListItem, ListPage};
use crate::objects::observed::ObservedPod;
use crate::objects::ties::{self, ObjectTies};

/// How often a list that expired is begun again.
const MAX_RESTARTS: usize = 5;

/// Objects of a kind that cannot be read and are named; of the others there is a number.
const MAX_UNREAD: usize = 100;

/// Objects of which it is known that they were there. A cluster has 150,000 pods.
const MAX_OBJECTS: usize = 2_000_000;

/// A kind, as its list is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct ListedKind {
    group: String,
    /// Its only version; none where the API server decides.
    version: Option<String>,
    /// Empty where the objects have to say it.
    kind: &'static str,
    resource: String,
    /// Whether every API server has it.
    is_built_in: bool,
}

impl ListedKind {
    pub(super) fn built_in(kind: KindRef<'static>) -> Self {
        Self {
            group: kind.group.to_owned(),
            version: Some(kind.version.to_owned()),
            kind: kind.kind,
            resource: kind.resource.to_owned(),
            is_built_in: true,
        }
    }

    pub(super) fn configured(rule: &KindRule) -> Self {
        Self {
            group: rule.group.clone(),
            version: (rule.version != "*").then(|| rule.version.clone()),
            resource: rule.resource.clone(),
            ..Self::default()
        }
    }

    pub(super) fn reference(&self) -> KindRef<'_> {
        KindRef {
            group: &self.group,
            version: self.version.as_deref().unwrap_or_default(),
            kind: self.kind,
            resource: &self.resource,
        }
    }

    /// What people call its list.
    fn name(&self) -> String {
        let name = match self.is_built_in || self.group.is_empty() {
            true => self.resource.clone(),
            false => format!("{}.{}", self.resource, self.group),
        };
        printable(&shortened(&name, LONGEST_NAME))
    }
}

/// An object that cannot be read, and what is wrong with it.
pub(super) struct UnreadObject {
    pub(super) object: String,
    pub(super) problem: String,
}

/// How far the list of a kind was read.
pub(super) struct KindList {
    kind: ListedKind,
    /// The versions that are left to try; none before the API server was asked.
    versions: Option<VecDeque<String>>,
    page: ListPage,
    page_objects: u32,
    /// Whether there was a page.
    is_begun: bool,
    restarts: usize,
    /// What was said of objects that cannot be read, and of how many nothing was.
    said: BTreeSet<(String, String)>,
    unsaid: usize,
    /// Why it cannot go on.
    broken: Option<String>,
}

impl KindList {
    pub(super) fn new(kind: ListedKind, page_objects: u32, buffer: Vec<u8>) -> Self {
        Self {
            versions: kind
                .version
                .clone()
                .map(|version| VecDeque::from([version])),
            kind,
            page: ListPage::read(buffer),
            page_objects,
            is_begun: false,
            restarts: 0,
            said: BTreeSet::new(),
            unsaid: 0,
            broken: None,
        }
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.page.into_buffer()
    }

    /// The next object of the page that the function makes something of, or cannot read.
    pub(super) fn next_of_page<T>(
        &mut self,
        ownership: &mut Ownership,
        make: impl Fn(&ListItem<'_>, &KindRef<'_>, &mut Ownership) -> Result<Option<T>, String>,
    ) -> Option<Result<T, UnreadObject>> {
        let kind = self.kind.reference();
        while self.broken.is_none() {
            let item = match self.page.next_item() {
                Ok(item) => item?,
                Err(error) => {
                    self.broken = Some(error.to_string());
                    return None;
                }
            };
            if ownership.len() > MAX_OBJECTS {
                self.broken = Some(format!("there are more than {MAX_OBJECTS} objects"));
                return None;
            }
            match make(&item, &kind, ownership) {
                Ok(None) => {}
                Ok(Some(made)) => return Some(Ok(made)),
                Err(problem) => {
                    let unread = (named(&item, &kind), problem);
                    if self.said.contains(&unread) {
                        continue;
                    }
                    if self.said.len() >= MAX_UNREAD {
                        self.unsaid += 1;
                        continue;
                    }
                    self.said.insert(unread.clone());
                    let (object, problem) = unread;
                    return Some(Err(UnreadObject { object, problem }));
                }
            }
        }
        None
    }

    /// Asks for the next page; false where there is none. What is wrong is a sentence.
    pub(super) async fn turn_page(&mut self, caller: &Caller) -> Result<bool, String> {
        if let Some(problem) = self.broken.take() {
            return Err(self.sentence(&problem));
        }
        let mut next = self.page.next_page().to_owned();
        if self.is_begun && next.is_empty() {
            return Ok(false);
        }
        let mut buffer = std::mem::take(&mut self.page).into_buffer();
        loop {
            let answer = self.ask(caller, &next, &mut buffer).await;
            match answer {
                Ok(()) => {
                    self.is_begun = true;
                    self.page = ListPage::new(buffer);
                    return Ok(true);
                }
                Err(CallError::Expired) if !next.is_empty() && self.restarts < MAX_RESTARTS => {
                    self.restarts += 1;
                    next.clear();
                }
                Err(CallError::TooLarge) if self.page_objects > 1 => {
                    self.page_objects = (self.page_objects / 4).max(1);
                }
                // It may be there in another version; a kind that nobody installed is none.
                Err(CallError::Absent(_)) if !self.is_begun && !self.kind.is_built_in => {
                    let Some(versions) = &mut self.versions else {
                        return Ok(false);
                    };
                    versions.pop_front();
                    if versions.is_empty() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(self.sentence(&words_of(error))),
            }
        }
    }

    async fn ask(
        &mut self,
        caller: &Caller,
        next: &str,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        if self.versions.is_none() {
            let versions = caller.versions(&self.kind.group).await?;
            self.versions = Some(versions.into());
        }
        let versions = self.versions.iter().flatten();
        let Some(version) = versions.map(String::as_str).next() else {
            return Err(CallError::Absent("it has no version".to_owned()));
        };
        self.kind.version = Some(version.to_owned());
        let query = PageQuery {
            group: &self.kind.group,
            version,
            resource: &self.kind.resource,
            objects: self.page_objects,
            next,
        };
        caller.page(&query, buffer).await
    }

    fn sentence(&self, problem: &str) -> String {
        let name = self.kind.name();
        match self.is_begun {
            false => format!("{name} could not be listed: {problem}"),
            true => format!("{name} could not be listed to the end: {problem}"),
        }
    }

    /// What was not said of objects that cannot be read.
    pub(super) fn unsaid(&self) -> Option<String> {
        let count = self.unsaid;
        let name = self.kind.name();
        (count > 0).then(|| format!("{count} further {name} could not be read"))
    }
}

/// The workload that an item is, where it is judged.
pub(super) fn workload(
    item: &ListItem<'_>,
    kind: &KindRef<'_>,
    ownership: &mut Ownership,
    rules: &[KindRule],
) -> Result<Option<Workload>, String> {
    let (own, object) = named_object(item, kind)?;
    let ties = ties(&own, object);
    if ownership.meet(&ties, kind.is_pod()) != Standing::Judged {
        return Ok(None);
    }
    let workload = kinds::from_json(kind, item.raw, rules).map_err(|error| error.to_string())?;
    let has_templates = |workload: &Workload| !workload.templates.is_empty();
    if workload.as_ref().is_some_and(has_templates) {
        ownership.judged(&ties);
    }
    Ok(workload)
}

/// The pod that an item is, where a node has it.
pub(super) fn observed_pod(
    item: &ListItem<'_>,
    kind: &KindRef<'_>,
    met: &mut Ownership,
    now: Timestamp,
) -> Result<Option<ObservedPod>, String> {
    let (own, object) = named_object(item, kind)?;
    if met.meet(&ties(&own, object), kind.is_pod()) != Standing::Judged {
        return Ok(None);
    }
    ObservedPod::from_json(item.raw, now).map_err(|error| error.to_string())
}

/// What an item is called among those of its kind, and whose it is.
fn named_object<'i>(
    item: &'i ListItem<'_>,
    kind: &KindRef<'_>,
) -> Result<(String, &'i ObjectTies<'i>), String> {
    let object = item.ties.as_ref().map_err(ToString::to_string)?;
    match object.name() {
        "" => Err("metadata.name is not set".to_owned()),
        name => Ok((format!("{}/{name}", kind.resource), object)),
    }
}

/// Without uid, its name is its own.
fn ties<'a>(own: &'a str, object: &'a ObjectTies<'_>) -> Ties<'a> {
    let ties = object.ties();
    match ties.uid {
        "" => Ties { uid: own, ..ties },
        _ => ties,
    }
}

/// What people call an item that cannot be read.
fn named(item: &ListItem<'_>, kind: &KindRef<'_>) -> String {
    let kind = match kind.kind {
        "" => kind.resource,
        kind => kind,
    };
    match ties::address(item.raw) {
        Some(address) => format!("{kind} {address}"),
        None => format!("{kind} without a name"),
    }
}

fn words_of(error: CallError) -> String {
    match error {
        CallError::Expired => "the list expired again and again".to_owned(),
        CallError::TooLarge => "an object is larger than 16 MiB".to_owned(),
        CallError::Absent(words) | CallError::Final(words) | CallError::Passing(words) => words,
    }
}
