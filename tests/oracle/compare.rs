//! Many cases, two sides, and the smallest case on which they differ.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Instant;

use libtest_mimic::Failed;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::process::Oracle;

/// Questions a batch.
const BATCH: usize = 500;
/// Steps of reduction, each one question.
const STEPS: usize = 20_000;

/// How much to ask.
#[derive(Default)]
pub struct Run {
    program: PathBuf,
    cases: usize,
    seed: u64,
}

impl Run {
    /// `ORACLE_CASES` a table (10,000 unless told); `ORACLE_SEED` makes other cases up.
    pub fn from_environment(program: PathBuf) -> Self {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) if !text.is_empty() => text.parse().expect(name),
            _ => default,
        };
        Self {
            program,
            cases: number("ORACLE_CASES", 10_000) as usize,
            seed: number("ORACLE_SEED", 0),
        }
    }

    /// Compares the sides on cases of the strategy. `questions` are what upstream is asked
    /// about a case, `expected` what its answers amount to in our terms, `ours` what we say.
    pub fn agree<S: Strategy, A: Debug + PartialEq>(
        &self,
        name: &str,
        strategy: S,
        questions: impl Fn(&S::Value) -> Vec<Value>,
        expected: impl Fn(&S::Value, &[Value]) -> A,
        ours: impl Fn(&S::Value) -> A,
    ) -> Result<(), Failed> {
        let started = Instant::now();
        let mut oracle = Oracle::start(&self.program);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let mut asked = 0;
        while asked < self.cases {
            let batch = BATCH.min(self.cases - asked);
            let trees: Vec<S::Tree> = (0..batch)
                .map(|_| strategy.new_tree(&mut runner).expect("a case"))
                .collect();
            let cases: Vec<S::Value> = trees.iter().map(ValueTree::current).collect();
            let lines: Vec<Vec<Value>> = cases.iter().map(&questions).collect();
            let answers = oracle.ask(&lines.concat());
            let mut answers = answers.as_slice();
            for ((mut tree, case), lines) in trees.into_iter().zip(cases).zip(lines) {
                let (own, rest) = answers.split_at(lines.len());
                answers = rest;
                asked += 1;
                if expected(&case, own) == ours(&case) {
                    continue;
                }
                let differs = |case: &S::Value| {
                    let answers = oracle.ask(&questions(case));
                    expected(case, &answers) != ours(case)
                };
                let case = smallest(&mut tree, case, differs);
                let lines = questions(&case);
                let answers = oracle.ask(&lines);
                let pretty = |value: &Value| format!("{value:#}\n");
                return Err(format!(
                    "{name}: a difference after {asked} cases (seed {}), reduced to\n{}\
                     upstream:        {}\nshould be:       {:?}\narchmatch says:  {:?}",
                    self.seed,
                    lines.iter().map(pretty).collect::<String>(),
                    Value::from(answers.clone()),
                    expected(&case, &answers),
                    ours(&case),
                )
                .into());
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{name}: {asked} cases, no difference, {seconds:.1} s");
        Ok(())
    }
}

/// Reduces a case on which the sides differ as far as they still do.
fn smallest<T: ValueTree>(
    tree: &mut T,
    found: T::Value,
    mut differs: impl FnMut(&T::Value) -> bool,
) -> T::Value {
    let mut smallest = found;
    let mut simpler = tree.simplify();
    for _ in 0..STEPS {
        if !simpler {
            break;
        }
        let case = tree.current();
        simpler = if differs(&case) {
            smallest = case;
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    smallest
}
