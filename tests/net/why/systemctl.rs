//! `systemctl` that hangs, fails or prints what is not understood; and when it is started at all. The first process has
//! the network namespace of these tests, as that of a host has.

use super::{Accepts, answer};
use crate::run::{in_own_process_namespace, mount_for_this_thread};
use crate::sockets::tcp;
use crate::world::World;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

/// Where the program in the place of `systemctl` writes that it was started.
const STARTED: &str = "/run/started";

/// For this thread, and what it starts, systemd runs, and `systemctl` is this script.
fn with_systemctl(script: &str) {
    // What stands here goes before the real one, and is gone with the thread.
    for place in [c"/run", c"/usr/local/sbin"] {
        mount_for_this_thread(c"none", place, c"tmpfs", 0).unwrap_or_else(|error| {
            panic!("did not run: {place:?} cannot be mounted over: {error}")
        });
    }
    fs::create_dir_all("/run/systemd/system").unwrap();
    let program = "/usr/local/sbin/systemctl";
    fs::write(program, format!("#!/bin/sh\necho \"$@\" >>{STARTED}\n{script}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What is missing from the answer for a port that nobody has, and how long the answer took.
fn told_without(world: &World, script: &str) -> (String, Duration) {
    with_systemctl(script);
    let begun = Instant::now();
    let (told, run) = answer(world.prepare("why 127.0.0.1:28953 -o json"));
    let time = begun.elapsed();
    assert_eq!(told, "R01 proved", "{script}: {run:#?}");
    assert!(fs::read_to_string(STARTED).is_ok(), "{script}: it was not started: {run:#?}");
    let report = run.document();
    let also = report["also_checked"].to_string();
    let gaps = report["incomplete"].as_array().expect("a list of gaps").iter();
    let gap = gaps.clone().find(|gap| gap["what"] == "the units of systemd");
    assert_eq!(gap.is_none(), also.contains("units of systemd"), "{script}: {report:#}");
    (gap.map_or_else(String::new, |gap| gap["reason"].as_str().unwrap().to_owned()), time)
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_systemctl_that_cannot_be_understood_is_a_gap_and_no_delay() {
    if !in_own_process_namespace(
        "why::systemctl::a_systemctl_that_cannot_be_understood_is_a_gap_and_no_delay",
    ) {
        return;
    }
    let world = World::of_this_thread();
    let table = [
        ("exec sleep 60", "systemctl: it took too long"),
        ("echo UnitPath=/none; exec >&- 2>&-; sleep 60", "systemctl: it took too long"),
        ("cat /dev/zero", "systemctl: it said too much"),
        ("echo 'no bus' >&2; exit 1", "systemctl fails: no bus"),
        ("kill -9 $$", "systemctl fails: a signal ended it"),
    ];
    for (script, reason) in table {
        let (told, time) = told_without(&world, script);
        assert_eq!(told, reason, "{script}");
        assert!(time < Duration::from_secs(10), "{script}: {time:?}");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn garbage_of_systemctl_is_said_to_be_that() {
    if !in_own_process_namespace("why::systemctl::garbage_of_systemctl_is_said_to_be_that") {
        return;
    }
    let world = World::of_this_thread();
    let garbage = "systemctl prints what is not understood";
    let units = "Id=a.service\\nActiveState=active\\n";
    let table = [
        ("head -c 10000 /dev/urandom", true),
        ("echo '{\"units\": []}'", true),
        ("printf 'UnitPath=/none\\nId=\\nActiveState=failed\\n'", true),
        // No unit at all is an answer, and so is one that has nothing to do with the port.
        ("case \"$*\" in *UnitPath*) echo UnitPath=/none ;; esac", false),
        (
            &format!(
                "case \"$*\" in *UnitPath*) echo UnitPath=/none ;; *) printf '{units}' ;; esac"
            ),
            false,
        ),
    ];
    for (script, is_garbage) in table {
        let (told, _) = told_without(&world, script);
        assert_eq!(told, if is_garbage { garbage } else { "" }, "{script}");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_answer_that_systemd_has_no_part_in_does_not_start_it() {
    if !in_own_process_namespace(
        "why::systemctl::an_answer_that_systemd_has_no_part_in_does_not_start_it",
    ) {
        return;
    }
    let world =
        World::of_this_thread().accepts(tcp("127.0.0.1:27710")).listens(tcp("127.0.0.1:27711"));
    with_systemctl("exec sleep 60");
    let table = [
        ("why 127.0.0.1:27710", "works"),
        ("why 127.0.0.1:27711", "C01 likely"),
        ("why 127.0.0.2:27710", "R08 proved"),
        ("why --bind 127.0.0.1:27710", "B01 proved"),
        ("why 10.0.0.1:27710", "H05 proved"),
    ];
    for (arguments, expected) in table {
        let (told, run) = answer(world.prepare(&format!("{arguments} -o json")));
        assert_eq!(told, expected, "{arguments}: {run:#?}");
        let started = fs::read_to_string(STARTED);
        assert!(started.is_err(), "{arguments} started systemctl {started:?}");
    }
    // Near miss: the same world, and a port that nobody has.
    drop(world.prepare("why 127.0.0.1:28964").run());
    assert!(fs::read_to_string(STARTED).is_ok());
}

/// The services of systemd are not where this network namespace is, so what they do explains nothing here.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_systemd_of_another_network_namespace_is_not_asked() {
    let world = World::new();
    with_systemctl("exec sleep 60");
    for ordinary in [false, true] {
        let run = world.prepare("why 127.0.0.1:27720 -o json");
        let run = if ordinary { run.by_ordinary_user() } else { run };
        let (told, run) = answer(run);
        assert_eq!(told, "R01 proved", "{run:#?}");
        assert!(!run.document()["also_checked"].to_string().contains("systemd"), "{run:#?}");
    }
    assert!(fs::read_to_string(STARTED).is_err(), "it was started");
}
