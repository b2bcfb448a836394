//! What passes between a program outside and this host.

use super::super::wire::Capture;
use super::super::{can_inject, ip, with_neighbour};
use super::{outside, outside_shell, page, serves_web, told};
use crate::world::{World, feed};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::time::Duration;

/// The rules that let neighbours in, and nobody else.
pub(super) const LAN_ONLY: &str = "table inet fw {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname lan0 ip saddr 10.77.0.0/24 accept
        iifname lan0 ip6 saddr { fd77::/64, fe80::/64 } accept
    }
}";

/// A file without a name.
fn file() -> File {
    rustix::fs::memfd_create("page", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into()
}

/// What a command outside writes, byte for byte; it ends well and nothing else is said.
#[track_caller]
pub(super) fn written(world: &World, options: &str, command: &[&str]) -> Vec<u8> {
    let mut out = file();
    let run = outside(world, options, command).to(out.try_clone().unwrap()).run().exits(0);
    assert_eq!(run.stderr, "", "{run:#?}");
    let mut bytes = Vec::new();
    out.rewind().unwrap();
    out.read_to_end(&mut bytes).unwrap();
    bytes
}

pub(super) const LENGTH: usize = 3_000_000;

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_page_that_only_neighbours_get_comes_whole() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080").nft(LAN_ONLY);
    let wire = Capture::of(&there);
    for host in ["10.77.0.2", "[fd77::2]", "[fe80::77%lan0]"] {
        let url = format!("http://{host}:8080/{LENGTH}");
        let got = written(&world, "", &["curl", "-gsS", &url]);
        assert!(got == page(LENGTH), "{host}: {} bytes, and not those", got.len());
    }
    // A named neighbour is one too, and of its family only.
    let url = format!("http://10.77.0.2:8080/{LENGTH}");
    for from in ["--from 10.77.0.66", "--from lan=10.77.0.66"] {
        assert!(written(&world, from, &["curl", "-sS", &url]) == page(LENGTH), "{from}");
    }
    let run = outside(&world, "--from fd77::66", &["curl", "-sS", &url]).run().exits(7);
    assert!(
        run.stderr.contains("Couldn't connect") || run.stderr.contains("unreachable"),
        "{run:?}"
    );
    wire.assert_silent();
}

/// The near miss: the same client, from where the rules let nobody in.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_client_of_the_internet_gets_nothing_of_it() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    let world = serves_web(serves_web(world, "[::]:8080"), "[::]:8081");
    let world = world.nft(LAN_ONLY).nft("add rule inet fw input tcp dport 8081 accept");
    let wire = Capture::of(&there);
    for host in ["10.77.0.2", "[fd77::2]"] {
        let command = |port| {
            let url = format!("http://{host}:{port}/{LENGTH}");
            ["curl", "-gsS", "-m", "3", url.leak()]
        };
        drop(outside(&world, "--from internet", &command(8080)).run().exits(28));
        let got = written(&world, "--from internet", &command(8081));
        assert!(got == page(LENGTH), "{host}: {} bytes, and not those", got.len());
    }
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_sent_to_this_host_comes_whole() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080").nft(LAN_ONLY);
    let wire = Capture::of(&there);
    let body = page(20_000_000);
    let put = |host: &str| {
        let script = format!("curl -gsS -T - http://{host}:8080/");
        let mut sent = file();
        std::io::Write::write_all(&mut sent, &body).unwrap();
        sent.rewind().unwrap();
        // Of a file the length is known.
        let script = script.replace("-T -", "-T /proc/self/fd/0");
        outside_shell(&world, &script)
            .with(|command| {
                command.stdin(sent);
            })
            .run()
            .exits(0)
    };
    for host in ["10.77.0.2", "[fd77::2]"] {
        let run = put(host);
        assert_eq!((run.stdout, run.stderr.as_str()), (told(&body), ""), "{host}");
    }
    wire.assert_silent();
}

/// What a program has written before it ends is sent, although nobody waits for it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_last_words_of_a_program_are_heard() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let (tell, heard) = std::sync::mpsc::channel();
    let world = world.speaks(crate::sockets::tcp("0.0.0.0:8080"), move |mut stream| {
        std::thread::sleep(Duration::from_millis(200));
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).map(|_| bytes.len());
        tell.send(read.map_err(|error| error.kind())).unwrap();
    });
    let wire = Capture::of(&there);
    let script = "exec 3<>/dev/tcp/10.77.0.2/8080; head -c 1000000 /dev/zero >&3";
    drop(outside(&world, "", &["bash", "-c", script]).run().exits(0));
    assert_eq!(heard.recv_timeout(Duration::from_secs(20)).unwrap(), Ok(1_000_000));
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn connections_go_on_beside_each_other() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080");
    let wire = Capture::of(&there);
    // Through a pipe, so that no line is written over another.
    let script = "{ for i in 1 2 3 4 5 6 7 8; do
            curl -gsS http://10.77.0.2:8080/$((1000000 + i)) | sha256sum &
            curl -gsS 'http://[fd77::2]:8080/'$((2000000 + i)) | sha256sum &
        done
        wait; } | cat";
    let run = outside_shell(&world, script).run().exits(0);
    let sum = |length| {
        feed("sh", &["-c", &format!("curl -sS http://127.0.0.1:8080/{length} | sha256sum")], "")
    };
    let mut expected: Vec<String> =
        (1..=8).flat_map(|i| [sum(1_000_000 + i), sum(2_000_000 + i)]).collect();
    let mut got: Vec<String> = run.stdout.lines().map(|line| format!("{line}\n")).collect();
    expected.sort();
    got.sort();
    assert_eq!(got, expected, "{}", run.stderr);
    wire.assert_silent();
}
