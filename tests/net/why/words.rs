//! The words of `why`: what is no target, other vantages, waiting, explaining, and what another host gets.

use super::{Accepts, evidence, told};
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::World;

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_no_target_ends_with_one_clear_line() {
    let world = World::new();
    for (arguments, words) in [
        ("why", "required"),
        ("why localhost", "names no port"),
        ("why 0", "ports are 1 to 65535"),
        ("why localhost:0", "ports are 1 to 65535"),
        ("why http://", "it names no host"),
        ("why ::1:80", "brackets"),
        ("why 80 --wait 2", "--wait"),
        ("why 80 --from moon", "is no vantage"),
        ("why 80 --from self", "without --from"),
        ("why 80 --from lan=moon", "names no address"),
        ("why 80 --from 127.0.0.1", "an address of this host"),
        ("why 80 --from 224.0.0.1", "the address of no neighbour"),
        ("why 127.0.0.1:80 --from lan", "is reached from this host only"),
        ("why 203.0.113.9:80 --from lan", "is not this host"),
        ("why /run/x.sock --from lan", "asks for a port"),
        ("why 80 --from internett", "did you mean \"internet\""),
        ("why --bind 0", "ports are 1 to 65535"),
        ("why --bind host:80", "is no address"),
        ("why 80 --bind 80", "cannot be used"),
        ("why --explain R99", "is no code"),
    ] {
        world.portsight(arguments).exits(2).says_in_one_line(&[words]);
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_vantage_that_cannot_be_had_is_a_gap() {
    let world = World::new().accepts(tcp("0.0.0.0:27901"));
    // There is no network here.
    for (from, name) in [
        ("lan", "lan"),
        ("internet", "internet"),
        ("10.0.0.7", "internet"),
        ("ssh:me@10.0.0.9", "ssh:me@10.0.0.9"),
    ] {
        let run = world.portsight(&format!("why 27901 --from {from}")).exits(3);
        assert!(run.stderr.contains(name), "{run:?}");
        let report = world.json(&format!("why 27901 --from {from}"));
        assert!(report["incomplete"][0]["what"].as_str().unwrap().contains(name), "{report:#}");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_code_is_explained() {
    let world = World::new();
    let one = world.portsight("why --explain r05").exits(0).stdout;
    assert!(one.starts_with("### R05 ipv6-only-listener:"), "{one}");
    assert_eq!(one, world.portsight("why --explain ipv6-only-listener").exits(0).stdout);
    let all = world.portsight("why --explain all").exits(0).stdout;
    assert!(all.contains("### R01 ") && all.contains("### P03 "), "{all}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_that_comes_up_is_waited_for() {
    let world = World::new();
    let waiting = world.prepare("why 127.0.0.1:27911 --wait 20s -o json").start();
    crate::cgroups::pause(400);
    let _world = world.accepts(tcp("127.0.0.1:27911"));
    let run = waiting.end();
    assert_eq!(told(&run), "works");
    assert!(evidence(&run.document(), "waited").contains("[R01]"), "{run:#?}");
    let world = World::new();
    let run = world.portsight("why 127.0.0.1:27944 --wait 300ms -o json");
    assert_eq!(told(&run), "R01 proved");
    assert!(evidence(&run.document(), "waited").starts_with("still failing"), "{run:#?}");
    let interrupted = world.prepare("why 127.0.0.1:27944 --wait 60s -o json").start();
    crate::cgroups::pause(500);
    interrupted.interrupt();
    assert_eq!(interrupted.end().status, 130);
}

/// What keeps us from looking makes an answer less sure, and never a wrong one.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_proc_and_without_descriptors_no_reason_is_made_up() {
    let world = World::new().accepts(tcp("127.0.0.1:27951"));
    let prepare = |port: u16| world.prepare(&format!("why 127.0.0.1:{port} -o json"));
    assert_eq!(told(&prepare(27951).without_proc().run()), "works");
    assert!(told(&prepare(27984).without_proc().run()).starts_with("R01 "));
    for descriptors in 4..8 {
        let run = prepare(27951).with_descriptors(descriptors).run();
        assert_ne!(run.status, 1, "no reason was seen: {run:#?}");
    }
}

/// Another host gets one connection, which is closed in order.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn another_host_gets_one_connect() {
    let world = World::new().veth(&LAN).neighbour().nft(
        "table inet fw {
            counter syns { }
            counter resets { }
            counter others { }
            chain output {
                type filter hook output priority 0;
                ip daddr 10.77.0.9 tcp flags syn / syn,ack counter name syns
                ip daddr 10.77.0.9 tcp flags & rst == rst counter name resets
                ip daddr 10.77.0.9 meta l4proto != tcp counter name others
            }
        }",
    );
    assert_eq!(told(&world.portsight("why 10.77.0.9:9999 -o json")), "works");
    assert_eq!((world.counted("syns"), world.counted("resets")), (1, 0));
    assert_eq!(told(&world.portsight("why 10.77.0.9:27920 -o json")), "R01 likely");
    assert_eq!((world.counted("syns"), world.counted("others")), (2, 0));
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_form_of_output_is_the_same_answer() {
    let world = World::new().accepts(tcp("[::1]:27930"));
    let plain = world.portsight("why 127.0.0.1:27930 -o plain").exits(1).stdout;
    let fields: Vec<_> = plain.trim_end().split('\t').collect();
    assert_eq!(fields[..5], ["127.0.0.1:27930", "no", "R05", "ipv6-only-listener", "proved"]);
    let csv = world.portsight("why 127.0.0.1:27930 -o csv").exits(1).stdout;
    assert!(csv.starts_with("target,works,code,slug,certainty,text,next\r\n"), "{csv}");
    let lines = world.portsight("why 127.0.0.1:27930 -o ndjson").exits(1);
    assert_eq!(lines.document()["diagnosis"]["code"], "R05");
    let text = world.portsight("why 127.0.0.1:27930").exits(1).stdout;
    assert!(text.starts_with("✗ refused: the server listens on IPv6 only"), "{text}");
    assert!(text.contains("\nNext:  use [::1]:27930\n"), "{text}");
}
