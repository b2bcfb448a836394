//! `--bind`: why a bind fails, as a server would find it.

use super::{answer, assert_says, assert_told, evidence, text};
use crate::holder::holder;
use crate::run::{before_exec, in_own_process_namespace};
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::{World, feed};
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_holder_is_named_with_the_way_to_stop_it() {
    let world = World::new().holds(tcp("127.0.0.1:27602")).holds(udp("127.0.0.1:27603"));
    let process = holder().named("net-node").holding(tcp("0.0.0.0:27601")).start();
    let report = assert_says(&world, "--bind 27601", "B01 proved");
    assert!(text(&report).contains(&format!("net-node {}", process.pid())), "{report:#}");
    assert_eq!(report["diagnosis"]["next"][0], format!("kill {}", process.pid()));
    let report = assert_says(&world, "--bind 127.0.0.1:27602", "B01 proved");
    assert!(text(&report).ends_with("does not listen"), "{report:#}");
    // Near misses: a free port, another address of the same one, and the other transport.
    assert_says(&world, "--bind 27609", "works");
    assert_says(&world, "--bind 127.0.0.2:27602", "works");
    assert_says(&world, "--bind 27603", "works");
    assert_says(&world, "--udp --bind 27603", "B01 proved");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn closed_connections_and_a_client_that_keep_a_port_are_named() {
    let mut world = World::new().listens(tcp("127.0.0.1:27610"));
    let listener = TcpListener::bind("127.0.0.1:27611").unwrap();
    let client = TcpStream::connect("127.0.0.1:27611").unwrap();
    // Who closes first keeps what is left.
    drop(listener.accept().unwrap());
    drop(client);
    drop(listener);
    let report = assert_says(&world, "--bind 127.0.0.1:27611", "B02 proved");
    assert_eq!(evidence(&report, "TIME_WAIT"), "1");
    let (port, _) = world.clients_of("127.0.0.1:27610".parse().unwrap());
    let report = assert_says(&world, &format!("--bind {port}"), "B03 proved");
    let next = report["diagnosis"]["next"][0].as_str().unwrap();
    assert!(next.ends_with(&format!("ip_local_reserved_ports={port}")), "{report:#}");
    // Near misses: what is left of a server whose port no client is given, and a server with a connection.
    let listener = TcpListener::bind("127.0.0.1:27612").unwrap();
    let _client = TcpStream::connect("127.0.0.1:27612").unwrap();
    let _accepted = listener.accept().unwrap();
    drop(listener);
    let report = assert_says(&world, "--bind 127.0.0.1:27612", "B01 proved");
    assert!(text(&report).contains("a connection that is open"), "{report:#}");
    assert_says(&world, "--bind 127.0.0.1:27610", "B01 proved");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn privileges_addresses_and_families_are_told_apart() {
    let world = World::new().veth(&LAN).holds(tcp("0.0.0.0:27621")).holds(tcp("[::]:27622"));
    let report = world.prepare("why --bind 80 -o json").by_ordinary_user();
    let (told, run) = answer(report);
    assert_eq!(told, "B04 proved", "{run:#?}");
    assert_eq!(evidence(&run.document(), "net.ipv4.ip_unprivileged_port_start"), "1024");
    assert_told(&world, "--bind 1024", "works", "works");
    assert_eq!(answer(world.prepare("why --bind 80 -o json")).0, "works", "root may");
    assert_says(&world, "--bind 203.0.113.9:27620", "B06 proved");
    assert_says(&world, "--bind 10.77.0.2:27620", "works");
    assert_says(&world, "--bind [::]:27621", "B07 proved");
    // Near misses: the same family, and an IPv6 socket that leaves IPv4 alone.
    assert_says(&world, "--bind 0.0.0.0:27621", "B01 proved");
    assert_says(&world, "--bind 0.0.0.0:27622", "works");
    assert_says(&world, "--bind [::]:27622", "B01 proved");
}

/// Landlock is a security module that a program sets up for itself, without root.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_security_module_that_denies_is_possible_and_a_lacking_privilege_is_not_taken_for_one() {
    let world = World::new();
    let log_of_all = fs::read_to_string("/proc/sys/kernel/dmesg_restrict").unwrap().trim() == "0";
    for ordinary in [false, true] {
        let run = world.prepare("why --bind 127.0.0.1:27650 -o json");
        let run = if ordinary { run.by_ordinary_user() } else { run };
        let (told, run) = answer(run.with(|command| before_exec(command, deny_binds)));
        assert_eq!(told, "B08 possible", "{run:#?}");
        assert!(run.document()["evidence"].to_string().contains("EACCES"), "{run:#?}");
        // Others may read the log only where the kernel lets everybody, and root not in a user namespace.
        let unread =
            run.document()["incomplete"].to_string().contains("what SELinux and AppArmor denied");
        let hidden = if ordinary { !log_of_all } else { File::open("/dev/kmsg").is_err() };
        assert_eq!(unread, hidden, "{run:#?}");
    }
    // Near miss: the privilege is what is missing, and nobody is asked for denials.
    let run = world.prepare("why --bind 80 -o json").by_ordinary_user();
    let (told, run) = answer(run);
    assert_eq!(told, "B04 proved", "{run:#?}");
    assert!(!run.document()["incomplete"].to_string().contains("SELinux"), "{run:#?}");
}

/// Lets this process bind no port of TCP any more (`landlock(7)`).
fn deny_binds() -> io::Result<()> {
    const BIND_TCP: u64 = 1;
    // What is handled of the file system, of the network, and of scopes.
    let handled = [0, BIND_TCP, 0_u64];
    // SAFETY: landlock_create_ruleset(2) gets the address and the size of words that live through the call; the other
    // calls take numbers only.
    let failed = unsafe {
        let size = size_of_val(&handled);
        let rules = libc::syscall(libc::SYS_landlock_create_ruleset, handled.as_ptr(), size, 0);
        rules < 0
            || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_port_of_the_kernel_is_never_called_free() {
    let test = "why::bind::a_port_of_the_kernel_is_never_called_free";
    if !in_own_process_namespace(test) {
        return;
    }
    let world = World::new().veth(&LAN);
    let device = "link add vx0 type vxlan id 7 dstport 27630 dev lan0\nlink set vx0 up\n";
    feed("ip", &["-batch", "-"], device);
    let run = world.prepare("why --udp --bind 27630 -o json");
    let (told, run) = answer(run);
    assert_eq!(told, "B05 proved", "{run:#?}");
    let _process = holder().holding(udp("0.0.0.0:27631")).start();
    assert_eq!(answer(world.prepare("why --udp --bind 27631 -o json")).0, "B01 proved");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_port_that_comes_free_is_waited_for() {
    let world = World::new();
    let process = holder().holding(tcp("127.0.0.1:27640")).start();
    let waiting = world.prepare("why --bind 127.0.0.1:27640 --wait 20s -o json").start();
    crate::cgroups::pause(300);
    drop(process);
    let run = waiting.end();
    let report = run.document();
    assert_eq!((run.status, &report["works"]), (0, &true.into()), "{report:#}");
    assert!(evidence(&report, "waited").contains("[B01]"), "{report:#}");
}
