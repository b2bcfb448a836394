//! The unit and the container of a socket, by cgroups that the tests make, as root and as anybody.

use crate::cgroups::Cgroups;
use crate::holder::holder;
use crate::sockets::{tcp, udp};
use crate::truth::{items, names, only_item};
use crate::world::World;
use serde_json::{Value, json};

const ID: &str = "3fa2c1aabbcc00112233445566778899aabbccddeeff00112233445566778899";

/// Unit and container of the socket of a port, in words: `hello.service`, `docker 3fa2`, `-`, `? unit`.
fn managed(report: &Value, port: u16) -> String {
    let item = items(report).iter().find(|item| item["port"] == port).expect("the port is listed");
    let unknown = item["unknown"].as_array().expect("unknown");
    let unknown: Vec<_> = unknown.iter().filter_map(|entry| entry["field"].as_str()).collect();
    if unknown.contains(&"unit") || unknown.contains(&"container") {
        return "?".into();
    }
    match (item["unit"].as_str(), &item["container"]) {
        (Some(unit), Value::Null) => unit.to_owned(),
        (None, Value::Null) => "-".to_owned(),
        (unit, container) => {
            let id = container["id"].as_str().and_then(|id| id.get(..4)).unwrap_or("?");
            let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
            format!("{} {id}{unit}", container["runtime"].as_str().unwrap_or("?"))
        }
    }
}

#[test]
#[ignore = "needs a network namespace and a cgroup: scripts/test"]
fn the_unit_and_the_container_are_seen_without_root() {
    let Some(cgroups) = Cgroups::new() else { return };
    let world = World::new();
    let user = "user-1000.slice/user@1000.service/app.slice/web.service";
    let table = [
        (7001, "hello.service".to_owned(), "hello.service"),
        (7002, "sub.slice/deep-a.service/worker/2".to_owned(), "deep-a.service"),
        (7003, user.to_owned(), "web.service"),
        (7004, format!("docker-{ID}.scope"), "docker 3fa2"),
        (7005, format!("pods/docker/{ID}/system.slice/inner.service"), "docker 3fa2 inner.service"),
        (7006, format!("libpod-{ID}.scope/container"), "podman 3fa2"),
        // Only looks like one.
        (7007, format!("build/{ID}"), "-"),
        (7008, "build/hello.service".to_owned(), "-"),
    ];
    let _holders: Vec<_> = table
        .iter()
        .map(|(port, path, _)| {
            let address = format!("127.0.0.1:{port}");
            let plan = holder().within(&cgroups.at(path)).holding(tcp(&address));
            plan.holding(udp(&address)).start()
        })
        .collect();
    for ordinary in [false, true] {
        let run = world.prepare("ls -o json");
        let run = if ordinary { run.by_ordinary_user() } else { run };
        let report = run.run().exits(0).document();
        for (port, path, expected) in &table {
            assert_eq!(managed(&report, *port), *expected, "{path}, ordinary user: {ordinary}");
        }
        let owners = items(&report).iter().filter(|item| item["owners"] != json!([])).count();
        assert_eq!(owners, if ordinary { 0 } else { 2 * table.len() });
    }
}

#[test]
#[ignore = "needs a network namespace and a cgroup: scripts/test"]
fn it_is_shown_filtered_and_the_way_to_stop_it() {
    let Some(cgroups) = Cgroups::new() else { return };
    let world = World::new();
    let unit = holder().within(&cgroups.at("hello.service")).holding(tcp("127.0.0.1:7001"));
    let container = holder().within(&cgroups.at(&format!("docker-{ID}.scope")));
    let container = container.holding(tcp("127.0.0.1:7002"));
    let _holders = [unit.start(), container.start(), holder().holding(tcp("[::1]:7003")).start()];

    let table = world.portsight("ls").exits(0).stdout;
    for word in ["UNIT / CONTAINER", "hello.service", "container 3fa2c1aabbcc"] {
        assert!(table.contains(word), "{word:?} in {table}");
    }
    assert!(!world.portsight("ls port=7003").exits(0).stdout.contains("UNIT"), "nothing to show");
    let only = |filter: &str| names(&world.json(&format!("ls {filter}"))).join(" ");
    assert_eq!(only("unit=hello"), "7001/tcp");
    assert_eq!(only("unit=hello.service"), "7001/tcp");
    assert_eq!(only("container=3fa2c1aabbcc"), "7002/tcp");
    assert_eq!(only("unit=hell"), "");
    assert_eq!(only("container=3fa2"), "");

    for (port, unit, command) in [
        (7001, "unit         hello.service", "systemctl stop hello.service"),
        (7002, "container    3fa2c1aabbcc (docker", "docker stop 3fa2c1aabbcc"),
    ] {
        for ordinary in [false, true] {
            let run = world.prepare(&format!("who {port}"));
            let run = if ordinary { run.by_ordinary_user() } else { run }.run().exits(0);
            assert!(run.stdout.contains(unit), "{run:?}");
            assert!(run.stdout.ends_with(&format!("stop it with: {command}\n")), "{run:?}");
        }
    }
    let check = world.json("check 7001 --proto tcp --from loopback");
    assert_eq!(only_item(&check)["listeners"][0]["unit"], "hello.service");
}

/// A socket keeps the cgroup that it was made in. The process that holds it now is a better witness, where it may
/// be asked.
#[test]
#[ignore = "needs a network namespace and a cgroup: scripts/test"]
fn a_socket_that_changed_hands_is_its_holders() {
    let Some(cgroups) = Cgroups::new() else { return };
    let world = World::new();
    let _moved =
        holder().moved_to(&cgroups.at("moved.service")).holding(tcp("127.0.0.1:7001")).start();
    // The cgroup that it was made in is gone.
    let gone = cgroups.at("gone.service");
    let lost = holder().within(&gone).holding(tcp("127.0.0.1:7002")).start();
    cgroups.at("kept.service").take(lost.pid());
    gone.remove();

    let report = world.json("ls");
    assert_eq!(managed(&report, 7001), "moved.service");
    assert_eq!(managed(&report, 7002), "kept.service");
    let run = world.prepare("ls -o json").by_ordinary_user().run().exits(0);
    assert_eq!(managed(&run.document(), 7002), "?", "{run:?}");
    let run = world.prepare("ls unit=kept").by_ordinary_user().run().exits(0);
    assert!(run.stdout.contains("not everything could be seen"), "{run:?}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_network_namespace_of_its_own_is_said_first() {
    let world = World::new().listens(tcp("127.0.0.1:7001"));
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let own = own.to_str().unwrap();
    let host = &world.json("ls")["host"];
    if host["netns"].is_null() {
        // Before Linux 6.18 it takes a look at process 1, which a container does not allow.
        assert_eq!(host["unknown"][0]["field"], "netns", "unknown is not absent: {host:#}");
        return;
    }
    assert_eq!(host["netns"], own);
    let line = format!("in a network namespace of its own ({own})");
    let line = line.trim_start_matches("in ");
    for arguments in ["ls", "check 7001 --proto tcp"] {
        let run = world.portsight(arguments).exits(0);
        assert!(run.header.contains(line), "{run:?}");
    }
    for arguments in ["ls -o plain", "who 7001", "check 7001 --proto tcp -o plain"] {
        let run = world.portsight(arguments).exits(0);
        assert_eq!(run.header, "", "{run:?}");
    }
}
