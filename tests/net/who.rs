//! `who`: each process that holds a port, what it is to the socket, and nobody.

use crate::holder::holder;
use crate::sockets::{tcp, udp};
use crate::truth::{items, name, names, only_item};
use crate::world::{World, feed};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// The owners of an item by pid and role.
fn owners(item: &Value) -> BTreeSet<(u64, String)> {
    let owners = item["owners"].as_array().expect("owners");
    let set: BTreeSet<_> = owners
        .iter()
        .map(|o| (o["pid"].as_u64().unwrap(), o["role"].as_str().unwrap_or("-").to_owned()))
        .collect();
    assert_eq!(set.len(), owners.len(), "each owner once: {item:#}");
    set
}

fn set(owners: &[(u32, &str)]) -> BTreeSet<(u64, String)> {
    owners.iter().map(|(pid, role)| (u64::from(*pid), (*role).to_owned())).collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_names_the_process_and_everything_about_it() {
    let world = World::new();
    let before = clock(-2);
    let process = holder()
        .named("net-brokerd")
        .calling_itself("broker: master")
        .with_argument("--fast")
        .with_argument("")
        .with_argument("two words")
        .holding(tcp("127.0.0.1:7001"))
        .holding(udp("127.0.0.1:7002"))
        .start();
    for (port, proto) in [("7001", "tcp"), ("7002", "udp")] {
        let report = world.portsight(&format!("who {port} -o json")).exits(0).document();
        let item = only_item(&report);
        assert_eq!(item["proto"], proto);
        assert_eq!(item["owners_unknown"], Value::Null);
        assert_eq!(owners(item), set(&[(process.pid(), "listener")]));
        let owner = &item["owners"][0];
        assert_eq!(owner["name"], "net-brokerd");
        assert_eq!(owner["ppid"], std::process::id());
        assert!(owner["exe"].as_str().is_some_and(|exe| exe.ends_with("/net-brokerd")));
        assert_eq!(
            owner["cmdline"],
            json!(["broker: master", "-c", "echo ready; read line", "--fast", "", "two words"])
        );
        assert_eq!(owner["cwd"], std::env::current_dir().unwrap().to_str().unwrap());
        assert_eq!((&owner["uid"], &owner["user"]), (&json!(0), &json!("root")));
        assert_eq!(owner["via"], Value::Null);
        let started = owner["started_at"].as_str().expect("a time");
        assert!(*before <= *started && *started <= *clock(2), "{before} {started}");
    }
    let text = world.portsight("7001").exits(0);
    assert!(
        text.stdout.contains("net-brokerd") && text.stdout.contains(&process.pid().to_string())
    );
    assert_eq!(text.stderr, "");
}

/// A server's child that runs the same program is its worker; one that runs another has just inherited.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_shows_every_holder_and_its_role() {
    let world = World::new();
    let master = holder()
        .named("net-prefork")
        .running("/proc/$$/exe -c 'echo $PPID $$; read line'; :")
        .holding(tcp("127.0.0.1:7009"))
        .start();
    let careless = holder()
        .named("net-careless")
        .running("/bin/sh -c 'echo $PPID $$; read line'; :")
        .holding(udp("0.0.0.0:7010"))
        .start();
    for (process, port, role) in [(&master, "7009", "worker"), (&careless, "7010", "inherited")] {
        let [parent, child] = process.numbers()[..] else { panic!("two pids") };
        assert_eq!(parent, process.pid());
        let report = world.portsight(&format!("who {port} -o json")).exits(0).document();
        let item = only_item(&report);
        assert_eq!(owners(item), set(&[(parent, "listener"), (child, role)]), "{item:#}");
        assert_eq!(item["owners"][0]["pid"], parent, "the listener comes first");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn processes_that_share_a_port_have_a_socket_each() {
    let world = World::new();
    let processes = [(); 2].map(|()| holder().holding(tcp("127.0.0.1:7008").shared()).start());
    let report = world.portsight("who 7008 -o json").exits(0).document();
    let mut pids: Vec<_> = items(&report)
        .iter()
        .map(|item| {
            let owners = item["owners"].as_array().unwrap();
            assert_eq!(owners.len(), 1, "{item:#}");
            owners[0]["pid"].as_u64().unwrap()
        })
        .collect();
    pids.sort_unstable();
    let mut expected = processes.each_ref().map(|process| u64::from(process.pid()));
    expected.sort_unstable();
    assert_eq!(pids, expected);

    // A group, and no conflict: one row in the list, and a word in each answer.
    let list = world.portsight("ls").exits(0).stdout;
    let rows: Vec<_> = list.lines().filter(|line| line.starts_with("7008/tcp")).collect();
    assert!(
        rows.len() == 1 && rows[0].contains("127.0.0.1 x2") && rows[0].contains(" +1"),
        "{list}"
    );
    let text = world.portsight("7008").exits(0).stdout;
    let shared = "2 sockets are bound alike (SO_REUSEPORT)";
    assert_eq!(text.matches(shared).count(), 2, "{text}");
    // Near miss: two sockets of one port, at different addresses.
    let _apart = [tcp("127.0.0.1:7007"), tcp("127.0.0.2:7007")]
        .map(|socket| holder().holding(socket).start());
    let text = world.portsight("7007").exits(0).stdout;
    assert!(!text.contains("shared"), "{text}");
}

/// A service has its socket from a service manager, which keeps it: the service is the answer.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_service_is_named_that_has_its_socket_from_systemd() {
    let world = World::new();
    for (name, role) in [("systemd", "socket-activated"), ("systemc", "inherited")] {
        let manager = holder()
            .named(name)
            .running("/bin/sh -c 'echo $PPID $$; read line'; :")
            .holding(tcp("127.0.0.1:7022"))
            .start();
        let [parent, child] = manager.numbers()[..] else { panic!("two pids") };
        let report = world.portsight("who 7022 -o json").exits(0).document();
        assert_eq!(owners(only_item(&report)), set(&[(parent, "listener"), (child, role)]));
        let list = world.portsight("ls").exits(0).stdout;
        let line = list.lines().find(|line| line.starts_with("7022/tcp")).expect("its row");
        assert!(
            line.contains(&if name == "systemd" { child } else { parent }.to_string()),
            "{list}"
        );
    }
}

/// The client's side and the server's side of a connection hold a local port too, and are not its listener.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_client_is_never_named_for_a_listener() {
    let mut world = World::new().listens(tcp("127.0.0.1:80"));
    let (tcp_client, udp_client) = world.clients_of("127.0.0.1:80".parse().unwrap());
    for port in [tcp_client, udp_client] {
        let report = world.portsight(&format!("who {port} -o json")).exits(0).document();
        let item = only_item(&report);
        assert_eq!((&item["state"], &item["peer"]["port"]), (&json!("established"), &json!(80)));
        let text = world.portsight(&port.to_string()).exits(0).stdout;
        assert!(text.contains("takes no clients") && !text.contains("listening"), "{text}");
    }
    let report = world.portsight("who 9999 -o json").exits(1).document();
    assert_eq!((&report["items"], &report["incomplete"]), (&json!([]), &json!([])));
    let text = world.portsight("9999").exits(1);
    assert!(format!("{}{}", text.stdout, text.stderr).contains("9999"), "{text:?}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_port_can_be_asked_for_in_many_words() {
    let world = World::new().listens(tcp("127.0.0.1:8000")).listens(tcp("[::1]:8000"));
    let process = holder()
        .named("net-words")
        .holding(tcp("127.0.0.1:22"))
        .holding(tcp("127.0.0.1:8100"))
        .holding(udp("127.0.0.1:53"))
        .start();
    let pid = process.pid();
    let shown = |arguments: &str| {
        let mut names =
            names(&world.portsight(&format!("{arguments} -o json")).exits(0).document());
        names.sort();
        names.join(" ")
    };
    for (arguments, expected) in [
        ("8000", "8000/tcp 8000/tcp"),
        (":8000", "8000/tcp 8000/tcp"),
        ("who :8000", "8000/tcp 8000/tcp"),
        ("8000/tcp", "8000/tcp 8000/tcp"),
        ("tcp:8000", "8000/tcp 8000/tcp"),
        ("53/udp", "53/udp"),
        ("udp:53", "53/udp"),
        ("8000-8100", "8000/tcp 8000/tcp 8100/tcp"),
        ("ssh", "22/tcp"),
        ("who domain", "53/udp"),
        ("net-words", "22/tcp 53/udp 8100/tcp"),
        ("who net-words", "22/tcp 53/udp 8100/tcp"),
        (&format!("pid:{pid}"), "22/tcp 53/udp 8100/tcp"),
        (&format!("who pid:{pid}"), "22/tcp 53/udp 8100/tcp"),
    ] {
        assert_eq!(shown(arguments), expected, "portsight {arguments}");
    }
    for arguments in ["53/tcp", "udp:22", "8001-8099", "who net-nobody", "pid:1"] {
        let report = world.portsight(&format!("{arguments} -o json")).exits(1).document();
        assert_eq!(report["items"], json!([]), "portsight {arguments}");
    }
}

/// A process named like a command is reached with `who`.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_reaches_a_process_named_like_a_command() {
    let world = World::new();
    let _process = holder().named("check").holding(tcp("127.0.0.1:7011")).start();
    let report = world.portsight("who check -o json").exits(0).document();
    assert_eq!(name(only_item(&report)), "7011/tcp");
}

/// The wall clock plus some seconds, as RFC 3339 has it. The kernel counts the start of a process in seconds from
/// the boot, whose time it knows to the second.
fn clock(plus: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    feed("date", &["-u", "-d", &format!("@{}", now + plus), "+%Y-%m-%dT%H:%M:%SZ"], "")
        .trim()
        .into()
}
