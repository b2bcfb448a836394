//! What a real systemd says of its units, where nothing listens or nothing comes back.

use super::{evidence, text, told};
use crate::cgroups::{Cgroups, pause};
use crate::containers::{Machine, Scratch, can_run, server};
use crate::run::{Run, without_header};
use crate::truth::LAN;
use crate::world::{World, alone, connects, feed};
use serde_json::Value;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A unit without the dependencies that a whole system has.
fn unit(text: &str) -> String {
    format!("[Unit]\nDefaultDependencies=no\n{text}\n")
}

/// A service that starts this.
fn service(command: &str) -> String {
    unit(&format!("[Service]\nExecStart={command}"))
}

/// A service that does nothing, and has these words in its command.
fn sleeping(words: &str) -> String {
    service(&format!("/bin/sh -c 'exec sleep 1000; : {words}'"))
}

/// A service that runs this Python script.
fn python(script: &str, more: &str) -> String {
    service(&format!("/usr/bin/python3 -c \"{script}\"\n{more}"))
}

fn socket(port: u16, more: &str) -> String {
    unit(&format!("[Socket]\nListenStream=127.0.0.1:{port}\n{more}"))
}

/// Accepts each connection, and keeps it.
fn accepting(port: u16) -> String {
    let bound =
        server(port).replace("time.sleep(1000)", "kept = [s.accept() for _ in range(1000)]");
    // What is said goes to the console of another service.
    bound.replace(&format!("print('port {port} is open', flush=True); "), "")
}

/// The units of the system: what each port of theirs is there for is said at the tests.
fn units() -> Vec<(&'static str, String)> {
    let wanted = "failed.service worn.socket again.service slow.service postgresql.service \
                  postgresql-exporter.service elsewhere.socket broken.socket ssh.socket denied.service allowed.service \
                  sliced.service udp.service wide.service forbidden.service dbus.socket hello.service";
    let target = format!("Wants={wanted}\nAfter=denied.service allowed.service sliced.service");
    let hello = python(&server(7301), "StandardOutput=tty\nTTYPath=/dev/console");
    let datagrams = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 7305)); \
                     [s.sendto(b'x', s.recvfrom(99)[1]) for _ in range(1000)]";
    let manager = "[Service]\nType=notify\nUser=nobody\nGroup=nogroup\nDelegate=yes\n\
                   Environment=XDG_RUNTIME_DIR=/run/user/65534 HOME=/run/user/65534\n\
                   ExecStartPre=+/bin/mkdir -p /run/user/65534\n\
                   ExecStartPre=+/bin/chown nobody:nogroup /run/user/65534\n\
                   ExecStart=/lib/systemd/systemd --user";
    vec![
        ("failed.service", service("/bin/false --port 7198")),
        ("worn.socket", socket(7111, "ExecStartPre=/bin/false")),
        ("worn.service", service("/bin/sleep 1000")),
        (
            "again.service",
            service("/bin/false\nEnvironment=PORT=7121\nRestart=always\nRestartSec=1h"),
        ),
        ("slow.service", format!("{}Type=notify\nTimeoutStartSec=1h", sleeping("-p 7122"))),
        ("young.service", sleeping("--port 7123")),
        ("idle.service", format!("{}[Install]\nWantedBy=world.target", sleeping("--port=7131"))),
        ("postgresql.service", service("/bin/false")),
        ("postgresql-exporter.service", service("/bin/false")),
        ("elsewhere.socket", socket(7644, "")),
        ("elsewhere.service", sleeping("--port 7942")),
        ("broken.socket", socket(7555, "")),
        ("broken.service", service("/bin/false")),
        ("ssh.socket", socket(7722, "")),
        ("ssh.service", service("/usr/sbin/sshd -D")),
        (
            "tardy.service",
            python(
                &format!("import time; time.sleep(2); {}", accepting(7777)),
                "Environment=PORT=7777",
            ),
        ),
        ("denied.service", python(&accepting(7302), "IPAddressDeny=any")),
        (
            "allowed.service",
            python(&accepting(7303), "IPAddressDeny=any\nIPAddressAllow=localhost"),
        ),
        ("guard.slice", unit("[Slice]\nIPAddressDeny=127.0.0.0/8")),
        ("sliced.service", python(&accepting(7304), "Slice=guard.slice")),
        (
            "wide.service",
            python(&accepting(7306).replace("127.0.0.1", "0.0.0.0"), "IPAddressDeny=10.77.0.0/24"),
        ),
        ("udp.service", python(datagrams, "IPAddressDeny=any")),
        ("forbidden.service", format!("{}SocketBindDeny=ipv4:tcp:7161", sleeping("--port 7161"))),
        ("manager.service", unit(manager)),
        ("hello.service", hello),
        ("world.target", unit(&target)),
    ]
}

/// A command inside, as root or as an ordinary user.
fn inside(machine: &Machine, ordinary: bool, words: &[&str]) -> Run {
    let first = machine.first();
    let mut command = Command::new("nsenter");
    command.args(["-t", &first, "-a"]);
    if ordinary {
        command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.args(["timeout", "60"]).args(words).stdin(Stdio::null());
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = alone(|| command.spawn()).expect("did not run: nsenter");
    let output = child.wait_with_output().unwrap();
    let (header, stdout) = without_header(String::from_utf8(output.stdout).unwrap());
    let stderr = String::from_utf8(output.stderr).unwrap();
    Run { status: output.status.code().expect("it ends by itself"), header, stdout, stderr }
}

/// Asserts what root and an ordinary user inside are told; gives the answer to root.
#[track_caller]
fn assert_inside(machine: &Machine, arguments: &str, expected: &str) -> Value {
    assert_told_inside(machine, arguments, expected, expected)
}

/// The same, where root is told another thing.
#[track_caller]
fn assert_told_inside(machine: &Machine, arguments: &str, root: &str, ordinary: &str) -> Value {
    let why = |ordinary| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let portsight = ["/usr/local/bin/portsight", "why", "-o", "json"];
        inside(machine, ordinary, &[&portsight[..], &words].concat())
    };
    let run = why(false);
    assert_eq!(told(&run), root, "why {arguments}, as root: {run:#?}");
    let report = run.document();
    let run = why(true);
    assert_eq!(told(&run), ordinary, "why {arguments}, as an ordinary user: {run:#?}");
    report
}

/// Waits until these units are in these states, or fails after a while.
#[track_caller]
fn settles(machine: &Machine, states: &[(&str, &str)]) {
    let begun = Instant::now();
    for (unit, expected) in states {
        loop {
            let run = inside(machine, false, &["systemctl", "show", "-p", "ActiveState", unit]);
            if run.stdout.trim() == format!("ActiveState={expected}") {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{unit} is not {expected}: {run:?}");
            pause(100);
        }
    }
}

#[test]
#[ignore = "needs root, systemd-nspawn and a system to boot: scripts/test"]
fn a_real_systemd_tells_why_nothing_listens_or_answers() {
    if !can_run(&["systemd-nspawn", "nsenter", "setpriv"]) {
        return;
    }
    let Some(cgroups) = Cgroups::new() else { return };
    let scratch = Scratch::new("units");
    let world = World::new().veth(&LAN);
    let machine = Machine::boot(&cgroups, &scratch, &units(), "port 7301 is open");
    let failed =
        ["failed.service", "worn.socket", "postgresql.service", "postgresql-exporter.service"];
    let failed = failed.map(|unit| (unit, "failed"));
    let active =
        ["denied.service", "allowed.service", "sliced.service", "udp.service", "broken.socket"];
    let active = active.map(|unit| (unit, "active"));
    let starting = ["again.service", "slow.service"].map(|unit| (unit, "activating"));
    settles(&machine, &[&failed[..], &active, &starting].concat());
    let began = Instant::now();
    let run = inside(&machine, false, &["systemctl", "start", "young.service"]);
    assert_eq!(run.status, 0, "{run:?}");

    those_that_start(&machine);
    those_that_failed(&machine);
    those_that_do_not_run(&machine);
    those_that_open_for_others(&machine);
    those_that_keep_packets_out(&machine, world);
    those_of_a_user(&machine);
    those_that_would_bind(&machine);

    // Without the bus systemd answers root only.
    let run = inside(&machine, false, &["systemctl", "stop", "dbus.socket", "dbus.service"]);
    assert_eq!(run.status, 0, "{run:?}");
    let why = ["portsight", "why", "127.0.0.1:7198", "-o", "json"];
    assert_eq!(told(&inside(&machine, false, &why)), "R11 likely");
    let run = inside(&machine, true, &why);
    assert_eq!(told(&run), "R01 proved", "{run:#?}");
    assert!(run.stderr.contains("not seen: the units of systemd: systemctl fails"), "{run:#?}");
    let run = inside(&machine, false, &["systemctl", "start", "dbus.socket"]);
    assert_eq!(run.status, 0, "{run:?}");

    // Near miss: the service that was young runs, and has had its time.
    let left = Duration::from_secs(11).saturating_sub(began.elapsed());
    pause(i64::try_from(left.as_millis()).unwrap());
    let report = assert_inside(&machine, "127.0.0.1:7123", "R01 proved");
    let state = evidence(&report, "young.service");
    assert!(state.starts_with("active (running)") && state.contains("--port 7123"), "{state}");
}

/// R12: at once since its state is young, started again and again, and never ready.
fn those_that_start(machine: &Machine) {
    let report = assert_inside(machine, "127.0.0.1:7123", "R12 likely");
    assert!(text(&report).contains("does not listen on it yet"), "{report:#}");
    let report = assert_inside(machine, "127.0.0.1:7121", "R12 likely");
    assert!(text(&report).contains("is started again"), "{report:#}");
    assert!(evidence(&report, "again.service").contains("`PORT=7121`"), "{report:#}");
    let report = assert_inside(machine, "127.0.0.1:7122", "R12 likely");
    assert!(
        text(&report).contains("slow.service, which names it, is still starting"),
        "{report:#}"
    );
    // It is waited for.
    let start = ["systemctl", "start", "tardy.service"];
    assert_eq!(inside(machine, false, &start).status, 0);
    let wait = ["portsight", "why", "127.0.0.1:7777", "--wait", "20s", "-o", "json"];
    let run = inside(machine, true, &wait);
    assert_eq!(told(&run), "works", "{run:#?}");
    assert!(evidence(&run.document(), "waited").ends_with("[R12]"), "{run:#?}");
    // Near miss: the number is that of something else.
    assert_inside(machine, "127.0.0.1:1000", "R01 proved");
}

/// R11: by the words of its command, by what it would open, and by its name.
fn those_that_failed(machine: &Machine) {
    let report = assert_inside(machine, "127.0.0.1:7198", "R11 likely");
    assert!(
        text(&report).contains("failed.service, which names it, failed (exit-code)"),
        "{report:#}"
    );
    let next =
        |report: &Value, at: usize| report["diagnosis"]["next"][at].as_str().unwrap().to_owned();
    assert_eq!(next(&report, 0), "systemctl status failed.service");
    assert_eq!(next(&report, 1), "journalctl -u failed.service -n 20");
    assert_inside(machine, "127.0.0.1:7111", "R11 proved");
    let report = assert_inside(machine, "127.0.0.1:5432", "R11 likely");
    assert!(text(&report).contains("postgresql.service (postgresql) failed"), "{report:#}");
    // A unit that only root may read could be one.
    let hide =
        "echo '[Service]' >/etc/systemd/system/x.service; chmod 600 /etc/systemd/system/x.service";
    assert_eq!(inside(machine, false, &["sh", "-c", hide]).status, 0);
    for ordinary in [false, true] {
        let run = inside(machine, ordinary, &["portsight", "why", "127.0.0.1:719", "-o", "json"]);
        assert_eq!(
            run.stdout.contains("1 unit file or folder could not be read"),
            ordinary,
            "{run:#?}"
        );
    }
    // Near misses: a port with the same digits, another unit of nearly that name, and another transport.
    assert_inside(machine, "127.0.0.1:719", "R01 proved");
    assert_inside(machine, "127.0.0.1:17198", "R01 proved");
    assert_inside(machine, "127.0.0.1:9187", "R01 proved");
    assert_inside(machine, "127.0.0.1:7111/udp", "R01 proved");
}

/// R13: and once it runs it is another thing.
fn those_that_do_not_run(machine: &Machine) {
    let report = assert_inside(machine, "127.0.0.1:7131", "R13 likely");
    assert_eq!(report["diagnosis"]["next"][0], "sudo systemctl enable --now idle.service");
    assert!(evidence(&report, "idle.service").contains("inactive (dead), disabled"), "{report:#}");
    // It is gone with its unit, as one that nobody installed.
    let run = inside(machine, false, &["systemctl", "mask", "--runtime", "idle.service"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_inside(machine, "127.0.0.1:7131", "R01 proved");
}

/// R14: the port of the service does not count, and a socket unit whose service fails.
fn those_that_open_for_others(machine: &Machine) {
    let report = assert_inside(machine, "127.0.0.1:7942", "R14 likely");
    assert!(text(&report).starts_with("elsewhere.socket opens port 7644 for"), "{report:#}");
    // The same where the port of the service is in its configuration.
    let configure = "mkdir -p /etc/ssh && echo 'Port 7822' >/etc/ssh/sshd_config";
    assert_eq!(inside(machine, false, &["sh", "-c", configure]).status, 0);
    let report = assert_inside(machine, "127.0.0.1:7822", "R14 likely");
    assert!(text(&report).contains("`Port 7822 in /etc/ssh/sshd_config` does not"), "{report:#}");
    // Near misses: no unit names it, and a configuration that may not be read.
    assert_inside(machine, "127.0.0.1:7899", "R01 proved");
    let hide = ["chmod", "600", "/etc/ssh/sshd_config"];
    assert_eq!(inside(machine, false, &hide).status, 0);
    let run = inside(machine, true, &["portsight", "why", "127.0.0.1:7899", "-o", "json"]);
    assert!(run.stdout.contains("the ports in /etc/ssh/sshd_config"), "{run:#?}");
    // The first connection lets the service fail; from then on the socket unit has failed as well.
    let run = inside(machine, false, &["portsight", "why", "127.0.0.1:7555", "-o", "json"]);
    assert_eq!(told(&run), "R14 likely", "{run:#?}");
    settles(machine, &[("broken.socket", "failed")]);
    let report = assert_inside(machine, "127.0.0.1:7555", "R14 proved");
    assert!(text(&report).contains("gave up, since broken.service"), "{report:#}");
    assert!(evidence(&report, "broken.service").contains("exit-code"), "{report:#}");
}

/// T06, and a rule that drops before the packet comes to the unit.
fn those_that_keep_packets_out(machine: &Machine, world: World) {
    for (port, reached) in [(7302, false), (7303, true), (7304, false)] {
        let connected = connects(format!("127.0.0.1:{port}").parse().unwrap());
        let expected = if reached { Ok(()) } else { Err(ErrorKind::TimedOut) };
        assert_eq!(connected, expected, "did not run: the kernel does not apply IPAddressDeny=");
    }
    let report = assert_told_inside(machine, "127.0.0.1:7302", "T06 proved", "T06 likely");
    assert!(text(&report).starts_with("IPAddressDeny=0.0.0.0/0 of denied.service"), "{report:#}");
    assert!(evidence(&report, "kernel").contains("SOCKET_FILTER"), "{report:#}");
    let report = assert_told_inside(machine, "127.0.0.1:7304", "T06 proved", "T06 likely");
    assert!(text(&report).contains("of guard.slice keeps 127.0.0.1 from"), "{report:#}");
    assert_told_inside(machine, "127.0.0.1:7305/udp", "T06 proved", "T06 likely");
    // The client is on the network, or here.
    let from = ["portsight", "why", "10.77.0.2:7306", "--from", "lan", "-o", "json"];
    let run = inside(machine, false, &from);
    assert_eq!(told(&run), "T06 proved", "{run:#?}");
    assert_inside(machine, "127.0.0.1:7306", "works");
    // Near misses: the client is allowed; a rule of the firewall is there first.
    assert_inside(machine, "127.0.0.1:7303", "works");
    let _world = world.nft(
        "table inet fw { chain input { type filter hook input priority 0; tcp dport 7302-7303 drop; }
        }",
    );
    for port in [7302, 7303] {
        let run = inside(
            machine,
            true,
            &["portsight", "why", &format!("127.0.0.1:{port}"), "-o", "json"],
        );
        assert_eq!(told(&run), "T01 likely", "{run:#?}");
    }
    feed("nft", &["flush", "ruleset"], "");
}

/// The units of a user, which only that user's manager knows.
fn those_of_a_user(machine: &Machine) {
    let make = "mkdir -p /etc/systemd/user && \
                printf '[Service]\\nExecStart=/bin/false --port 7171\\n' >/etc/systemd/user/mine.service";
    assert_eq!(inside(machine, false, &["sh", "-c", make]).status, 0);
    let run = inside(machine, false, &["systemctl", "start", "manager.service"]);
    assert_eq!(run.status, 0, "{run:?}");
    let user = "XDG_RUNTIME_DIR=/run/user/65534";
    let run = inside(machine, true, &["env", user, "systemctl", "--user", "start", "mine.service"]);
    assert_eq!(run.status, 0, "{run:?}");
    let why = ["portsight", "why", "127.0.0.1:7171", "-o", "json"];
    let run = inside(machine, true, &why);
    assert_eq!(told(&run), "R11 likely", "{run:#?}");
    assert_eq!(run.document()["diagnosis"]["next"][0], "systemctl --user status mine.service");
    // Nobody else may ask it, and that is said.
    let run = inside(machine, false, &why);
    assert_eq!(told(&run), "R01 proved", "{run:#?}");
    let gaps = run.document()["incomplete"].to_string();
    assert!(gaps.contains("the units of 1 other user"), "{gaps}");
}

/// Who would have a port that is free, who has one, and who may not have it.
fn those_that_would_bind(machine: &Machine) {
    let bind = |port: &str| {
        let run = inside(machine, false, &["portsight", "why", "--bind", port, "-o", "json"]);
        (told(&run), run.document())
    };
    let (answer, report) = bind("127.0.0.1:7198");
    assert_eq!(answer, "works", "{report:#}");
    assert!(evidence(&report, "failed.service").contains("`--port 7198`"), "{report:#}");
    let (answer, report) = bind("127.0.0.1:7644");
    assert_eq!(answer, "B01 proved", "{report:#}");
    assert!(evidence(&report, "elsewhere.socket").starts_with("active (listening)"), "{report:#}");
    // The setting is read; this systemd cannot apply it, so no more than possible.
    let (answer, report) = bind("127.0.0.1:7161");
    assert_eq!(answer, "works B09 possible", "{report:#}");
    // Near misses: the other transport, and a port that no unit names.
    for free in ["127.0.0.1:7162", "[::1]:7161"] {
        assert_eq!(bind(free).0, "works");
    }
}
