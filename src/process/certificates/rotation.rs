//! How replicas that share a Secret change leaf and CA without a failed handshake.
//!
//! The Secret has `ca.crt` (the CA that signs first, then those that go), `ca.key` (its key),
//! `tls.crt` and `tls.key`. The caBundle of the webhook is always `ca.crt`, whole. All state
//! stands in these two, so any replica goes on where another stopped:
//!
//! 1. Announced: a new CA stands in `ca.crt` beside the old one, which still signed the leaf.
//! 2. Served: the leaf is the new CA's. A replica takes this step when it has seen the new CA
//!    in the caBundle for [`SETTLE`].
//! 3. Retired: the old CA is gone. A replica takes this step when it has seen and served the
//!    new leaf for [`SETTLE`].
//!
//! A leaf of the CA that is served already needs no step and is served at once. Steps are
//! measured by a replica's own monotonic clock, so clocks that differ do not matter; the
//! resource version lets one replica take each. What holds at any time:
//!
//! - Nobody serves a leaf whose CA is not in the caBundle, save where no CA is.
//! - A caBundle never loses the CA of a leaf that some replica may serve: whoever serves one
//!   puts its CA back into `ca.crt`, and who has just started keeps what the caBundle has.
//!
//! Whether something is due is told by the clock of the API server, who checks it: a wrong
//! clock here changes nothing. Where API servers disagree, a leaf that is not valid yet is
//! served and stays for [`EARLY_LEAF_STAYS`], so that nobody fights.

mod trust;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

use self::trust::Trust;
use super::authority::{Authority, LEAF_LIFETIME, Leaf, MAX_AUTHORITIES, SigningAuthority};
use super::{CertificateError, server_name};

/// How long API servers and replicas have to see a step before the next one.
pub const SETTLE: Duration = Duration::from_secs(15);
/// The same where replicas of a version that polls the Secret each minute may be left.
const SETTLE_POLLED: Duration = Duration::from_secs(90);
/// How long a leaf stays that is not valid yet.
const EARLY_LEAF_STAYS: Duration = Duration::from_secs(60 * 60);

/// What the Secret holds, by its keys; empty where there is nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// `ca.crt`: the CAs to be trusted.
    pub authorities: Vec<u8>,
    /// `ca.key`: the key of the one that signs.
    pub authority_key: Vec<u8>,
    /// `tls.crt`: the leaf, then what is between it and the CA.
    pub certificate: Vec<u8>,
    /// `tls.key`
    pub key: Vec<u8>,
}

/// Whom the API server trusts.
#[derive(Clone, Debug)]
pub enum Bundles {
    /// Somebody else sees to it.
    Unwatched,
    /// There is no webhook configuration: nobody calls.
    Missing,
    /// The caBundle of each entry.
    Entries(Vec<Vec<u8>>),
}

/// What was read from the API server.
pub struct Situation<'a> {
    /// The Secret.
    pub stored: &'a Material,
    /// Whether every replica that shares the Secret watches it.
    pub all_watch: bool,
    /// The webhook configuration.
    pub bundles: &'a Bundles,
    /// The API server's time.
    pub now: SystemTime,
    /// Our own.
    pub at: Instant,
}

/// What is to be done.
#[derive(Default)]
pub struct Step {
    /// Stored before anything else, and why.
    pub store: Option<(Material, String)>,
    /// Served from now on.
    pub serve: Option<Arc<CertifiedKey>>,
    /// Whether a change is under way that waits for its time.
    pub is_pending: bool,
    /// Whether the only CA is the one that signs: no change is under way.
    pub is_settled: bool,
    /// What is odd about what is served.
    pub warning: Option<&'static str>,
}

/// One replica's memory of what it served and saw.
pub struct Rotation {
    /// Names in leaves made here.
    names: Vec<String>,
    /// The one that the API server calls by.
    name: ServerName<'static>,
    served: Option<Leaf>,
    /// CAs of the last accepted `ca.crt`.
    known: Vec<Authority>,
    trust: Trust,
    /// The leaf in the Secret, and since when it is there.
    leaf: Option<(Vec<u8>, Instant)>,
    /// The CA that was tried last, and can sign.
    able: Option<Authority>,
}

impl Rotation {
    /// For a server that is called by this name, and has these in its certificate.
    ///
    /// # Errors
    /// When it is no name.
    pub fn new(name: &str, names: Vec<String>) -> Result<Self, CertificateError> {
        Ok(Self {
            names,
            name: server_name(name.to_owned())?,
            served: None,
            known: Vec::new(),
            trust: Trust::default(),
            leaf: None,
            able: None,
        })
    }

    /// Whether each of these bundles has the CA of what is served.
    pub fn is_trusted_by(&self, entries: &[Vec<u8>]) -> bool {
        self.served.as_ref().is_some_and(|leaf| {
            let mut bundles = entries.iter().map(|entry| Authority::in_pem(entry));
            bundles.all(|bundle| bundle.contains(&leaf.issuer))
        })
    }

    /// Takes in what was read, and says what is to be done about it.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn step(&mut self, situation: &Situation<'_>) -> Result<Step, CertificateError> {
        let Situation { now, at, .. } = *situation;
        let stored = situation.stored;
        let mut step = Step::default();
        let listed = alive(&stored.authorities, now);
        let entries = match situation.bundles {
            Bundles::Entries(entries) if !entries.is_empty() => {
                entries.iter().map(|entry| alive(entry, now)).collect()
            }
            // Nobody calls, or somebody else takes over what the Secret says.
            _ => vec![listed.clone()],
        };
        self.trust.see(&entries, at);

        // What the Secret lost of its CAs may still be known.
        let mut candidates = [listed.as_slice(), &self.known].concat();
        if self.served.is_none() {
            candidates.extend(entries.iter().flatten().cloned());
        }
        let found = Leaf::check(
            &stored.certificate,
            &stored.key,
            &candidates,
            &self.name,
            now,
        );
        let (offered, mut why) = match found {
            Ok(leaf) if self.accepts(&leaf, now) => (Some(leaf), String::new()),
            Ok(_) => (None, "its CA is in no caBundle".to_owned()),
            Err(error) => (None, error.to_string()),
        };
        if let Some(leaf) = &offered {
            self.note(leaf, at);
            if self.may_serve(leaf, &entries, situation) {
                let is_new = self.served.as_ref().map(|served| &served.certificate);
                if is_new != Some(&leaf.certificate) {
                    step.serve = Some(Arc::clone(&leaf.pair));
                    self.served = Some(leaf.clone());
                }
            } else {
                step.is_pending = true;
            }
            if leaf.is_early(now) {
                step.is_pending = true;
                step.warning = Some("the certificate is not valid yet by the API server's clock");
            }
        }

        let served = self.served.clone().filter(|leaf| !leaf.has_expired(now));
        let base = offered.or_else(|| served.clone());
        let signing = self.signing(&candidates, &stored.authority_key, now);
        let signing = match signing {
            Some(signing) => signing,
            None => {
                why = "no usable key of a CA".to_owned();
                SigningAuthority::make(now)?
            }
        };
        let authority = &signing.authority;
        let leaf = match base {
            Some(leaf) if leaf.issuer == *authority && self.is_over(&leaf, now, at) => {
                why = "the leaf is due".to_owned();
                None
            }
            Some(leaf)
                if leaf.issuer != *authority && self.trust.age(authority, at) >= Some(SETTLE) =>
            {
                why = "the new CA is trusted".to_owned();
                None
            }
            base => base,
        };
        let leaf = match leaf {
            Some(leaf) => leaf,
            None => signing.issue(&self.names, &self.name, now)?,
        };

        let mut keep = vec![authority.clone(), leaf.issuer.clone()];
        keep.extend(served.map(|leaf| leaf.issuer));
        if self.may_retire_others(&leaf, authority, situation) {
            if listed.len() > 1 {
                why = "nobody serves for the old CA".to_owned();
            }
        } else {
            let watched = matches!(situation.bundles, Bundles::Entries(_));
            let vouched = |authority: &&Authority| {
                self.known.contains(authority)
                    || (watched || self.served.is_none())
                        && entries.iter().any(|entry| entry.contains(authority))
            };
            keep.extend(listed.iter().filter(vouched).cloned());
            if self.served.is_none() {
                keep.extend(entries.into_iter().flatten());
            }
        }
        let keep = each_once(keep);
        step.is_settled = keep.len() == 1;
        step.is_pending |= !step.is_settled;
        let material = Material {
            authorities: Authority::to_pem(&keep).into_bytes(),
            authority_key: signing.key.into_bytes(),
            certificate: leaf.certificate,
            key: leaf.key,
        };
        self.known = keep;
        if material != *stored {
            if why.is_empty() {
                why = "the bundle is not what it should be".to_owned();
            }
            step.store = Some((material, why));
        }
        Ok(step)
    }

    fn note(&mut self, leaf: &Leaf, at: Instant) {
        if self.leaf.as_ref().map(|(known, _)| known) != Some(&leaf.certificate) {
            self.leaf = Some((leaf.certificate.clone(), at));
        }
    }

    /// For how long the leaf has been in the Secret.
    fn stored_for(&self, leaf: &Leaf, at: Instant) -> Duration {
        match &self.leaf {
            Some((known, since)) if *known == leaf.certificate => at.duration_since(*since),
            _ => Duration::ZERO,
        }
    }

    /// Whether a leaf in the Secret may stay there. One of a CA that nobody announced may not:
    /// the Secret was restored or tampered with.
    fn accepts(&self, leaf: &Leaf, now: SystemTime) -> bool {
        self.served.as_ref().is_none_or(|served| {
            served.issuer == leaf.issuer
                || served.has_expired(now)
                || self.known.contains(&leaf.issuer)
                || self.trust.has(&leaf.issuer)
        })
    }

    fn may_serve(
        &self,
        leaf: &Leaf,
        entries: &[Vec<Authority>],
        situation: &Situation<'_>,
    ) -> bool {
        let at = situation.at;
        if self.trust.is_settled(&leaf.issuer, at) {
            return true;
        }
        match &self.served {
            // Others may serve for another CA that is trusted: they go first.
            None => !entries.iter().flatten().any(|found| *found != leaf.issuer),
            Some(served) => {
                // Where a caBundle was wiped and mended, both are trusted for as long.
                let age = self.trust.age(&leaf.issuer, at);
                served.issuer == leaf.issuer
                    || served.has_expired(situation.now)
                    || age.is_some() && age >= self.trust.age(&served.issuer, at)
            }
        }
    }

    fn is_over(&self, leaf: &Leaf, now: SystemTime, at: Instant) -> bool {
        leaf.is_due(now) || leaf.is_early(now) && self.stored_for(leaf, at) >= EARLY_LEAF_STAYS
    }

    fn may_retire_others(
        &self,
        leaf: &Leaf,
        signing: &Authority,
        situation: &Situation<'_>,
    ) -> bool {
        let at = situation.at;
        let settle = if situation.all_watch {
            SETTLE
        } else {
            SETTLE_POLLED
        };
        leaf.issuer == *signing
            && self.stored_for(leaf, at) >= settle
            // Others began to serve it when they had seen its CA for as long. Beyond the first
            // half of this time it is served here, too.
            && self.trust.age(signing, at) >= Some(SETTLE + settle)
    }

    /// The CA that has the key, outlives a leaf, and can sign one.
    fn signing(
        &mut self,
        candidates: &[Authority],
        key: &[u8],
        now: SystemTime,
    ) -> Option<SigningAuthority> {
        let key = std::str::from_utf8(key).ok()?;
        let signing = SigningAuthority::find(candidates, key)?;
        if !signing.authority.outlives(now, LEAF_LIFETIME) {
            return None;
        }
        if self.able.as_ref() != Some(&signing.authority) {
            signing.issue(&self.names, &self.name, now).ok()?;
            self.able = Some(signing.authority.clone());
        }
        Some(signing)
    }
}

/// The CAs of a bundle whose time is not over.
fn alive(bundle: &[u8], now: SystemTime) -> Vec<Authority> {
    let mut found = Authority::in_pem(bundle);
    found.retain(|authority| authority.outlives(now, Duration::ZERO));
    found
}

fn each_once(authorities: Vec<Authority>) -> Vec<Authority> {
    let mut once: Vec<Authority> = Vec::new();
    for authority in authorities {
        if once.len() < MAX_AUTHORITIES && !once.contains(&authority) {
            once.push(authority);
        }
    }
    once
}

#[cfg(test)]
mod tests;
