//! Rules at places other than the input chain of one table, and what else decides on the way to a socket.

use super::safety::assert_none_half_open;
use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::Capture;
use super::{can_inject, ip, with_neighbour};
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::truth::{LAN, views};
use crate::world::{World, bring_up};
use serde_json::json;
use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

/// The usual two hosts, with servers from 21 to 40.
fn serving() -> (World, Host) {
    let (world, there) = with_neighbour();
    let world =
        (21..=40).fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    (world, there)
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_rule_is_found_in_whichever_chain_it_is() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.nft(
        "table inet early {
            chain raw {
                type filter hook prerouting priority raw; policy accept;
                tcp dport 21 drop comment \"raw\"
            }
            chain unseen {
                type filter hook prerouting priority -350; policy accept;
                tcp dport 22 notrack comment \"notrack\"
            }
            chain mangle {
                type filter hook prerouting priority mangle; policy accept;
                tcp dport 23 meta mark set 7 accept comment \"mark\"
                tcp dport 24 drop comment \"mangle\"
            }
        }
        table ip first {
            chain input {
                type filter hook input priority -10; policy accept;
                tcp dport { 25, 26 } accept comment \"first\"
            }
        }
        table inet fw {
            set doors { type inet_service; flags interval; elements = { 27-28 }; }
            map verdicts { type inet_service : verdict; elements = { 29 : accept, 30 : drop, 31 : jump more }; }
            map pairs { type ipv4_addr . inet_service : verdict; elements = { 10.77.0.2 . 33 : drop }; }
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport 26 drop comment \"second\"
                tcp dport @doors counter drop comment \"doors\"
                tcp dport vmap @verdicts comment \"verdicts\"
                ip daddr . tcp dport vmap @pairs comment \"pairs\"
                tcp dport 34 goto last comment \"goto\"
                meta mark 7 tcp dport 23 drop comment \"marked\"
                tcp dport 35 ct state new jump more comment \"jump\"
                tcp dport 22 ct state untracked drop comment \"untracked\"
            }
            chain more {
                tcp dport 31 reject with tcp reset comment \"more\"
                tcp dport 35 jump deeper
            }
            chain deeper { tcp dport 35 drop comment \"deeper\"; }
            chain last { tcp dport 34 drop comment \"last\"; }
            chain later {
                type filter hook input priority 10; policy accept;
                tcp dport { 29, 36 } drop comment \"later\"
            }
        }
        table inet after {
            chain leaving {
                type filter hook postrouting priority 0; policy accept;
                tcp sport 37 drop comment \"leaving\"
            }
        }",
    );
    let report = world.json("check 21-38 --from lan --proto tcp -4");
    assert_told(
        &report,
        "21/tcp  lan4  filtered  no-response  filtered   dropped        raw
         22/tcp  lan4  filtered  no-response  filtered   dropped        untracked
         23/tcp  lan4  filtered  no-response  filtered   dropped        marked
         24/tcp  lan4  filtered  no-response  filtered   dropped        mangle
         25/tcp  lan4  open      syn-ack      reachable  -              first
         26/tcp  lan4  filtered  no-response  filtered   dropped        second
         27/tcp  lan4  filtered  no-response  filtered   dropped        doors
         28/tcp  lan4  filtered  no-response  filtered   dropped        doors
         29/tcp  lan4  filtered  no-response  filtered   dropped        later
         30/tcp  lan4  filtered  no-response  filtered   dropped        verdicts
         31/tcp  lan4  closed    reset        filtered   reset          more
         32/tcp  lan4  open      syn-ack      reachable  -              *
         33/tcp  lan4  filtered  no-response  filtered   dropped        pairs
         34/tcp  lan4  filtered  no-response  filtered   dropped        last
         35/tcp  lan4  filtered  no-response  filtered   dropped        deeper
         36/tcp  lan4  filtered  no-response  filtered   dropped        later
         37/tcp  lan4  filtered  no-response  filtered   reply-dropped  leaving
         38/tcp  lan4  open      syn-ack      reachable  -              *",
    );
    assert_neighbour_agrees(&report, &there);
}

/// What is dropped before the first rule that can be traced is dropped all the same.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_drop_at_the_device_is_no_rule_of_a_chain_that_is_traced() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.nft(
        "table netdev door {
            chain ingress {
                type filter hook ingress device lan0 priority 0; policy accept;
                tcp dport { 21, 51 } drop
            }
        }",
    );
    let report = world.json("check 21,22,51,52 --from lan --proto tcp");
    assert_told(
        &report,
        "21/tcp  lan  filtered  no-response  filtered   dropped  -
         22/tcp  lan  open      syn-ack      reachable  -        -
         51/tcp  lan  filtered  no-response  shielded   dropped  -
         52/tcp  lan  closed    reset        closed     -        -",
    );
    assert_neighbour_agrees(&report, &there);
}

/// What a rule at the device answers goes out by no hook of the tables of IP.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_refusal_at_the_device_does_not_leave() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.nft(
        "table netdev door {
            chain ingress {
                type filter hook ingress device lan0 priority 0; policy accept;
                tcp dport 21 reject
                tcp dport 51 reject with tcp reset
                tcp dport 52 fwd to lan0
                udp dport 53 reject
            }
        }",
    );
    let wire = Capture::of(&there);
    let report = world.json("check 21,22,51-53 --from lan");
    wire.assert_silent();
    for (item, view) in
        views(&report).filter(|(item, _)| item["port"] == 21 && item["proto"] == "tcp")
    {
        assert_eq!((&item["verdict"], &view["how"]), (&json!("filtered"), &json!("dropped")));
    }
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_transparent_proxy_is_told_from_a_server() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let proxy = tcp("0.0.0.0:3128").bound();
    proxy.set_ip_transparent_v4(true).unwrap();
    proxy.listen(16).unwrap();
    let world = world.nft(
        "table ip proxy {
            chain divert {
                type filter hook prerouting priority mangle; policy accept;
                tcp dport 80 tproxy to :3128 accept comment \"proxy\"
            }
        }",
    );
    let report = world.json("check 21,80,81 --from lan --proto tcp -4");
    assert_told(
        &report,
        "21/tcp  lan4  open    syn-ack  reachable  -  *
         80/tcp  lan4  open    syn-ack  *          -  proxy
         81/tcp  lan4  closed  reset    closed     -  *",
    );
    assert_neighbour_agrees(&report, &there);
    drop(proxy);
}

/// Linux answers at every interface for every address.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn an_address_of_another_interface_is_asked_too() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("link add lan1 type veth peer name wire1\nlink set wire1 up");
    bring_up("lan1", &["10.78.0.2/24", "fd78::2/64"]);
    let world = world.listens(tcp("10.78.0.2:21")).listens(tcp("[fd78::2]:22")).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                iifname lan0 ip daddr 10.78.0.2 tcp dport 23 drop comment \"strict\"
            }
        }",
    );
    let world = world.listens(tcp("10.78.0.2:23"));
    let report = world.json("check 21-23 --from lan --proto tcp");
    assert_told(
        &report,
        "21/tcp  10.78.0.2             open      syn-ack      reachable  -        *
         22/tcp  fd78::2               open      syn-ack      reachable  -        *
         23/tcp  10.78.0.2             filtered  no-response  filtered   dropped  strict
         21/tcp  10.77.0.2,lan6,link   closed    reset        *          -        *
         22/tcp  10.77.0.2,lan6,link   closed    reset        *          -        *
         23/tcp  10.77.0.2,lan6,link   closed    reset        *          -        *",
    );
    there.ip("route add 10.78.0.0/24 via 10.77.0.2\nroute add fd78::/64 via fd77::2 dev wire0");
    assert_neighbour_agrees(&report, &there);
}

/// The kernel tells a client of few closed UDP ports in a second. Each is closed all the same.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn closed_datagram_ports_are_closed_however_few_the_kernel_tells() {
    if !can_inject() {
        return;
    }
    let world = World::new().veth(&LAN).swallows(udp("[::]:7000").dual());
    let report = world.json("check 6900-7099/udp --from lan --proto udp");
    let (mut open, mut closed, mut told) = (0, 0, 0);
    for (item, view) in views(&report) {
        let is_open = item["port"] == 7000;
        let (state, verdict) = if is_open { ("open", "reachable") } else { ("closed", "closed") };
        assert_eq!(
            (&view["state"], &view["verdict"]),
            (&state.into(), &verdict.into()),
            "{item:#}"
        );
        open += usize::from(is_open);
        closed += usize::from(!is_open);
        told += usize::from(view["reason"] == "port-unreach");
    }
    assert_eq!((open, closed), (3, 3 * 199), "{report:#}");
    assert!(told < closed, "this kernel tells of all: the test shows nothing");
}

/// Somebody else traces everything, and there is other traffic.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_traces_of_others_are_not_ours() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.echoes(udp("0.0.0.0:53")).nft(
        "table inet debug {
            chain incoming {
                type filter hook prerouting priority -400; policy accept;
                meta nftrace set 1
            }
            chain outgoing {
                type filter hook output priority -400; policy accept;
                meta nftrace set 1
            }
        }
        table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                iifname lan0 tcp dport 22 ip saddr 10.77.0.9 drop comment \"theirs\"
                iifname lan0 tcp dport 23 ip saddr != 10.77.0.9 drop comment \"ours\"
            }
        }",
    );
    let noise = there.does(move || {
        std::thread::spawn(move || {
            let client = UdpSocket::bind("10.77.0.9:0").unwrap();
            client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            for _ in 0..400 {
                client.send_to(b"noise", "10.77.0.2:53").unwrap();
                drop(client.recv(&mut [0; 64]));
                drop(TcpStream::connect("10.77.0.2:21"));
                drop(TcpStream::connect("10.77.0.2:50"));
            }
        })
    });
    for _ in 0..4 {
        assert_told(
            &world.json("check 21-23,50 --from lan --proto tcp -4"),
            "21/tcp  lan4  open      syn-ack      reachable  -        *
             22/tcp  lan4  open      syn-ack      reachable  -        *
             23/tcp  lan4  filtered  no-response  filtered   dropped  ours
             50/tcp  lan4  closed    reset        closed     -        *",
        );
    }
    noise.join().unwrap();
}

/// Every port of a scan has its own answer and its own rule.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn each_of_all_ports_is_told() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport { 30, 1000-1999 } drop comment \"drop\"
                tcp dport 2000-2499 reject with tcp reset comment \"reset\"
                tcp dport { 40, 3000-3099 } reject with icmpx type admin-prohibited comment \"admin\"
            }
        }",
    );
    let wire = Capture::of(&there);
    let report = world.portsight("check --from lan --proto tcp -4 -o json").exits(0).document();
    let (open, shielded) = (18, 1000 + 500 + 100);
    let tcp = &report["vantages"][0]["transports"]["tcp"];
    assert_eq!(tcp["probed"], 65_535, "{tcp:#}");
    assert_eq!(tcp["shielded"], shielded, "{tcp:#}");
    assert_eq!(tcp["closed"], 65_535 - open - 2 - shielded, "{tcp:#}");
    assert_eq!(report["vantages"][0]["lost"], 0);
    let count = |state: &str| views(&report).filter(|(_, view)| view["state"] == state).count();
    assert_eq!(count("open"), open, "{report:#}");
    wire.assert_silent();
}

/// A kernel that answers without remembering: there is no half-open connection to look at.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn an_answer_with_a_cookie_is_an_answer() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap();
    let report = world.json("check 21,22,50 --from lan --proto tcp");
    assert_told(
        &report,
        "21/tcp  lan  open    syn-ack  reachable  -  -
         22/tcp  lan  open    syn-ack  reachable  -  -
         50/tcp  lan  closed  reset    closed     -  -",
    );
    assert_neighbour_agrees(&report, &there);
    assert_none_half_open();
}
