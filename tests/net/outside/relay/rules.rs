//! What the rules of this host do with a program outside, and with a real neighbour.

use super::super::safety::{has_begun, has_gone};
use super::super::wire::Capture;
use super::super::{can_inject, with_neighbour};
use super::{assert_as_really, outside, really, serves_web};
use crate::nmap::is_without_peers;
use crate::sockets::tcp;
use crate::truth::views;
use crate::world::feed;
use serde_json::Value;
use std::collections::BTreeSet;

const RULES: &str = "table inet fw {
    chain input {
        type filter hook input priority 0; policy accept;
        ct state established,related accept
        tcp dport 8081 drop
        tcp dport 8082 reject with tcp reset
        tcp dport 8083 reject
        tcp dport 8084 reject with icmpx type admin-prohibited
        tcp dport 8085 meta nfproto ipv4 reject with icmp type host-unreachable
    }
    chain output {
        type filter hook output priority 0; policy accept;
        tcp sport 8086 drop
    }
}";

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_client_fails_as_a_real_neighbour_does() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = (8080..=8086)
        .fold(world, |world, port| serves_web(world, &format!("[::]:{port}")))
        .nft(RULES);
    let wire = Capture::of(&there);
    // The last is a port that nobody serves.
    for port in 8080..=8087 {
        for host in ["10.77.0.2", "[fd77::2]"] {
            let url = format!("http://{host}:{port}/1000");
            let command = ["curl", "-gsS", "-o", "/dev/null", "-m", "2", &url];
            let run = outside(&world, "", &command).run();
            let names = |error: &str| run.stderr.contains(error);
            match port {
                8080 => assert_eq!(run.status, 0, "{run:?}"),
                8081 | 8086 => assert!(run.status == 28 && names("timed out"), "{run:?}"),
                8082 | 8083 | 8084 | 8087 => assert_eq!(run.status, 7, "{run:?}"),
                _ => {}
            }
            assert_as_really(&run, &really(&there, &command));
        }
    }
    drop(wire);
}

/// A scanner sees what it sees from a real neighbour's place, at each of some ports.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nmap_finds_what_a_real_neighbour_finds() {
    if !can_inject() || is_without_peers() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = (2000..2100)
        .fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()))
        .nft(
            "table inet fw {
                chain input {
                    type filter hook input priority 0; policy accept;
                    iifname != lan0 drop
                    tcp dport { 2050-2059, 3000-3400 } drop
                    tcp dport { 2060-2069, 4000-4400 } reject with tcp reset
                    tcp dport { 2070-2079, 5000-5400 } reject with icmpx type admin-prohibited
                    ip saddr 203.0.113.0/24 drop
                }
            }",
        );
    // A sample of what is open, dropped, refused in three ways and closed.
    let mut ports = BTreeSet::new();
    for (low, high, number) in
        [(2000, 2100, 40), (3000, 3400, 8), (4000, 4400, 8), (5000, 5400, 8), (1, 65_535, 30)]
    {
        ports.extend((0..number).map(|_| low + super::super::safety::chance(high - low)));
    }
    let list = ports.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let wire = Capture::of(&there);
    for (family, host) in [("-4", "10.77.0.2"), ("-6", "fd77::2")] {
        let mut nmap = vec!["nmap", "-sT", "-n", "-Pn", "--max-retries", "2", "-p", &list];
        nmap.extend((family == "-6").then_some("-6"));
        nmap.push(host);
        let rows = |text: &str| -> Vec<String> {
            let rows =
                text.lines().filter(|line| line.contains("/tcp") || line.contains("Not shown"));
            rows.map(str::to_owned).collect()
        };
        let run = outside(&world, "", &nmap).run().exits(0);
        let real = really(&there, &nmap);
        let expected = rows(&String::from_utf8_lossy(&real.stdout));
        assert!(expected.iter().any(|row| row.contains("open")), "{real:?}");
        assert!(expected.iter().any(|row| row.contains("filtered")), "{real:?}");
        assert_eq!(rows(&run.stdout), expected, "{host}, ports {list}");
    }
    drop(wire);
}

/// Others list the rules and change theirs, and a check is made, while a program is outside.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn other_tools_and_a_check_work_meanwhile() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080").nft(RULES);
    feed("iptables-nft", &["-A", "INPUT", "-p", "tcp", "--dport", "32000", "-j", "DROP"], "");
    let arguments = "check 8080-8088 --from lan --proto tcp";
    let told = |report: &Value| -> Vec<String> {
        let fields = ["target", "state", "reason", "verdict", "how", "rule"];
        let text = |view: &Value| fields.map(|field| view[field].to_string()).join(" ");
        views(report).map(|(item, view)| format!("{} {}", item["port"], text(view))).collect()
    };
    let alone = told(&world.json(arguments));
    let wire = Capture::of(&there);
    let mut first = outside(&world, "", &["sleep", "60"]).start();
    has_begun(&mut first);
    let listed = feed("nft", &["list", "ruleset"], "");
    for family in ["ip", "ip6"] {
        assert!(listed.contains(&format!("table {family} portsight-{}-", first.pid())), "{listed}");
    }
    let json: Value = serde_json::from_str(&feed("nft", &["-j", "list", "ruleset"], "")).unwrap();
    assert!(json.to_string().contains("portsight-"));
    for program in ["iptables-nft-save", "ip6tables-nft-save"] {
        let saved = feed(program, &[], "");
        assert!(!saved.contains("portsight"), "{saved}");
    }
    assert!(feed("iptables-nft-save", &[], "").contains("--dport 32000"));
    assert_eq!(told(&world.json(arguments)), alone);
    // A second one stands elsewhere, and gets what is its own.
    let size = ["curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}"];
    let size = [&size[..], &["http://10.77.0.2:8080/10000"]].concat();
    let second = outside(&world, "-v", &size).run().exits(0);
    assert!(second.stderr.contains("is at 10.77.0.253 and "), "{second:?}");
    assert_eq!(second.stdout, "10000");
    feed("nft", &["flush", "ruleset"], "");
    assert!(feed("nft", &["list", "ruleset"], "").contains("portsight-"));
    first.signal(rustix::process::Signal::TERM);
    drop(first.end().exits(128 + 15));
    has_gone("after the flush");
    assert_eq!(feed("nft", &["list", "ruleset"], ""), "");
    wire.assert_silent();
}
