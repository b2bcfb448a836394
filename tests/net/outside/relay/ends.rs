//! How a program outside ends, how portsight does, and what stays.

use super::super::refused::without;
use super::super::safety::{assert_as_before, has_begun, has_gone, snapshot, within};
use super::super::wire::Capture;
use super::super::{can_inject, with_neighbour};
use super::{outside, outside_shell, serves_web};
use crate::host::Host;
use crate::run::{Running, before_exec, on_screen, speaks_within, terminal};
use crate::sockets::{tcp, udp};
use crate::truth::LAN;
use crate::world::{World, feed};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;
use std::thread::sleep;
use std::time::Duration;

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_status_is_that_of_the_program() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    for (script, status) in
        [("exit 0", 0), ("exit 3", 3), ("exit 125", 125), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        let run = outside_shell(&world, script).run().exits(status);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{script}");
    }
    let run = outside_shell(&world, "cat; echo out; echo err >&2").run().exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("out\n", "err\n"));
    let run = outside(&world, "", &["cat", "-s", "/proc/self/comm"]).run().exits(0);
    assert_eq!(run.stdout, "cat\n", "options behind the program are its own");
    let nobody = outside(&world, "", &["no-such-program"]).run().exits(127);
    drop(nobody.says_in_one_line(&["no-such-program"]));
    drop(outside(&world, "", &["/etc/passwd"]).run().exits(126).says_in_one_line(&["/etc/passwd"]));
    drop(outside(&world, "", &["/etc"]).run().exits(126).says_in_one_line(&["/etc"]));
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_cannot_be_had_is_said_in_one_line() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    // The neighbour becomes known.
    crate::world::connects("10.77.0.9:9".parse().unwrap()).expect_err("nobody listens");
    for (arguments, words) in [
        ("outside", "<COMMAND>"),
        ("outside --form lan -- true", "--form"),
        ("outside --from moon -- true", "moon"),
        ("outside --from loopback -- true", "loopback"),
        ("outside --from 10.77.0.2 -- true", "an address of this host"),
        ("outside --from 127.0.0.1 -- true", "an address of this host"),
        ("outside --from 127.0.0.9 -- true", "no neighbour"),
        ("outside --from 10.77.0.255 -- true", "no neighbour"),
        ("outside --from 10.77.0.9 -- true", "a neighbour has it"),
        ("outside --from internet -- true", "no route"),
        ("outside --from ssh:there -- true", "ssh:there"),
    ] {
        drop(world.portsight(arguments).exits(125).says_in_one_line(&["portsight: ", words]));
    }
    let mut first = outside(&world, "--from 10.77.0.66", &["sleep", "60"]).start();
    has_begun(&mut first);
    let second = outside(&world, "--from 10.77.0.66", &["true"]).run().exits(125);
    drop(second.says_in_one_line(&["another portsight stands at 10.77.0.66"]));
    // Of one that has sent a datagram somebody stays for three seconds.
    let send = "exec 3<>/dev/udp/10.77.0.2/9; echo hello >&3";
    for _ in 0..2 {
        drop(outside(&world, "--from 10.77.0.68", &["bash", "-c", send]).run().exits(0));
    }
    drop(outside(&world, "--from 10.77.0.67", &["true"]).run().exits(0));
}

/// To end the connections of an address would end those of whoever has it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn an_address_that_connections_lead_to_is_somebodys() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    super::super::ip("route add default via 10.77.0.9");
    there.ip("addr add 198.51.100.7/32 dev lo");
    let world = world.listens(tcp("0.0.0.0:8080"));
    let listener = there.does(|| TcpListener::bind("198.51.100.7:80").unwrap());
    let connection = TcpStream::connect("198.51.100.7:80").unwrap();
    let run = || outside(&world, "--from 198.51.100.7", &["true"]).run();
    drop(run().exits(125).says_in_one_line(&["198.51.100.7", "somebody's"]));
    drop((connection, listener));
    assert!(within(10, || run().status == 0), "no connection leads there any more");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_is_told_what_it_takes() {
    let world = World::new().veth(&LAN);
    let run = outside(&world, "", &["true"]).by_ordinary_user().run().exits(125);
    drop(run.says_in_one_line(&["takes root", "frames cannot be injected", "sudo"]));
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_a_right_the_program_is_not_run() {
    /// `CAP_NET_ADMIN`, and `CAP_SYS_ADMIN`, which makes namespaces.
    const RIGHTS: [u64; 2] = [1 << 12, 1 << 21];
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let wire = Capture::of(&there);
    for right in RIGHTS {
        let prepared = outside(&world, "", &["echo", "it runs"]);
        let run = prepared.with(|command| without(command, right)).run().exits(125);
        assert_eq!(run.stdout, "");
        drop(run.says_in_one_line(&["takes root", "lacks"]));
    }
    has_gone("without a right");
    wire.assert_silent();
}

/// A world with a web server, and a program outside in the midst of a transfer. The server is no friend of resets.
fn in_the_midst(options: &str) -> (World, Host, Running) {
    let (world, there) = with_neighbour();
    super::super::ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    crate::world::connects("10.77.0.9:9".parse().unwrap()).expect_err("nobody listens");
    let world = serves_web(world, "[::]:8080");
    let script = "
        trap '' TERM HUP
        curl -gsS -o /dev/null --limit-rate 1M http://10.77.0.2:8080/300000000 &
        curl -gsS -o /dev/null --limit-rate 1M 'http://[fd77::2]:8080/300000000' &
        head -c 300000000 /dev/zero | curl -gsS -T - -H Transfer-Encoding: -H 'Content-Length: 300000000' \
            --limit-rate 1M http://10.77.0.2:8080/ &
        wait; wait";
    let running = outside(&world, options, &["sh", "-c", script]).start();
    assert!(within(30, || connections().lines().count() == 3), "{}", connections());
    (world, there, running)
}

/// The connections of the web server.
fn connections() -> String {
    feed("ss", &["-Htn", "state", "connected", "exclude", "time-wait", "sport = :8080"], "")
}

/// Asserts that nothing of a run is left.
#[track_caller]
fn assert_nothing_left(before: &[(String, String)], what: &str) {
    has_gone(what);
    assert_as_before(before, what);
    assert_eq!(connections(), "", "connections {what}");
    let queues = fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue");
    assert_eq!(queues.expect("this kernel has queues"), "", "queues {what}");
}

/// The kernel sends again what was not acknowledged, for as long as a connection is there.
#[test]
#[ignore = "takes 70 s: scripts/test"]
fn nothing_leaves_and_nothing_stays_after_a_kill_in_mid_transfer() {
    if !can_inject() {
        return;
    }
    let (world, there, mut running) = in_the_midst("");
    let wire = Capture::of(&there);
    running.signal(Signal::KILL);
    drop(running.end());
    let before = {
        has_gone("after a kill");
        snapshot()
    };
    assert!(!before.iter().any(|(_, text)| text.contains("portsight")), "{before:?}");
    assert_nothing_left(&before, "after a kill");
    // A second time: now what was before is known.
    let script = "curl -gsS -o /dev/null --limit-rate 1M http://10.77.0.2:8080/300000000";
    running = outside_shell(&world, script).start();
    assert!(within(30, || connections().lines().count() == 1));
    running.signal(Signal::KILL);
    drop(running.end());
    assert_nothing_left(&before, "after a second kill");
    sleep(Duration::from_secs(70));
    assert_nothing_left(&before, "70 s later");
    wire.assert_silent();
}

/// A server that hears nothing any more asks again for some time.
#[test]
#[ignore = "takes 25 s: scripts/test"]
fn a_server_of_datagrams_that_goes_on_is_swallowed_until_it_gives_up() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let server: UdpSocket = udp("0.0.0.0:5353").bound().into();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let wire = Capture::of(&there);
    let send = "exec 3<>/dev/udp/10.77.0.2/5353; echo hello >&3";
    drop(outside(&world, "", &["bash", "-c", send]).run().exits(0));
    let (_, peer) = server.recv_from(&mut [0; 16]).expect("a datagram comes");
    for pause in [500, 2000, 4000] {
        sleep(Duration::from_millis(pause));
        assert_eq!(server.send_to(b"is somebody there?", peer).unwrap(), 18);
    }
    // 15 s after the last.
    assert!(within(20, || feed("nft", &["list", "ruleset"], "").is_empty()));
    has_gone("after the last answer");
    wire.assert_silent();
}

/// The program ends with portsight, whatever it thinks of signals.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_program_does_not_outlive_portsight() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let script = "trap '' TERM INT HUP; echo $$; while :; do sleep 0.1; done";
    let (mut told, out) = std::io::pipe().unwrap();
    let running = outside_shell(&world, script).to(out).start();
    let mut digits = [0; 16];
    let length = std::io::Read::read(&mut told, &mut digits).unwrap();
    let pid = String::from_utf8_lossy(&digits[..length]).trim().to_owned();
    let is_there = || fs::exists(format!("/proc/{pid}")).unwrap();
    assert!(is_there());
    running.signal(Signal::KILL);
    drop(running.end());
    assert!(within(10, || !is_there()), "process {pid} goes on");
}

/// SIGTERM is handed on, and what the program makes of it is its own affair.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn signals_are_the_programs() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let wire = Capture::of(&there);
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::INT, "INT")] {
        let script =
            format!("trap 'echo told; exit 7' {name}; echo ready; while :; do sleep 0.1; done");
        let (mut told, out) = std::io::pipe().unwrap();
        let running = outside_shell(&world, &script).to(out).start();
        let mut ready = [0; 6];
        std::io::Read::read_exact(&mut told, &mut ready).unwrap();
        running.signal(signal);
        drop(running.end().exits(7));
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut told, &mut rest).unwrap();
        assert_eq!(rest, "told\n", "{name}");
    }
    drop(outside(&world, "", &["sleep", "60"]).start());
    has_gone("after signals");
    wire.assert_silent();
}

/// Ctrl-C comes to the program by the terminal, and portsight waits for what the program makes of it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn an_interrupt_at_the_terminal_is_the_programs() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let script = "
import signal, time
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
print('ready', flush=True)
while not told: time.sleep(0.05)
time.sleep(0.5)
print('told', len(told), 'times')
raise SystemExit(5)";
    let (mut ours, theirs) = terminal(80);
    let (out, errors) = (theirs.try_clone().unwrap(), theirs.try_clone().unwrap());
    let prepared = outside(&world, "", &["python3", "-c", script]).to(out).errors_to(errors);
    let running = prepared
        .with(|command| {
            command.stdin(theirs);
            before_exec(command, || {
                rustix::process::setsid()?;
                // SAFETY: standard input is open here, and stays so.
                let stdin = unsafe { BorrowedFd::borrow_raw(0) };
                rustix::process::ioctl_tiocsctty(stdin)?;
                Ok(())
            });
        })
        .start();
    assert!(speaks_within(20, &ours), "it is not ready");
    ours.write_all(b"\x03").unwrap();
    drop(running.end().exits(5));
    let screen = on_screen(ours);
    assert!(screen.ends_with("told 1 times\n"), "{screen:?}");
}

/// What is left of an orderly end, and what a server sees of a client that has vanished.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nothing_stays_after_an_orderly_end() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    crate::world::connects("10.77.0.9:9".parse().unwrap()).expect_err("nobody listens");
    let world = serves_web(world, "[::]:8080").nft(super::transfers::LAN_ONLY);
    let (before, wire) = (snapshot(), Capture::of(&there));
    for script in [
        "curl -sS -o /dev/null http://10.77.0.2:8080/1000000",
        // It ends in the midst of a transfer.
        "curl -sS -m 1 -o /dev/null --limit-rate 100k http://10.77.0.2:8080/100000000",
        // What it has started has no network any more.
        "curl -sS -o /dev/null --limit-rate 100k http://10.77.0.2:8080/100000000 & sleep 1; kill -9 $$",
    ] {
        drop(outside_shell(&world, script).run());
        assert_nothing_left(&before, script);
    }
    sleep(Duration::from_secs(5));
    assert_nothing_left(&before, "5 s later");
    wire.assert_silent();
}
