use super::*;
use crate::domain::candidates::{CandidatePlatform, Candidates, Names};
use crate::domain::node::{NodePlatform, Source};
use crate::domain::outcome::{Compatibility, IndexDepth, MatchReason, MissReason, Outcome};
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::unknown::Unknown;
use crate::domain::verdict::ImageVerdict;
use crate::domain::workload::{PodTemplate, Usage};

const LEVELS: [Level; 3] = [Level::Off, Level::Runnable, Level::Portable];
const LENIENCIES: [Leniency; 4] = [
    Leniency::None,
    Leniency::WarnOnly,
    Leniency::NoNewGaps,
    Leniency::Unchanged,
];

fn platforms(count: usize) -> Vec<CandidatePlatform> {
    let platform = |number| CandidatePlatform {
        platform: NodePlatform {
            platform: Platform::new("linux", &format!("a{number}"), ""),
            runtime: Runtime::default(),
            emulates: Vec::new(),
        }
        .into(),
        nodes: Names::default(),
        node_count: 1,
        sources: vec![Source::Node],
        pools: Vec::new(),
        is_certain: true,
    };
    (0..count).map(platform).collect()
}

/// Yes, no, or not known: the registry did not answer, the image is preloaded.
fn outcome(letter: char) -> Outcome {
    let unknown = |reason| Outcome::Unknown(Unknown::new(reason, "why"));
    match letter {
        'y' => Outcome::Supported {
            picked: Vec::new(),
            why: MatchReason::Plain(Compatibility::Own),
        },
        'n' => Outcome::Missing(MissReason::NoEntry(IndexDepth::First)),
        't' => unknown(Reason::Timeout),
        _ => unknown(Reason::Preloaded),
    }
}

fn images(rows: &[&str]) -> Vec<ImageVerdict> {
    let mut template = PodTemplate::default();
    for number in 0..rows.len() {
        template.add_image("c", &format!("i{number}"), Usage::Container, false);
    }
    let images = template.images.iter().cloned().zip(rows);
    let images = images.map(|(image, row)| ImageVerdict {
        image,
        inspection: None,
        outdated: None,
        advice: None,
        outcomes: row.chars().map(outcome).collect(),
    });
    images.collect()
}

/// A word for each image, a letter for each candidate platform; then the same for cordoned
/// nodes.
fn verdict(rows: &[&str], cordoned: &[&str]) -> Verdict {
    let count = |rows: &[&str]| rows.first().map_or(0, |row| row.len());
    Verdict {
        candidates: Candidates {
            platforms: platforms(count(rows)),
            cordoned: platforms(count(cordoned)),
            ..Candidates::default()
        },
        images: images(rows),
        beyond_cordon: images(cordoned),
        overlooked: None,
    }
}

fn act(verdict: &Verdict, levels: Levels, on_unknown: OnUnknown, leniency: Leniency) -> Action {
    decide([(verdict, leniency)], &levels, on_unknown)
}

fn enforce(enforce: Level) -> Levels {
    Levels {
        enforce,
        ..Levels::default()
    }
}

#[test]
fn a_denial_needs_a_failed_or_refused_unknown_level_and_no_leniency() {
    for (word, at) in [("yy", 'y'), ("yn", 'y'), ("nn", 'n'), ("tt", 't')] {
        for on_unknown in [OnUnknown::Allow, OnUnknown::Warn, OnUnknown::Deny] {
            for leniency in LENIENCIES {
                let judged = verdict(&[word], &[]);
                let action = act(&judged, Levels::default(), on_unknown, leniency);
                let failed = at == 'n' && leniency == Leniency::None;
                let refused = at == 't'
                    && on_unknown == OnUnknown::Deny
                    && matches!(leniency, Leniency::None | Leniency::NoNewGaps);
                assert_eq!(
                    action == Action::Deny,
                    failed || refused,
                    "{word} {on_unknown:?} {leniency:?}"
                );
            }
        }
    }
}

#[test]
fn the_default_warns_of_what_is_not_portable() {
    for (word, expected) in [
        ("yy", Action::Allow),
        ("yn", Action::Warn),
        ("yt", Action::Warn),
        ("nn", Action::Deny),
    ] {
        let judged = verdict(&[word], &[]);
        let action = act(&judged, Levels::default(), OnUnknown::Warn, Leniency::None);
        assert_eq!(action, expected, "{word}");
    }
}

/// Nodes that come back, nodes that are not there, and images that no registry is asked for
/// prove nothing against a workload. What else is not known may.
#[test]
fn reasons_that_prove_nothing_never_deny_and_do_not_hide_those_that_do() {
    let deny = |rows: &[&str], cordoned: &[&str], level| {
        let judged = verdict(rows, cordoned);
        let action = act(&judged, enforce(level), OnUnknown::Deny, Leniency::None);
        action == Action::Deny
    };
    for (rows, cordoned, denied) in [
        (&[] as &[&str], &[] as &[&str], false),
        (&["pp"], &[], false),
        (&["pp", "yy"], &[], false),
        (&["pp", "tt"], &[], true),
        (&["n"], &["y"], false),
        (&["n"], &["p"], false),
        (&["n", "y"], &["y", "t"], true),
        (&["n"], &["n"], true),
        // What timed out is on a platform that another image rules out.
        (&["np", "ty"], &[], false),
        (&["np", "yt"], &[], true),
    ] {
        let found = deny(rows, cordoned, Level::Runnable);
        assert_eq!(found, denied, "{rows:?} {cordoned:?}");
    }
    assert!(!deny(&["yp"], &[], Level::Portable));
    assert!(deny(&["yp", "ty"], &[], Level::Portable));
}

/// The other candidates are there, and lack the image with the cordon as without it.
#[test]
fn a_cordon_decides_runnable_and_never_portable() {
    let judged = verdict(&["n"], &["y"]);
    assert_eq!(judged.runnable(), LevelResult::Undecided);
    assert_eq!(judged.portable(), LevelResult::Fail);
    assert_eq!(judged.unknown_reasons(), [Reason::Cordoned]);
    for on_unknown in [OnUnknown::Warn, OnUnknown::Deny] {
        let action = |level| act(&judged, enforce(level), on_unknown, Leniency::None);
        assert_eq!(action(Level::Runnable), Action::Warn);
        assert_eq!(action(Level::Portable), Action::Deny);
    }
    let elsewhere = verdict(&["yn"], &["y"]);
    assert_eq!(elsewhere.runnable(), LevelResult::Pass);
    assert!(elsewhere.unknown_reasons().is_empty());
    let maybe = verdict(&["n", "t"], &["y", "t"]);
    assert_eq!(maybe.runnable(), LevelResult::Undecided);
    assert_eq!(maybe.open_reasons(), [Reason::Timeout, Reason::Cordoned]);
}

#[test]
fn each_template_is_judged_with_its_own_leniency() {
    let (bad, good) = (verdict(&["n"], &[]), verdict(&["y"], &[]));
    let action = |first, second| {
        decide(
            [(&bad, first), (&good, Leniency::None), (&bad, second)],
            &Levels::default(),
            OnUnknown::Warn,
        )
    };
    for leniency in LENIENCIES {
        let expected = match leniency {
            Leniency::None => Action::Deny,
            _ => Action::Warn,
        };
        assert_eq!(action(Leniency::WarnOnly, leniency), expected);
    }
    let nothing = decide([], &Levels::default(), OnUnknown::Deny);
    assert_eq!(nothing, Action::Allow);
}

#[test]
fn off_asks_nothing_and_a_stricter_level_denies_no_less() {
    let off = Levels {
        enforce: Level::Off,
        warn: Level::Off,
        audit: Level::Off,
    };
    let words = ["yy", "yn", "nn", "yt", "nt", "tt", "yp", "np", ""];
    for judged in words.map(|word| verdict(&[word], &[])) {
        for on_unknown in [OnUnknown::Allow, OnUnknown::Warn, OnUnknown::Deny] {
            let at = |level| act(&judged, enforce(level), on_unknown, Leniency::None);
            let actions = LEVELS.map(at);
            let denied = actions.map(|action| action == Action::Deny);
            assert!(denied.is_sorted(), "{judged:?} {on_unknown:?}");
            let action = act(&judged, off, on_unknown, Leniency::None);
            assert_eq!(action, Action::Allow);
        }
    }
}
