//! UDP silence: open only with evidence that the probe arrived.

use crate::nmap::{assert_nmap_agrees, is_without_peers};
use crate::sockets::{at, udp};
use crate::truth::{LAN, assert_views, items, views};
use crate::world::World;
use serde_json::Value;

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
        // Who may trace rules needs no such evidence.
        let arguments = "check --from loopback,self 55-57 --proto udp -4 -o json";
        let report = world.prepare(arguments).by_ordinary_user().run().document();
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
    let arguments = "check --from loopback 56 --proto udp -4 -o json";
    assert_views(
        &world.prepare(arguments).by_ordinary_user().run().exits(3).document(),
        "56/udp  lo4  open|filtered  no-response  inconclusive  -  *",
    );
    assert_views(
        &world.portsight(arguments).exits(0).document(),
        "56/udp  lo4  filtered  no-response  filtered  dropped  proved",
    );
}

/// Ports that say each thing that a UDP port can say, 61 to 69, and silence.
fn ruled_world() -> World {
    [61, 62, 63, 64, 65, 66]
        .into_iter()
        .fold(World::new().veth(&LAN), |world, port| {
            let world = world.echoes(udp(&format!("0.0.0.0:{port}")));
            world.echoes(udp(&format!("[::]:{port}")))
        })
        .nft(
            "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                udp dport { 62, 67 } drop
                udp dport 63 reject with icmpx type port-unreachable
                udp dport { 64, 68 } reject with icmpx type admin-prohibited
                udp sport 65 drop
            }
            chain output {
                type filter hook output priority 0; policy accept;
                udp dport 66 drop
            }
        }",
        )
}

/// What each view says. How certain it is of silence depends on how soon a program reads.
fn told(report: &Value) -> Vec<String> {
    let columns = ["target", "state", "reason", "verdict"];
    views(report)
        .map(|(item, view)| {
            let fields = columns.map(|column| view[column].to_string());
            format!("{} {}", item["port"], fields.join(" "))
        })
        .collect()
}

/// By one socket for all ports, and by one for each.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn both_engines_say_the_same_of_each_rule() {
    let world = ruled_world();
    let by = |method: &str| {
        told(
            &world.json(&format!("check 61-69 --from loopback,self --proto udp --method {method}")),
        )
    };
    let by_one = by("auto");
    assert_eq!(by_one.len(), 9 * 5, "{by_one:#?}");
    assert_eq!(by_one, by("connect"));
}

#[test]
#[ignore = "needs a network namespace: scripts/test, and nmap"]
fn nmap_gives_the_same_states_and_reasons() {
    if is_without_peers() {
        eprintln!("did not run: PORTSIGHT_WITHOUT_PEERS is set");
        return;
    }
    let world = ruled_world();
    // nmap takes a port-unreachable for closed where a socket is, hears what no client does, calls a probe silent that
    // the kernel did not send, and can know neither of a socket behind a drop nor of none.
    let but_for = [62, 63, 65, 66, 67];
    assert_nmap_agrees(&world, "61-69 --proto udp", &["-sU", "-p61-69"], 9, &but_for);
}

/// Every port, of which some answer: again and again each is right.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn twenty_full_scans_have_no_wrong_port() {
    let ports: Vec<u16> = (0..25).map(|number| 1000 + number * 2569).collect();
    let world = ports
        .iter()
        .fold(World::new(), |world, port| world.echoes(udp(&format!("[::]:{port}")).dual()));
    for round in 1..=20 {
        let run = world.portsight("check --proto udp --all-udp --from loopback -o json").exits(0);
        let report = run.document();
        let open: Vec<_> =
            items(&report).iter().map(|item| item["port"].as_u64().unwrap()).collect();
        assert_eq!(open, ports.iter().map(|port| u64::from(*port)).collect::<Vec<_>>(), "{round}");
        assert!(views(&report).all(|(_, view)| view["state"] == "open"), "round {round}");
        assert_eq!(views(&report).count(), 25 * 2, "round {round}");
        for vantage in report["vantages"].as_array().unwrap() {
            let told = &vantage["transports"]["udp"];
            let targets = vantage["targets"].as_array().unwrap().len() as u64;
            let all = u64::from(u16::MAX) * targets;
            assert_eq!((&told["probed"], &told["not_probed"]), (&all.into(), &0.into()));
            assert_eq!(told["closed"], all - 25 * targets, "round {round}: {told}");
        }
        assert_eq!(report["incomplete"], Value::Array(Vec::new()), "round {round}");
    }
}
