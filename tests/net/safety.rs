//! What may never happen: a probe that leaves the host, and silence that is held against a firewall although nothing
//! was heard for another reason.

use crate::sockets::{tcp, udp};
use crate::truth::{LAN, assert_views, only_item, views};
use crate::world::{World, feed};
use serde_json::Value;
use std::net::UdpSocket;

/// Counts what arrives at the other end of `lan0`: everything that leaves. And the probes of the address that stay.
const WIRE: &str = "table inet fw {
    counter wire {}
    counter here {}
    chain wire {
        type filter hook prerouting priority -300;
        iifname \"wire0\" meta l4proto { tcp, udp } counter name wire
        iifname \"lo\" ip daddr 10.77.0.1 tcp flags & (syn | ack) == syn counter name here
        iifname \"lo\" ip6 daddr fd77::1 tcp flags & (syn | ack) == syn counter name here
        iifname \"lo\" ip daddr 10.77.0.1 meta l4proto udp counter name here
        iifname \"lo\" ip6 daddr fd77::1 meta l4proto udp counter name here
    }
}";

/// A world whose packets to 10.77.0.1 and `fd77::1` would find their way out if those addresses were not its own.
fn with_a_way_out(addresses: &[&str]) -> World {
    let world = World::new().veth(addresses).nft(WIRE);
    ip("link set wire0 address 02:00:00:00:00:09");
    for address in ["10.77.0.1", "10.77.0.9", "fd77::1"] {
        ip(&format!("neigh add {address} lladdr 02:00:00:00:00:09 dev lan0 nud permanent"));
    }
    world
}

fn ip(command: &str) {
    feed("ip", &["-batch", "-"], &format!("{command}\n"));
}

fn gaps(report: &Value) -> String {
    report["incomplete"].to_string()
}

/// An address that moves to another host in the middle of a scan takes no probe with it.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn no_probe_follows_an_address_that_goes_away() {
    for method in ["syn", "connect"] {
        for probes in [1, 5_000, 20_000] {
            let world = with_a_way_out(&["10.77.0.2/24", "10.77.0.1/32"]);
            let arguments = format!("--from self -4 --method {method}");
            assert_eq!(lose(&world, "10.77.0.1/32", &arguments, probes), 0, "{method}, {probes}");
            // The counter does count: now the address is somebody else's.
            UdpSocket::bind("10.77.0.2:0").unwrap().send_to(b"x", "10.77.0.1:9").unwrap();
            assert_eq!(world.counted("wire"), 1);
        }
    }
}

/// The same over IPv6, where the kernel looks at the source of a packet only when the packet asks for it, and at that of
/// a connection only when its socket is bound: a connect probe that is held between the two is one too late to stop.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn no_probe_follows_an_ipv6_address_that_goes_away() {
    for (method, too_late) in [("syn", 0), ("connect", PROBING_THREADS)] {
        for probes in [1, 5_000, 20_000] {
            let world = with_a_way_out(&["fd77::2/64", "fd77::1/128"]);
            let arguments = format!("--from self -6 --method {method}");
            let left = lose(&world, "fd77::1/128", &arguments, probes);
            assert!(left <= too_late, "{left} packets left: {method}, {probes}");
            UdpSocket::bind("[fd77::2]:0").unwrap().send_to(b"x", "[fd77::1]:9").unwrap();
            assert_eq!(world.counted("wire"), left + 1);
        }
    }
}

/// Datagrams of one socket that was bound long before: the kernel looks at the source of each.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn no_datagram_follows_an_address_that_goes_away() {
    for (family, addresses, goes) in [
        ("-4", ["10.77.0.2/24", "10.77.0.1/32"], "10.77.0.1/32"),
        ("-6", ["fd77::2/64", "fd77::1/128"], "fd77::1/128"),
    ] {
        for probes in [1, 5_000, 20_000] {
            let world = with_a_way_out(&addresses);
            let arguments = format!("--from self {family} --proto udp --all-udp");
            assert_eq!(lose(&world, goes, &arguments, probes), 0, "{goes}, {probes}");
        }
    }
}

/// The most threads that probe at a time.
const PROBING_THREADS: u64 = 4;

/// Takes an address away after so many probes. Returns how many packets left.
fn lose(world: &World, address: &str, arguments: &str, probes: u64) -> u64 {
    let mut running = world.prepare(&format!("check {arguments} -o json")).start();
    while world.counted("here") < probes {
        assert!(running.goes_on(), "it ended before it had sent {probes} probes");
    }
    // The address must go before the scan has gone on to the next.
    running.held(|| ip(&format!("addr del {address} dev lan0")));
    let report = running.end().exits(3).document();
    let left = world.counted("wire");
    let bare = address.split('/').next().unwrap();
    assert!(gaps(&report).contains(&format!("{bare} from self")), "{}", gaps(&report));
    assert!(views(&report).all(|(_, view)| view["target"] != bare), "voided");
    left
}

/// A rule that is asked before this host's own addresses may send a port elsewhere.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn no_probe_is_sent_where_a_routing_rule_could_send_it_out() {
    let world = with_a_way_out(&["10.77.0.2/24", "10.77.0.1/32"]);
    ip(
        "rule add pref 100 lookup local\nrule del pref 0\nrule add pref 10 ipproto tcp dport 9999 lookup 77\n\
        route add table 77 default via 10.77.0.9 dev lan0",
    );
    let report = world
        .portsight("check --from loopback,self 9999 -4 --proto tcp -o json")
        .exits(3)
        .document();
    assert_eq!(world.counted("wire"), 0);
    assert!(gaps(&report).contains("routing rule"), "{}", gaps(&report));
    assert_eq!(only_item(&report)["verdict"], Value::Null);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_loopback_that_is_down_is_no_firewall() {
    let world = World::new().veth(&["10.77.0.2/24"]).listens(tcp("0.0.0.0:22"));
    ip("link set lo down");
    let report =
        world.portsight("check --from loopback,self 22 -4 --proto tcp -o json").exits(3).document();
    assert!(gaps(&report).contains("lo is down"), "{}", gaps(&report));
    assert_eq!(only_item(&report)["verdict"], Value::Null);
}

/// A rule that lets through a few connections a second drops most of a scan: that is the scan's own doing.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_rate_limit_is_not_a_closed_door() {
    let ports = 9001..=9023;
    let world = ports
        .clone()
        .fold(World::new(), |world, port| world.listens(tcp(&format!("127.0.0.1:{port}"))));
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0;
                tcp flags & (syn | ack) == syn limit rate 50/second burst 50 packets accept
                tcp flags & (syn | ack) == syn drop
            }
        }",
    );
    let report = world
        .portsight("check --from loopback,self 1-2000,9001-9023 -4 --proto tcp -o json")
        .exits(3)
        .document();
    for (item, view) in views(&report) {
        let verdict = view["verdict"].as_str().unwrap();
        assert!(["reachable", "inconclusive", "closed"].contains(&verdict), "{item:#}");
    }
    assert!(gaps(&report).contains("silence no proof"), "{}", gaps(&report));
    assert_eq!(report["vantages"][0]["transports"]["tcp"]["shielded"], 0);
}

/// The full queue of another socket on the same port explains nothing.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn only_the_queue_of_the_socket_that_was_asked_counts() {
    let world = World::new()
        .veth(&LAN)
        .listens(tcp("127.0.0.1:8080"))
        .overloaded(tcp("10.77.0.2:8080"))
        .nft(
            "table inet fw {
                chain input {
                    type filter hook input priority 0;
                    ip daddr 127.0.0.1 tcp dport 8080 drop
                }
            }",
        );
    assert_views(
        &world.json("check --from loopback,self 8080 --proto tcp -4"),
        "PORT      TARGETS  STATE     REASON       VERDICT     HOW      CERTAINTY
         8080/tcp  lo4      filtered  no-response  filtered    dropped  likely
         8080/tcp  lan4     filtered  no-response  overloaded  -        proved",
    );
}

/// A range that is routed to this host: its addresses are no interface's, and serve all the same.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_bound_address_that_no_interface_has_is_probed() {
    let world = World::new().veth(&LAN);
    ip("route add local 10.9.0.0/24 dev lo");
    let world = world.listens(tcp("10.9.0.5:8000")).echoes(udp("10.9.0.5:8002"));
    let report = world.json("check --from loopback,self 8000/tcp,8002/udp -4");
    let verdicts: Vec<_> = views(&report)
        .filter(|(_, view)| view["target"] == "10.9.0.5")
        .map(|(item, view)| (item["port"].clone(), view["verdict"].clone()))
        .collect();
    assert_eq!(verdicts, [(8000.into(), "reachable".into()), (8002.into(), "reachable".into())]);
}
