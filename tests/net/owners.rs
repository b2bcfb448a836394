//! Awkward holders: what holds a socket without having it in its descriptor table, what has it by accident, and
//! what nobody holds. Each beside what `ss` says, where `ss` can see it.

use crate::holder::holder;
use crate::run::in_own_process_namespace;
use crate::sockets::{tcp, udp};
use crate::truth::{items, only_item};
use crate::world::{World, alone, feed};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeSet;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

/// A holder: process, role, way (empty for the ordinary one).
type Holder = (u32, String, String);

/// The holders of the only socket of a port.
fn holders(world: &World, port: u16) -> BTreeSet<Holder> {
    let report = world.portsight(&format!("who {port} -o json")).exits(0).document();
    let owner = |owner: &Value| {
        let pid = u32::try_from(owner["pid"].as_u64().unwrap()).unwrap();
        let text = |field: &str| owner[field].as_str().unwrap_or_default().to_owned();
        (pid, text("role"), text("via"))
    };
    only_item(&report)["owners"].as_array().unwrap().iter().map(owner).collect()
}

fn ordinary(holders: &[(u32, &str)]) -> BTreeSet<Holder> {
    holders.iter().map(|(pid, role)| (*pid, (*role).to_owned(), String::new())).collect()
}

/// This process alone, in this way.
fn us(via: &str) -> BTreeSet<Holder> {
    BTreeSet::from([(std::process::id(), "listener".to_owned(), via.to_owned())])
}

/// The holders that `ss` names for a TCP port: `users:(("sh",pid=812,fd=3))`.
fn in_ss(port: u16) -> BTreeSet<u32> {
    let text = feed("ss", &["-Htlnp", "sport", "=", &format!(":{port}")], "");
    let pids = text.split("pid=").skip(1);
    pids.map(|rest| rest.split(',').next().unwrap().parse().expect("a pid")).collect()
}

fn pids(holders: &BTreeSet<Holder>) -> BTreeSet<u32> {
    holders.iter().map(|holder| holder.0).collect()
}

/// Runs `action` while a thread with a descriptor table of its own holds a listener of this port.
fn with_a_table_of_its_own(port: u16, action: impl FnOnce()) {
    let (told, tell) = io::pipe().unwrap();
    let (done, end) = io::pipe().unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let kept = [tell.as_raw_fd(), done.as_raw_fd()];
            alone(|| {
                // SAFETY: unshare(2) takes no pointers. The table is a copy, and this thread closes in its copy
                // all but what it uses, so that no other test's socket lives on in it.
                unsafe {
                    assert_eq!(libc::unshare(libc::CLONE_FILES), 0, "did not run: no table");
                    for descriptor in (3..4096).filter(|number| !kept.contains(number)) {
                        libc::close(descriptor);
                    }
                }
            });
            let _listener = tcp(&format!("127.0.0.1:{port}")).listening(1);
            (&tell).write_all(b"!").unwrap();
            // Both ends are in this table's copies: a byte ends it.
            let mut byte = [MaybeUninit::uninit(); 1];
            rustix::io::read(&done, &mut byte[..]).unwrap();
        });
        let mut byte = [MaybeUninit::uninit(); 1];
        rustix::io::read(&told, &mut byte[..]).unwrap();
        action();
        (&end).write_all(b"!").unwrap();
        thread.join().unwrap();
    });
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_thread_may_have_a_table_of_its_own() {
    let world = World::new();
    with_a_table_of_its_own(7011, || {
        assert_eq!(holders(&world, 7011), us("thread"));
        assert_eq!(in_ss(7011), BTreeSet::new(), "ss does not see it");
        let text = world.portsight("7011").exits(0).stdout;
        assert!(text.contains("through a thread of its own descriptor table"), "{text}");
    });
    assert_eq!(world.portsight("who 7011").exits(1).stderr, "");
}

/// A ring that has this socket as a fixed file.
fn ring_with(socket: &Socket) -> OwnedFd {
    const REGISTER_FILES: libc::c_int = 2;
    // `struct io_uring_params` is 120 bytes; zeroes ask for nothing special.
    let mut parameters = [0_u64; 15];
    let descriptor = socket.as_raw_fd();
    // SAFETY: both calls read and write only what is given here, which lives through them; the new descriptor
    // belongs to nobody else.
    unsafe {
        let ring = libc::syscall(libc::SYS_io_uring_setup, 4, &raw mut parameters);
        assert!(ring >= 0, "did not run: no io_uring: {}", io::Error::last_os_error());
        let ring = OwnedFd::from_raw_fd(i32::try_from(ring).unwrap());
        let number = ring.as_raw_fd();
        let done = libc::syscall(
            libc::SYS_io_uring_register,
            number,
            REGISTER_FILES,
            &raw const descriptor,
            1,
        );
        assert_eq!(done, 0, "registering: {}", io::Error::last_os_error());
        ring
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_io_uring_may_hold_a_socket_that_is_closed() {
    let world = World::new();
    let socket = tcp("127.0.0.1:7020").listening(1);
    let ring = ring_with(&socket);
    assert!(holders(&world, 7020).is_superset(&us("")), "it is open as well");
    drop(socket);
    assert!(holders(&world, 7020).is_superset(&us("io-uring")));
    assert_eq!(in_ss(7020), BTreeSet::new(), "ss does not see it");
    drop(ring);
    // The kernel lets go of fixed files a moment after the ring is closed.
    let mut tries = 0..500;
    while !feed("ss", &["-Htln"], "").is_empty() {
        assert!(tries.next().is_some(), "the port stays held");
    }
    world.portsight("who 7020").exits(1);
}

/// Sends a descriptor of the socket, and closes ours.
pub(crate) fn sent(through: &UnixStream, socket: Socket) {
    let descriptors = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(through, &[IoSlice::new(b"z")], &mut control, SendFlags::empty()).unwrap();
    drop(socket);
}

/// A process is named only when no other can have the message, so this looks from a process namespace of its own,
/// in which this test runs once more.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_socket_may_be_in_a_message_that_nobody_has_received() {
    if !in_own_process_namespace("owners::a_socket_may_be_in_a_message_that_nobody_has_received") {
        return;
    }
    let world = World::new();
    let (sender, receiver) = UnixStream::pair().unwrap();
    sent(&sender, tcp("127.0.0.1:7012").listening(1));
    assert_eq!(holders(&world, 7012), us("in-flight"));
    assert_eq!(in_ss(7012), BTreeSet::new(), "ss does not see it");

    // Two may have it: which of them cannot be said.
    let copy = receiver.try_clone().unwrap();
    let child = alone(|| Command::new("sleep").arg("100").stdin(OwnedFd::from(copy)).spawn());
    let mut child = child.unwrap();
    let report = world.portsight("who 7012 -o json").exits(0).document();
    let item = only_item(&report);
    assert_eq!(item["owners"], json!([]), "{item:#}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(holders(&world, 7012), us("in-flight"));

    drop(receiver);
    world.portsight("who 7012").exits(1);
    // In a message of a socket that is in a message itself: the outer one can be seen.
    let (inner, hidden) = UnixStream::pair().unwrap();
    sent(&inner, tcp("127.0.0.1:7013").listening(1));
    let (outer, _outermost) = UnixStream::pair().unwrap();
    sent(&outer, Socket::from(OwnedFd::from(hidden)));
    assert_eq!(holders(&world, 7013), us("in-flight"));
}

/// The kernel lists the messages of our network namespace only: those of another one are found all the same, and what is
/// held there is not that of a tunnel here.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_message_may_be_in_another_network_namespace() {
    if !in_own_process_namespace("owners::a_message_may_be_in_another_network_namespace") {
        return;
    }
    let world = World::new();
    feed(
        "ip",
        &["-batch", "-"],
        "link add vx0 type vxlan id 7 dstport 7015 dev lo\nlink set vx0 up\n",
    );
    let ((there, told), (stop, stopped)) = (channel(), channel::<()>());
    let elsewhere = thread::spawn(move || {
        let _there = World::new();
        let (sender, _receiver) = UnixStream::pair().unwrap();
        sent(&sender, tcp("127.0.0.1:7014").listening(1));
        sent(&sender, udp("0.0.0.0:7015").bound());
        there.send(()).unwrap();
        // Until the other end is dropped.
        let _ended = stopped.recv();
    });
    told.recv().expect("the sockets are on their way");
    let report = world.json("who 7014 7015/udp --netns all");
    let of_other = |item: &&Value| !item["netns"].is_null();
    let others: Vec<_> = items(&report).iter().filter(of_other).collect();
    assert_eq!(others.len(), 2, "{report:#}");
    for item in others {
        assert_eq!(item["owners"][0]["via"], "in-flight", "{item:#}");
    }
    drop(stop);
    elsewhere.join().unwrap();
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_kernel_holds_the_socket_of_a_tunnel() {
    let world = World::new();
    let add = "link add vx0 type vxlan id 1 dstport 4789\nlink set vx0 up\n";
    feed("ip", &["-batch", "-"], add);
    let process = holder().holding(udp("127.0.0.1:4790")).start();
    let report = world.portsight("who 4789 -o json").exits(0).document();
    let item = only_item(&report);
    assert_eq!(item["owners"], json!([]), "{item:#}");
    assert_eq!(item["owners_unknown"]["reason"], "kernel", "{item:#}");
    let text = item["owners_unknown"]["text"].as_str().unwrap();
    assert!(text.contains("vxlan device vx0"), "{text}");
    assert_eq!(holders(&world, 4790), ordinary(&[(process.pid(), "listener")]));
    // Devices can be seen without privileges: no need for root is claimed.
    let run = world.prepare("who 4789 -o json").by_ordinary_user().run().exits(0);
    assert_eq!(only_item(&run.document())["owners_unknown"]["reason"], "kernel");
    // A device that is down has no socket.
    feed("ip", &["link", "set", "vx0", "down"], "");
    world.portsight("who 4789").exits(1);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_denial_names_the_user_and_how_much_was_not_read() {
    let world = World::new().listens(tcp("127.0.0.1:22"));
    let run = world.prepare("who 22 -o json").by_ordinary_user().run().exits(0);
    let document = run.document();
    let text = only_item(&document)["owners_unknown"]["text"].as_str().unwrap();
    assert!(text.starts_with("root (uid 0) made it; the open files of "), "{text}");
}

/// The shell's background jobs would read from /dev/null: they get its input through descriptor 9.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn every_worker_of_a_server_is_named_and_none_is_its_listener() {
    let world = World::new();
    let master = holder()
        .named("net-master")
        .running(
            "exec 9<&0; for i in 1 2 3; do /proc/$$/exe -c 'read line' <&9 & all=\"$all $!\"; done; \
             echo $all; read line; wait",
        )
        .holding(tcp("127.0.0.1:7009"))
        .start();
    let workers = master.numbers();
    assert_eq!(workers.len(), 3);
    let mut expected = vec![(master.pid(), "listener")];
    expected.extend(workers.iter().map(|pid| (*pid, "worker")));
    let found = holders(&world, 7009);
    assert_eq!(found, ordinary(&expected));
    assert_eq!(pids(&found), in_ss(7009));
    let row = world.portsight("ls -o plain").exits(0).stdout;
    assert!(row.lines().next().unwrap().contains("net-master"), "{row}");
}

/// A server starts a program through a shell that ends: the program is taken in by another process, and stands
/// beside the server in the tree.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_orphan_that_inherited_a_socket_is_not_its_owner() {
    let world = World::new();
    let server = holder()
        .named("net-server")
        .running("exec 9<&0; (/bin/sh -c 'read line' <&9 & echo $!); read line")
        .holding(tcp("127.0.0.1:7010"))
        .start();
    let [orphan] = server.numbers()[..] else { panic!("one pid") };
    let found = holders(&world, 7010);
    assert_eq!(found, ordinary(&[(server.pid(), "listener"), (orphan, "inherited")]));
    assert_eq!(pids(&found), in_ss(7010));
    let text = world.portsight("ls").exits(0).stdout;
    assert!(text.contains(&format!("net-server {} +1", server.pid())), "{text}");
}

/// A client may be bound to the same number at another address: it holds no port that anyone asks for.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_client_with_the_same_local_port_is_no_holder() {
    let world = World::new().listens(tcp("127.0.0.1:80"));
    let server = holder().named("net-server").holding(tcp("127.0.0.1:7013")).start();
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let at = |text: &str| text.parse::<SocketAddr>().unwrap().into();
    client.bind(&at("127.0.0.2:7013")).unwrap();
    client.connect(&at("127.0.0.1:80")).unwrap();
    let found = holders(&world, 7013);
    assert_eq!(found, ordinary(&[(server.pid(), "listener")]));
    assert_eq!(pids(&found), in_ss(7013));
}
