//! The unit and the container of a socket, in a few words.

use super::sanitize::{clip, sanitize};
use crate::model::{Container, Held, Manager, Seen, Unit};

/// How much of an id is shown where a container has no name: what its runtime shows, and takes.
const ID_WIDTH: usize = 12;
/// Names are cut to this many columns in a table.
const NAME_WIDTH: usize = 32;

/// The name of a container, else the start of its id, sanitized.
pub(super) fn short(container: &Container) -> Option<String> {
    let id = || container.id.known().map(|id| id.chars().take(ID_WIDTH).collect());
    let name = container.name.known().cloned().or_else(id)?;
    Some(sanitize(&name).into_owned())
}

/// The cell of a table: the container, else the unit; `?` where neither is known and one may be.
pub(super) fn cell(held: &Held) -> String {
    let text = match (&held.container, &held.unit) {
        (Seen::Known(container), unit) => match (short(container), unit) {
            (Some(name), _) => format!("container {name}"),
            (None, Seen::Known(unit)) => sanitize(&unit.name).into_owned(),
            (None, _) => "a container".into(),
        },
        (_, Seen::Known(unit)) => sanitize(&unit.name).into_owned(),
        (container, unit) if container.is_unknown() || unit.is_unknown() => "?".into(),
        _ => String::new(),
    };
    clip(&text, NAME_WIDTH).into_owned()
}

/// A unit with whose it is: `web.service (of the user manager 1000)`.
pub(super) fn unit_in_words(unit: &Unit) -> String {
    let name = sanitize(&unit.name);
    let manager = match unit.manager {
        Manager::System => String::new(),
        Manager::User(uid) => format!(" (a unit of user {uid}'s own)"),
        Manager::Inner => " (of the systemd inside)".into(),
    };
    let serves = unit.serves.as_deref().map(|service| format!(", for {}", sanitize(service)));
    format!("{name}{manager}{}", serves.unwrap_or_default())
}

/// A container with its runtime and its id: `minio (docker 3fa2c1aabbcc)`.
pub(super) fn container_in_words(container: &Container) -> String {
    let runtime = sanitize(container.runtime.name());
    let id = container.id.known().map(|id| id.chars().take(ID_WIDTH).collect::<String>());
    let id = id.map(|id| sanitize(&id).into_owned());
    match (&container.name, id) {
        (Seen::Known(name), Some(id)) if sanitize(name) != id => {
            format!("{} ({runtime} {id})", sanitize(name))
        }
        (Seen::Known(name), _) => format!("{} ({runtime})", sanitize(name)),
        (_, Some(id)) => format!("{id} ({runtime}; its name is not known)"),
        (_, None) => format!("not known ({runtime})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With, tcp};
    use crate::model::{Need, Runtime};

    const ID: &str = "3fa2c1aabbcc00112233445566778899";

    #[test]
    fn a_cell_is_the_container_else_the_unit() {
        let socket = || tcp("::", 80);
        let mut unnamed = socket().in_container(Runtime::Docker, ID, "");
        unnamed.held.container =
            unnamed.held.container.map(|it| Container { name: Seen::Denied(Need::Root), ..it });
        let mut bare = unnamed.clone();
        bare.held.container =
            bare.held.container.map(|it| Container { id: Seen::Skipped(""), ..it });
        let mut unknown = socket();
        unknown.held.unit = Seen::Denied(Need::Root);
        let table = [
            (socket(), ""),
            (unknown, "?"),
            (socket().of_unit("ssh.service"), "ssh.service"),
            (socket().in_container(Runtime::Docker, ID, "minio"), "container minio"),
            (
                socket().of_unit("web.service").in_container(Runtime::Podman, ID, "web"),
                "container web",
            ),
            (unnamed, "container 3fa2c1aabbcc"),
            (bare.clone(), "a container"),
            (bare.of_unit("hello.service"), "hello.service"),
            (socket().of_unit("e\x1bvil.service"), r"e\x1bvil.service"),
            (socket().of_unit(&"x".repeat(99)), &format!("{}…", "x".repeat(31))),
        ];
        for (socket, text) in table {
            assert_eq!(cell(&socket.held), text);
        }
    }

    #[test]
    fn words_tell_whose_it_is() {
        let unit = |manager| Unit { name: "a.service".into(), manager, serves: None };
        assert_eq!(unit_in_words(&unit(Manager::System)), "a.service");
        assert_eq!(
            unit_in_words(&unit(Manager::User(1000))),
            "a.service (a unit of user 1000's own)"
        );
        assert_eq!(unit_in_words(&unit(Manager::Inner)), "a.service (of the systemd inside)");
        let opened = Unit { serves: Some("b.service".into()), ..unit(Manager::System) };
        assert_eq!(unit_in_words(&opened), "a.service, for b.service");

        let container = |id: Seen<&str>, name: Seen<&str>| {
            container_in_words(&Container {
                id: id.map(str::to_owned),
                name: name.map(str::to_owned),
                runtime: Runtime::Lxc,
            })
        };
        let unknown = Seen::Skipped("");
        assert_eq!(container(Seen::Known(ID), Seen::Known("web")), "web (lxc 3fa2c1aabbcc)");
        assert_eq!(container(Seen::Known("web"), Seen::Known("web")), "web (lxc)");
        assert_eq!(
            container(Seen::Known(ID), unknown.clone()),
            "3fa2c1aabbcc (lxc; its name is not known)"
        );
        assert_eq!(container(unknown.clone(), unknown), "not known (lxc)");
    }
}
