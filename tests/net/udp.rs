//! UDP silence: open only with evidence that the probe arrived.

use crate::sockets::{at, udp};
use crate::truth::{assert_views, views};
use crate::world::World;

/// The rule under which 56 gets nothing.
const DROP_56: &str = "table inet fw {
    chain input { type filter hook input priority 0; udp dport 56 drop; }
}";

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_receive_queue_without_room_shows_its_drops() {
    let world = World::new().stuffed(udp("127.0.0.1:54"));
    assert_views(
        &world.portsight("check 54 --proto udp -4 -o json").exits(0).document(),
        "54/udp  lo4  open  no-response  reachable  -  proved",
    );
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn silence_without_a_socket_is_shielded_and_a_port_unreachable_closed() {
    let world = World::new().nft(DROP_56);
    assert_views(
        &world.json("check --from loopback,self 56-57 --proto udp -4"),
        "56/udp  lo4  *       no-response   shielded  dropped  *
         57/udp  lo4  closed  port-unreach  closed    -        *",
    );
}

/// Datagrams that others send make the namespace's counters rise: that proves nothing for the port that is dropped.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn much_other_traffic_is_no_evidence() {
    assert_noise_is_no_evidence(1);
}

/// A datagram now and then, as every host has them: seldom enough for a quiet moment, often enough to come while a
/// program is given the time to read.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_little_other_traffic_is_no_evidence() {
    assert_noise_is_no_evidence(30);
}

/// With a datagram for somebody else each so many milliseconds, nothing arrives at 56.
#[track_caller]
fn assert_noise_is_no_evidence(milliseconds: i64) {
    let world = World::new()
        .swallows(udp("127.0.0.1:55"))
        .swallows(udp("127.0.0.1:56"))
        .swallows(udp("127.0.0.1:57"))
        .nft(DROP_56)
        .noise(at("127.0.0.1:57"), milliseconds);
    for _ in 0..10 {
        let report = world.json("check --from loopback,self 55-57 --proto udp -4");
        for (item, view) in views(&report) {
            // 56 gets nothing. The others get their probes, if that can be told.
            let verdict = view["verdict"].as_str().unwrap();
            let honest = verdict == "inconclusive" || item["port"] != 56 && verdict == "reachable";
            assert!(honest, "{}: {view:#}", item["port"]);
        }
        assert_eq!(views(&report).count(), 3);
    }
}

/// The same for the receive queue of the dropped socket itself: what was in it before is no evidence.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_old_datagram_in_the_queue_is_no_evidence() {
    let world = World::new().stuffed(udp("127.0.0.1:56")).nft(DROP_56);
    assert_views(
        &world
            .portsight("check --from loopback,self 56 --proto udp -4 -o json")
            .exits(3)
            .document(),
        "56/udp  lo4  open|filtered  no-response  inconclusive  -  *",
    );
}
