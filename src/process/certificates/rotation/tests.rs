//! Replicas that share a Secret, second by second, with API servers that are late.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How late API servers and replicas see what was written, in seconds.
const LATE: usize = 4;

/// A cluster with one Secret, a configuration of two entries, and replicas.
struct World {
    secret: Material,
    all_watch: bool,
    /// The caBundles of every second; nothing while there is no configuration.
    bundles: Vec<Option<[Vec<u8>; 2]>>,
    replicas: Vec<Rotation>,
    now: SystemTime,
    at: Instant,
    /// Why the Secret was written.
    writes: Vec<String>,
}

impl World {
    fn new(replicas: usize) -> Self {
        let mut world = Self {
            secret: Material::default(),
            all_watch: true,
            bundles: vec![Some([Vec::new(), Vec::new()])],
            replicas: Vec::new(),
            now: SystemTime::now(),
            at: Instant::now(),
            writes: Vec::new(),
        };
        for _ in 0..replicas {
            world.start();
        }
        world
    }

    /// Installed, and left alone for a while.
    fn settled(replicas: usize) -> Self {
        let mut world = Self::new(replicas);
        for _ in 0..2 * LATE {
            world.act();
        }
        world.check();
        assert_eq!(world.authorities(), 1);
        world.writes.clear();
        world
    }

    fn start(&mut self) {
        let names = vec!["archmatch.web.svc".to_owned(), "localhost".to_owned()];
        let rotation = Rotation::new("archmatch.web.svc", names).unwrap();
        self.replicas.push(rotation);
    }

    fn bundles(&self) -> Option<&[Vec<u8>; 2]> {
        self.bundles.last().unwrap().as_ref()
    }

    fn set_bundles(&mut self, bundles: Option<[&[u8]; 2]>) {
        *self.bundles.last_mut().unwrap() = bundles.map(|both| both.map(<[u8]>::to_vec));
    }

    fn tick(&mut self) {
        self.now += SECOND;
        self.at += SECOND;
        self.bundles.push(self.bundles.last().unwrap().clone());
    }

    /// A second passes; every replica acts once, each on what is there.
    fn act(&mut self) {
        self.tick();
        for replica in 0..self.replicas.len() {
            self.act_one(replica);
        }
    }

    fn act_one(&mut self, replica: usize) -> Step {
        loop {
            let bundles = match self.bundles() {
                Some(entries) => Bundles::Entries(entries.to_vec()),
                None => Bundles::Missing,
            };
            let situation = Situation {
                stored: &self.secret,
                all_watch: self.all_watch,
                bundles: &bundles,
                now: self.now,
                at: self.at,
            };
            let step = self.replicas[replica].step(&situation).unwrap();
            let Some((material, why)) = step.store else {
                let wanted = self.secret.authorities.clone();
                if self.bundles().is_some() {
                    self.set_bundles(Some([&wanted, &wanted]));
                }
                return step;
            };
            self.secret = material;
            self.all_watch |= step.is_settled;
            self.writes.push(why);
            assert!(self.writes.len() < 100, "no end: {:?}", self.writes);
        }
    }

    /// The next seconds, in each of which every handshake must succeed.
    fn pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.act();
            self.check();
        }
    }

    /// Whether API servers, the late ones too, trust what each replica serves.
    fn check(&self) {
        let seen = self.bundles.iter().rev().take(LATE).flatten().flatten();
        let mut seen: Vec<&Vec<u8>> = seen.collect();
        seen.dedup();
        let replicas = self.replicas.iter().enumerate();
        for ((index, rotation), bundle) in
            replicas.flat_map(|replica| seen.iter().map(move |bundle| (replica, bundle)))
        {
            let Some(leaf) = &rotation.served else {
                continue;
            };
            let trusted = Authority::in_pem(bundle);
            let checked = Leaf::check(
                &leaf.certificate,
                &leaf.key,
                &trusted,
                &rotation.name,
                self.now,
            );
            assert!(
                checked.is_ok() && !leaf.is_early(self.now),
                "replica {index}: {:?} after {:?}",
                checked.err(),
                self.writes
            );
        }
    }

    fn authorities(&self) -> usize {
        Authority::in_pem(&self.secret.authorities).len()
    }

    fn served(&self) -> Vec<&Leaf> {
        let served = self.replicas.iter();
        served
            .map(|replica| replica.served.as_ref().unwrap())
            .collect()
    }

    /// Whether all serve the leaf of the Secret, and its CA is the only one.
    fn is_settled(&self) -> bool {
        let leaf = &self.secret.certificate;
        self.authorities() == 1
            && self
                .served()
                .iter()
                .all(|served| served.certificate == *leaf)
    }
}

#[test]
fn one_of_many_that_start_at_once_fills_the_secret_and_all_serve_at_once() {
    let mut world = World::new(3);
    world.act();
    assert!(world.is_settled());
    assert_eq!(world.writes.len(), 1);
    world.bundles.clear();
    let bundle = &world.secret.authorities;
    world.bundles.push(Some([bundle.clone(), bundle.clone()]));
    world.pass(60);
    assert_eq!(world.writes.len(), 1);
}

#[test]
fn a_leaf_is_renewed_after_two_thirds_of_its_life_by_the_same_authority() {
    let mut world = World::settled(2);
    let (before, bundle) = (world.secret.clone(), world.bundles().cloned());
    world.now += DAY * 59;
    world.pass(5);
    assert!(world.secret == before);
    world.now += DAY * 2;
    world.pass(1);
    assert!(world.secret.certificate != before.certificate && world.is_settled());
    assert!(world.secret.authority_key == before.authority_key);
    assert_eq!(world.bundles().cloned(), bundle);
    world.pass(60);
    assert_eq!(world.writes.len(), 1);
}

#[test]
fn a_lost_key_ends_in_a_new_authority_within_forty_seconds() {
    let mut world = World::settled(3);
    let before = world.served()[0].issuer.clone();
    world.secret.authority_key.clear();
    world.pass(1);
    assert_eq!(world.authorities(), 2, "the new one is announced");
    assert_eq!(world.served()[0].issuer, before);
    world.pass(39);
    assert!(world.is_settled());
    assert_ne!(world.served()[0].issuer, before);
    let writes = world.writes.len();
    world.pass(100);
    assert_eq!((writes, world.writes.len()), (3, 3));
}

#[test]
fn a_change_that_begins_before_the_last_one_ended_is_right_too() {
    for pause in [1, 7, 16, 20, 29, 33] {
        let mut world = World::settled(2);
        for _ in 0..3 {
            world.secret.authority_key.clear();
            world.pass(pause);
        }
        world.pass(40);
        assert!(world.is_settled(), "each {pause} s: {:?}", world.writes);
    }
}

#[test]
fn keys_that_are_lost_each_second_do_not_fill_the_bundle() {
    let mut world = World::settled(2);
    for _ in 0..60 {
        world.secret.authority_key.clear();
        world.pass(1);
    }
    assert_eq!(world.authorities(), MAX_AUTHORITIES);
    world.pass(40);
    assert!(world.is_settled());
}

#[test]
fn a_secret_of_an_earlier_version_gets_a_new_authority_and_waits_for_those_that_poll() {
    let mut world = World::settled(2);
    world.secret.authority_key.clear();
    world.all_watch = false;
    // A replica that reads the Secret once a minute and serves what it has.
    let mut polled = world.served()[0].clone();
    for second in 1..180 {
        world.pass(1);
        if second % 60 == 0 {
            let listed = Authority::in_pem(&world.secret.authorities);
            let (certificate, key) = (&world.secret.certificate, &world.secret.key);
            let name = world.replicas[0].name.clone();
            polled = Leaf::check(certificate, key, &listed, &name, world.now).unwrap();
        }
        let trusted = Authority::in_pem(&world.bundles().unwrap()[0]);
        assert!(trusted.contains(&polled.issuer), "after {second} s");
    }
    assert!(world.is_settled() && world.all_watch);
}

#[test]
fn a_wiped_secret_is_filled_by_those_that_serve() {
    for starting in [0, 1] {
        let mut world = World::settled(2);
        world.secret = Material::default();
        // One that starts may be the first to see it.
        for _ in 0..starting {
            world.start();
            let newest = world.replicas.len() - 1;
            world.act_one(newest);
        }
        world.pass(1);
        assert_eq!(world.authorities(), 2);
        world.pass(60);
        assert!(world.is_settled());
    }
}

#[test]
fn a_replica_that_dies_in_the_middle_is_replaced_by_any_other() {
    for second in [2, 14, 16, 20, 31] {
        let mut world = World::settled(2);
        world.secret.authority_key.clear();
        world.pass(second);
        world.replicas.clear();
        world.start();
        world.pass(1);
        assert!(world.replicas[0].served.is_some(), "ready at once");
        world.start();
        world.pass(45);
        assert!(world.is_settled(), "died after {second} s");
    }
}

/// Seconds in which the second replica looks at every fourth only.
fn pass_with_one_that_is_late(world: &mut World, seconds: usize) {
    for second in 1..=seconds {
        world.tick();
        world.act_one(0);
        if second % LATE == 0 {
            world.act_one(1);
        }
        world.check();
    }
}

#[test]
fn an_api_server_that_is_away_in_the_middle_of_a_change_leaves_time_for_the_late() {
    let mut world = World::settled(2);
    world.secret.authority_key.clear();
    pass_with_one_that_is_late(&mut world, 12);
    // Nobody can read or write.
    for _ in 0..60 {
        world.tick();
    }
    pass_with_one_that_is_late(&mut world, 45);
    assert!(world.is_settled(), "{:?}", world.writes);
}

#[test]
fn a_bundle_that_is_wiped_in_the_middle_of_a_change_leaves_time_for_the_late() {
    let mut world = World::settled(2);
    let leaf = world.secret.certificate.clone();
    world.secret.authority_key.clear();
    world.pass(1);
    while world.secret.certificate == leaf {
        world.tick();
        world.act_one(0);
    }
    world.set_bundles(Some([b"", b""]));
    world.act_one(1);
    pass_with_one_that_is_late(&mut world, 60);
    assert!(world.is_settled(), "{:?}", world.writes);
}

#[test]
fn a_wiped_or_foreign_bundle_is_mended_by_the_next_look() {
    let mut world = World::settled(2);
    let (bundle, foreign) = (world.secret.authorities.clone(), World::settled(1));
    let foreign = &foreign.secret.authorities;
    let both = [bundle.as_slice(), foreign].concat();
    for wrong in [
        [&[][..], &bundle],
        [&bundle, &[]],
        [foreign, foreign],
        [&both, b"?"],
    ] {
        world.set_bundles(Some(wrong));
        world.act_one(1);
        assert_eq!(world.bundles(), Some(&[bundle.clone(), bundle.clone()]));
    }
    assert!(world.writes.is_empty(), "{:?}", world.writes);
}

#[test]
fn what_is_wrong_in_the_secret_is_mended_and_never_served_or_trusted() {
    let other = World::settled(1).secret;
    let elsewhere = {
        let names = vec!["other.web.svc".to_owned()];
        let mut elsewhere = World::settled(1);
        elsewhere.secret = Material::default();
        elsewhere.replicas = vec![Rotation::new("other.web.svc", names).unwrap()];
        elsewhere.act();
        elsewhere.secret
    };
    type Tamper<'a> = Box<dyn Fn(&mut Material) + 'a>;
    let cases: [(&str, Tamper); 7] = [
        (
            "key of another leaf",
            Box::new(|secret| secret.key.clone_from(&other.key)),
        ),
        (
            "leaf of another CA",
            Box::new(|secret| {
                secret.certificate.clone_from(&other.certificate);
                secret.key.clone_from(&other.key);
            }),
        ),
        (
            "foreign CA",
            Box::new(|secret| secret.authorities.clone_from(&other.authorities)),
        ),
        (
            "a foreign CA more",
            Box::new(|secret| secret.authorities.extend(&other.authorities)),
        ),
        ("no CA", Box::new(|secret| secret.authorities.clear())),
        (
            "no leaf",
            Box::new(|secret| secret.certificate = b"?".to_vec()),
        ),
        (
            "nothing but a leaf's own text as CA",
            Box::new(|secret| {
                secret.authorities = secret.certificate.clone();
            }),
        ),
    ];
    for (case, tamper) in cases {
        let mut world = World::settled(2);
        let before = world.secret.clone();
        tamper(&mut world.secret);
        world.pass(1);
        assert!(world.secret == before, "{case}: {:?}", world.writes);
        world.pass(40);
        assert_eq!(world.writes.len(), 1, "{case}");
    }
    // Whole Secrets of somebody else have a CA of their own, which is announced first.
    for (case, secret) in [("another cluster's", other), ("another name's", elsewhere)] {
        let mut world = World::settled(2);
        world.secret = secret;
        world.pass(1);
        assert_eq!(world.authorities(), 2, "{case}");
        // Nor by one that starts in the middle.
        world.start();
        world.pass(40);
        assert!(world.is_settled(), "{case}: {:?}", world.writes);
    }
}

#[test]
fn an_authority_that_one_entry_lacks_is_not_trusted() {
    let (one, other) = (World::settled(1), World::settled(1));
    let authority = |world: &World| Authority::in_pem(&world.secret.authorities);
    let (one, other) = (authority(&one), authority(&other));
    let mut trust = trust::Trust::default();
    let at = Instant::now();
    trust.see(&[[one.clone(), other.clone()].concat(), one.clone()], at);
    assert!(trust.has(&one[0]) && !trust.has(&other[0]));
    trust.see(&[Vec::new(), one.clone()], at);
    assert!(!trust.has(&one[0]));
}

#[test]
fn a_leaf_for_another_name_is_replaced_and_never_served() {
    let mut world = World::settled(2);
    let before = world.secret.clone();
    let listed = Authority::in_pem(&before.authorities);
    let key = String::from_utf8(before.authority_key.clone()).unwrap();
    let other = "other.web.svc".to_owned();
    let name = server_name(other.clone()).unwrap();
    let signing = SigningAuthority::find(&listed, &key).unwrap();
    let leaf = signing.issue(&[other], &name, world.now).unwrap();
    world.secret.certificate = leaf.certificate;
    world.secret.key = leaf.key;
    world.pass(1);
    assert!(world.secret == before, "{:?}", world.writes);
}

#[test]
fn what_is_no_authority_signs_nothing_whatever_key_it_has() {
    let mut world = World::settled(2);
    world.secret.authorities = world.secret.certificate.clone();
    world.secret.authority_key = world.secret.key.clone();
    world.pass(1);
    assert_eq!(world.writes, ["no usable key of a CA"]);
    world.pass(40);
    assert!(world.is_settled());
}

#[test]
fn an_authority_that_somebody_else_announced_waits_and_ours_stays_meanwhile() {
    let mut world = World::settled(2);
    let (ours, other) = (world.secret.clone(), World::settled(1).secret);
    let both = [other.authorities.as_slice(), &ours.authorities].concat();
    world.set_bundles(Some([&both, &both]));
    world.secret = other;
    pass_with_one_that_is_late(&mut world, 5);
    assert_eq!(world.served()[1].certificate, ours.certificate);
    pass_with_one_that_is_late(&mut world, 45);
    assert!(world.is_settled() && world.secret.certificate != ours.certificate);
}

#[test]
fn without_a_configuration_all_serve_and_its_return_is_answered_with_the_bundle() {
    let mut world = World::settled(1);
    world.set_bundles(None);
    world.start();
    world.pass(1);
    assert!(world.is_settled());
    world.secret.authority_key.clear();
    world.pass(5);
    world.set_bundles(Some([b"", b""]));
    world.act_one(1);
    assert_eq!(world.bundles().unwrap()[0], world.secret.authorities);
    world.bundles = vec![world.bundles.last().unwrap().clone()];
    world.pass(60);
    assert!(world.is_settled());
}

#[test]
fn clocks_that_are_days_apart_make_a_leaf_an_hour_and_no_authority() {
    let mut world = World::settled(2);
    let authority = world.secret.authority_key.clone();
    for second in 0..3 * 60 * 60 {
        // The second replica asks an API server that is a hundred days ahead.
        world.at += SECOND;
        if second % 120 == 0 {
            world.act_one(0);
            world.now += 100 * DAY;
            world.act_one(1);
            world.now -= 100 * DAY;
        }
    }
    assert!(world.secret.authority_key == authority && world.authorities() == 1);
    assert!(world.writes.len() <= 2 * 3 + 1, "{:?}", world.writes);
    assert!(HOUR >= EARLY_LEAF_STAYS);
}

#[test]
fn an_authority_that_would_not_outlive_its_leaf_is_replaced_in_time() {
    let mut world = World::settled(2);
    // The last leaves, each renewed in time.
    while world.writes.iter().all(|why| why == "the leaf is due") {
        world.now += DAY * 30;
        world.pass(1);
        assert!(world.writes.len() < 70);
    }
    assert!(world.writes.len() > 50, "ten years: {}", world.writes.len());
    world.pass(40);
    assert!(world.is_settled());
}

#[test]
fn an_authority_that_has_expired_goes_from_the_bundle_and_keeps_nobody_from_serving() {
    let long_ago = SystemTime::now() - 11 * 365 * DAY;
    let expired = SigningAuthority::make(long_ago).unwrap().authority;
    let expired = Authority::to_pem([&expired]);
    let mut world = World::new(1);
    world.set_bundles(Some([expired.as_bytes(), expired.as_bytes()]));
    world.secret.authorities = expired.into_bytes();
    world.act();
    assert!(world.is_settled(), "{:?}", world.writes);
    let wanted = world.secret.authorities.clone();
    assert_eq!(world.bundles(), Some(&[wanted.clone(), wanted]));
}
