//! Hosts that do other things, and have much: many addresses, traffic that they forward, a limit to probes.

use super::{can_inject, with_neighbour};
use crate::host::Host;
use crate::sockets::tcp;
use crate::world::feed;
use std::fmt::Write as _;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The rules of the check fit a host with so many addresses, and so do traces.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn many_addresses_are_no_obstacle() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let mut batch = String::new();
    for number in 0..120 {
        writeln!(batch, "addr add 10.99.{number}.1/24 dev lan0").unwrap();
    }
    feed("ip", &["-batch", "-"], &batch);
    let world = world.listens(tcp("10.99.7.1:22")).nft(
        "table inet fw { chain input { type filter hook input priority 0; tcp dport 23 drop; }
        }",
    );
    let report = world.json("check 22,23 --from loopback,lan --proto tcp -4");
    assert!(report["incomplete"].as_array().unwrap().is_empty(), "{}", report["incomplete"]);
    let vantages = report["vantages"].as_array().unwrap();
    let targets = vantages.iter().find(|it| it["name"] == "lan").map(|it| it["targets"].as_array());
    assert!(targets.flatten().unwrap().len() >= 121, "{vantages:?}");
}

/// Packets that this host forwards for the very host from which probes seem to come go on.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_forwarded_for_others_goes_on() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    feed("ip", &["-batch", "-"], "link add br0 type veth peer name eth0\n");
    let inner = Host::new();
    inner.takes("eth0", &["172.31.0.2/24"]);
    crate::world::bring_up("br0", &["172.31.0.1/24"]);
    inner.ip("route add default via 172.31.0.1");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    feed("ip", &["-batch", "-"], "route add default via 10.77.0.9\n");
    there.ip("addr add 198.51.100.7/32 dev lo\nroute add 172.31.0.0/24 via 10.77.0.2");
    // Else it would ask for neighbours with that address, and so become one.
    there.does(|| std::fs::write("/proc/sys/net/ipv4/conf/all/arp_announce", "2").unwrap());
    let receiver = inner.does(|| UdpSocket::bind("172.31.0.2:9000").unwrap());
    let sender = there.does(|| UdpSocket::bind("198.51.100.7:9001").unwrap());
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let flow = thread::spawn(move || {
        let mut sent = 0_u32;
        while !is_done.load(Ordering::Relaxed) {
            sent += u32::from(sender.send_to(b"on", "172.31.0.2:9000").is_ok());
            thread::sleep(Duration::from_millis(2));
        }
        sent
    });
    receiver.recv(&mut [0; 8]).expect("it is forwarded before the check");
    receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let counting = thread::spawn(move || {
        let mut through = 1_u32;
        while receiver.recv(&mut [0; 8]).is_ok() {
            through += 1;
        }
        through
    });
    let report = world.json("check --from internet=198.51.100.7 --proto tcp -4");
    done.store(true, Ordering::Relaxed);
    let (sent, through) = (flow.join().unwrap(), counting.join().unwrap());
    assert_eq!(report["vantages"][0]["name"], "internet", "{}", report["incomplete"]);
    assert!(through + 2 >= sent, "{through} of {sent} came through");
}

/// So many probes in a second, from the network too.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_rate_holds_for_frames() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let began = Instant::now();
    let report = world.json("check 1001-1050 --from lan -4 --proto tcp --max-rate 100");
    assert!(began.elapsed() >= Duration::from_millis(450), "50 probes at 100 in a second");
    assert_eq!(report["vantages"][0]["transports"]["tcp"]["closed"], 50, "{report:#}");
}
