//! Names that are no names, and paths.

use super::{Accepts, assert_says, assert_told, with_file};
use crate::holder::holder;
use crate::sockets::tcp;
use crate::world::World;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

/// A name server at 127.0.0.1 that knows no name. It ends with the test.
fn knows_no_name() {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            // An answer (QR, RA) with the code 3: NXDOMAIN (RFC 1035).
            buffer[2] |= 0x80;
            buffer[3] = 0x83;
            drop(socket.send_to(&buffer[..length], client));
        }
    });
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_name_that_does_not_exist_is_told_from_a_resolver_that_does_not_answer() {
    with_file(c"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    let world = World::new().accepts(tcp("127.0.0.1:27801"));
    assert_says(&world, "nobody.example:27801", "N02 possible");
    knows_no_name();
    let report = assert_says(&world, "nobody.example:27801", "N01 proved");
    assert_eq!(report["attempts"], serde_json::json!([]));
    // Near miss: a name that /etc/hosts has.
    assert_says(&world, "127.0.0.1:27801", "works");
    assert_says(&world, "localhost:27801", "works");
}

/// A directory of the test's own.
struct Directory(String);

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn paths_of_unix_sockets_have_their_own_reasons() {
    let world = World::new();
    let directory = Directory(format!("/var/tmp/portsight-test-path-{}", std::process::id()));
    fs::create_dir_all(&directory.0).unwrap();
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o755)).unwrap();
    let listening = |name: &str| {
        let path = format!("{}/{name}", directory.0);
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(4).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        (socket, path)
    };
    let (open, path) = listening("open.sock");
    let process = holder().named("net-unix").given(open).start();
    assert_says(&world, &path, "works");
    drop(process);
    // Left over, and not there at all.
    assert_says(&world, &path, "P02 proved");
    assert_says(&world, &format!("unix:{}/none.sock", directory.0), "P01 proved");
    let (_socket, path) = listening("closed.sock");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert_told(&world, &path, "works", "P03 proved");
    let (socket, path) = listening("full.sock");
    socket.listen(0).unwrap();
    let clients: Vec<Socket> = (0..4)
        .map_while(|_| {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            client.connect(&SockAddr::unix(&path).unwrap()).ok().map(|()| client)
        })
        .collect();
    assert!(clients.len() < 4, "the queue does not fill");
    assert_says(&world, &path, "T03 proved");
}
