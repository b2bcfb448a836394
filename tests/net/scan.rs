//! Whole scans, again and again: each port right, each time.

use crate::sockets::{Spec, tcp};
use crate::truth::{LAN, assert_views, items, names, views};
use crate::world::{World, feed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, hint, panic, thread};

/// A port that took a probe, and where.
type Open = (IpAddr, u16);

/// Where the listener with this number is bound: one of each kind in turn, spread over all ports. More than half
/// of the ports lie in the range that clients get theirs from, where a scanner can connect to itself.
fn listener(number: u16) -> (Spec, u16, &'static [&'static str]) {
    let port = 1000 + number * 1069;
    let (spec, targets): (_, &[&str]) = match number % 5 {
        0 => (tcp(&format!("0.0.0.0:{port}")), &["127.0.0.1", "10.77.0.2"]),
        1 => (tcp(&format!("[::]:{port}")).dual(), &["127.0.0.1", "10.77.0.2", "::1", "fd77::2"]),
        2 => (tcp(&format!("127.0.0.1:{port}")), &["127.0.0.1"]),
        3 => (tcp(&format!("[::]:{port}")), &["::1", "fd77::2"]),
        _ => (tcp(&format!("10.77.0.2:{port}")), &["10.77.0.2"]),
    };
    (spec, port, targets)
}

/// A namespace with sixty listeners, and what is open in it.
fn sixty_listeners() -> (World, BTreeSet<Open>) {
    let mut world = World::new().veth(&["10.77.0.2/24", "fd77::2/64"]);
    let mut truth = BTreeSet::new();
    for number in 0..60 {
        let (spec, port, targets) = listener(number);
        world = world.listens(spec);
        truth.extend(targets.iter().map(|target| (target.parse().unwrap(), port)));
    }
    // Connections hold ports of the same range, and are open to nobody.
    for number in (0..60).step_by(5) {
        let (_, port, _) = listener(number);
        world.clients_of(([127, 0, 0, 1], port).into());
    }
    (world, truth)
}

/// What a check found open.
fn open(report: &Value) -> BTreeSet<Open> {
    views(report)
        .filter(|(_, view)| view["state"] == "open")
        .map(|(item, view)| {
            let port = item["port"].as_u64().unwrap();
            (view["target"].as_str().unwrap().parse().unwrap(), u16::try_from(port).unwrap())
        })
        .collect()
}

/// The verdicts that the views of a check have.
fn verdicts(report: &Value) -> BTreeSet<&str> {
    views(report).map(|(_, view)| view["verdict"].as_str().unwrap()).collect()
}

/// A number that a vantage gives for TCP.
fn tally(report: &Value, vantage: &str, field: &str) -> u64 {
    let vantages = report["vantages"].as_array().expect("vantages");
    let found = vantages.iter().find(|v| v["name"] == vantage).expect("the vantage");
    found["transports"]["tcp"][field].as_u64().unwrap_or_else(|| panic!("{field} in {found:#}"))
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn twenty_full_scans_by_syn_have_no_wrong_port() {
    twenty_full_scans("syn");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn twenty_full_scans_by_connections_have_no_wrong_port() {
    twenty_full_scans("connect");
}

/// With every core busy: an answer that comes late is no silence.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn twenty_full_scans_of_a_busy_host_have_no_wrong_port() {
    let stop = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(2, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let scanned = panic::catch_unwind(|| twenty_full_scans("syn"));
        stop.store(true, Ordering::Relaxed);
        scanned.unwrap_or_else(|failure| panic::resume_unwind(failure));
    });
}

fn twenty_full_scans(method: &str) {
    let (world, truth) = sixty_listeners();
    for round in 1..=20 {
        let run = world.portsight(&format!(
            "check --from loopback,self --proto tcp --method {method} -o json"
        ));
        let report = run.document();
        let found = open(&report);
        let missed: Vec<_> = truth.difference(&found).collect();
        let invented: Vec<_> = found.difference(&truth).collect();
        assert_eq!((&missed[..], &invented[..]), (&[][..], &[][..]), "round {round}");
        assert_eq!(verdicts(&report), BTreeSet::from(["local-only", "reachable"]), "round {round}");
        assert_eq!(items(&report).len(), 60, "round {round}");
        let closed = u64::from(u16::MAX) * 2 - 60 * 2;
        for vantage in ["loopback", "self"] {
            assert_eq!(tally(&report, vantage, "probed"), u64::from(u16::MAX) * 2, "{vantage}");
            assert_eq!(tally(&report, vantage, "not_probed"), 0, "{vantage}");
            assert_eq!(tally(&report, vantage, "shielded"), 0, "{vantage}");
            assert_eq!(tally(&report, vantage, "closed"), closed, "{vantage}");
        }
        assert_eq!(run.status, 0, "round {round}");
        assert_eq!(run.stderr, "", "no terminal, no progress");
    }
}

/// 1000 dropped ports and 300 rejected ones, a tenth of each with a listener.
fn firewalled_world() -> World {
    let hidden = (0..10).map(|n| 20_000 + n * 97).chain((0..30).map(|n| 30_000 + n * 10));
    let world = hidden
        .chain((0..20).map(|n| 1000 + n * 500))
        .fold(World::new().veth(&["10.77.0.2/24"]), |world, port| {
            world.listens(tcp(&format!("0.0.0.0:{port}")))
        });
    world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                ct state established,related accept
                tcp dport 20000-20999 drop
                tcp dport 30000-30099 reject with icmpx type port-unreachable
                tcp dport 30100-30199 reject with icmpx type admin-prohibited
                tcp dport 30200-30299 reject with tcp reset
            }
        }",
    )
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_full_scan_past_a_firewall_has_no_wrong_port() {
    let world = firewalled_world();
    let line = |port: u16, row: &str| format!("{port}/tcp  v4  {row}\n");
    let table: String = (0..20)
        .map(|n| line(1000 + n * 500, "open syn-ack reachable - proved"))
        .chain(
            (0..10).map(|n| line(20_000 + n * 97, "filtered no-response filtered dropped likely")),
        )
        .chain((0..30).map(|n| {
            line(
                30_000 + n * 10,
                match n / 10 {
                    0 => "filtered port-unreach filtered rejected likely",
                    1 => "filtered admin-prohibited filtered rejected likely",
                    _ => "closed conn-refused filtered reset likely",
                },
            )
        }))
        .collect();
    for _ in 0..3 {
        let report = world
            .portsight("check --from loopback,self --proto tcp -4 -o json")
            .exits(0)
            .document();
        assert_views(&report, &table);
        for vantage in ["loopback", "self"] {
            // Nobody listens on 990 of the dropped ports and 180 of those that ICMP rejects. A reset that a rule
            // made where nobody listens looks like any other.
            assert_eq!(tally(&report, vantage, "shielded"), 990 + 180, "{vantage}");
            assert_eq!(tally(&report, vantage, "closed"), 65_535 - 60 - 990 - 180, "{vantage}");
        }
    }
}

/// Both borders of the dropped range and of the rejected one, port by port.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_borders_of_a_filtered_range_are_exact() {
    let world = firewalled_world();
    let report = world.json(
        "check --from loopback,self 19990-20009,20990-21009,29990-30009,30290-30309 --proto tcp -4",
    );
    let lines: Vec<_> = names(&report)
        .iter()
        .map(|name| {
            let port: u16 = name.trim_end_matches("/tcp").parse().unwrap();
            let row = match port {
                20_000 => "filtered no-response filtered dropped likely",
                20_001..=20_999 => "filtered no-response shielded dropped *",
                30_000 => "filtered port-unreach filtered rejected likely",
                30_001..=30_009 => "filtered port-unreach shielded rejected *",
                30_290 => "closed conn-refused filtered reset likely",
                _ => "closed conn-refused closed - *",
            };
            format!("{name}  v4  {row}")
        })
        .collect();
    assert_eq!(lines.len(), 80);
    assert_views(&report, &lines.join("\n"));
}

/// Silent ports cost a descriptor each while they are waited for. Where there are few, it takes longer, and is
/// as right.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn with_few_descriptors_each_port_is_still_right() {
    let world = firewalled_world();
    let arguments = "check 19950-20049 --proto tcp -4 --from loopback -o json";
    let report = world.prepare(arguments).with_descriptors(32).run().document();
    let lines: Vec<_> = names(&report)
        .iter()
        .map(|name| {
            let row = match name.as_str() {
                "20000/tcp" => "filtered no-response filtered dropped likely",
                port if port < "20000/tcp" => "closed conn-refused closed - *",
                _ => "filtered no-response shielded dropped *",
            };
            format!("{name}  lo4  {row}")
        })
        .collect();
    assert_eq!(lines.len(), 100);
    assert_views(&report, &lines.join("\n"));
}

/// The ports that nmap gives a state.
fn nmap(target: &str, state: &str) -> BTreeSet<u16> {
    let family: &[&str] = if target.contains(':') { &["-6"] } else { &[] };
    let scan = ["-sT", "-p-", "-n", "-Pn", "-oG", "-", target];
    let text = feed("nmap", &[family, &scan].concat(), "");
    let ports =
        text.lines().find_map(|line| line.split_once("Ports: ")).expect("nmap lists ports").1;
    ports
        .split(',')
        .filter_map(|port| {
            let mut fields = port.trim().split('/');
            let number = fields.next()?.parse().ok()?;
            (fields.next()? == state).then_some(number)
        })
        .collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test, and nmap"]
fn nmap_agrees() {
    if env::var_os("PORTSIGHT_WITHOUT_PEERS").is_some() {
        eprintln!("did not run: PORTSIGHT_WITHOUT_PEERS is set");
        return;
    }
    let world = (0..20).fold(World::new().veth(&LAN), |world, n| {
        world.listens(tcp(&format!("[::]:{}", 500 + n * 3001)).dual())
    });
    // nmap lists up to 25 ports of a state by name. It takes ICMP port-unreachable for closed: so none of these.
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport { 500, 600-607 } drop
                tcp dport { 3501, 3600-3607 } reject with icmpx type admin-prohibited
            }
        }",
    );
    for target in ["127.0.0.1", "::1"] {
        let family = if target.contains(':') { "-6" } else { "-4" };
        let of_state = |arguments: &str, state: &str| -> BTreeSet<u16> {
            let report = world.json(&format!("{arguments} {family} --proto tcp --from loopback"));
            views(&report)
                .filter(|(_, view)| view["state"] == state)
                .map(|(item, _)| u16::try_from(item["port"].as_u64().unwrap()).unwrap())
                .collect()
        };
        let (open, filtered) = (nmap(target, "open"), nmap(target, "filtered"));
        assert_eq!(
            (open.len(), filtered.len()),
            (18, 18),
            "what the world was given, as nmap sees it"
        );
        assert_eq!(of_state("check", "open"), open, "{target}");
        assert_eq!(
            of_state("check --from loopback,self 500-700,3500-3700", "filtered"),
            filtered,
            "{target}"
        );
    }
}
