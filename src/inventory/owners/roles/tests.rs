use super::*;
use crate::model::Seen;

const WWW: u32 = 33;
const NGINX: &str = "/usr/sbin/nginx";
const NODE: &str = "/usr/bin/node";
const SLEEP: &str = "/usr/bin/sleep";
const SH: &str = "/bin/sh";
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// A process of a world: its id, its parent's, what it runs; whether it holds the socket.
type Line = (u32, u32, &'static str, Holds);

/// A world, and the roles in it, the listener first.
type Case = (&'static [Line], &'static [(u32, Role)]);

#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Yes,
    /// As the user who did not make the socket.
    AsWww,
    No,
}
use Holds::{AsWww, No, Yes};

fn process((pid, parent, exe, holds): Line) -> Process {
    let name = bare(exe).rsplit('/').next().unwrap();
    Process {
        pid,
        ppid: Seen::Known(parent),
        name: name.to_owned(),
        exe: Seen::Known(exe.to_owned()),
        cmdline: Seen::Absent,
        cwd: Seen::Absent,
        uid: Seen::Known(if holds == AsWww { WWW } else { 0 }),
        user: Seen::Absent,
        started_at: Seen::Absent,
        stopped: false,
    }
}

/// The roles in a world of root's socket, in which processes start in the order of the lines.
fn of(world: &[Line]) -> Vec<(u32, Role)> {
    let tree: Tree = (0..)
        .zip(world)
        .map(|(started, (pid, parent, exe, _))| {
            (*pid, Relative { parent: *parent, started, exe: Some((*exe).to_owned()) })
        })
        .collect();
    let holders = world.iter().filter(|line| line.3 != No).map(|line| (process(*line), None));
    let owners = with_roles(holders.collect(), Some(0), &tree);
    owners.iter().map(|owner| (owner.process.pid, owner.role)).collect()
}

#[test]
fn the_holder_above_the_others_is_the_listener() {
    use Role::{Inherited, Listener, Worker};
    let table: [Case; 8] = [
        (&[(5, 4, NGINX, Yes)], &[(5, Listener)]),
        // A pid says nothing: they start again at 1 some day.
        (&[(7, 2, NGINX, Yes), (6, 7, NGINX, Yes)], &[(7, Listener), (6, Worker)]),
        (
            &[(5, 1, NGINX, Yes), (6, 5, NGINX, AsWww), (7, 5, NGINX, AsWww), (8, 5, NGINX, AsWww)],
            &[(5, Listener), (6, Worker), (7, Worker), (8, Worker)],
        ),
        (&[(5, 4, NODE, Yes), (9, 5, SLEEP, Yes)], &[(5, Listener), (9, Inherited)]),
        // One between them has closed its copy.
        (
            &[(5, 4, NODE, Yes), (8, 5, SH, No), (9, 8, SLEEP, Yes)],
            &[(5, Listener), (9, Inherited)],
        ),
        // The worker's own child.
        (
            &[(5, 4, NGINX, Yes), (6, 5, NGINX, Yes), (9, 6, SLEEP, Yes)],
            &[(5, Listener), (6, Worker), (9, Inherited)],
        ),
        // PID 1 of a container is not always a service manager.
        (&[(1, 0, NGINX, Yes), (29, 1, NGINX, Yes)], &[(1, Listener), (29, Worker)]),
        (&[(1, 0, NODE, Yes), (29, 1, SLEEP, Yes)], &[(1, Listener), (29, Inherited)]),
    ];
    for (world, expected) in table {
        assert_eq!(of(world), expected);
    }
}

#[test]
fn a_service_has_its_socket_from_the_service_manager() {
    use Role::{Inherited, Listener, SocketActivated, Worker};
    let table: [Case; 5] = [
        (&[(1, 0, SYSTEMD, Yes), (80, 1, NGINX, Yes)], &[(1, Listener), (80, SocketActivated)]),
        // `systemd --user`.
        (
            &[(1, 0, SYSTEMD, No), (700, 1, SYSTEMD, Yes), (80, 700, NODE, Yes)],
            &[(700, Listener), (80, SocketActivated)],
        ),
        (
            &[(1, 0, SYSTEMD, Yes), (80, 1, NGINX, Yes), (81, 80, NGINX, Yes), (82, 80, SH, Yes)],
            &[(1, Listener), (80, SocketActivated), (81, Worker), (82, Inherited)],
        ),
        // A program between them that hands the socket on.
        (
            &[(1, 0, SYSTEMD, Yes), (79, 1, SH, No), (80, 79, NODE, Yes)],
            &[(1, Listener), (80, SocketActivated)],
        ),
        // Near miss: the service opened it itself, and systemd has none.
        (&[(1, 0, SYSTEMD, No), (80, 1, NGINX, Yes)], &[(80, Listener)]),
    ];
    for (world, expected) in table {
        assert_eq!(of(world), expected);
    }
}

#[test]
fn without_a_holder_above_them_the_eldest_is_the_listener() {
    use Role::{Inherited, Listener, Worker};
    let table: [Case; 6] = [
        // A server, and its child's child, whom init took in when the child ended.
        (&[(900, 1, NODE, Yes), (12, 1, SLEEP, Yes)], &[(900, Listener), (12, Inherited)]),
        // The workers of a master that has ended.
        (
            &[(9, 1, NGINX, Yes), (7, 1, NGINX, Yes), (8, 1, NGINX, Yes)],
            &[(9, Listener), (7, Worker), (8, Worker)],
        ),
        // The workers of a master that has closed its copy: none of them made it.
        (&[(5, 1, NGINX, No), (6, 5, NGINX, Yes), (7, 5, NGINX, Yes)], &[(6, Worker), (7, Worker)]),
        (
            &[(5, 1, "/usr/sbin/nginx (deleted)", No), (6, 5, NGINX, Yes), (7, 5, NGINX, Yes)],
            &[(6, Worker), (7, Worker)],
        ),
        // Near miss: one holder alone, whose parent runs the same program, may well have made it.
        (&[(5, 1, NGINX, No), (6, 5, NGINX, Yes)], &[(6, Listener)]),
        // One took the socket over from the other, who made it as root.
        (&[(5, 1, NODE, AsWww), (6, 2, SH, Yes)], &[(6, Listener), (5, Inherited)]),
    ];
    for (world, expected) in table {
        assert_eq!(of(world), expected);
    }
}

#[test]
fn a_tree_that_changed_while_it_was_read_has_an_end() {
    let world = [(5, 6, NODE, Yes), (6, 5, NODE, No), (7, 8, SH, Yes), (8, 7, SH, No)];
    assert_eq!(of(&world), [(5, Role::Listener), (7, Role::Inherited)]);
    let holders = vec![(process(world[0]), Some(Via::Thread))];
    let owners = with_roles(holders, Some(0), &Tree::new());
    assert_eq!((owners[0].role, owners[0].via), (Role::Listener, Some(Via::Thread)));
}
