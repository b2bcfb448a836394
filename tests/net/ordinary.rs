//! An ordinary user: everything but the owners of other people's sockets.

use crate::check::{BIG_WORLD, big_world};
use crate::holder::holder;
use crate::sockets::{tcp, udp};
use crate::truth::{assert_views, items, name, names};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The items by name, without what only the owners' processes tell.
fn bare(report: &Value) -> BTreeMap<String, Value> {
    items(report)
        .iter()
        .map(|item| {
            let mut fields = item.as_object().expect("an object").clone();
            for field in ["owners", "owners_unknown", "unknown", "unit", "container"] {
                fields.remove(field);
            }
            (format!("{} {}", name(item), item["address"]), fields.into())
        })
        .collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ls_lists_every_socket_and_says_whose_are_unknown() {
    let world = World::new()
        .listens(tcp("0.0.0.0:22"))
        .listens(tcp("[::]:8080").dual())
        .holds(tcp("127.0.0.1:6000"))
        .holds(udp("127.0.0.1:53"));
    let theirs = holder().of_ordinary_user().holding(tcp("127.0.0.1:8000")).start();

    let run = world.prepare("ls -o json").by_ordinary_user().run().exits(0);
    let report = run.document();
    assert_eq!(report["privileges"]["capabilities"], json!([]), "the harness dropped them");
    assert_eq!(bare(&report), bare(&world.json("ls")), "root sees the same sockets");
    for item in items(&report) {
        if item["port"] == 8000 {
            assert_eq!(item["owners"][0]["pid"], theirs.pid(), "one's own process: {item:#}");
            assert_eq!(item["owners_unknown"], Value::Null);
        } else {
            assert_eq!(item["owners"], json!([]), "{item:#}");
            assert_eq!(item["owners_unknown"]["reason"], "permission", "{item:#}");
            assert!(item["owners_unknown"]["text"].is_string());
        }
    }

    for arguments in ["ls", "ls -o plain"] {
        let run = world.prepare(arguments).by_ordinary_user().run().exits(0);
        let rows = run.stdout.lines().filter(|l| l.contains("/tcp") || l.contains("/udp")).count();
        assert_eq!(rows, 5, "{run:?}");
        run.says_in_one_line(&["note:", "root"]);
        assert_eq!(world.portsight(arguments).stderr, "", "root needs no note");
    }
}

/// An unknown owner is still an owner: held, not free.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_says_that_a_port_is_held_by_somebody_unknown() {
    let world = World::new().listens(tcp("127.0.0.1:22"));
    let run = world.prepare("who 22 -o json").by_ordinary_user().run().exits(0);
    let report = run.document();
    assert_eq!(names(&report), ["22/tcp"]);
    assert_eq!(items(&report)[0]["owners_unknown"]["reason"], "permission");
    world.prepare("22").by_ordinary_user().run().exits(0).says_in_one_line(&["root"]);
    // Every socket is seen without privileges, so a free port is known to be free.
    let report = world.prepare("who 23 -o json").by_ordinary_user().run().exits(1).document();
    assert_eq!(report["items"], json!([]));
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn check_says_what_it_says_to_root() {
    let world = big_world();
    let run = world.prepare("check -o json").by_ordinary_user().run().exits(3);
    assert_views(&run.document(), BIG_WORLD);
}
