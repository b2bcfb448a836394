//! The state and the reason of each port, in the words of nmap and in ours.

use crate::truth::views;
use crate::world::{World, feed};
use std::collections::BTreeMap;
use std::env;

/// The state and the reason of each port.
pub(crate) type Said = BTreeMap<u64, (String, String)>;

/// Whether nmap is not to be asked.
pub(crate) fn is_without_peers() -> bool {
    env::var_os("PORTSIGHT_WITHOUT_PEERS").is_some()
}

/// Each of so many ports has the state and the reason that nmap gives it, but for some.
#[track_caller]
pub(crate) fn assert_nmap_agrees(
    world: &World,
    arguments: &str,
    scan: &[&str],
    number: usize,
    but_for: &[u64],
) {
    for target in ["127.0.0.1", "::1"] {
        let (ours, theirs) = (ours(world, target, arguments), nmap(target, scan));
        assert_eq!((ours.len(), theirs.len()), (number, number));
        for (port, ours) in ours.iter().filter(|(port, _)| !but_for.contains(port)) {
            assert_eq!(Some(ours), theirs.get(port), "{port} at {target}");
        }
    }
}

/// What nmap says.
pub(crate) fn nmap(target: &str, scan: &[&str]) -> Said {
    let family: &[&str] = if target.contains(':') { &["-6"] } else { &[] };
    let text =
        feed("nmap", &[scan, family, &["-n", "-Pn", "-oX", "-", "--reason", target]].concat(), "");
    let attribute = |element: &str, name: &str| {
        let value = element.split_once(&format!("{name}=\""))?.1;
        Some(value.split_once('"')?.0.to_owned())
    };
    text.split("<port ")
        .skip(1)
        .map(|port| {
            let number = attribute(port, "portid").unwrap().parse().unwrap();
            (number, (attribute(port, " state").unwrap(), attribute(port, "reason").unwrap()))
        })
        .collect()
}

/// What a check says.
fn ours(world: &World, target: &str, arguments: &str) -> Said {
    let family = if target.contains(':') { "-6" } else { "-4" };
    let report = world.json(&format!("check {arguments} {family} --from loopback"));
    views(&report)
        .map(|(item, view)| {
            let text = |field: &str| view[field].as_str().unwrap().to_owned();
            (item["port"].as_u64().unwrap(), (text("state"), text("reason")))
        })
        .collect()
}
