//! Refused: nobody listens, somebody listens elsewhere, or a rule resets.

use super::{
    Accepts, LOCALHOST, answer, assert_blames_a_rule, assert_says, assert_told, evidence, text,
    with_file,
};
use crate::cgroups::Cgroups;
use crate::holder::holder;
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::World;
use std::sync::mpsc;
use std::thread;

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn nothing_listens_and_a_port_that_looks_like_it() {
    let world = World::new().accepts(tcp("127.0.0.1:27180"));
    let report = assert_says(&world, "127.0.0.1:27195", "R01 proved");
    assert_eq!(report["attempts"][0]["outcome"], "refused");
    assert_eq!(report["attempts"][0]["errno"], "ECONNREFUSED");
    assert_eq!(report["attempts"][0]["icmp"], serde_json::Value::Null);
    assert!(report["also_checked"].to_string().contains("near-miss ports"));
    // Near misses: the port itself, and one that is a single digit away.
    assert_says(&world, "127.0.0.1:27180", "works");
    let report = assert_says(&world, "127.0.0.1:27181", "R02 likely");
    assert!(text(&report).contains("listens on 27180"), "{report:#}");
    assert_says(&world, "127.0.0.1:21780", "R02 likely");
}

/// Who resets a port on which nobody listens may be a rule: nobody listens all the same.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_rule_that_resets_is_told_from_a_closed_port() {
    let world = World::new()
        .accepts(tcp("127.0.0.1:27120"))
        .accepts(tcp("[::1]:27120"))
        .accepts(tcp("127.0.0.1:27123"))
        .nft(
            "table inet fw {
                chain input { type filter hook input priority 0; tcp dport { 27120, 27196 } reject with tcp reset; }
                chain output { type filter hook output priority 0; tcp dport 27123 reject with tcp reset; }
            }",
        );
    for target in ["127.0.0.1:27120", "[::1]:27120", "127.0.0.1:27123"] {
        let report = assert_blames_a_rule(&world, target, "R20");
        assert!(evidence(&report, "counters").contains("delivered"), "{report:#}");
        assert!(evidence(&report, "rule").contains("reject with tcp reset"), "{report:#}");
        let ordinary = world.prepare(&format!("why {target}")).by_ordinary_user().run();
        assert!(ordinary.stdout.contains("not traced"), "{ordinary:#?}");
        assert!(ordinary.stderr.contains("the rule that decided"), "{ordinary:#?}");
    }
    let report = assert_says(&world, "127.0.0.1:27196", "R01 proved");
    assert!(evidence(&report, "counters").contains("a firewall rule resets it as well"));
    assert_says(&World::new().accepts(tcp("127.0.0.1:27120")), "127.0.0.1:27120", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_of_the_other_family_is_named() {
    with_file(c"/etc/hosts", LOCALHOST);
    let world = World::new()
        .accepts(tcp("[::1]:27105"))
        .accepts(tcp("127.0.0.1:27106"))
        .accepts(tcp("[::]:27107"))
        .accepts(tcp("[::]:27108").dual())
        .accepts(tcp("0.0.0.0:27109"));
    let report = assert_says(&world, "localhost:27105", "R05 proved");
    let outcomes: Vec<_> =
        report["attempts"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes.len(), 2, "each address is tried: {report:#}");
    assert!(outcomes.contains(&"connected".into()) && outcomes.contains(&"refused".into()));
    assert!(evidence(&report, "name lookup").ends_with("(/etc/hosts)"), "{report:#}");
    assert_says(&world, "http://127.0.0.1:27105/", "R05 proved");
    assert_says(&world, "localhost:27106", "R06 proved");
    assert_says(&world, "[::1]:27109", "R06 proved");
    assert_says(&world, "localhost:27107", "R07 proved");
    // Near misses: a socket that takes both families, and each server by its own address.
    assert_says(&world, "localhost:27108", "works");
    assert_says(&world, "[::1]:27105", "works");
    assert_says(&world, "127.0.0.1:27106", "works");
    assert_says(&world, "[::1]:27107", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_at_another_address_is_named() {
    with_file(c"/etc/hosts", "127.0.1.1 box\n127.0.0.2 other\n127.0.0.1 localhost\n");
    let world = World::new()
        .veth(&LAN)
        .accepts(tcp("127.0.0.1:27103"))
        .accepts(tcp("[::1]:27104"))
        .accepts(tcp("10.77.0.2:27108"))
        .accepts(tcp("0.0.0.0:27101"));
    let report = assert_says(&world, "10.77.0.2:27103", "R03 proved");
    assert_eq!(report["diagnosis"]["next"][0], "use 127.0.0.1:27103");
    assert_says(&world, "[fd77::2]:27104", "R03 proved");
    assert_says(&world, "10.77.0.2:27104", "R03 proved");
    assert_says(&world, "box:27103", "R04 proved");
    assert_says(&world, "127.0.0.1:27108", "R08 proved");
    assert_says(&world, "0.0.0.0:27103", "works");
    // Near misses: another name of another loopback address, and a server at every address.
    assert_says(&world, "other:27103", "R08 proved");
    assert_says(&world, "127.0.1.1:27103", "R04 proved");
    assert_says(&world, "box:27101", "works");
    assert_says(&world, "10.77.0.2:27101", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_device_and_a_socket_that_does_not_listen_are_named() {
    let world = World::new()
        .veth(&LAN)
        .accepts(tcp("0.0.0.0:27130").on("lan0"))
        .holds(tcp("127.0.0.1:27140"))
        .accepts(tcp("127.0.0.1:27150"));
    let report = assert_says(&world, "127.0.0.1:27130", "R09 proved");
    assert!(text(&report).contains("by lan0"), "{report:#}");
    assert_says(&world, "127.0.0.1:27140", "R10 proved");
    // Near misses: the same server by its device, and a socket that does listen.
    assert_says(&world, "10.77.0.2:27130", "works");
    assert_says(&world, "127.0.0.1:27150", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_port_of_another_namespace_is_named_to_root() {
    let world = World::new().veth(&LAN).neighbour();
    let report = assert_told(&world, "127.0.0.1:9999", "R17 likely", "R01 proved");
    assert!(evidence(&report, "listener").contains(":9999"), "{report:#}");
    let ordinary = world.prepare("why 127.0.0.1:9999").by_ordinary_user().run();
    assert!(ordinary.stderr.contains("without root: the other network namespaces"), "{ordinary:?}");
    // Near miss: a port that nobody has anywhere.
    assert_says(&world, "127.0.0.1:27199", "R01 proved");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_rule_that_forwards_to_a_closed_port_is_named() {
    let world = World::new()
        .accepts(tcp("127.0.0.1:27210"))
        .accepts(tcp("127.0.0.1:27211"))
        .accepts(tcp("127.0.0.1:27213"))
        .nft(
            "table ip nat {
                chain output {
                    type nat hook output priority -100;
                    tcp dport 27210 redirect to :27219
                    tcp dport 27211 redirect to :27213
                }
            }",
        );
    let report = assert_told(&world, "127.0.0.1:27210", "R19 proved", "R19 possible");
    assert!(text(&report).contains("27219"), "{report:#}");
    // Near misses: a rule that forwards to an open port, and a closed one without a rule.
    assert_says(&world, "127.0.0.1:27211", "works");
    assert_told(&world, "127.0.0.1:27284", "R01 proved", "R01 likely");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_name_that_means_another_host_is_named() {
    with_file(c"/etc/hosts", "10.77.0.9 app.local\n127.0.0.1 localhost\n");
    let world = World::new().veth(&LAN).neighbour().accepts(tcp("127.0.0.1:27122"));
    let report = assert_says(&world, "app.local:27122", "R22 likely");
    assert_eq!(evidence(&report, "/etc/hosts"), "10.77.0.9 app.local");
    // Near misses: nobody listens here either, and the address itself.
    assert_says(&world, "app.local:27166", "R01 likely");
    assert_says(&world, "10.77.0.9:27122", "R01 likely");
    assert_says(&world, "app.local:9999", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_proxy_that_refuses_is_named() {
    let world = World::new().accepts(tcp("127.0.0.1:27124")).accepts(tcp("127.0.0.1:27128"));
    let why = |target: &str, variables: &[(&str, &str)]| {
        let prepared = world.prepare(&format!("why {target} -o json"));
        answer(variables.iter().fold(prepared, |it, (name, value)| it.variable(name, value)))
    };
    let closed = ("http_proxy", "http://me:secret@127.0.0.1:27169");
    let (told, run) = why("http://127.0.0.1:27124/x", &[closed]);
    assert_eq!(told, "R23 likely");
    assert!(run.stdout.contains("127.0.0.1:27169") && !run.stdout.contains("secret"), "{run:?}");
    // Near misses: an exception, no URL, another scheme, and a proxy that answers.
    let url = "http://127.0.0.1:27124/x";
    assert_eq!(why(url, &[closed, ("no_proxy", "127.0.0.1")]).0, "works");
    assert_eq!(why("127.0.0.1:27124", &[closed]).0, "works");
    assert_eq!(why("https://127.0.0.1:27124", &[closed]).0, "works");
    assert_eq!(why(url, &[("http_proxy", "127.0.0.1:27128")]).0, "works");
}

#[test]
#[ignore = "needs a network namespace and a cgroup: scripts/test"]
fn a_port_inside_a_container_that_is_not_published_is_named_to_root() {
    const ID: &str = "7fa2c1aabbcc00112233445566778899aabbccddeeff00112233445566778899";
    let Some(cgroups) = Cgroups::new() else { return };
    let world = World::new();
    let inside = |path: String, port: u16| {
        let (cgroup, (ready, started)) = (cgroups.at(&path), mpsc::channel());
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let _inside = World::new();
            let socket = tcp(&format!("0.0.0.0:{port}"));
            let _holder = holder().within(&cgroup).holding(socket).start();
            ready.send(()).unwrap();
            let _ended = stopped.recv();
        });
        started.recv().expect("the container runs");
        (stop, thread)
    };
    let container = inside(format!("docker-{ID}.scope"), 27127);
    // Near miss: another namespace that is no container.
    let plain = inside("plain.service".to_owned(), 27172);
    let report = assert_told(&world, "127.0.0.1:27127", "R15 likely", "R01 proved");
    assert!(text(&report).contains("in the container 7fa2c1aabbcc (docker)"), "{report:#}");
    assert_told(&world, "127.0.0.1:27172", "R17 likely", "R01 proved");
    for (stop, thread) in [container, plain] {
        drop(stop);
        thread.join().unwrap();
    }
}

/// The holder is named whoever asks: by its process, or else by its user.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_holder_is_named() {
    let world = World::new();
    let process = holder().named("net-vite").holding(tcp("[::1]:27125")).start();
    let report = assert_says(&world, "127.0.0.1:27125", "R05 proved");
    assert!(text(&report).contains(&format!("net-vite {}", process.pid())), "{report:#}");
    let ordinary = world.prepare("why 127.0.0.1:27125").by_ordinary_user().run();
    assert!(ordinary.stdout.contains("a program of root"), "{ordinary:?}");
    assert!(ordinary.stderr.contains("not seen without root"), "{ordinary:?}");
}
