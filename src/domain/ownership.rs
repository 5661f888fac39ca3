//! Whose an object is: a list of workloads leaves out what an object in it makes.
//!
//! An object is left out only where its controller is judged in the same run, or was itself
//! left out for this reason: a pod of a ReplicaSet of a Deployment. So whatever nobody else
//! stands for is judged: a ReplicaSet whose owner is of a kind that nobody named, a pod of a
//! Node. An object that owns itself, by however many others, is judged too.
//!
//! Objects are told of in an order in which owners come before what they own.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// What an object says of itself and of its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties<'a> {
    /// Its namespace; empty where it has none.
    pub namespace: &'a str,
    /// Its uid; empty where it is not known.
    pub uid: &'a str,
    /// The uid of its controller; empty where it has none.
    pub controller: &'a str,
}

/// Which pods are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JudgedPods {
    /// Those that no judged object stands for.
    #[default]
    Bare,
    /// Each, which shows what was added to it when it was made.
    Each,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is judged.
    Judged,
    /// Its owner stands for it.
    Owned,
    /// It was there before.
    Repeated,
}

/// A uid in its namespace, as a keyed hash: nobody can make up two that are the same.
type UidHash = [u8; 16];

/// The objects so far. An object takes some 30 bytes.
#[derive(Debug, Default)]
pub struct Ownership {
    pods: JudgedPods,
    keys: [RandomState; 2],
    /// Whether what the object owns is left out.
    met: HashMap<UidHash, bool>,
}

impl Ownership {
    /// Of no object yet.
    pub fn new(pods: JudgedPods) -> Self {
        Self {
            pods,
            ..Self::default()
        }
    }

    /// How many different objects there were, without those whose uid is not known.
    pub fn len(&self) -> usize {
        self.met.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.met.is_empty()
    }

    /// What becomes of the next object.
    pub fn meet(&mut self, object: &Ties<'_>, is_pod: bool) -> Standing {
        let is_owned = self.stands_for(object);
        if !object.uid.is_empty() {
            let uid = self.hash(object.namespace, object.uid);
            if self.met.contains_key(&uid) {
                return Standing::Repeated;
            }
            self.met.insert(uid, is_owned);
        }
        match is_owned && !(is_pod && self.pods == JudgedPods::Each) {
            true => Standing::Owned,
            false => Standing::Judged,
        }
    }

    /// Says that an object is judged, with a pod template at least: it stands for what it
    /// owns. One that cannot be read, or that has no template, stands for nothing.
    pub fn judged(&mut self, object: &Ties<'_>) {
        if !object.uid.is_empty() {
            let uid = self.hash(object.namespace, object.uid);
            self.met.insert(uid, true);
        }
    }

    /// Whether the controller stands for the object. Owners are of the same namespace, or of
    /// none.
    /// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/>
    fn stands_for(&self, object: &Ties<'_>) -> bool {
        let stands = |namespace| {
            let uid = self.hash(namespace, object.controller);
            self.met.get(&uid) == Some(&true)
        };
        !object.controller.is_empty() && (stands(object.namespace) || stands(""))
    }

    fn hash(&self, namespace: &str, uid: &str) -> UidHash {
        let [high, low] = self
            .keys
            .each_ref()
            .map(|key| key.hash_one((namespace, uid)));
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &str = "";

    fn ties<'a>(uid: &'a str, controller: &'a str) -> Ties<'a> {
        Ties {
            namespace: "web",
            uid,
            controller,
        }
    }

    /// What becomes of objects that all have templates.
    fn standings(pods: JudgedPods, objects: &[(Ties<'_>, bool)]) -> Vec<Standing> {
        let mut ownership = Ownership::new(pods);
        let standings = objects.iter().map(|(object, is_pod)| {
            let standing = ownership.meet(object, *is_pod);
            if standing == Standing::Judged {
                ownership.judged(object);
            }
            standing
        });
        standings.collect()
    }

    #[test]
    fn an_object_is_left_out_where_its_controller_is_judged() {
        use Standing::{Judged, Owned, Repeated};
        let object = |uid, controller| (ties(uid, controller), false);
        let pod = |uid, controller| (ties(uid, controller), true);
        let deployment = object("d", NOBODY);
        let elsewhere = Ties {
            namespace: "shop",
            ..ties("p", "d")
        };
        let global = Ties {
            namespace: "",
            ..ties("d", NOBODY)
        };
        // What it is about, objects with whether they are pods, and what becomes of them.
        type Row<'a> = (&'a str, &'a [(Ties<'a>, bool)], &'a [Standing]);
        let rows: [Row<'_>; 12] = [
            (
                "a pod of a ReplicaSet of a Deployment",
                &[deployment, object("r", "d"), pod("p", "r")],
                &[Judged, Owned, Owned],
            ),
            (
                "a ReplicaSet of a Rollout that is not in view, and its pod",
                &[object("r", "rollout"), pod("p", "r")],
                &[Judged, Owned],
            ),
            (
                "a pod of a Node",
                &[deployment, pod("p", "node")],
                &[Judged, Judged],
            ),
            ("a bare pod", &[pod("p", NOBODY)], &[Judged]),
            (
                "an owner that comes later",
                &[pod("p", "d"), deployment],
                &[Judged, Judged],
            ),
            ("its own owner", &[object("a", "a")], &[Judged]),
            (
                "two that own each other",
                &[object("a", "b"), object("b", "a")],
                &[Judged, Owned],
            ),
            (
                "the same object again",
                &[deployment, deployment],
                &[Judged, Repeated],
            ),
            (
                "an owned object again",
                &[deployment, pod("p", "d"), pod("p", "d")],
                &[Judged, Owned, Repeated],
            ),
            (
                "objects without uid",
                &[object("", NOBODY), object("", NOBODY), pod("", "")],
                &[Judged, Judged, Judged],
            ),
            (
                "an owner of another namespace",
                &[deployment, (elsewhere, true)],
                &[Judged, Judged],
            ),
            (
                "an owner of no namespace",
                &[(global, false), pod("p", "d")],
                &[Judged, Owned],
            ),
        ];
        for (case, objects, expected) in rows {
            assert_eq!(standings(JudgedPods::Bare, objects), expected, "{case}");
        }
    }

    #[test]
    fn each_pod_is_judged_where_that_is_asked_for() {
        use Standing::{Judged, Owned, Repeated};
        let objects = [
            (ties("d", NOBODY), false),
            (ties("r", "d"), false),
            (ties("p", "r"), true),
            (ties("p", "r"), true),
        ];
        let found = standings(JudgedPods::Each, &objects);
        assert_eq!(found, [Judged, Owned, Judged, Repeated]);
    }

    #[test]
    fn what_cannot_be_read_stands_for_nothing() {
        let mut ownership = Ownership::new(JudgedPods::Bare);
        let broken = ties("d", NOBODY);
        assert_eq!(ownership.meet(&broken, false), Standing::Judged);
        // Nobody says that it was judged.
        let pod = ties("p", "d");
        assert_eq!(ownership.meet(&pod, true), Standing::Judged);
        assert_eq!(ownership.meet(&broken, false), Standing::Repeated);
        assert_eq!(ownership.len(), 2);
    }

    #[test]
    fn an_object_takes_few_bytes() {
        assert_eq!(size_of::<(UidHash, bool)>(), 17);
    }
}
