//! Ports that lead to the same one: what NAT makes of the packets between.

use super::safety::{assert_none_half_open, chance, has_begun, has_gone, within};
use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::Capture;
use super::{can_inject, with_container, with_neighbour};
use crate::sockets::{tcp, udp};
use crate::world::feed;
use rustix::process::Signal;
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
