//! How to free a port: what manages its holder is to stop it, or starts it again.

use super::owners::user;
use super::sanitize::sanitize;
use super::units;
use crate::model::{Container, Manager, Process, Runtime, Socket, Supervisor, Unit, shell_word};

/// Programs in which a person works: ending one for the sake of a port ends much else.
const BROWSERS: [&str; 9] = [
    "chrome",
    "chromium",
    "firefox",
    "firefox-bin",
    "firefox-esr",
    "msedge",
    "brave",
    "opera",
    "vivaldi-bin",
];

/// The label of a command.
const COMMAND: &str = "stop it with:";

/// The last line of `who`: a command that frees the port, or why there is none.
pub(super) fn stop(
    socket: &Socket,
    supervisor: Option<&Supervisor>,
) -> Option<(&'static str, String)> {
    let command = |command: String| Some((COMMAND, command));
    if socket.state.is_connection() {
        let text = "it is free when the connection has ended".to_owned();
        return Some(("to free it:", text));
    }
    if let Some(service) = activated(socket) {
        let service = sanitize(service);
        return Some((
            "to stop it:",
            format!("stop the socket unit that `systemctl list-sockets` names, then {service}"),
        ));
    }
    if let Some(by_manager) = by_manager(socket) {
        return command(by_manager);
    }
    let Process { name, pid, .. } = &socket.held.owners.first()?.process;
    if let Some(Supervisor { process, stop }) = supervisor {
        let by = sanitize(&process.name);
        return match stop {
            Some(words) => {
                let words: Vec<_> = words.iter().map(|word| shell_word(word)).collect();
                command(sanitize(&words.join(" ")).into_owned())
            }
            None => Some((
                "to stop it:",
                format!(
                    "do not kill {pid}: {by} {} would start it again; stop it there",
                    process.pid
                ),
            )),
        };
    }
    let port = socket.port;
    let instead = match (name.as_str(), pid) {
        ("systemd", _) => format!(
            "do not kill {pid}, the service manager: it keeps this socket for a service; `systemctl list-sockets` names the unit to stop"
        ),
        (_, 1) => "do not kill 1, the init process: everything else would end with it; stop the service that it runs".into(),
        ("docker-proxy" | "rootlessport", _) => format!(
            "do not kill {pid}: it serves a container; `docker ps --filter publish={port}` names the one to stop"
        ),
        ("conmon", _) => format!("do not kill {pid}: it watches a container; `podman ps` names the one to stop"),
        (browser, _) if BROWSERS.contains(&browser) => format!(
            "do not kill {pid}, the browser: close what uses the port there (a page, an extension, remote debugging)"
        ),
        _ => return command(format!("kill {pid}")),
    };
    Some(("to stop it:", instead))
}

/// The command that frees the port of a socket; `None` where there is none, or it is not one command.
#[must_use]
pub fn stop_command(socket: &Socket, supervisor: Option<&Supervisor>) -> Option<String> {
    stop(socket, supervisor).filter(|(label, _)| *label == COMMAND).map(|(_, command)| command)
}

/// The service that has the socket from a service manager, which has it too and would keep the port.
fn activated(socket: &Socket) -> Option<&str> {
    let managed = socket.held.owners.iter().any(|owner| owner.process.name == "systemd");
    let unit = socket.held.unit.known().filter(|_| managed)?;
    unit.name.ends_with(".service").then_some(unit.name.as_str())
}

/// The command of the unit or the container; `None` where neither is known, or stopping it would stop more.
fn by_manager(socket: &Socket) -> Option<String> {
    let container = socket.held.container.known();
    let unit = socket.held.unit.known().filter(|unit| is_stopped_alone(unit));
    let listener = socket.held.owners.first().map(|owner| owner.process.name.as_str());
    match (unit, container) {
        // It publishes the ports of many containers, and its unit is that of all of them.
        _ if matches!(listener, Some("docker-proxy" | "rootlessport")) => None,
        (Some(unit @ Unit { manager: Manager::Inner, .. }), Some(container)) => {
            inside(container, unit)
        }
        (Some(Unit { manager: Manager::Inner, .. }) | None, None) => None,
        (Some(unit), _) => Some(systemctl(unit, socket)),
        (None, Some(container)) => match container.runtime {
            Runtime::Docker => Some(format!("docker stop {}", word(container)?)),
            Runtime::Podman => Some(format!("podman stop {}", word(container)?)),
            Runtime::Nspawn => Some(format!("machinectl stop {}", word(container)?)),
            _ => None,
        },
    }
}

/// Whether stopping the unit stops nothing but the service: a session or a user's manager has more in it.
fn is_stopped_alone(unit: &Unit) -> bool {
    let is_service = unit.name.ends_with(".service") && !unit.name.starts_with("user@");
    is_service || unit.name.ends_with(".socket")
}

fn systemctl(unit: &Unit, socket: &Socket) -> String {
    let units = std::iter::once(&unit.name).chain(&unit.serves);
    let units: Vec<_> = units.map(|name| sanitize(&shell_word(name)).into_owned()).collect();
    let units = units.join(" ");
    match unit.manager {
        Manager::User(_) => {
            let user = user(&socket.held, socket.held.owners.first());
            format!("systemctl --user stop {units}     (as the user {user})")
        }
        _ => format!("systemctl stop {units}"),
    }
}

/// The command for a unit of the systemd in a container.
fn inside(container: &Container, unit: &Unit) -> Option<String> {
    let unit = sanitize(&shell_word(&unit.name)).into_owned();
    let name = word(container)?;
    match container.runtime {
        Runtime::Docker => Some(format!("docker exec {name} systemctl stop {unit}")),
        Runtime::Podman => Some(format!("podman exec {name} systemctl stop {unit}")),
        Runtime::Nspawn => Some(format!("systemctl -M {name} stop {unit}")),
        _ => None,
    }
}

/// The container as an argument.
fn word(container: &Container) -> Option<String> {
    units::short(container).map(|name| shell_word(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With, tcp};
    use crate::model::{Named, Seen, SocketState};

    fn told(socket: &Socket) -> String {
        stop(socket, None).map_or("-".into(), |(label, text)| format!("{label} {text}"))
    }

    fn of(manager: Manager, name: &str, serves: Option<&str>) -> Socket {
        let unit = Unit { name: name.into(), manager, serves: serves.map(str::to_owned) };
        let mut socket = tcp("::", 80).owned_by(42, "node");
        socket.held.unit = Seen::Known(unit);
        socket
    }

    #[test]
    fn what_manages_it_stops_it() {
        let held = || tcp("::", 80).owned_by(42, "node");
        let system = |name| of(Manager::System, name, None);
        let inner = || of(Manager::Inner, "a.service", None);
        let table = [
            (held(), "kill 42"),
            (system("node.service"), "systemctl stop node.service"),
            (system(r"a\x2db.service"), r"systemctl stop 'a\x2db.service'"),
            (system("web.socket"), "systemctl stop web.socket"),
            (
                of(Manager::System, "web.socket", Some("web.service")),
                "systemctl stop web.socket web.service",
            ),
            (
                of(Manager::User(1000), "web.service", None),
                "systemctl --user stop web.service     (as the user root)",
            ),
            // Others would go with these.
            (system("session-3.scope"), "kill 42"),
            (system("user@1000.service"), "kill 42"),
            (system("user-1000.slice"), "kill 42"),
            (held().in_container(Runtime::Docker, "3fa2", "minio"), "docker stop minio"),
            (held().in_container(Runtime::Podman, "3fa2", "web"), "podman stop web"),
            (held().in_container(Runtime::Nspawn, "web", "web"), "machinectl stop web"),
            (held().in_container(Runtime::Lxc, "web", "web"), "kill 42"),
            // systemd would start the container again.
            (
                system("web.service").in_container(Runtime::Podman, "3fa2", "web"),
                "systemctl stop web.service",
            ),
            (inner(), "kill 42"),
            (
                inner().in_container(Runtime::Docker, "3fa2", "web"),
                "docker exec web systemctl stop a.service",
            ),
            (
                inner().in_container(Runtime::Nspawn, "web", "web"),
                "systemctl -M web stop a.service",
            ),
        ];
        for (socket, command) in table {
            assert_eq!(told(&socket), format!("stop it with: {command}"));
        }
    }

    #[test]
    fn what_would_start_it_again_is_told_to_stop_it() {
        let process = Named { pid: 7, name: "supervisord".into() };
        let words = ["supervisorctl", "stop", "web:a b"].map(str::to_owned).to_vec();
        let by = |stop| Supervisor { process: process.clone(), stop };
        let told = |socket: &Socket, by| stop(socket, Some(&by)).map(|(_, text)| text).unwrap();
        let socket = tcp("::", 80).owned_by(42, "node");
        assert_eq!(told(&socket, by(Some(words.clone()))), "supervisorctl stop 'web:a b'");
        assert!(told(&socket, by(None)).contains("supervisord 7 would start it again"));
        // A service that is a supervisor as a whole is a service all the same.
        let unit = socket.of_unit("web.service");
        assert_eq!(told(&unit, by(Some(words))), "systemctl stop web.service");
    }

    #[test]
    fn a_connection_and_a_browser_are_not_killed_for_a_port() {
        let client = tcp("127.0.0.1", 4000).owned_by(42, "curl");
        let client = client.connected("127.0.0.1:80", SocketState::Established);
        assert_eq!(told(&client), "to free it: it is free when the connection has ended");
        let browser = tcp("127.0.0.1", 9222).owned_by(42, "chromium");
        assert!(told(&browser).starts_with("to stop it: do not kill 42, the browser"));
    }

    #[test]
    fn the_unit_is_enough_where_the_owner_is_not_known() {
        assert_eq!(told(&tcp("::", 22)), "-");
        assert_eq!(
            told(&tcp("::", 22).of_unit("ssh.service")),
            "stop it with: systemctl stop ssh.service"
        );
    }

    #[test]
    fn the_services_of_all_containers_are_not_stopped_for_one() {
        let proxy = tcp("::", 80).owned_by(42, "docker-proxy").of_unit("docker.service");
        assert!(told(&proxy).starts_with("to stop it: do not kill 42"), "{}", told(&proxy));
        let conmon = tcp("::", 80).owned_by(42, "conmon");
        assert!(told(&conmon).starts_with("to stop it: do not kill 42"));
        let conmon = conmon.in_container(Runtime::Podman, "3fa2", "web");
        assert_eq!(told(&conmon), "stop it with: podman stop web");
        let init = tcp("::", 80).owned_by(1, "systemd");
        let opened = init.clone().of_unit("web.socket");
        assert_eq!(told(&opened), "stop it with: systemctl stop web.socket");
        let activated = init.owned_by(42, "node").of_unit("web.service");
        assert_eq!(
            told(&activated),
            "to stop it: stop the socket unit that `systemctl list-sockets` names, then web.service"
        );
    }
}
