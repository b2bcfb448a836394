//! Whose word counts: the cgroup that a socket was made in, or that of the process that holds it now.

use super::*;
use crate::model::{Manager, Process, Role};

fn at(path: &str) -> Led {
    Seen::Known(cgroup_path::place(path))
}

fn told(led: Led) -> String {
    match led {
        Seen::Known(Place { unit, container, .. }) => {
            let unit = unit.map_or("-".into(), |unit| match unit.serves {
                Some(service) => format!("{} for {service}", unit.name),
                None => unit.name,
            });
            let container = container.and_then(|found| found.id).unwrap_or_default();
            format!("{unit} {}", container.get(..2).unwrap_or("-"))
        }
        Seen::Denied(need) => format!("needs {need}"),
        unknown => format!("{unknown:?}"),
    }
}

#[test]
fn a_socket_keeps_the_cgroup_that_it_was_made_in() {
    const SESSION: &str = "/user.slice/user-0.slice/session-1.scope";
    const SERVICE: &str = "/system.slice/web.service";
    const SOCKET: &str = "/system.slice/web.socket";
    let container = format!("/docker/{}", "ab".repeat(32));
    let failed = || Seen::Failed("removed".to_owned());
    let table = [
        // Opened by a unit of sockets, for a service or for none so far.
        (at(SOCKET), at("/init.scope"), "web.socket -"),
        (at(SOCKET), at(SERVICE), "web.socket for web.service -"),
        (at(SOCKET), Seen::Denied(Need::Root), "web.socket -"),
        // The init system opened it itself.
        (at("/init.scope"), at(SERVICE), "web.service -"),
        (at("/init.scope"), Seen::Denied(Need::Root), "init.scope -"),
        // Opened in a session for a process elsewhere, as podman does for conmon.
        (at(SESSION), at(&container), "- ab"),
        (at(SESSION), at(SESSION), "session-1.scope -"),
        (at(SESSION), at("/"), "- -"),
        (at(SESSION), Seen::Denied(Need::Root), "session-1.scope -"),
        // The same within a container.
        (at("/payload/init.scope"), at("/payload/system.slice/web.service"), "web.service -"),
        // The root of the hierarchy says little.
        (at("/"), at(SERVICE), "web.service -"),
        (at("/"), Seen::Denied(Need::Root), "- -"),
        (failed(), at(SERVICE), "web.service -"),
        (failed(), Seen::Denied(Need::Root), "needs root"),
        (failed(), Seen::Skipped("nobody"), r#"Failed("removed")"#),
    ];
    for (made, held, expected) in table {
        assert_eq!(told(settle(made.clone(), held.clone())), expected, "{made:?} {held:?}");
    }
}

#[test]
fn what_a_service_or_a_container_made_is_its_own() {
    let place = cgroup_path::place;
    let id = "ab".repeat(32);
    for path in ["/system.slice/a.service", "/system.slice/a.socket", &format!("/docker/{id}")] {
        assert!(is_decisive(&place(path)), "{path}");
    }
    for path in [
        "/",
        "/init.scope",
        "/user.slice/user-0.slice/session-1.scope",
        "/user.slice/user-0.slice/user@0.service",
        "/user.slice",
    ] {
        assert!(!is_decisive(&place(path)), "{path}");
    }
    assert!(opens_for_others(&place("/system.slice/a.socket")));
    assert!(!opens_for_others(&place("/system.slice/a.service")));
}

/// A host with cgroup v1 beside cgroup2, as `/proc/PID/cgroup` has it.
#[test]
fn the_lines_of_a_process() {
    let own = Place::default();
    let id = "ab".repeat(32);
    let unit = |text: &str| by_lines(text, &own).unit.map(|unit| (unit.name, unit.manager));
    let system = |name: &str| Some((name.to_owned(), Manager::System));
    assert_eq!(unit("0::/system.slice/a.service\n"), system("a.service"));
    assert_eq!(unit("1:name=systemd:/system.slice/a.service\n0::/\n"), system("a.service"));
    assert_eq!(
        unit("4:memory:/system.slice/b.service\n1:name=systemd:/system.slice/a.service\n"),
        system("a.service")
    );
    assert_eq!(unit("4:memory:/process_api/x\n0::/\n"), None);
    assert_eq!(unit(""), None);
    let text =
        format!("4:memory:/docker/{id}\n1:name=systemd:/system.slice/docker.service\n0::/\n");
    let container = by_lines(&text, &own).container.and_then(|found| found.id);
    assert_eq!(container, Some(id));
    assert_eq!(
        lines("3:cpu,cpuacct:/a:b\n0::/c\n").collect::<Vec<_>>(),
        [("cpu,cpuacct", "/a:b"), ("", "/c")]
    );
}

/// Podman's supervisor holds a published port; its arguments name the container.
#[test]
fn what_conmon_holds_is_its_containers() {
    let id = "ab".repeat(32);
    let words = ["/usr/bin/conmon", "-c", &id, "-n", "web"].map(str::to_owned);
    let mut owner = Owner {
        process: Process {
            pid: 7,
            ppid: Seen::Absent,
            name: "conmon".into(),
            exe: Seen::Absent,
            cmdline: Seen::Known(words.to_vec()),
            cwd: Seen::Absent,
            uid: Seen::Known(0),
            user: Seen::Absent,
            started_at: Seen::Absent,
            stopped: false,
        },
        role: Role::Listener,
        via: None,
    };
    let place = with_watched(cgroup_path::place("/system.slice/web.service"), Some(&owner));
    assert_eq!(told(Seen::Known(place)), "web.service ab");
    assert_eq!(with_watched(Place::default(), None), Place::default());
    owner.process.name = "liar".into();
    assert_eq!(with_watched(Place::default(), Some(&owner)), Place::default());
}
