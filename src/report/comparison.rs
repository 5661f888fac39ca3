//! What was said of images beside what became of pods, for people.

use std::fmt::Write;

use super::conclusion::plural;
use super::escape::{printable, visible};
use super::observed::{Difference, Observed};
use crate::domain::observation::Observation;

impl Observed {
    /// The counts in a line, and a line for each difference.
    pub(super) fn render(&self) -> String {
        let told = self.right + self.wrong;
        let mut text = format!(
            "Observed: {} of {} became what is said, {} did not; {} undecided, {} tell nothing\n",
            self.right,
            plural(told, "container"),
            self.wrong,
            self.undecided,
            self.silent,
        );
        for difference in &self.differences {
            let _ = writeln!(text, "  {}", difference.sentence());
        }
        let more = self.wrong.saturating_sub(self.differences.len());
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
        text
    }
}

impl Difference {
    /// `Pod web/shop-1 (container web) on z1: node:22 is said to be missing on linux/s390x, and
    /// ran`.
    fn sentence(&self) -> String {
        let happened = match self.happened {
            Observation::Ran => "ran",
            Observation::NoMatch => "its pull found no match",
            Observation::ExecFormatError => "ended in exec format error",
            Observation::InvalidImageName => "was refused as InvalidImageName",
        };
        let pod = format!("{}/{}", printable(&self.namespace), printable(&self.pod));
        format!(
            "Pod {pod} (container {}) on {}: {} is said to be {} on {}, and {happened}",
            printable(&self.container),
            printable(&self.node),
            visible(&self.image),
            self.said.name(),
            printable(&self.platform),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::Agreement;
    use crate::domain::outcome::OutcomeKind;
    use crate::report::observed::MAX_DIFFERENCES;

    fn difference(pod: &str) -> Difference {
        Difference {
            namespace: "web".to_owned(),
            pod: pod.to_owned(),
            container: "shop\u{1b}[2J".to_owned(),
            image: "node:22".to_owned(),
            node: "z1".to_owned(),
            platform: "linux/s390x".to_owned(),
            said: OutcomeKind::Supported,
            happened: Observation::ExecFormatError,
        }
    }

    #[test]
    fn the_counts_are_a_line_and_each_difference_is_one() {
        let mut observed = Observed::default();
        for (agreement, count) in [
            (Agreement::Right, 3),
            (Agreement::Wrong, 2),
            (Agreement::Undecided, 1),
            (Agreement::Silent, 4),
        ] {
            (0..count).for_each(|_| observed.count(agreement));
        }
        observed.differs(difference("b"));
        observed.differs(difference("a"));
        observed.sort();
        let text = observed.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "Observed: 3 of 5 containers became what is said, 2 did not; 1 undecided, 4 tell \
             nothing"
        );
        assert!(
            lines[1].starts_with("  Pod web/a (container shop"),
            "{text}"
        );
        assert!(
            lines[1].ends_with(
                " on z1: node:22 is said to be supported on linux/s390x, and ended in exec \
                 format error"
            ),
            "{text}"
        );
        assert!(lines[2].starts_with("  Pod web/b "), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn there_is_room_for_so_many_differences_and_the_others_are_counted() {
        let mut observed = Observed::default();
        for number in 0..MAX_DIFFERENCES + 5 {
            observed.count(Agreement::Wrong);
            observed.differs(difference(&format!("p{number}")));
        }
        assert_eq!(observed.differences.len(), MAX_DIFFERENCES);
        assert!(observed.render().ends_with("  and 5 more\n"));
    }
}
