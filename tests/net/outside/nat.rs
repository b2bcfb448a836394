//! Ports that lead to the same one: what NAT makes of the packets between.

use super::safety::{assert_none_half_open, chance, has_begun, has_gone, within};
use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::Capture;
use super::{can_inject, with_container, with_neighbour};
use crate::sockets::{tcp, udp};
use crate::world::feed;
use rustix::process::Signal;
use std::net::UdpSocket;
use std::thread;
use std::thread::sleep;
use std::time::Duration;

/// Probes that end up at one socket would be one connection: the kernel gives all but the first another source port.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn several_ports_may_lead_to_one() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let _container = with_container();
    let world = world.listens(tcp("0.0.0.0:22")).echoes(udp("0.0.0.0:53")).nft(
        "table ip nat {
                chain incoming {
                    type nat hook prerouting priority dstnat;
                    tcp dport { 8021, 8022, 8023 } redirect to :22
                    tcp dport { 8031, 8032 } redirect to :23
                    udp dport { 8053, 8054 } redirect to :53
                    tcp dport { 8081, 8082, 8083 } dnat to 172.17.0.2:80
                    udp dport { 8091, 8092 } dnat to 172.17.0.2:53
                }
            }",
    );
    let wire = Capture::of(&there);
    let report = world.json("check 22,23,8021-8023,8031,8032,8081-8083 --from lan --proto tcp -4");
    assert_none_half_open();
    assert_told(
        &report,
        "22/tcp    lan4  open    syn-ack  reachable  -  *
         23/tcp    lan4  closed  reset    closed     -  *
         8021/tcp  lan4  open    syn-ack  forwarded  -  *
         8022/tcp  lan4  open    syn-ack  forwarded  -  *
         8023/tcp  lan4  open    syn-ack  forwarded  -  *
         8031/tcp  lan4  closed  reset    forwarded  -  *
         8032/tcp  lan4  closed  reset    forwarded  -  *
         8081/tcp  lan4  open    syn-ack  forwarded  -  *
         8082/tcp  lan4  open    syn-ack  forwarded  -  *
         8083/tcp  lan4  open    syn-ack  forwarded  -  *",
    );
    assert_neighbour_agrees(&report, &there);
    let report = world.json("check 53,8053,8054,8091,8092 --from lan --proto udp -4");
    assert_told(
        &report,
        "53/udp    lan4  open  udp-response  reachable  -  *
         8053/udp  lan4  open  udp-response  forwarded  -  *
         8054/udp  lan4  open  udp-response  forwarded  -  *
         8091/udp  lan4  open  udp-response  forwarded  -  *
         8092/udp  lan4  open  udp-response  forwarded  -  *",
    );
    assert_neighbour_agrees(&report, &there);
    sleep(Duration::from_secs(4));
    wire.assert_silent();
}

/// Half-open connections of a host behind this one are ended too.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nothing_stays_behind_nat_after_a_kill() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let (container, _servers) = with_container();
    let world = world.listens(tcp("0.0.0.0:22")).nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                iifname lan0 tcp dport 8000-8099 dnat to 172.17.0.2:80
                iifname lan0 tcp dport 8100-8199 redirect to :22
            }
        }",
    );
    let wire = Capture::of(&there);
    let half_open = || container.does(|| feed("ss", &["-Htan", "state", "syn-recv"], ""));
    for _ in 0..8 {
        let mut running = world.prepare("check 8000-8199 --from lan --proto tcp -4").start();
        has_begun(&mut running);
        sleep(Duration::from_micros(chance(30_000)));
        running.signal(Signal::KILL);
        drop(running.end());
        has_gone("killed");
        assert_none_half_open();
        // The container's side of the bridge works in its own time.
        assert!(within(5, || half_open().is_empty()), "{}", half_open());
    }
    sleep(Duration::from_secs(4));
    wire.assert_silent();
}

/// What NAT sends on to another host of the network would leave, with a source that nobody is.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn no_probe_is_sent_on_to_another_host() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let world = world.nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8081 dnat to 10.77.0.9:9999
                tcp dport 8082 dnat to 10.77.0.99:9999
            }
        }",
    );
    let wire = Capture::of(&there);
    let report = world.json("check 8081,8082 --from lan --proto tcp -4");
    assert_told(
        &report,
        "8081/tcp  lan4  *  *  forwarded  -  *
         8082/tcp  lan4  *  *  forwarded  -  *",
    );
    assert!(report.to_string().contains("on another host, which was not asked"), "{report:#}");
    // The kernel of IPv6 would tell such a client of the shorter way, and ask who it is.
    std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    let world = world.nft(
        "table ip6 nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8081 dnat to [fd77::9]:9999
            }
        }",
    );
    let report = world.json("check 8081 --from lan --proto tcp -6");
    assert!(report.to_string().contains("on another host, which was not asked"), "{report:#}");
    sleep(Duration::from_secs(5));
    wire.assert_silent();
}

/// An answer that comes when portsight has ended is one to nobody.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_late_answer_does_not_leave() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let server = UdpSocket::bind("0.0.0.0:53").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let wire = Capture::of(&there);
    let late = thread::spawn(move || {
        let mut answered = 0;
        while let Ok((_, client)) = server.recv_from(&mut [0; 2048]) {
            sleep(Duration::from_secs(1));
            // That it is swallowed may be told to it as an error.
            drop(server.send_to(b"late", client));
            answered += 1;
        }
        answered
    });
    drop(world.json("check 53/udp --from lan --proto udp -4"));
    assert_ne!(late.join().unwrap(), 0, "it has answered");
    sleep(Duration::from_secs(1));
    wire.assert_silent();
}
