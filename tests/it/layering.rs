//! Reads the `use` lines of our sources and fails on a dependency that points the wrong way.
//!
//! The ranks are those of ARCHITECTURE.md: a module may use lower ranks, and nothing beside
//! or above itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by rank. `process` is of rank 0 and may be used by `cli` alone; `fuzzing` is no
/// part of the program and sees it from above, and `rendered` is for tests alone.
const RANKS: [(&str, u8); 21] = [
    ("domain", 0),
    ("go", 0),
    ("process", 0),
    ("rendered", 0),
    ("objects", 1),
    ("wording", 1),
    ("checker", 1),
    ("work", 1),
    ("findings", 2),
    ("suggest", 2),
    ("report", 3),
    ("credentials", 2),
    ("cluster", 2),
    ("files", 2),
    ("registry", 3),
    ("edit", 3),
    ("config", 4),
    ("admission", 5),
    ("audit", 5),
    ("cli", 6),
    ("fuzzing", 7),
];

/// Crates that the pure core may use: no I/O, no clock, no logging. Of serde and schemars it
/// has derives alone.
const DOMAIN_CRATES: [&str; 9] = [
    "std",
    "core",
    "thiserror",
    "rpds",
    "serde",
    "schemars",
    "strsim",
    "strum",
    "crate",
];

fn rank(module: &str) -> u8 {
    let known = RANKS.iter().find(|(name, _)| *name == module);
    known
        .unwrap_or_else(|| panic!("src/{module} has no rank in tests/it/layering.rs"))
        .1
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source below `src`, with the module it belongs to and its text without tests.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let is_rim = matches!(module.as_str(), "lib" | "main");
            let is_test = relative.ends_with("tests.rs");
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (!is_rim && !is_test).then_some((module, path, code))
        })
        .collect()
}

/// Names that follow `crate::` in code; comments do not count.
fn used_modules(code: &str) -> Vec<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut used = Vec::new();
    for line in lines {
        for (position, _) in line.match_indices("crate::") {
            let rest = &line[position + "crate::".len()..];
            let names = rest.trim_start_matches('{');
            let end = names
                .find(|character: char| !(character.is_ascii_lowercase() || character == '_'))
                .unwrap_or(names.len());
            if end > 0 {
                used.push(names[..end].to_owned());
            }
        }
    }
    used
}

#[test]
fn modules_use_only_lower_ranks() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (module, path, code) in modules() {
        for used in used_modules(&code) {
            seen += 1;
            let inside = used == module;
            let process_by_cli = used == "process" && module == "cli";
            let downwards = used != "process" && rank(&used) < rank(&module);
            if !(inside || process_by_cli || downwards) {
                wrong.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert!(seen > 50, "the test has to see the imports");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_domain_is_pure() {
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        if module != "domain" {
            continue;
        }
        for line in code.lines().map(str::trim_start) {
            let used = line
                .strip_prefix("use ")
                .or_else(|| line.strip_prefix("pub use "));
            let Some(first) = used.and_then(|used| used.split("::").next()) else {
                continue;
            };
            let own = matches!(first, "self" | "super") || DOMAIN_CRATES.contains(&first);
            let impure = [
                "std::fs",
                "std::net",
                "std::env",
                "std::time",
                "std::process",
            ];
            if !own || impure.iter().any(|module| line.contains(module)) {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
        for word in [
            ".await",
            "async fn",
            "println!",
            "tracing::",
            "Instant::now",
            "SystemTime",
        ] {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = modules()
        .into_iter()
        .filter(|(_, _, code)| code.lines().count() > 400)
        .map(|(_, path, code)| format!("{}: {} lines", path.display(), code.lines().count()))
        .collect();
    assert!(long.is_empty(), "look for the second duty in {long:#?}");
}

/// A module's path below `src`, such as `domain`, `node`, `groups`.
type ModulePath = Vec<String>;

fn path_of(source: &Path) -> ModulePath {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let relative = source.strip_prefix(&root).unwrap().with_extension("");
    let names = relative
        .iter()
        .map(|name| name.to_str().unwrap().to_owned());
    names.collect()
}

/// The paths of a tree such as `a::{b, c::{d}}`, which has no spaces.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let mut depth = 0;
    let is_between = |character: char| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    };
    let parts = inside.split(is_between).filter(|part| !part.is_empty());
    parts
        .flat_map(|part| expanded(&format!("{before}{part}")))
        .collect()
}

/// Every path that the code of a module names and that begins at the crate or above itself.
fn named_paths(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    let lines = code.lines().map(str::trim_start);
    let code = lines
        .filter(|line| !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    for statement in code.split(';') {
        let begins = |word| Some(statement.rfind(word)? + str::len(word));
        if let Some(begin) = begins("use crate::").or_else(|| begins("use super::")) {
            let tree: String = statement[begin - "crate::".len()..]
                .split_whitespace()
                .collect();
            named.extend(expanded(&tree));
            continue;
        }
        let is_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
        let words = statement.split(|character| !is_path(character));
        let begins_there = |word: &&str| word.starts_with("crate::") || word.starts_with("super::");
        named.extend(words.filter(begins_there).map(str::to_owned));
    }
    named
}

/// The longest path of a module that the name begins with, seen from a module.
fn resolved(name: &str, from: &ModulePath, known: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    let mut base = from.clone();
    let mut path = ModulePath::new();
    for part in name.split("::") {
        match part {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            other => path.push(other.to_owned()),
        }
    }
    base.extend(path);
    while !base.is_empty() && !known.contains(&base) {
        base.pop();
    }
    (!base.is_empty()).then_some(base)
}

/// Modules beside each other, and which of them uses which: where two modules are apart, the
/// arrow is between the rooms or folders in which they part.
fn arrows() -> BTreeSet<(ModulePath, String, String)> {
    let sources: Vec<_> = modules()
        .into_iter()
        .map(|(_, path, code)| (path_of(&path), code))
        .collect();
    let known: BTreeSet<ModulePath> = sources.iter().map(|(path, _)| path.clone()).collect();
    let mut arrows = BTreeSet::new();
    for (from, code) in &sources {
        for name in named_paths(code) {
            let Some(to) = resolved(&name, from, &known) else {
                continue;
            };
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(user), Some(used)) = (from.get(common), to.get(common)) {
                arrows.insert((from[..common].to_vec(), user.clone(), used.clone()));
            }
        }
    }
    arrows
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut arrows = arrows();
    assert!(arrows.len() > 100, "the test has to see the imports");
    // Who uses nobody is in no circle, nor is an arrow to it.
    loop {
        let users: BTreeSet<_> = arrows
            .iter()
            .map(|(place, user, _)| (place.clone(), user.clone()))
            .collect();
        let before = arrows.len();
        arrows.retain(|(place, _, used)| users.contains(&(place.clone(), used.clone())));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "{arrows:#?}");
}

/// The names of the types of a module. Those within functions are nobody else's to find.
fn types(code: &str) -> Vec<&str> {
    let kinds = ["struct", "enum", "trait", "type"];
    let at_the_margin = code.lines().filter(|line| !line.starts_with(' '));
    let declarations = at_the_margin.filter_map(|line| {
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
            Some(rest) => rest.trim_start(),
            None => line,
        };
        let (kind, rest) = line.split_once(' ')?;
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let name = rest.split(|letter| !is_part(letter)).next()?;
        kinds.contains(&kind).then_some(name)
    });
    declarations.collect()
}

#[test]
fn no_two_types_share_a_name() {
    let modules = modules();
    let mut known = BTreeSet::new();
    let mut twice = Vec::new();
    for (module, path, code) in &modules {
        // What is made up for tests is no part of the program.
        if module == "fuzzing" || path.ends_with("fuzzing.rs") {
            continue;
        }
        for name in types(code) {
            // Each subcommand has its own.
            if name != "Arguments" && !known.insert(name) {
                twice.push(format!("{name}: {}", path.display()));
            }
        }
    }
    assert!(
        known.len() > 400,
        "the test has to see the types: {}",
        known.len()
    );
    assert!(twice.is_empty(), "{twice:#?}");
}
