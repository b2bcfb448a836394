//! Where the output goes: narrow terminals, readers that leave, Ctrl-C, and nobody who watches.

use crate::holder::holder;
use crate::run::{on_screen, speaks_within, terminal};
use crate::sockets::tcp;
use crate::truth::{names, views};
use crate::world::World;
use std::io::{BufRead as _, BufReader, Read as _, pipe};
use std::os::fd::AsRawFd as _;

/// A world whose full scan takes many seconds: two million probes.
fn endless_world() -> World {
    let addresses: Vec<_> = (1..=30).map(|n| format!("10.77.0.{n}/24")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    World::new().veth(&addresses).listens(tcp("0.0.0.0:80"))
}

/// Ports are never split and lines never wrapped: columns go, and standard error says which.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_narrow_terminal_hides_columns_and_says_so() {
    let world = World::new();
    let _process = holder()
        .named("net-a-process-with-a-long-name")
        .holding(tcp("127.0.0.1:65535"))
        .holding(tcp("[::1]:10000"))
        .holding(tcp("[::ffff:127.0.0.1]:8080").dual())
        .start();
    let ports = ["8080/tcp", "10000/tcp", "65535/tcp"];
    let show = |arguments: &str, columns: u16| {
        let (screen, theirs) = terminal(columns);
        let run = world.prepare(arguments).to(theirs).run().exits(0);
        (on_screen(screen), run.stderr)
    };
    // The line that sums a check up is no row: it is as long as the numbers in it, and those of a slow full scan are.
    for arguments in ["ls", "check 8080,10000,65535 --proto tcp"] {
        let columns = 60;
        let (table, notes) = show(arguments, columns);
        let plain = without_colour(&table);
        for line in plain.lines().filter(|line| !line.contains(" as seen from ")) {
            assert!(line.chars().count() <= usize::from(columns), "{columns} columns: {line:?}");
        }
        let first: Vec<_> = plain.lines().filter_map(|l| l.split_whitespace().next()).collect();
        for port in ports {
            assert!(first.contains(&port), "{port} is whole in:\n{table}");
        }
        assert!(notes.contains("column"), "the hidden columns are told: {notes:?}\n{table}");
    }
    // Where there is room nothing is hidden, and nothing said.
    let (_, notes) = show("ls", 200);
    assert!(!notes.contains("column"), "{notes:?}");
}

/// The text without `ESC [ … m`.
fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

/// `portsight | head -1`, and a reader who is gone before the first line.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_reader_that_leaves_is_no_error() {
    let world = (1..=300)
        .fold(World::new(), |world, port| world.listens(tcp(&format!("127.0.0.1:{port}"))));
    for arguments in [
        "ls",
        "ls -o plain",
        "ls -o json",
        "check --from loopback,self 1-300 -4",
        "check 1-300 -4 -o json",
    ] {
        let (reads, writes) = pipe().unwrap();
        // SAFETY: fcntl(2) with F_SETPIPE_SZ takes a number.
        let size = unsafe { libc::fcntl(writes.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
        assert_eq!(
            size, 4096,
            "less than the output: the writer is still at it when the reader leaves"
        );
        let running = world.prepare(arguments).to(writes).start();
        let mut reader = BufReader::with_capacity(64, reads);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_ne!(line, "", "{arguments}");
        drop(reader);
        let run = running.end();
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments}");

        let (reads, writes) = pipe().unwrap();
        drop(reads);
        let run = world.prepare(arguments).to(writes).run();
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments}, nobody reads");
    }
}

/// Long work shows its progress on a terminal. Ctrl-C ends it: 130, and what is known so far, marked partial.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ctrl_c_gives_what_is_known_so_far() {
    let world = endless_world();
    let (mut screen, theirs) = terminal(80);
    let running =
        world.prepare("check --from loopback,self --proto tcp -o json").errors_to(theirs).start();
    assert!(speaks_within(20, &screen), "progress on a terminal");
    let mut begun = [0; 256];
    let length = screen.read(&mut begun).unwrap();
    assert!(length > 0);
    running.interrupt();
    let run = running.end().exits(130);
    let report = run.document();
    assert_eq!(report["partial"], true, "{run:?}");
    assert_eq!(names(&report), ["80/tcp"], "the socket is known in any case");
    // What was not probed is counted as such, never as closed: every port of all 32 addresses is accounted for.
    let sum = |fields: &[&str]| -> u64 {
        let tallies =
            report["vantages"].as_array().unwrap().iter().map(|v| &v["transports"]["tcp"]);
        tallies.flat_map(|tally| fields.iter().map(|field| tally[*field].as_u64().unwrap())).sum()
    };
    assert_eq!(sum(&["probed", "not_probed"]), 32 * u64::from(u16::MAX));
    assert!(sum(&["not_probed"]) > 0, "it was interrupted");
    assert!(sum(&["closed", "shielded"]) <= sum(&["probed"]));
    drop(screen);
}

/// The same work, complete, is not marked, and says nothing when standard error is no terminal.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn short_work_and_no_terminal_mean_no_progress() {
    let world = World::new().listens(tcp("127.0.0.1:80"));
    let (screen, theirs) = terminal(80);
    let run = world.prepare("check 80 --proto tcp -o json").errors_to(theirs).run().exits(0);
    assert_eq!(on_screen(screen), "", "short work on a terminal");
    let report = run.document();
    assert_ne!(report["partial"], true);
    assert_eq!(views(&report).count(), 2);
    assert_eq!(world.portsight("check --proto tcp -o json").exits(0).stderr, "", "no terminal");
}
