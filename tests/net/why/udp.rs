//! `--udp`: an answer, an error, and a silence that may be in order.

use super::{answer, assert_blames_a_rule, assert_says, evidence, text};
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::World;

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_silence_is_told_from_a_drop_and_a_refusal() {
    let world = World::new()
        .veth(&LAN)
        .echoes(udp("127.0.0.1:27701"))
        .swallows(udp("127.0.0.1:27702"))
        .holds(udp("127.0.0.1:27703"))
        .holds(udp("127.0.0.1:27704"))
        .holds(udp("127.0.0.1:27705"))
        .holds(udp("127.0.0.1:27706"))
        .listens(tcp("127.0.0.1:27779"))
        .nft(
            "table inet fw {
                chain input { type filter hook input priority 0; udp dport { 27704, 27768 } drop; udp dport 27706 reject; }
                chain output { type filter hook output priority 0; udp dport 27705 drop; }
            }",
        );
    assert_says(&world, "--udp 127.0.0.1:27701", "works");
    assert_says(&world, "127.0.0.1:27701/udp", "works");
    // A busy machine lets the datagrams be seen in the queue before the server has read them.
    let (told, run) = answer(world.prepare("why --udp 127.0.0.1:27702 -o json"));
    assert!(["works U01 likely", "works U01 proved"].contains(&told.as_str()), "{told}: {run:#?}");
    let report = assert_says(&world, "--udp 127.0.0.1:27703", "works U01 proved");
    assert!(evidence(&report, "delivery").contains("rose"), "{report:#}");
    assert_blames_a_rule(&world, "--udp 127.0.0.1:27704", "T01");
    let report = assert_blames_a_rule(&world, "--udp 127.0.0.1:27705", "T02");
    assert_eq!(report["attempts"][0]["errno"], "EPERM");
    assert_blames_a_rule(&world, "--udp 127.0.0.1:27706", "R21");
    assert_blames_a_rule(&world, "--udp 127.0.0.1:27768", "T01");
    // Near misses: nobody at all, somebody over TCP only, and a server at another address.
    assert_says(&world, "--udp 127.0.0.1:27790", "R01 proved");
    assert_says(&world, "--udp 127.0.0.1:27779", "R01 proved");
    let report = assert_says(&world, "--udp 10.77.0.2:27701", "R03 proved");
    assert!(text(&report).contains("loopback"), "{report:#}");
}
