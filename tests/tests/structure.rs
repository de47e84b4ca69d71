//! The way of the data is one direction: a module of `enforcer-user` imports
//! only from modules to its left.

use std::fs;
use std::path::{Path, PathBuf};

/// Flow order; also the order of the `pub mod` lines in `lib.rs`.
const ORDER: [&str; 13] = [
    "config",
    "policy",
    "compile",
    "kernel",
    "sockets",
    "agents",
    "events",
    "correlate",
    "act",
    "audit",
    "metrics",
    "daemon",
    "cli",
];

#[test]
fn a_module_imports_only_from_its_left() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../enforcer-user/src");
    let mut wrong = Vec::new();
    for (place, module) in ORDER.iter().enumerate() {
        let files = files_of(&source, module);
        assert!(!files.is_empty(), "no module {module} in {}", source.display());
        for file in files {
            let text = fs::read_to_string(&file).expect("read a source file");
            let outside = imported(&text).filter(|name| !ORDER[..=place].contains(&name.as_str()));
            wrong.extend(outside.map(|name| format!("{}: crate::{name}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "edges against the way of the data:\n{}", wrong.join("\n"));
}

#[test]
fn the_library_lists_its_modules_in_flow_order() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../enforcer-user/src/lib.rs");
    let text = fs::read_to_string(source).expect("read lib.rs");
    let listed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|name| ORDER.contains(name))
        .collect();
    assert_eq!(listed, ORDER);
}

#[test]
fn paths_are_found_in_every_spelling() {
    let text = "use crate::policy::X;\nuse crate::{\n    events::Event,\n    kernel,\n};\n\
                fn f() { crate::daemon::run() }\n// crate::cli is only talked about\n";
    let mut found: Vec<String> = imported(text).collect();
    found.sort_unstable();
    assert_eq!(found, ["daemon", "events", "kernel", "policy"]);
}

fn files_of(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let single = source.join(format!("{module}.rs"));
    files.extend(single.is_file().then_some(single));
    walk(&source.join(module), &mut files);
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_test(&path) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Tests may look around: `tests/`, `tests.rs`, `x_tests.rs`.
fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

/// First parts of all `crate::…` paths, comments left out.
fn imported(text: &str) -> impl Iterator<Item = String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        if let Some(list) = path.strip_prefix('{') {
            names.extend(first_parts(list));
        } else {
            names.push(word(path));
        }
    }
    names.retain(|name| ORDER.contains(&name.as_str()));
    names.into_iter()
}

/// First parts of the entries of a brace list, nested lists skipped.
fn first_parts(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(word(&list[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(word(&list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `file: test` in the threat model's table; further tests of the same file
/// follow after a comma.
#[test]
fn the_threat_model_names_tests_that_there_are() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(here.join("../docs/THREAT-MODEL.md")).expect("readable");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    let mut named = 0;
    for row in rows {
        let mut file = String::new();
        for quoted in row.split('`').skip(1).step_by(2) {
            let (in_file, test) = quoted.split_once(": ").unwrap_or(("", quoted));
            if !in_file.is_empty() {
                file = fs::read_to_string(here.join(format!("tests/{in_file}.rs")))
                    .unwrap_or_else(|error| panic!("{in_file}: {error}"));
            }
            if !file.is_empty() {
                assert!(file.contains(&format!("fn {test}()")), "no test {test}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "only {named} tests are named");
}
