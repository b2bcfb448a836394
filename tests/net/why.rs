//! `why`: each reason made with real sockets, rules and processes, and beside it what must not be taken for it.

mod bind;
mod blocked;
mod connected;
mod containers;
mod ended;
mod from;
mod names;
mod opening;
mod refused;
mod silent;
mod ssh;
mod systemctl;
mod udp;
mod units;
mod words;

use crate::run::{Prepared, Run, mount_for_this_thread};
use crate::sockets::Spec;
use crate::world::World;
use serde_json::Value;
use std::ffi::{CStr, CString};
use std::fs;
use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// The answer in a few words: `R05 proved`, `works`, `works U01 likely`, `nothing`.
fn told(run: &Run) -> String {
    let report = run.document();
    let diagnosis = &report["diagnosis"];
    let reason = diagnosis["code"]
        .as_str()
        .map(|code| format!("{code} {}", diagnosis["certainty"].as_str().expect("a certainty")));
    let works = report["works"].as_bool().expect("works is true or false");
    let answer = match (works, reason) {
        (true, None) => "works".to_owned(),
        (true, Some(reason)) => format!("works {reason}"),
        (false, Some(reason)) => reason,
        (false, None) => "nothing".to_owned(),
    };
    let status = match (works, diagnosis["certainty"].as_str()) {
        (true, _) => 0,
        (false, Some("proved" | "likely")) => 1,
        (false, _) => 3,
    };
    assert_eq!(run.status, status, "the exit status of {answer}: {run:#?}");
    answer
}

/// Asserts what root and what an ordinary user are told.
#[track_caller]
fn assert_told(world: &World, arguments: &str, root: &str, ordinary: &str) -> Value {
    let prepare = || world.prepare(&format!("why {arguments} -o json"));
    let run = prepare().run();
    assert_eq!(told(&run), root, "why {arguments}, as root: {run:#?}");
    let report = run.document();
    let run = prepare().by_ordinary_user().run();
    assert_eq!(told(&run), ordinary, "why {arguments}, as an ordinary user: {run:#?}");
    report
}

/// Asserts that root and an ordinary user are told the same.
#[track_caller]
fn assert_says(world: &World, arguments: &str, expected: &str) -> Value {
    assert_told(world, arguments, expected, expected)
}

/// Asserts a reason that blames a rule: root has it traced, so it is proved; to an ordinary user it is likely.
#[track_caller]
fn assert_blames_a_rule(world: &World, arguments: &str, code: &str) -> Value {
    assert_told(world, arguments, &format!("{code} proved"), &format!("{code} likely"))
}

/// The sentence of an answer.
fn text(report: &Value) -> &str {
    report["diagnosis"]["text"].as_str().unwrap_or_default()
}

/// What was seen of something, in words.
fn evidence<'a>(report: &'a Value, what: &str) -> &'a str {
    let list = report["evidence"].as_array().expect("evidence");
    let found = list.iter().find(|it| it["what"] == what).and_then(|it| it["text"].as_str());
    found.unwrap_or_else(|| panic!("no evidence of {what}: {report:#}"))
}

/// A server that accepts each connection and keeps it until the client is gone.
trait Accepts {
    fn accepts(self, spec: Spec) -> Self;
}

impl Accepts for World {
    fn accepts(self, spec: Spec) -> Self {
        self.speaks(spec, |mut client| drop(client.read(&mut [0])))
    }
}

/// For this thread, and the programs that it starts, the file at this path has this text.
///
/// The thread has a mount namespace of its own then, which ends with it.
fn with_file(path: &'static CStr, text: &str) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = format!("/var/tmp/portsight-test-file-{}-{number}", std::process::id());
    fs::write(&file, text).unwrap();
    let source = CString::new(file.clone()).unwrap();
    let mounted = mount_for_this_thread(&source, path, c"none", libc::MS_BIND);
    // The mount keeps the file.
    fs::remove_file(&file).unwrap();
    mounted.unwrap_or_else(|error| panic!("did not run: {path:?} cannot be mounted over: {error}"));
}

/// Both loopback addresses under the name that everybody uses.
const LOCALHOST: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Runs it as it is, and gives the answer with the run.
fn answer(prepared: Prepared) -> (String, Run) {
    let run = prepared.run();
    (told(&run), run)
}
