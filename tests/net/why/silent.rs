//! Nothing comes back: a firewall on the way in or out, or a socket that does not hear.

use super::{Accepts, assert_blames_a_rule, assert_says, assert_told, evidence, text};
use crate::deaf::{demand_signatures, drop_everything};
use crate::holder::holder;
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::World;

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_dropped_on_the_way_in_and_out_is_told_apart() {
    let world = World::new()
        .veth(&LAN)
        .accepts(tcp("[::]:27401").dual())
        .accepts(tcp("[::]:27402").dual())
        .accepts(tcp("[::]:27403").dual())
        .accepts(tcp("[::]:27404").dual())
        .accepts(tcp("[::]:27405").dual())
        .nft(
            "table inet fw {
                chain input { type filter hook input priority 0; tcp dport 27401 drop; tcp sport 27404 drop; }
                chain output { type filter hook output priority 0; tcp dport 27402 drop; tcp sport 27403 drop; }
            }",
        );
    for (port, expected) in [(27401, "T01"), (27402, "T02"), (27403, "T02"), (27404, "T01")] {
        for host in ["127.0.0.1", "[::1]", "10.77.0.2"] {
            let target = format!("{host}:{port}");
            let report = assert_blames_a_rule(&world, &target, expected);
            assert!(evidence(&report, "counters").contains("for one SYN"), "{report:#}");
            assert!(report["duration_ms"].as_u64().unwrap() < 1_500, "{report:#}");
        }
    }
    // Near miss: a port that no rule names.
    assert_says(&world, "127.0.0.1:27405", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn sockets_that_do_not_hear_are_told_from_a_firewall() {
    let world = World::new();
    let [signed, filtered] = ["127.0.0.1:27411", "127.0.0.1:27412"].map(|it| tcp(it).listening(8));
    demand_signatures(&signed);
    drop_everything(&filtered);
    let world = world.overloaded(tcp("127.0.0.1:27410")).accepts(tcp("127.0.0.1:27413"));
    let report = assert_says(&world, "127.0.0.1:27410", "T03 proved");
    assert!(evidence(&report, "accept queue").contains("limit 0"), "{report:#}");
    assert_told(&world, "127.0.0.1:27411", "T05 proved", "T05 likely");
    let report = assert_told(&world, "127.0.0.1:27412", "T04 proved", "T04 likely");
    assert!(evidence(&report, "kernel").contains("SOCKET_FILTER"), "{report:#}");
    assert_says(&world, "127.0.0.1:27413", "works");
    // Near miss: the same sockets behind a rule that drops first.
    let world = world.nft(
        "table inet fw { chain input { type filter hook input priority 0; tcp dport 27410-27412 drop; }
        }",
    );
    for port in 27410..=27412 {
        assert_blames_a_rule(&world, &format!("127.0.0.1:{port}"), "T01");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_policy_drops_also_what_nobody_listens_for() {
    let world = World::new().nft(
        "table inet fw { chain input {
            type filter hook input priority 0; policy drop;
            tcp dport 22 accept
        }
        }",
    );
    let report = assert_blames_a_rule(&world, "127.0.0.1:27420", "T01");
    assert!(text(&report).contains("nothing listens on 27420"), "{report:#}");
}

/// Another host that does not answer may be down: no more than possible.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_silent_neighbour_is_not_judged() {
    let world = World::new().veth(&LAN).neighbour().nft(
        "table inet fw { chain input { type filter hook input priority 0; tcp sport 9999 drop; }
        }",
    );
    assert_says(&world, "10.77.0.9:9999", "T01 possible");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_forwarding_to_where_nobody_is_is_named_to_root() {
    let world = World::new().veth(&LAN).nft(
        "table ip nat { chain output { type nat hook output priority -100;
            tcp dport 27430 dnat to 10.77.0.77:80
        }
        }",
    );
    let process = holder().named("net-behind").holding(tcp("127.0.0.1:27430")).start();
    let report = assert_told(&world, "127.0.0.1:27430", "R19 likely", "T02 possible");
    assert!(text(&report).contains("10.77.0.77:80"), "{report:#}");
    drop(process);
}
