//! Names that want to change the terminal, and a machine that hides things.

use crate::holder::holder;
use crate::sockets::{tcp, udp};
use crate::truth::{items, name, names, only_item, views};
use crate::world::World;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Clears the screen, sets the title, begins a row of its own, turns the text around, hides a letter, and is no
/// UTF-8.
const HOSTILE: &[u8] =
    b"evil\x1b[2J\x1b]0;title\x07\n22/tcp fake\r\t\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xc2\x9b31m\xff\xfe";

/// The same as the name of a file, which can hold all of it but the slash.
fn hostile_file() -> Vec<u8> {
    HOSTILE.iter().map(|byte| if *byte == b'/' { b'_' } else { *byte }).collect()
}

/// The characters of this text that could move, hide or turn around others.
fn dangerous(text: &str, but: &[char]) -> Vec<char> {
    text.chars()
        .filter(|c| {
            let invisible = matches!(c,
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
                | '\u{061c}' | '\u{feff}' | '\u{00ad}');
            (c.is_control() || invisible) && !but.contains(c)
        })
        .collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_hostile_name_changes_nothing_but_its_own_cell() {
    let hostile = OsStr::from_bytes(HOSTILE);
    let world = World::new().listens(tcp("127.0.0.1:80"));
    let file = hostile_file();
    let _by_file = holder().named(OsStr::from_bytes(&file)).holding(tcp("127.0.0.1:7001")).start();
    let _by_words = holder()
        .calling_itself(hostile)
        .with_argument(hostile)
        .holding(udp("127.0.0.1:7002"))
        .start();
    for arguments in [
        "ls",
        "ls -v",
        "ls -o plain",
        "check --from loopback,self 80,7001-7002",
        "check 80,7001-7002 -o plain",
    ] {
        let run = world.portsight(arguments);
        assert_eq!(dangerous(&run.stdout, &['\n', '\t']), [], "{arguments}: {run:?}");
        assert_eq!(dangerous(&run.stderr, &['\n']), [], "{arguments}: {run:?}");
        assert!(run.stdout.contains("evil"), "the name is shown: {run:?}");
        // The rows are those of the document: none was made by the name, none was broken by it. In plain text
        // each view has its own.
        let plain = arguments.ends_with("plain");
        let command = arguments.replace(" -o plain", "").replace(" -v", "");
        let report = world.json(&command);
        let mut expected = match command.as_str() {
            check if check.starts_with("check") && plain => {
                views(&report).map(|(item, _)| name(item)).collect()
            }
            _ => names(&report),
        };
        let mut rows: Vec<_> = run
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| word.contains("/tcp") || word.contains("/udp"))
            .map(str::to_owned)
            .collect();
        expected.sort();
        rows.sort();
        assert_eq!(rows, expected, "{arguments}: {}", run.stdout);
    }
    for arguments in ["who 7001", "who 7002", "who 7001 -o plain", "who 7002 -v"] {
        let run = world.portsight(arguments).exits(0);
        assert_eq!(dangerous(&run.stdout, &['\n', '\t']), [], "{arguments}: {run:?}");
        assert!(!run.stdout.lines().any(|line| line.starts_with("22/tcp")), "{run:?}");
    }
}

/// JSON keeps the name as it is, but for bytes that are no UTF-8.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_hostile_name_is_whole_in_the_document() {
    let world = World::new();
    let file = hostile_file();
    let _process = holder()
        .named(OsStr::from_bytes(&file))
        .with_argument(OsStr::from_bytes(HOSTILE))
        .holding(tcp("127.0.0.1:7001"))
        .start();
    let run = world.portsight("who 7001 -o json").exits(0);
    assert_eq!(dangerous(&run.stdout, &['\n']).iter().filter(|c| c.is_ascii()).count(), 0);
    let report = run.document();
    let owner = &only_item(&report)["owners"][0];
    assert_eq!(owner["name"], json!(String::from_utf8_lossy(&file)));
    assert_eq!(owner["cmdline"][3], json!(String::from_utf8_lossy(HOSTILE)));
}

/// A word of the user's own is no less hostile: it is repeated in a message.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_hostile_argument_is_escaped_in_the_message() {
    let world = World::new();
    let hostile = OsStr::from_bytes(HOSTILE);
    for arguments in ["who", "check", "ls -o", "check 22 --from", "check 22 --fail-on"] {
        let run = world.prepare(arguments).arg(hostile).run();
        assert_eq!(dangerous(&run.stderr, &['\n']), [], "{arguments}: {run:?}");
        assert_eq!(dangerous(&run.stdout, &['\n']), [], "{arguments}: {run:?}");
        assert!([1, 2].contains(&run.status), "{arguments}: {run:?}");
    }
}

/// Where `/proc` is empty, the sockets are still there, whose they are is not known, and the report says so.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_proc_the_sockets_are_listed_and_the_gap_is_told() {
    let world = World::new().listens(tcp("127.0.0.1:80")).echoes(udp("127.0.0.1:53"));
    let run = world.prepare("ls -o json").without_proc().run().exits(0);
    let report = run.document();
    let mut listed = names(&report);
    listed.sort();
    assert_eq!(listed, ["53/udp", "80/tcp"]);
    for item in items(&report) {
        assert_eq!(item["owners"], json!([]));
        assert_eq!(item["owners_unknown"]["reason"], "no-procfs", "{item:#}");
    }
    assert_ne!(report["incomplete"], json!([]), "the gap");
    assert_eq!(report["host"]["boot_id"], Value::Null);

    for arguments in ["ls", "ls -o plain", "who 80"] {
        let run = world.prepare(arguments).without_proc().run().exits(0);
        assert!(run.stdout.contains("80/tcp"), "{run:?}");
        assert!(run.stderr.contains("/proc"), "the note: {run:?}");
    }
    for arguments in ["check", "check --from loopback,self 80", "who 81"] {
        let run = world.prepare(arguments).without_proc().run();
        assert!([0, 1, 3].contains(&run.status), "no crash: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
    }
}
