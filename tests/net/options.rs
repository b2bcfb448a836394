//! What the words on the command line do, and what wrong ones get.

use crate::sockets::{tcp, udp};
use crate::truth::{LAN, assert_views, name, names, views};
use crate::world::World;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;

/// A port that is dropped, one that is open, and a named counter that sees what comes for 9000.
fn small_world() -> World {
    World::new()
        .veth(&LAN)
        .listens(tcp("[::]:22").dual())
        .listens(tcp("0.0.0.0:8080"))
        .listens(tcp("0.0.0.0:9000"))
        .echoes(udp("0.0.0.0:53"))
        .nft(
            "table inet fw {
                counter probes { }
                chain input {
                    type filter hook input priority 0; policy accept;
                    tcp dport 8080 drop
                    tcp dport 9000 counter name probes
                }
            }",
        )
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn vantages_families_and_transports_can_be_chosen() {
    let world = small_world();
    let targets = |arguments: &str| -> BTreeSet<String> {
        let report = world.json(arguments);
        views(&report).map(|(_, view)| view["target"].as_str().unwrap().to_owned()).collect()
    };
    let set = |addresses: &[&str]| addresses.iter().map(|a| (*a).to_owned()).collect();
    let all = set(&["127.0.0.1", "::1", "10.77.0.2", "fd77::2", "fe80::77"]);
    assert_eq!(targets("check --from loopback,self 22"), all);
    assert_eq!(targets("check 22 --from loopback,self"), all);
    assert_eq!(targets("check 22 --from loopback"), set(&["127.0.0.1", "::1"]));
    assert_eq!(targets("check 22 --from self"), set(&["10.77.0.2", "fd77::2", "fe80::77"]));
    assert_eq!(targets("check --from loopback,self 22 -4"), set(&["127.0.0.1", "10.77.0.2"]));
    assert_eq!(targets("check --from loopback,self 22 -6"), set(&["::1", "fd77::2", "fe80::77"]));
    assert_eq!(targets("check 22 -6 --from loopback"), set(&["::1"]));
    assert_eq!(targets("scan 22 -4 --from self"), set(&["10.77.0.2"]));

    let ports = |arguments: &str| -> BTreeSet<String> {
        names(&world.json(arguments)).into_iter().collect()
    };
    assert_eq!(ports("check"), set(&["22/tcp", "8080/tcp", "9000/tcp", "53/udp"]));
    assert_eq!(
        ports("check --from loopback,self --proto all"),
        set(&["22/tcp", "8080/tcp", "9000/tcp", "53/udp"])
    );
    assert_eq!(
        ports("check --from loopback,self --proto tcp"),
        set(&["22/tcp", "8080/tcp", "9000/tcp"])
    );
    assert_eq!(ports("check --from loopback,self --proto udp"), set(&["53/udp"]));
    assert_eq!(
        ports("check --from loopback,self 50-53 --proto udp"),
        set(&["50/udp", "51/udp", "52/udp", "53/udp"])
    );
    assert_eq!(ports("check --from loopback,self ssh,80 --proto tcp"), set(&["22/tcp", "80/tcp"]));
}

/// An excluded port gets no packet: the rule that counts them has seen none.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_excluded_port_gets_no_packet() {
    let world = small_world();
    let report = world.json("check --from loopback,self --exclude 8999-9000");
    assert_eq!(world.counted("probes"), 0);
    assert!(views(&report).all(|(item, _)| name(item) != "9000/tcp"));
    // It has its row all the same, and no verdict.
    let items = report["items"].as_array().unwrap();
    let excluded = items.iter().find(|item| name(item) == "9000/tcp").unwrap();
    assert_eq!((&excluded["verdict"], &excluded["views"]), (&json!(null), &json!([])));
    assert_eq!(excluded["unknown"][0]["field"], "verdict");
    assert!(views(&report).any(|(item, _)| name(item) == "22/tcp"));
    // The counter does count.
    world.json("check");
    assert!(world.counted("probes") >= 2, "one packet for each IPv4 address");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_exit_status_says_what_was_found() {
    // 8080/tcp is filtered, 57/udp undecided.
    let world = small_world().echoes(udp("0.0.0.0:57")).nft(
        "table inet more {
            chain input { type filter hook input priority 0; udp dport 57 drop; }
        }",
    );
    for (status, arguments) in [
        (0, "check --from loopback,self 22"),
        (0, "check --from loopback,self 8080 --proto tcp"),
        (0, "check --from loopback,self 3306"),
        (0, "check --from loopback,self 22 --fail-on filtered"),
        (1, "check --from loopback,self 8080 --fail-on filtered"),
        (1, "check --from loopback,self 8080 --fail-on unexpected,filtered"),
        (0, "check --from loopback,self 8080 --proto tcp --fail-on unexpected"),
        (1, "check --from loopback,self 3306 --fail-on closed"),
        // Where the rules are traced, it is known what became of the datagram.
        (0, "check --from loopback,self 57 --proto udp"),
        (1, "check --from loopback,self 22,57 --fail-on reachable"),
        (0, "ls"),
        (0, "ls port=1"),
        (0, "who 22"),
        (0, "22"),
        (1, "who 3306"),
    ] {
        let run = world.portsight(arguments);
        assert_eq!(run.status, status, "{arguments}: {run:#?}");
    }
    for (status, arguments) in [
        (3, "check --from loopback,self 57 --proto udp"),
        // An answer of --fail-on comes first.
        (1, "check --from loopback,self 57 --proto udp --fail-on inconclusive"),
    ] {
        let run = world.prepare(arguments).by_ordinary_user().run();
        assert_eq!(run.status, status, "{arguments}: {run:#?}");
    }
}

/// Wrong words: exit 2, one line that names the value, and nothing on standard output.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_wrong_word_is_named_in_one_line() {
    let world = World::new();
    for (arguments, words) in [
        ("0", &["0", "65535"][..]),
        ("70000", &["70000", "65535"]),
        ("who 0", &["0", "65535"]),
        ("who 70000", &["70000", "65535"]),
        ("who 10-5", &["10-5"]),
        ("check --from loopback,self 0", &["0", "65535"]),
        ("check --from loopback,self 70000", &["70000", "65535"]),
        ("check --from loopback,self 10-5", &["10-5"]),
        ("check --from loopback,self 80,70000", &["70000"]),
        ("check --from loopback,self abc", &["abc"]),
        ("check --from loopback,self 22 --exclude abc", &["abc"]),
        ("check 22 --from moon", &["moon", "loopback", "self"]),
        ("check 22 --from loopbak", &["loopbak", "loopback"]),
        ("check --from loopback,self 22 --proto icmp", &["icmp", "tcp", "udp"]),
        ("check --from loopback,self 53/udp --proto tcp", &["nothing to probe", "tcp"]),
        ("check --from loopback,self --all-udp --proto tcp", &["--all-udp", "--proto tcp"]),
        ("ls --json -o plain", &["--json", "--output"]),
        ("who", &["PORT"]),
        ("check --from loopback,self 22 --fail-on sometimes", &["sometimes", "filtered"]),
        ("check --from loopback,self 22 -o yaml", &["yaml", "json"]),
        ("ls -o jsn", &["jsn", "json"]),
        ("ls --color perhaps", &["perhaps", "auto"]),
        ("ls prot=22", &["prot"]),
        ("ls port=70000", &["70000"]),
        ("ls --nonsense", &["--nonsense"]),
    ] {
        let run = world.portsight(arguments);
        assert_eq!(run.status, 2, "{arguments}: {run:#?}");
        assert_eq!(run.stdout, "", "{arguments}");
        run.says_in_one_line(words);
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_output_that_cannot_be_written_is_an_error() {
    let world = small_world();
    for arguments in [
        "ls",
        "ls -o json",
        "ls -o plain",
        "who 22",
        "check --from loopback,self 22",
        "check 22 -o json",
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let run = world.prepare(arguments).to(full).run();
        assert_eq!(run.status, 2, "{arguments}: {run:#?}");
        run.says_in_one_line(&["No space left"]);
    }
}

/// Each document says who wrote it, where, when, and what could not be seen.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn every_document_says_where_it_comes_from() {
    let world = small_world();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (arguments, schema) in [
        ("ls", "portsight/ls"),
        ("who 22", "portsight/who"),
        ("check --from loopback,self 22", "portsight/check"),
    ] {
        let document = world.json(arguments);
        assert_eq!(document["schema"], schema);
        assert_eq!(document["format_version"], "1.0");
        assert_eq!(document["tool"]["name"], "portsight");
        assert_eq!(document["tool"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["host"]["boot_id"], boot_id.trim());
        assert!(document["host"]["kernel"].is_string() && document["host"]["name"].is_string());
        assert!(document["taken_at"].as_str().is_some_and(|t| t.ends_with('Z')), "{document}");
        assert!(document["duration_ms"].is_number(), "{document}");
        assert_eq!(document["privileges"]["uid"], rustix::process::geteuid().as_raw());
        assert!(document["privileges"]["capabilities"].is_array());
        assert_eq!(document["incomplete"], serde_json::json!([]), "{arguments}");
        assert!(document["items"].is_array());
    }
    assert_views(
        &world.json("check 22 --from loopback --proto tcp"),
        "22/tcp  lo  open  syn-ack  reachable  -  proved",
    );
}

/// Who knows better than the defaults how long silence lasts, and how much the host bears.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn waits_and_the_rate_can_be_chosen() {
    let world = World::new().listens(tcp("127.0.0.1:22")).nft(
        "table inet fw {
            counter probes { }
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport 9000 counter name probes drop
            }
        }",
    );
    let mut counted = 0;
    for (retries, attempts) in [(0, 1), (3, 4)] {
        let options = format!("--from loopback -4 --proto tcp --timeout 20ms --retries {retries}");
        let report = world.json(&format!("check 9000 {options}"));
        let (_, view) = views(&report).next().expect("a view");
        assert_eq!((&view["attempts"], &view["state"]), (&json!(attempts), &json!("filtered")));
        // Each of both looks asks so often, and a trace once.
        counted += 2 * attempts + 1;
        assert_eq!(world.counted("probes"), counted, "--retries {retries}");
    }
    let report = world.json("check 1001-1050 --from loopback -4 --proto tcp --max-rate 100");
    let took = report["duration_ms"].as_u64().unwrap();
    assert!(took >= 450, "50 probes at 100 in a second took {took} ms");
    for (options, words) in [
        ("--timeout 5", "\"5\" is no duration: write 300ms, 2s or 1m"),
        ("--timeout 2m", "out of bounds"),
        ("--retries 11", "11 is not in 0..=10"),
        ("--max-rate 0", "0 is not in 1.."),
    ] {
        world.portsight(&format!("check 22 {options}")).exits(2).says_in_one_line(&[words]);
    }
}
