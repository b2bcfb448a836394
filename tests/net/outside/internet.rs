//! Clients beyond the network, and sources that are named.

use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::Capture;
use super::{can_inject, ip, with_neighbour};
use crate::host::Host;
use crate::sockets::tcp;
use crate::truth::views;
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

/// Port 22 is open to the network, 23 to all, 24 to nobody, 25 to all but one address, 26 to the documentation networks.
fn guarded() -> (World, Host) {
    let (world, there) = with_neighbour();
    let world =
        (22..=26).fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy drop;
                meta l4proto { icmp, ipv6-icmp } accept
                ip saddr 10.77.0.0/24 tcp dport 22 accept comment \"near\"
                ip6 saddr fd77::/64 tcp dport 22 accept comment \"near6\"
                tcp dport 23 accept comment \"all\"
                ip saddr 10.77.0.77 tcp dport 25 reject with tcp reset comment \"banned\"
                tcp dport 25 accept comment \"others\"
                ip saddr { 198.51.100.0/24, 203.0.113.0/24 } tcp dport 26 accept comment \"far\"
            }
        }",
    );
    (world, there)
}

fn sources(report: &Value) -> BTreeSet<&str> {
    views(report).map(|(_, view)| view["source"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_internet_finds_what_a_host_beyond_the_neighbour_finds() {
    if !can_inject() {
        return;
    }
    let (world, there) = guarded();
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    let wire = Capture::of(&there);
    let report = world.json("check 22-26 --from internet --proto tcp");
    wire.assert_silent();
    assert_eq!(sources(&report), ["2001:db8:0:7073::77", "203.0.113.77"].into());
    assert_told(
        &report,
        "22/tcp  lan4,lan6  filtered  no-response  filtered   dropped  policy:input
         23/tcp  lan4,lan6  open      syn-ack      reachable  -        all
         24/tcp  lan4,lan6  filtered  no-response  filtered   dropped  policy:input
         25/tcp  lan4,lan6  open      syn-ack      reachable  -        others
         26/tcp  lan4       open      syn-ack      reachable  -        far
         26/tcp  lan6       filtered  no-response  filtered   dropped  policy:input",
    );
    // A client with an address of the internet's, behind the neighbour that routes for it.
    there.ip(
        "link set lo up\naddr add 203.0.113.77/32 dev lo\naddr add 2001:db8:0:7073::77/128 dev lo nodad\n\
         route add 10.77.0.2/32 dev wire0 src 203.0.113.77\n\
         route add fd77::2/128 dev wire0 src 2001:db8:0:7073::77",
    );
    assert_neighbour_agrees(&report, &there);

    let both = world.json("check 22 --from lan,internet --proto tcp -4");
    let told: BTreeSet<_> = views(&both)
        .map(|(_, view)| (view["vantage"].as_str().unwrap(), view["state"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("internet", "filtered"), ("lan", "open")].into());
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_a_default_route_there_is_no_internet() {
    if !can_inject() {
        return;
    }
    let (world, _there) = guarded();
    let run = world.portsight("check 22 --from internet --proto tcp -o json").exits(3);
    let report = run.document();
    assert_eq!(views(&report).count(), 0, "{report:#}");
    let gap = &report["incomplete"][0];
    assert_eq!(gap["what"], "the vantage internet", "{report:#}");
    assert!(gap["reason"].as_str().unwrap().contains("no route"), "{report:#}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_named_source_is_the_one_that_rules_see() {
    if !can_inject() {
        return;
    }
    let (world, _there) = guarded();
    let report = world.json("check 22-26 --from lan=10.77.0.77 --proto tcp");
    assert_eq!(sources(&report), ["10.77.0.77"].into());
    assert_told(
        &report,
        "22/tcp  lan4  open      syn-ack      reachable  -        near
         23/tcp  lan4  open      syn-ack      reachable  -        all
         24/tcp  lan4  filtered  no-response  filtered   dropped  policy:input
         25/tcp  lan4  closed    reset        filtered   reset    banned
         26/tcp  lan4  filtered  no-response  filtered   dropped  policy:input",
    );
    ip("route add default via 10.77.0.9");
    let report = world.json("check 26 --from internet=198.51.100.5 --proto tcp");
    assert_eq!(sources(&report), ["198.51.100.5"].into());
    assert_told(&report, "26/tcp  lan4  open  syn-ack  reachable  -  far");
}

/// Answers to an address that somebody has would be somebody's.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_source_that_somebody_has_is_refused() {
    if !can_inject() {
        return;
    }
    let (world, there) = guarded();
    // A real connection, so that the neighbour is known.
    crate::world::connects("10.77.0.9:9".parse().unwrap()).expect_err("nobody listens");
    let wire = Capture::of(&there);
    for (source, why) in [
        ("lan=10.77.0.2", "an address of this host"),
        ("lan=10.77.0.9", "a neighbour has it"),
        ("internet=10.77.0.9", "a neighbour has it"),
        ("lan=127.0.0.1", "this host"),
        ("lan=0.0.0.0", "no neighbour"),
        ("lan=224.0.0.1", "no neighbour"),
        ("lan=255.255.255.255", "no neighbour"),
        ("lan=10.77.0.255", "no neighbour"),
    ] {
        let run = world.portsight(&format!("check 22 --from {source}")).exits(2);
        assert_eq!(run.stdout, "", "{run:?}");
        run.says_in_one_line(&["--from", source, why]);
    }
    wire.assert_silent();
    // A network that this host is not in is not a mistake of that kind: it cannot be had.
    world.portsight("check 22 --from lan=10.9.9.9").exits(3).says_in_one_line(&["10.9.9.9"]);
}
