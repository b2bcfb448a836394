//! What a rule does to a probe, by what came back: each kind of reject, drops on the way in and out, and probes
//! that are lost without being filtered.

use crate::sockets::{tcp, udp};
use crate::truth::{LAN, assert_views, views};
use crate::world::World;
use serde_json::{Value, json};

/// Servers on 81 to 86, nobody on 91 to 97, and one rule for both ports of a pair.
fn rejecting_world() -> World {
    let world = (81..=86).fold(World::new().veth(&LAN), |world, port| {
        world.listens(tcp(&format!("[::]:{port}")).dual())
    });
    let world = (81..=83).fold(world, |world, port| world.echoes(udp(&format!("0.0.0.0:{port}"))));
    world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport { 81, 91 } reject with icmpx type port-unreachable
                tcp dport { 82, 92 } reject with icmpx type admin-prohibited
                meta nfproto ipv4 tcp dport { 83, 93 } reject with icmp type host-prohibited
                tcp dport { 84, 94 } reject with icmpx type host-unreachable
                meta nfproto ipv4 tcp dport { 85, 95 } reject with icmp type net-prohibited
                tcp dport { 86, 96 } reject with tcp reset
                meta nfproto ipv4 udp dport { 81, 91 } reject with icmp type port-unreachable
                meta nfproto ipv4 udp dport { 82, 92 } reject with icmp type admin-prohibited
                meta nfproto ipv4 udp dport { 83, 93 } reject with icmp type host-prohibited
            }
        }",
    )
}

/// Of link-local addresses an ICMP error reaches no client: the kernel looks for its socket on `lo`, and the socket is
/// bound to the scope's interface (`tcp_v6_err`, Linux 6.18). What a client gets there is silence; a raw socket sees
/// the error.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_reject_is_told_from_a_refusal() {
    let world = rejecting_world();
    let by_connection =
        world.json("check --from loopback,self 81-86,91-97 --proto tcp --method connect");
    assert_views(&by_connection, REJECTED);
    assert_errors(&by_connection, false);
    let by_syn = world.json("check --from loopback,self 81-86,91-97 --proto tcp --method syn");
    let reason = |port: u16| match port {
        81 | 91 => "port-unreach",
        82 | 92 => "admin-prohibited",
        _ => "host-unreach",
    };
    let seen = REJECTED.lines().map(|line| {
        let port = line.trim().split('/').next().and_then(|port| port.parse().ok());
        match port.filter(|_| line.contains(" link ")) {
            Some(port) => {
                line.replace("no-response", reason(port)).replace("dropped", "rejected") + "\n"
            }
            None => format!("{line}\n"),
        }
    });
    assert_views(&by_syn, &seen.collect::<String>());
    assert_errors(&by_syn, true);
}

/// What a client gets.
const REJECTED: &str =
    "PORT    TARGETS      STATE     REASON            VERDICT    HOW       CERTAINTY
         81/tcp  v4,lo6,lan6  filtered  port-unreach      filtered   rejected  likely
         81/tcp  link         filtered  no-response       filtered   dropped   likely
         82/tcp  v4,lo6,lan6  filtered  admin-prohibited  filtered   rejected  likely
         82/tcp  link         filtered  no-response       filtered   dropped   likely
         83/tcp  v4           filtered  host-prohibited   filtered   rejected  likely
         83/tcp  v6           open      syn-ack           reachable  -         proved
         84/tcp  v4,lo6,lan6  filtered  host-unreach      filtered   rejected  likely
         84/tcp  link         filtered  no-response       filtered   dropped   likely
         85/tcp  v4           filtered  net-prohibited    filtered   rejected  likely
         85/tcp  v6           open      syn-ack           reachable  -         proved
         86/tcp  all          closed    conn-refused      filtered   reset     likely
         91/tcp  v4,lo6,lan6  filtered  port-unreach      shielded   rejected  *
         91/tcp  link         filtered  no-response       shielded   dropped   *
         92/tcp  v4,lo6,lan6  filtered  admin-prohibited  shielded   rejected  *
         92/tcp  link         filtered  no-response       shielded   dropped   *
         93/tcp  v4           filtered  host-prohibited   shielded   rejected  *
         93/tcp  v6           closed    conn-refused      closed     -         *
         94/tcp  v4,lo6,lan6  filtered  host-unreach      shielded   rejected  *
         94/tcp  link         filtered  no-response       shielded   dropped   *
         95/tcp  v4           filtered  net-prohibited    shielded   rejected  *
         95/tcp  v6           closed    conn-refused      closed     -         *
         96/tcp  all          closed    conn-refused      closed     -         *
         97/tcp  all          closed    conn-refused      closed     -         *";

/// Asserts that the views have the ICMP errors of the rules, those of link-local addresses where they are heard.
fn assert_errors(report: &Value, heard_at_link: bool) {
    // (port, IPv4 type and code, IPv6 type and code): RFC 792 and RFC 1812, RFC 4443.
    for (port, v4, v6) in [
        (81, [3, 3], Some([1, 4])),
        (82, [3, 13], Some([1, 1])),
        (83, [3, 10], None),
        (84, [3, 1], Some([1, 3])),
        (85, [3, 9], None),
    ] {
        for (_, view) in views(report).filter(|(item, _)| item["port"] == port) {
            let target = view["target"].as_str().unwrap();
            let icmp = match target {
                "fe80::77" if !heard_at_link => None,
                v6_target if v6_target.contains(':') => v6,
                _ => Some(v4),
            };
            // Who rejects is the target itself: the rule is on this host.
            let expected = icmp.map_or(
                Value::Null,
                |[kind, code]| json!({ "type": kind, "code": code, "from": target }),
            );
            assert_eq!(view["icmp"], expected, "{port} at {target}");
        }
    }
}

/// A UDP port-unreachable is what a closed port says as well: scanners read it as closed, and only the socket
/// that is there betrays the rule.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_reject_of_udp_is_judged_by_the_socket() {
    let world = rejecting_world();
    assert_views(
        &world.json("check --from loopback,self 81-83,91-94 --proto udp -4"),
        "PORT    TARGETS      STATE     REASON            VERDICT    HOW       CERTAINTY
         81/udp  v4       closed    port-unreach      filtered  rejected  likely
         82/udp  v4       filtered  admin-prohibited  filtered  rejected  likely
         83/udp  v4       filtered  host-prohibited   filtered  rejected  likely
         91/udp  v4       closed    port-unreach      closed    -         *
         92/udp  v4       filtered  admin-prohibited  shielded  rejected  *
         93/udp  v4       filtered  host-prohibited   shielded  rejected  *
         94/udp  v4       closed    port-unreach      closed    -         *",
    );
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_probe_that_may_not_leave_is_not_sent() {
    let world = World::new().echoes(udp("0.0.0.0:57")).nft(
        "table inet fw {
            chain output { type filter hook output priority 0; udp dport { 57, 58 } drop; }
        }",
    );
    assert_views(
        &world.json("check 57-58 --proto udp -4 --from loopback"),
        "57/udp  lo4  *  *  filtered  not-sent  *
         58/udp  lo4  *  *  shielded  not-sent  *",
    );
}

/// Promise 1: a probe that is lost is never reported as filtered. Of these ports every first packet is lost.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_lost_probe_is_sent_again() {
    let world = World::new().listens(tcp("127.0.0.1:88")).echoes(udp("127.0.0.1:89")).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport 88 tcp flags & (syn|ack) == syn numgen inc mod 2 0 drop
                udp dport 89 numgen inc mod 2 0 drop
                tcp dport 90 numgen inc mod 2 0 drop
            }
        }",
    );
    let report = world.json("check 88-90 --from loopback -4");
    assert_views(
        &report,
        "88/tcp  lo4  open    syn-ack       reachable  -  proved
         89/tcp  lo4  closed  conn-refused  closed     -  *
         90/tcp  lo4  closed  conn-refused  closed     -  *
         88/udp  lo4  closed  port-unreach  closed     -  *
         89/udp  lo4  open    udp-response  reachable  -  proved
         90/udp  lo4  closed  port-unreach  closed     -  *",
    );
    for (port, proto) in [(88, "tcp"), (89, "udp"), (90, "tcp")] {
        let (_, view) = views(&report)
            .find(|(item, _)| item["port"] == port && item["proto"] == proto)
            .expect("it has a view");
        assert!(view["attempts"].as_u64() >= Some(2), "{port}/{proto} was sent again: {view}");
    }
}

/// Only silence that nothing else explains is a firewall's: the same port dropped for one address only.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_rule_for_one_address_is_seen_at_that_address_only() {
    let world = World::new().veth(&LAN).listens(tcp("[::]:443").dual()).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                ip daddr 10.77.0.2 tcp dport 443 drop
                ip6 daddr ::1 tcp dport 443 reject with tcp reset
            }
        }",
    );
    assert_views(
        &world.json("check --from loopback,self 443 --proto tcp"),
        "443/tcp  lo4        open      syn-ack       reachable  -        proved
         443/tcp  lan6,link  open      syn-ack       reachable  -        proved
         443/tcp  lan4       filtered  no-response   filtered   dropped  likely
         443/tcp  lo6        closed    conn-refused  filtered   reset    likely",
    );
}

/// A full queue behind a drop is still overloaded; a queue that is not full does not excuse a drop.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_short_queue_that_is_not_full_does_not_explain_silence() {
    let world = World::new().listens(tcp("127.0.0.1:7001")).overloaded(tcp("127.0.0.1:7002")).nft(
        "table inet fw {
            chain input { type filter hook input priority 0; tcp dport 7001 drop; }
        }",
    );
    assert_views(
        &world.json("check 7001-7002 --from loopback --proto tcp -4"),
        "7001/tcp  lo4  filtered  no-response  filtered    dropped  likely
         7002/tcp  lo4  filtered  no-response  overloaded  -        *",
    );
}

/// The SYN arrives and its answer does not: the half-open connection in the kernel's table tells that from a probe
/// that was dropped.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_reply_that_is_dropped_is_told_from_a_probe_that_is() {
    let world = [81, 82, 83].into_iter().fold(World::new().veth(&LAN), |world, port| {
        world.listens(tcp(&format!("0.0.0.0:{port}")))
    });
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp sport 81 drop
                tcp dport 83 drop
            }
            chain output {
                type filter hook output priority 0; policy accept;
                tcp sport 82 drop
            }
        }",
    );
    assert_views(
        &world.json("check --from loopback,self 81-83 --proto tcp -4"),
        "PORT    TARGETS  STATE     REASON       VERDICT   HOW            CERTAINTY
         81/tcp  v4       filtered  no-response  filtered  reply-dropped  likely
         82/tcp  v4       filtered  no-response  filtered  reply-dropped  likely
         83/tcp  v4       filtered  no-response  filtered  dropped        likely",
    );
}
