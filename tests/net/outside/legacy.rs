//! Rules of the old `ip_tables`, which the kernel keeps beside those of `nf_tables`.

use super::checkpoints::assert_ended;
use super::safety::{has_gone, within};
use super::told::assert_neighbour_agrees;
use super::{can_inject, with_neighbour};
use crate::cgroups::did_not_run;
use crate::sockets::{tcp, udp};
use crate::truth::views;
use crate::world::{World, feed};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn has_legacy() -> bool {
    let has = Path::new("/usr/sbin/iptables-legacy").exists();
    if !has {
        did_not_run("there is no iptables-legacy");
    }
    has && can_inject()
}

/// The rule that the first view of a port names: family, table, chain, text, kind and handle.
fn rule(report: &Value, port: u16) -> Value {
    let mut found = views(report).filter(|(item, _)| item["port"] == port);
    let (_, view) = found.next().expect("a view");
    let rule = &view["rule"];
    if !rule.is_null() {
        assert_eq!(
            (&rule["backend"], &rule["handle"]),
            (&json!("iptables-legacy"), &Value::Null),
            "{view:#}"
        );
    }
    json!([
        view["how"],
        view["hook"],
        rule["family"],
        rule["table"],
        rule["chain"],
        rule["kind"],
        rule["text"]
    ])
}

/// What takes the kernel's log of packets.
fn loggers() -> [String; 2] {
    ["2", "10"].map(|family| {
        fs::read_to_string(format!("/proc/sys/net/netfilter/nf_log/{family}")).unwrap()
    })
}

const RULES: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:late - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"not -j ACCEPT\" -j DROP
-A INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp -m tcp --dport 24:25 -j late
-A INPUT -p tcp -m tcp --dport 20 -j NFQUEUE --queue-num 9
-A INPUT -p udp -m udp --dport 54 -j DROP
-A OUTPUT -p tcp -m tcp --sport 26 -j DROP
-A late -p tcp -m tcp --dport 24 -j DROP
COMMIT
";

fn serving() -> (World, crate::host::Host) {
    let (world, there) = with_neighbour();
    let world =
        (20..=26).fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    (world.echoes(udp("[::]:53").dual()).echoes(udp("[::]:54").dual()), there)
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_rule_is_named() {
    if !has_legacy() {
        return;
    }
    let (world, there) = serving();
    feed("iptables-legacy-restore", &[], RULES);
    feed("ip6tables-legacy-restore", &[], RULES);
    let before = loggers();
    let report = world.json("check 20-26/tcp,53/udp,54/udp --from lan");
    let of = |how: &str, hook: &str, chain: &str, text: &str| {
        json!([how, hook, "ip", "filter", chain, "rule", text])
    };
    let none = json!([null, null, null, null, null, null, null]);
    for (port, wanted) in [
        (
            22,
            of(
                "dropped",
                "input",
                "INPUT",
                "-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"not -j ACCEPT\" -j DROP",
            ),
        ),
        (
            23,
            of(
                "reset",
                "input",
                "INPUT",
                "-A INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset",
            ),
        ),
        (24, of("dropped", "input", "late", "-A late -p tcp -m tcp --dport 24 -j DROP")),
        (26, of("reply-dropped", "output", "OUTPUT", "-A OUTPUT -p tcp -m tcp --sport 26 -j DROP")),
        (54, of("dropped", "input", "INPUT", "-A INPUT -p udp -m udp --dport 54 -j DROP")),
        // No program takes it.
        (
            20,
            of(
                "dropped",
                "input",
                "INPUT",
                "-A INPUT -p tcp -m tcp --dport 20 -j NFQUEUE --queue-num 9",
            ),
        ),
        // Near misses: what no rule is for.
        (21, none.clone()),
        (25, none.clone()),
        (53, none),
    ] {
        assert_eq!(rule(&report, port), wanted, "{port}: {report:#}");
    }
    let of_ipv6 =
        views(&report).filter(|(item, view)| item["port"] == 22 && view["target"] == "fd77::2");
    assert_eq!(
        of_ipv6.map(|(_, view)| view["rule"]["family"].clone()).collect::<Vec<_>>(),
        ["ip6"]
    );
    assert_neighbour_agrees(&report, &there);
    assert_eq!(loggers(), before, "what took the log takes it again");
    // Each rule stands once on the way that -v tells.
    let way = world.portsight("check 24 --from lan --proto tcp -4 -v").exits(0).stdout;
    let lines: Vec<&str> = way.lines().filter(|line| line.starts_with("  input ")).collect();
    assert_eq!(lines.len(), 2, "{way}");
    assert!(lines[0].contains("--dport 24:25 -j late\": continue"), "{way}");
    assert!(lines[1].contains("late rule 1 (iptables-legacy) \"-A late "), "{way}");
    let text = world.portsight("check 22 --from lan --proto tcp -4").exits(0).stdout;
    assert!(
        text.contains("dropped by ip filter INPUT rule 2 (iptables-legacy) \"-A INPUT -p tcp"),
        "{text}"
    );
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_policy_is_named() {
    if !has_legacy() {
        return;
    }
    let (world, there) = serving();
    let rules = RULES.replace(":INPUT ACCEPT", ":INPUT DROP").replace(
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 21 -j ACCEPT",
    );
    feed("iptables-legacy-restore", &[], &rules);
    let report = world.json("check 21,25,51 --from lan --proto tcp -4");
    let policy = json!(["dropped", "input", "ip", "filter", "INPUT", "policy", "-P INPUT DROP"]);
    assert_eq!([rule(&report, 25), rule(&report, 51)], [policy.clone(), policy]);
    assert_eq!(rule(&report, 21)[0], Value::Null, "{report:#}");
    assert_neighbour_agrees(&report, &there);
}

/// The two kinds of rules are traced apart.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_way_leads_through_rules_of_both_kinds_in_their_order() {
    if !has_legacy() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.nft(
        "table inet fw {
            chain pre { type filter hook prerouting priority -150; tcp dport 22 counter; }
            chain input { type filter hook input priority 10; tcp dport 22 counter; }
        }",
    );
    // A socket that drops what comes: so it comes to the last rule, and nothing comes back.
    let deaf = tcp("0.0.0.0:22").listening(8);
    crate::deaf::drop_everything(&deaf);
    let rules = "*raw\n-A PREROUTING -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n\
                 *filter\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    feed("iptables-legacy-restore", &[], rules);
    let report = world.json("check 22 --from lan --proto tcp -4 -v");
    let (_, view) = views(&report).next().unwrap();
    let steps = view["journey"]["steps"].as_array().unwrap().iter();
    let chains: Vec<&str> = steps.filter_map(|step| step["rule"]["chain"].as_str()).collect();
    let wanted = ["PREROUTING", "pre", "pre", "INPUT", "input", "input"];
    assert_eq!(chains, wanted, "{view:#}");
}

/// Another program has the log already: then the rule is not known, and what took the log keeps it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_log_that_another_program_has_is_left_to_it() {
    if !has_legacy() {
        return;
    }
    let (world, _there) = serving();
    feed("iptables-legacy-restore", &[], RULES);
    let _taken = crate::nflog::bind_first_group();
    let before = loggers();
    let report = world.json("check 21,22 --from lan --proto tcp -4");
    assert_ended(
        &report,
        "21/tcp  reachable  proved  -      -                -
         22/tcp  filtered   proved  input  iptables-legacy  NETFILTER_DROP",
    );
    assert_eq!(loggers(), before);
}

/// Probes of this host to itself.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_probe_of_this_host_to_itself_is_told_the_rule() {
    if !has_legacy() {
        return;
    }
    let (world, _there) = serving();
    feed("iptables-legacy-restore", &[], &RULES.replace("-A INPUT -i lo -j ACCEPT\n", ""));
    let report = world.json("check 22,25 --from loopback --proto tcp -4");
    let text = "-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"not -j ACCEPT\" -j DROP";
    assert_eq!(
        rule(&report, 22),
        json!(["dropped", "input", "ip", "filter", "INPUT", "rule", text]),
        "{report:#}"
    );
    assert_eq!(rule(&report, 25)[0], Value::Null);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_log_is_given_back_also_after_a_kill() {
    if !has_legacy() {
        return;
    }
    let (world, _there) = serving();
    feed("iptables-legacy-restore", &[], &RULES.replace(":INPUT ACCEPT", ":INPUT DROP"));
    let before = loggers();
    for _ in 0..3 {
        let running = world.prepare("check 1-65535 --from lan --proto tcp -4 -o json").start();
        assert!(within(60, || loggers() != before), "it takes the log");
        running.signal(Signal::KILL);
        drop(running.end());
        assert!(within(10, || loggers() == before), "what had it has it again: {:?}", loggers());
        has_gone("after a kill");
    }
}
