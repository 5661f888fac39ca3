//! What the documentation shows is what the program prints. A block of output stands below a
//! comment with its command: `<!-- output: archmatch report FILE | head -4 -->`.
//! `make render` writes the blocks and the picture, every other run compares.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PAGES: [&str; 6] = [
    "README.md",
    "docs/audit.md",
    "docs/ci.md",
    "docs/formats.md",
    "docs/instead.md",
    "docs/new-architecture.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file of the repository with what it should be, or writes it.
pub(crate) fn published(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("ARCHMATCH_RENDER").is_some() {
        fs::write(&path, text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "run make render and commit {}",
        path.display()
    );
}

/// What a command line prints: our program, and `head` or `jq` in a small way.
fn output(line: &str) -> String {
    let mut parts = line.split(" | ");
    let mut words = parts.next().unwrap().split(' ');
    assert_eq!(words.next(), Some("archmatch"), "{line}");
    let run = Command::new(env!("CARGO_BIN_EXE_archmatch"))
        .args(words)
        .current_dir(root())
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    let mut text = String::from_utf8(run.stdout).unwrap();
    assert!(
        !text.is_empty(),
        "{line}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    for filter in parts {
        text = match filter.split_once(' ').unwrap() {
            ("head", count) => {
                let count: usize = count.trim_start_matches('-').parse().unwrap();
                let lines = text.lines().take(count);
                lines.fold(String::new(), |all, line| all + line + "\n")
            }
            ("jq", ".findings[2]") => {
                let report: Value = serde_json::from_str(&text).unwrap();
                serde_json::to_string_pretty(&report["findings"][2]).unwrap() + "\n"
            }
            _ => panic!("{filter}: not known here"),
        };
    }
    text
}

/// The page with the output of each command.
fn rendered(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- output: ") {
        let (line, after) = after.split_once(" -->\n").unwrap();
        let (fence, after) = after.split_once('\n').unwrap();
        assert!(fence.starts_with("```"), "{line}: no block below it");
        let (_, after) = after.split_once("```").unwrap();
        let shown = output(line);
        let _ = write!(text, "{before}<!-- output: {line} -->\n{fence}\n{shown}```");
        rest = after;
    }
    text + rest
}

#[test]
fn what_the_documentation_shows_is_what_the_program_prints() {
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        published(page, &rendered(&text));
    }
}

#[test]
fn the_picture_of_the_readme_is_the_audit_of_the_demonstration() {
    let text = output("archmatch report tests/data/reports/demo.json | head -16");
    published("docs/audit.svg", &picture(&text));
}

/// A terminal with a text, as SVG.
fn picture(text: &str) -> String {
    const LINE: usize = 20;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
    let (width, height) = (widest * 9 + 40, lines.len() * LINE + 40);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>archmatch audit: how many workloads are ready for each platform</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#14181f\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"15\" \
         fill=\"#d7dce4\" xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        let marks = [
            ("✓", "#5fd38d"),
            ("✗", "#ff7b72"),
            ("≠", "#ff7b72"),
            ("?", "#e3b341"),
            ("·", "#8b949e"),
        ];
        let coloured = marks.iter().fold(line, |line, (mark, colour)| {
            line.replace(mark, &format!("<tspan fill=\"{colour}\">{mark}</tspan>"))
        });
        let y = 34 + number * LINE;
        let _ = writeln!(svg, "<text x=\"20\" y=\"{y}\">{coloured}</text>");
    }
    svg + "</g>\n</svg>\n"
}
