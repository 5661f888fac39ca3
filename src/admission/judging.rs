//! What is done about a review whose images are known.

use futures::future::join_all;
use tokio::time::Instant;

use super::leniency;
use super::ratchet::Past;
use super::request::{Object, Request};
use super::settings::Settings;
use crate::checker::{Checker, RestsOn};
use crate::cluster::view::{ServiceAccounts, View};
use crate::domain::access::Tenant;
use crate::domain::policy::{Action, Leniency, Level, LevelResults, Levels, decide};
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::Workload;

/// A review whose images are known.
pub(super) struct Judging<'a> {
    pub(super) checker: &'a Checker,
    pub(super) request: &'a Request,
    pub(super) workload: &'a Workload,
    /// One for each of its pod templates.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) view: &'a View,
    pub(super) settings: &'a Settings,
    pub(super) levels: Levels,
    pub(super) deadline: Instant,
}

impl Judging<'_> {
    /// What is done about it, or would be under another enforced level.
    pub(super) fn action(&self, enforce: Level, leniencies: &[Leniency]) -> Action {
        let templates = self.verdicts.iter().zip(leniencies.iter().copied());
        let levels = Levels {
            enforce,
            ..self.levels
        };
        decide(templates, &levels, self.settings.on_unknown)
    }

    /// Asks again for what a denial would rest on, so that it rests on what the registries say
    /// now.
    pub(super) async fn confirm(&mut self) {
        let rests_on = match LevelResults::of(&self.verdicts).at(self.levels.enforce) {
            LevelResult::Fail => RestsOn::Gaps,
            LevelResult::Pass | LevelResult::Undecided => RestsOn::Unknowns,
        };
        let (checker, rules, deadline) = (self.checker, self.settings.rules, self.deadline);
        let verdicts = std::mem::take(&mut self.verdicts).into_iter();
        let judged = self.workload.templates.iter().zip(verdicts);
        let confirmed = judged.map(|(template, verdict)| {
            checker.confirm(template, verdict, rests_on, rules, deadline)
        });
        self.verdicts = join_all(confirmed).await;
    }

    /// Levels that would deny what the enforced one lets through. Of an update, new gaps
    /// count, and none that the old object had.
    pub(super) fn stricter_denials(&self, leniencies: &[Leniency]) -> impl Iterator<Item = Level> {
        let enforced = self.levels.enforce;
        let is_let_through = self.action(enforced, leniencies) != Action::Deny;
        [Level::Runnable, Level::Portable]
            .into_iter()
            .filter(move |level| is_let_through && *level > enforced)
            .filter(|level| self.action(*level, leniencies) == Action::Deny)
    }

    /// What speaks for each template: who asks, gates, and what the object was before.
    pub(super) async fn leniencies(&self, old: &Object) -> Vec<Leniency> {
        let Self {
            checker,
            request,
            workload,
            view,
            settings,
            levels,
            deadline,
            ..
        } = *self;
        let verdicts = &self.verdicts;
        let mut leniencies = leniency::of_request(request, workload, settings);
        // Only a denial depends on what the object was, be it one that a stricter level makes.
        let may_deny = self.action(Level::Portable, &leniencies) == Action::Deny;
        let old = match old {
            Object::Workload(old) if may_deny && request.is_update() => old,
            _ => return leniencies,
        };
        let rules = settings.rules;
        let old = with_defaults(old.clone(), request, view);
        let past = Past::of(old.templates, async |templates| {
            let candidates = checker.candidates(templates, &view.nodes, rules, deadline);
            candidates.await
        });
        let past = past.await;
        let templates = workload.templates.iter().zip(verdicts);
        for ((template, verdict), leniency) in templates.zip(&mut leniencies) {
            if *leniency == Leniency::None {
                *leniency = past.leniency(template, verdict);
            }
        }
        let may_lose = |(verdict, leniency): (&Verdict, &Leniency)| {
            *leniency == Leniency::NoNewGaps && levels.enforce.of(verdict) == LevelResult::Fail
        };
        if verdicts.iter().zip(&leniencies).any(may_lose) {
            let (old, nodes) = (past.templates(), &view.nodes);
            let old = checker.check_all(old, nodes, rules, deadline).await;
            for (verdict, leniency) in verdicts.iter().zip(&mut leniencies) {
                if *leniency == Leniency::NoNewGaps && past.stops_running(verdict, &old) {
                    *leniency = Leniency::None;
                }
            }
        }
        leniencies
    }
}

/// The workload with what admission adds to its pods later.
pub(super) fn with_defaults(mut workload: Workload, request: &Request, view: &View) -> Workload {
    let namespace = request.namespace.as_str();
    let service_accounts = if workload.is_pod() {
        ServiceAccounts::Applied
    } else {
        ServiceAccounts::ToApply
    };
    let tenant = Tenant::Namespace(namespace.into());
    view.complete(&mut workload, namespace, &tenant, service_accounts);
    workload
}
