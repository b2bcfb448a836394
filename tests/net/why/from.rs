//! `why --from`: what somebody on the network gets, beside a real neighbour that makes the same connection.

use super::{Accepts, assert_says, assert_told, evidence, text, told};
use crate::deaf::drop_everything;
use crate::holder::holder;
use crate::host::Host;
use crate::outside::wire::Capture;
use crate::outside::{can_inject, ip, with_container, with_neighbour};
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::{World, bring_up, connects, feed};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::ErrorKind;

/// What root is told; an ordinary user is told what is missing, and no reason.
#[track_caller]
fn assert_from(world: &World, arguments: &str, expected: &str) -> Value {
    let report = assert_told(world, arguments, expected, "nothing");
    let from = arguments.rsplit(' ').next();
    assert_eq!(report["from"].as_str(), from, "{report:#}");
    report
}

/// What the real neighbour gets at this address.
fn gets(there: &Host, to: &'static str) -> Result<(), ErrorKind> {
    there.does(move || connects(to.parse().unwrap()))
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_rule_for_the_network_only_is_named() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world.accepts(tcp("[::]:27601").dual()).accepts(tcp("[::]:27602").dual()).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy drop;
                iifname lo accept
                icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
                tcp dport 27602 accept
                tcp dport 27601 drop
            }
        }",
    );
    let wire = Capture::of(&there);
    let report = assert_from(&world, "10.77.0.2:27601 --from lan", "T01 proved");
    assert!(evidence(&report, "rule").ends_with(": tcp dport 27601 drop"), "{report:#}");
    assert_eq!(evidence(&report, "probed from"), "10.77.0.254 by lan0");
    assert_eq!(report["diagnosis"]["next"][0], "sudo nft -a list chain inet fw input");
    assert!(text(&report).contains("listens on 27601"), "{report:#}");
    let report = assert_from(&world, "27601 --from lan", "T01 proved");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 3, "{report:#}");
    // Of several addresses, the one that the server is bound to.
    let world = world.accepts(tcp("[fd77::2]:27604"));
    let report = assert_from(&world, "27604 --from lan", "T01 proved");
    assert!(text(&report).contains(" listens on 27604"), "{report:#}");
    let report = assert_from(&world, "27603 --from lan", "T01 proved");
    assert!(evidence(&report, "rule").ends_with("input: policy drop"), "{report:#}");
    assert!(text(&report).contains("nothing listens"), "{report:#}");
    // Near misses: this host itself, and a port that the rules let through.
    assert_says(&world, "10.77.0.2:27601", "works");
    assert_from(&world, "10.77.0.2:27602 --from lan", "works");
    let report = assert_from(&world, "27602 --from lan", "works");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 3, "{report:#}");
    let run = world.portsight("why 27602 --from lan").exits(0);
    assert!(run.stdout.starts_with("✓ 27602 works from lan\n"), "{run:?}");
    wire.assert_silent();
    assert_eq!(gets(&there, "10.77.0.2:27601"), Err(ErrorKind::TimedOut));
    assert_eq!(gets(&there, "10.77.0.2:27602"), Ok(()));
    let tables = feed("nft", &["list", "tables"], "");
    assert_eq!(tables, "table inet fw\n", "nothing of ours stays");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_refusal_is_told_by_what_is_bound() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world
        .accepts(tcp("127.0.0.1:27611"))
        .accepts(tcp("10.77.0.2:27612"))
        .holds(tcp("0.0.0.0:27613"));
    let report = assert_from(&world, "27611 --from lan", "R03 proved");
    assert_eq!(report["diagnosis"]["next"][0], "portsight who 27611", "{report:#}");
    assert_from(&world, "10.77.0.2:27611 --from lan", "R03 proved");
    assert_from(&world, "10.77.0.2:27613 --from lan", "R10 proved");
    assert_from(&world, "29199 --from lan", "R01 proved");
    assert_from(&world, "10.77.0.2:29199 --from lan", "R01 proved");
    // Near misses: bound to an address that is reached, of which the others are not blamed, and this host itself.
    assert_from(&world, "10.77.0.2:27612 --from lan", "works");
    assert_from(&world, "27612 --from lan", "works R06 proved");
    // An address is asked at the interface that has it, and from a neighbour of another one where that is named.
    ip("link add lan1 type veth peer name wire1\nlink set wire1 up");
    bring_up("lan1", &["10.78.0.2/24"]);
    let report = assert_from(&world, "10.77.0.2:27612 --from lan", "works");
    assert_eq!(evidence(&report, "probed from"), "10.77.0.254 by lan0");
    let report = assert_from(&world, "10.77.0.2:27612 --from 10.78.0.66", "works");
    assert_eq!(evidence(&report, "probed from"), "10.78.0.66 by lan1");
    assert_says(&world, "127.0.0.1:27611", "works");
    assert_eq!(gets(&there, "10.77.0.2:27611"), Err(ErrorKind::ConnectionRefused));
    assert_eq!(gets(&there, "10.77.0.2:27612"), Ok(()));
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn each_way_of_a_rule_to_stop_it_has_its_code() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = [27_631, 27_632, 27_633, 27_634, 27_635, 27_638]
        .into_iter()
        .fold(world, |world, port| world.accepts(tcp(&format!("[::]:{port}")).dual()));
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0;
                iifname lan0 tcp dport 27631 reject
                iifname lan0 tcp dport 27632 reject with icmpx admin-prohibited
                iifname lan0 tcp dport { 27633, 29199 } reject with tcp reset
            }
            chain output {
                type filter hook output priority 0;
                oifname lan0 tcp sport 27634 drop
            }
        }
        table netdev door {
            chain ingress {
                type filter hook ingress device lan0 priority 0;
                tcp dport 27635 drop
            }
        }",
    );
    assert_from(&world, "10.77.0.2:27631 --from lan", "R21 proved");
    assert_from(&world, "10.77.0.2:27632 --from lan", "H01 proved");
    assert_from(&world, "[fd77::2]:27632 --from lan", "H02 proved");
    assert_from(&world, "10.77.0.2:27633 --from lan", "R20 proved");
    let report = assert_from(&world, "10.77.0.2:27634 --from lan", "T02 proved");
    assert!(text(&report).contains("drops the answer"), "{report:#}");
    let report = assert_from(&world, "10.77.0.2:27635 --from lan", "T01 proved");
    assert!(text(&report).contains("a rule of netdev door ingress"), "{report:#}");
    // Nobody listens, and a rule resets all the same.
    let report = assert_from(&world, "10.77.0.2:29199 --from lan", "R01 proved");
    assert!(evidence(&report, "rule").contains("tcp reset"), "{report:#}");
    // Near miss: a port that no rule names.
    assert_from(&world, "10.77.0.2:27638 --from lan", "works");
    assert_eq!(gets(&there, "10.77.0.2:27634"), Err(ErrorKind::TimedOut));
    assert_eq!(gets(&there, "10.77.0.2:27635"), Err(ErrorKind::TimedOut));
    assert_eq!(gets(&there, "10.77.0.2:27638"), Ok(()));
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_full_queue_is_no_firewall() {
    if !can_inject() {
        return;
    }
    let world =
        World::new().veth(&LAN).overloaded(tcp("10.77.0.2:27641")).listens(tcp("10.77.0.2:27642"));
    assert_from(&world, "10.77.0.2:27641 --from lan", "T03 proved");
    assert_from(&world, "10.77.0.2:27642 --from lan", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_at_the_socket_itself_is_no_firewall() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN).accepts(tcp("10.77.0.2:27647"));
    let filtered = tcp("10.77.0.2:27645").listening(8);
    drop_everything(&filtered);
    let process = holder().named("net-still").holding(tcp("10.77.0.2:27646")).start();
    let report = assert_from(&world, "10.77.0.2:27645 --from lan", "T04 proved");
    assert!(evidence(&report, "kernel").contains("SOCKET_FILTER"), "{report:#}");
    // A client gets a connection, and nobody serves it. Near miss: one that may accept later.
    assert_from(&world, "10.77.0.2:27646 --from lan", "works");
    let pid = Pid::from_raw(process.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let report = assert_from(&world, "10.77.0.2:27646 --from lan", "works C01 likely");
    assert!(text(&report).contains("net-still") && text(&report).contains("stopped"), "{report:#}");
    kill_process(pid, Signal::CONT).unwrap();
    assert_from(&world, "10.77.0.2:27647 --from lan", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_rule_for_some_sources_stops_those_only() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN).accepts(tcp("[::]:27651").dual()).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0;
                ip saddr { 10.77.0.66, 198.51.100.9 } tcp dport 27651 drop
                ip6 saddr fd77::66 tcp dport 27651 drop
            }
        }",
    );
    feed("ip", &["route", "add", "default", "dev", "lan0"], "");
    for (from, stopped) in [
        ("10.77.0.66", true),
        ("lan=10.77.0.66", true),
        ("198.51.100.9", true),
        ("internet=198.51.100.9", true),
        ("10.77.0.67", false),
        ("198.51.100.8", false),
        ("internet", false),
        ("lan", false),
    ] {
        let expected = if stopped { "T01 proved" } else { "works" };
        assert_from(&world, &format!("10.77.0.2:27651 --from {from}"), expected);
        // The other family has no such source.
        assert_from(&world, &format!("27651 --from {from}"), expected);
    }
    assert_from(&world, "[fd77::2]:27651 --from fd77::66", "T01 proved");
    assert_from(&world, "[fd77::2]:27651 --from fd77::67", "works");
    // A source of another family has no way there, which is no reason.
    assert_from(&world, "[fd77::2]:27651 --from 10.77.0.67", "nothing");
    // Nor has an address of this host, which is no other's.
    world.portsight("why 27651 --from 10.77.0.2").exits(2).says_in_one_line(&["of this host"]);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_handed_on_is_said_with_where() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let (_container, _servers) = with_container();
    // Another namespace, on no link of this host, has the address of the container too.
    let elsewhere = Host::new();
    elsewhere.ip("link add eth0 type veth peer name eth1\nlink set eth0 up\naddress add 172.17.0.2/16 dev eth0");
    let world = world.accepts(tcp("0.0.0.0:27662")).nft(
        "table ip nat {
            chain prerouting {
                type nat hook prerouting priority dstnat;
                tcp dport 27661 redirect to :27662
                tcp dport 27663 redirect to :27669
                tcp dport 27664 dnat to 172.17.0.2:80
                tcp dport 27665 dnat to 172.17.0.2:82
                tcp dport 27666 dnat to 172.17.0.2:81
                tcp dport 27667 dnat to 10.77.0.99:9999
            }
        }
        table ip fw {
            chain forward {
                type filter hook forward priority 0;
                ip daddr 172.17.0.2 tcp dport 81 drop
            }
        }",
    );
    let report = assert_from(&world, "10.77.0.2:27661 --from lan", "works");
    let socket = report["attempts"][0]["socket"].as_str().unwrap();
    assert!(socket.starts_with("handed on to 10.77.0.2:27662 (net-"), "{report:#}");
    let rule = evidence(&report, "rule");
    assert!(rule.starts_with("ip nat prerouting handle "), "{rule}");
    assert!(rule.ends_with(": tcp dport 27661 redirect to :27662"), "{rule}");
    let report = assert_from(&world, "10.77.0.2:27663 --from lan", "R19 proved");
    assert!(text(&report).ends_with("to 10.77.0.2:27669, where nothing listens"), "{report:#}");
    assert!(evidence(&report, "rule").ends_with("redirect to :27669"), "{report:#}");
    let report = assert_from(&world, "10.77.0.2:27664 --from lan", "works");
    let socket = report["attempts"][0]["socket"].as_str().unwrap();
    assert!(socket.starts_with("handed on to 172.17.0.2:80 (net-"), "{report:#}");
    assert!(socket.contains("in the network namespace net:["), "{report:#}");
    assert!(evidence(&report, "rule").ends_with("dnat to 172.17.0.2:80"), "{report:#}");
    let report = assert_from(&world, "10.77.0.2:27665 --from lan", "R19 proved");
    assert!(text(&report).contains("where nothing listens on 82, and net-"), "{report:#}");
    let report = assert_from(&world, "10.77.0.2:27666 --from lan", "T01 proved");
    assert!(text(&report).contains("on its way through"), "{report:#}");
    // Another host is not asked.
    let report = assert_from(&world, "10.77.0.2:27667 --from lan", "R19 possible");
    assert!(text(&report).contains("was not asked"), "{report:#}");
    assert!(evidence(&report, "rule").ends_with("dnat to 10.77.0.99:9999"), "{report:#}");
    // Near miss: a port that no rule hands on.
    let report = assert_from(&world, "10.77.0.2:27662 --from lan", "works");
    assert!(!report["attempts"][0]["socket"].as_str().unwrap().contains("handed"), "{report:#}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn datagrams_are_told_by_their_way() {
    if !can_inject() {
        return;
    }
    let world = World::new()
        .veth(&LAN)
        .echoes(udp("10.77.0.2:27671"))
        .swallows(udp("10.77.0.2:27672"))
        .holds(udp("10.77.0.2:27673"))
        .echoes(udp("127.0.0.1:27674"))
        .nft(
            "table inet fw {
            chain input {
                type filter hook input priority 0;
                iifname lan0 udp dport 27673 drop
                iifname lan0 udp dport 27675 reject
            }
        }",
        );
    assert_from(&world, "--udp 10.77.0.2:27671 --from lan", "works");
    assert_from(&world, "--udp 10.77.0.2:27672 --from lan", "works U01 likely");
    assert_from(&world, "--udp 10.77.0.2:27673 --from lan", "T01 proved");
    assert_from(&world, "--udp 10.77.0.2:27674 --from lan", "R03 proved");
    assert_from(&world, "--udp 10.77.0.2:27675 --from lan", "R21 proved");
    assert_from(&world, "--udp 10.77.0.2:29199 --from lan", "R01 proved");
    // Near miss: the same rule does not stop this host itself.
    assert_says(&world, "--udp 10.77.0.2:27673", "works U01 proved");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_privileges_it_is_said_what_is_missing() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN).accepts(tcp("10.77.0.2:27681"));
    let arguments = "why 10.77.0.2:27681 --from lan";
    let run = world.prepare(arguments).by_ordinary_user().run().exits(3);
    assert!(run.stdout.starts_with("? whether 10.77.0.2:27681 works from lan could not be seen\n"));
    let run = run.says_in_one_line(&["not seen without root: the vantage lan", "sudo "]);
    assert!(!run.stdout.contains('✗'), "{run:?}");
    let json = format!("{arguments} --wait 20s -o json");
    let report = world.prepare(&json).by_ordinary_user().run().document();
    let gap = &report["incomplete"][0];
    assert_eq!((&gap["what"], &gap["need"]), (&"the vantage lan".into(), &"root".into()));
    assert!(report["duration_ms"].as_u64().unwrap() < 10_000, "waiting gives no privileges");
    // Near miss: with them it is seen.
    world.portsight(arguments).exits(0);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_server_that_comes_up_is_waited_for_from_there_too() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN);
    let waiting = world.prepare("why 10.77.0.2:27691 --from lan --wait 20s -o json").start();
    crate::cgroups::pause(400);
    let _world = world.accepts(tcp("10.77.0.2:27691"));
    let run = waiting.end();
    assert_eq!(told(&run), "works");
    assert!(evidence(&run.document(), "waited").contains("[R01]"), "{run:#?}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_source_that_this_host_routes_elsewhere_is_refused_by_no_rule() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN).accepts(tcp("10.77.0.2:27695"));
    ip("link add lan1 type veth peer name wire1\nlink set wire1 up");
    bring_up("lan1", &["10.78.0.2/24"]);
    ip("route add 10.77.0.66 dev lan1");
    std::fs::write("/proc/sys/net/ipv4/conf/lan0/rp_filter", "1").unwrap();
    let report = assert_from(&world, "10.77.0.2:27695 --from 10.77.0.66", "T01 proved");
    assert!(evidence(&report, "checkpoint").contains("rp_filter"), "{report:#}");
    // Near misses: a source that is where it should be, and no such check.
    assert_from(&world, "10.77.0.2:27695 --from 10.77.0.67", "works");
    std::fs::write("/proc/sys/net/ipv4/conf/lan0/rp_filter", "0").unwrap();
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0").unwrap();
    assert_from(&world, "10.77.0.2:27695 --from 10.77.0.66", "works");
}
