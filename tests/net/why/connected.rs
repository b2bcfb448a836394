//! It connects, and is of no use.

use super::{Accepts, assert_says, assert_told, evidence, text};
use crate::holder::holder;
use crate::outside::with_container;
use crate::sockets::tcp;
use crate::world::World;
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_program_that_does_not_accept_is_named_and_a_stopped_one_too() {
    let world = World::new().accepts(tcp("127.0.0.1:27501"));
    let process = holder().named("net-hung").holding(tcp("127.0.0.1:27502")).start();
    let report = assert_says(&world, "127.0.0.1:27502", "C01 likely");
    assert!(text(&report).contains("net-hung"), "{report:#}");
    let pid = Pid::from_raw(process.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let report = assert_told(&world, "127.0.0.1:27502", "C01 proved", "C01 likely");
    assert_eq!(report["diagnosis"]["next"][0], format!("kill -CONT {}", process.pid()));
    kill_process(pid, Signal::CONT).unwrap();
    // Near miss: one that accepts and says nothing.
    let report = assert_says(&world, "127.0.0.1:27501", "works");
    assert!(report["duration_ms"].as_u64().unwrap() < 200, "{report:#}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_that_hangs_up_is_told_from_a_proxy_without_a_backend() {
    let world = World::new().hangs_up(tcp("127.0.0.1:27511")).speaks(
        tcp("127.0.0.1:27513"),
        |mut client| {
            drop(std::io::Write::write_all(&mut client, b"220 here\r\n"));
        },
    );
    assert_says(&world, "127.0.0.1:27511", "C02 likely");
    // Near miss: a server that says something and then hangs up.
    assert_says(&world, "127.0.0.1:27513", "works");
    let socket = tcp("127.0.0.1:27512").listening(8);
    let proxy = holder().named("docker-proxy").given(socket.try_clone().unwrap()).start();
    let listener: std::net::TcpListener = socket.into();
    let closing = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept());
        }
    });
    let report = assert_told(&world, "127.0.0.1:27512", "C04 likely", "C02 likely");
    assert!(text(&report).contains("docker-proxy"), "{report:#}");
    closing.join().unwrap();
    drop(proxy);
}

/// A process with the name and the arguments of a docker-proxy; what is behind it is a network namespace with servers.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_behind_a_proxy_that_says_where_it_leads_is_told() {
    let world = World::new();
    let (container, _servers) = with_container();
    // The worlds of other tests have the address of this one too, and an address of several leads to none.
    let pid = std::process::id();
    let own = format!("172.17.{}.{}", 100 + pid / 250 % 150, 3 + pid % 250);
    container.ip(&format!("address add {own}/16 dev eth0"));
    let told = |port: &str, expected: &str| {
        let socket = tcp("127.0.0.1:27514").listening(8);
        let plan =
            holder().named("docker-proxy").with_argument("-container-ip").with_argument(&own);
        let plan = plan.with_argument("-container-port").with_argument(port);
        let proxy = plan.given(socket.try_clone().unwrap()).start();
        let listener: std::net::TcpListener = socket.into();
        let closing = std::thread::spawn(move || drop(listener.accept()));
        let run = world.prepare("why 127.0.0.1:27514 -o json").run();
        assert_eq!(super::told(&run), expected, "{run:#?}");
        closing.join().unwrap();
        drop(proxy);
        run.document()
    };
    let report = told("82", "C04 proved");
    assert!(text(&report).contains("and there nothing listens on 82, and net-"), "{report:#}");
    assert!(evidence(&report, "behind it").contains("0.0.0.0:80"), "{report:#}");
    // Near miss: a server is there, so who closed is not known.
    let report = told("80", "C04 possible");
    assert!(text(&report).contains("and closes it, although net-"), "{report:#}");
}

/// Who may not see the holder of a port waits for a proxy only where one has the user of the socket.
#[test]
#[ignore = "needs root: scripts/test"]
fn a_proxy_of_another_user_is_not_waited_for() {
    let world = World::new();
    let listener: std::net::TcpListener = tcp("127.0.0.1:27515").listening(8).into();
    let _proxy = holder().named("rootlessport").start();
    let of_user = |uid| {
        let uid = Some(rustix::fs::Uid::from_raw(uid));
        rustix::fs::fchown(&listener, uid, None).unwrap();
        std::thread::scope(|scope| {
            let accepting = listener.try_clone().unwrap();
            let run = scope
                .spawn(|| world.prepare("why 127.0.0.1:27515 -o json").by_ordinary_user().run());
            // A client that is watched for a while is the second one.
            let _first = accepting.accept().unwrap();
            accepting.set_nonblocking(true).unwrap();
            let run = run.join().unwrap();
            let again = accepting.accept().is_ok();
            accepting.set_nonblocking(false).unwrap();
            (super::told(&run), again)
        })
    };
    assert_eq!(of_user(4321), ("works".to_owned(), false));
    assert!(of_user(0).1, "it may be that of the proxy");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn two_programs_that_share_a_port_are_named_and_two_workers_are_not() {
    let world = World::new();
    let shared = |port: &str| tcp(port).shared().deferred();
    let [_old, _new] = ["net-old", "net-new"]
        .map(|name| holder().named(name).holding(shared("127.0.0.1:27521")).start());
    let [_one, _two] = [(); 2].map(|()| holder().holding(shared("127.0.0.1:27522")).start());
    let report = assert_told(&world, "127.0.0.1:27521", "works C03 possible", "works");
    assert!(evidence(&report, "programs").contains("net-old"), "{report:#}");
    assert_says(&world, "127.0.0.1:27522", "works");
}
