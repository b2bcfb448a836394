//! The files that the binary writes about itself are committed; here they are compared with what it writes
//! today. `BLESS=1 cargo test --test generated` writes them anew.

#![expect(clippy::expect_used, reason = "a test helper may panic: that is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start programs and read their environment; portsight does not"
)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Each file, and the words after `portsight` that print it.
const GENERATED: &[(&str, &[&str])] = &[
    ("completions/portsight.bash", &["completions", "bash"]),
    ("completions/portsight.elv", &["completions", "elvish"]),
    ("completions/portsight.fish", &["completions", "fish"]),
    ("completions/portsight.ps1", &["completions", "powershell"]),
    ("completions/portsight.zsh", &["completions", "zsh"]),
    ("doc/check.schema.json", &["schema", "check"]),
    ("doc/findings.md", &["why", "--explain", "all"]),
    ("doc/portsight.1", &["man"]),
    ("doc/sockets.schema.json", &["schema", "ls"]),
    ("doc/who.schema.json", &["schema", "who"]),
    ("doc/why.schema.json", &["schema", "why"]),
];

/// What the binary prints for these words. Everything that could change its output is taken away.
fn printed(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portsight"))
        .args(words)
        .env_clear()
        .output()
        .expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "portsight {words:?}: {}, {errors}", output.status);
    assert!(errors.is_empty(), "portsight {words:?} wrote to stderr: {errors}");
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

#[test]
fn the_committed_files_are_what_the_binary_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (file, words) in GENERATED {
        let fresh = printed(words);
        assert!(fresh.contains("portsight") && fresh.lines().count() > 10, "{file}: {fresh:?}");
        if env::var_os("BLESS").is_some() {
            fs::write(root.join(file), &fresh).expect("the file can be written");
        } else if fs::read_to_string(root.join(file)).ok().as_ref() != Some(&fresh) {
            stale.push(*file);
        }
    }
    assert!(
        stale.is_empty(),
        "out of date: {}. Run: BLESS=1 cargo test --test generated",
        stale.join(", ")
    );
}

#[test]
fn every_committed_file_is_generated_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root.join("completions")).expect("the folder is there") {
        let name = entry.expect("it can be read").file_name();
        let file = format!("completions/{}", name.display());
        assert!(
            GENERATED.iter().any(|(generated, _)| *generated == file),
            "{file} is in the folder and nothing generates it"
        );
    }
}
