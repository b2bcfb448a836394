//! What may never happen: a frame that leaves, or something that stays behind, however portsight ends.

use super::told::{assert_neighbour_agrees, assert_told};
use super::wire::Capture;
use super::{can_inject, ip, with_neighbour};
use crate::cgroups::did_not_run;
use crate::host::Host;
use crate::run::Running;
use crate::sockets::{tcp, udp};
use crate::truth::views;
use crate::world::{World, alone, feed};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many servers there are: a whole batch of probes opens connections half.
const SERVERS: u16 = 300;

/// A world with many servers, rules of both kinds, and a silent majority.
fn busy() -> (World, Host) {
    let (world, there) = with_neighbour();
    let world = (2000..2000 + SERVERS)
        .fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    let world = world.echoes(udp("[::]:53").dual()).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport { 2100, 3000-30000 } drop comment \"drop\"
                tcp dport 31000 reject with tcp reset comment \"reset\"
            }
        }",
    );
    feed("iptables-nft", &["-A", "INPUT", "-p", "tcp", "--dport", "32000", "-j", "DROP"], "");
    feed("ip6tables-nft", &["-A", "INPUT", "-p", "tcp", "--dport", "32000", "-j", "DROP"], "");
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    // The neighbour becomes known now, not in the middle.
    crate::world::connects("10.77.0.9:9".parse().unwrap()).expect_err("nobody listens");
    (world, there)
}

/// Everything of the network that a program could change, as text. Counters and ages are left out.
pub(super) fn snapshot() -> Vec<(String, String)> {
    let mut parts = Vec::new();
    for command in [
        "nft -s -a list ruleset",
        "ip -d link",
        "ip addr",
        "ip rule",
        "ip route show table all",
        "ip -6 route show table all",
        "tc qdisc",
    ] {
        let (program, arguments) = command.split_once(' ').unwrap();
        let arguments: Vec<_> = arguments.split(' ').collect();
        parts.push((command.to_owned(), feed(program, &arguments, "")));
    }
    let neighbours = feed("ip", &["neigh"], "");
    let mut neighbours: Vec<_> = neighbours.lines().filter_map(|it| it.split(' ').next()).collect();
    neighbours.sort_unstable();
    parts.push(("ip neigh".to_owned(), neighbours.join("\n")));
    for part in ["core", "ipv4", "ipv6"] {
        sysctls(Path::new("/proc/sys/net").join(part).as_path(), &mut parts);
    }
    parts
}

fn sysctls(directory: &Path, parts: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> =
        fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sysctls(&path, parts);
        } else if let Ok(value) = fs::read_to_string(&path) {
            parts.push((path.display().to_string(), value));
        }
    }
}

/// Asserts that everything is as it was.
#[track_caller]
pub(super) fn assert_as_before(before: &[(String, String)], what: &str) {
    for (was, is) in before.iter().zip(snapshot()) {
        assert_eq!(*was, is, "{what}");
    }
    assert_none_half_open();
}

/// Asserts that nobody waits for the rest of a handshake.
#[track_caller]
pub(super) fn assert_none_half_open() {
    assert_eq!(feed("ss", &["-Htan", "state", "syn-recv"], ""), "", "half-open connections");
}

/// The processes of portsight in this network namespace.
fn portsights() -> Vec<u32> {
    let ours = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // That of a process that has ended and was not waited for cannot be read.
        let netns = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        (comm.trim() == "portsight" && netns == ours).then_some(pid)
    });
    all.collect()
}

/// Whether this comes true within some seconds.
pub(super) fn within(seconds: u64, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(5));
    }
    false
}

/// Waits until a run has its table, so that its guardian is there too.
#[track_caller]
pub(super) fn has_begun(running: &mut Running) {
    let table = format!("portsight-{}-", running.pid());
    let begun = within(30, || {
        assert!(running.goes_on(), "it ended before it began");
        feed("nft", &["list", "tables"], "").contains(&table)
    });
    assert!(begun, "no table after 30 s");
}

/// Waits until nothing of a run is left.
#[track_caller]
pub(super) fn has_gone(what: &str) {
    has_gone_within(10, what);
}

pub(super) fn has_gone_within(seconds: u64, what: &str) {
    // A process that ends loses its namespace a moment before its sockets, and the table with them.
    let tables = || feed("nft", &["list", "tables"], "");
    let is_gone = || portsights().is_empty() && !tables().contains("portsight-");
    assert!(within(seconds, is_gone), "{what}: {:?} stay, {}", portsights(), tables());
}

pub(super) fn chance(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

const SCAN: &str = "check 1-65535 --from lan --proto tcp -4 -o json";

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nothing_stays_and_nothing_leaves() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let (before, wire) = (snapshot(), Capture::of(&there));
    let run = world.portsight("check --from lan,internet --proto all --exclude 2200-65535 -o json");
    let run = run.exits(0);
    assert!(views(&run.document()).any(|(_, view)| view["state"] == "open"));
    has_gone("after a run");
    assert_as_before(&before, "after a run");
    let programs = Programs::during(&world);
    has_gone("after a second run");
    programs.assert_gone();
    sleep(Duration::from_secs(5));
    assert_as_before(&before, "5 s later");
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nothing_stays_after_a_signal() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let (before, wire) = (snapshot(), Capture::of(&there));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::ABORT] {
        for _ in 0..3 {
            let mut running = world.prepare(SCAN).start();
            has_begun(&mut running);
            sleep(Duration::from_millis(chance(100)));
            running.signal(signal);
            drop(running.end());
            has_gone(&format!("after {signal:?}"));
            assert_as_before(&before, &format!("after {signal:?}"));
        }
    }
    sleep(Duration::from_secs(5));
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn nothing_stays_after_a_kill_at_any_moment() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let (before, wire) = (snapshot(), Capture::of(&there));
    for number in 0..20 {
        let mut running = world.prepare(SCAN).start();
        // Half of them in the midst of the first probes, to ports that answer.
        let moment = if number % 2 == 0 {
            has_begun(&mut running);
            Duration::from_micros(chance(40_000))
        } else {
            Duration::from_millis(chance(1_500))
        };
        sleep(moment);
        running.signal(Signal::KILL);
        drop(running.end());
        let what = format!("killed after {moment:?}, the {number}th time");
        has_gone(&what);
        assert_as_before(&before, &what);
    }
    sleep(Duration::from_secs(5));
    assert_as_before(&before, "5 s later");
    wire.assert_silent();
}

/// A connection that stays half open is answered once more after 1, 3, 7, 15 and 31 s, and given up after 63 s.
#[test]
#[ignore = "takes 70 s: scripts/test"]
fn no_reply_comes_late() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let wire = Capture::of(&there);
    for _ in 0..5 {
        let mut running = world.prepare(SCAN).start();
        has_begun(&mut running);
        sleep(Duration::from_micros(chance(20_000)));
        running.signal(Signal::KILL);
        drop(running.end());
    }
    sleep(Duration::from_secs(70));
    wire.assert_silent();
}

/// Each sees what it would see alone.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn two_at_once_do_not_disturb_each_other() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let (before, wire) = (snapshot(), Capture::of(&there));
    let arguments = "check 1990-2310,2990-3010,31000,32000 --from lan --proto tcp -o json";
    let told = |report: &Value| -> BTreeSet<String> {
        let text = |view: &Value, field: &str| view[field].to_string();
        let fields = ["target", "state", "reason", "verdict", "how", "rule"];
        views(report)
            .map(|(item, view)| format!("{} {:?}", item["port"], fields.map(|it| text(view, it))))
            .collect()
    };
    let alone = told(&world.portsight(arguments).exits(0).document());
    assert!(alone.iter().any(|line| line.contains("open")), "{alone:#?}");
    for _ in 0..3 {
        let running = [(); 3].map(|()| world.prepare(arguments).start());
        for running in running {
            let report = running.end().exits(0).document();
            assert_eq!(told(&report), alone);
        }
    }
    has_gone("after all");
    assert_as_before(&before, "after all");
    wire.assert_silent();
}

/// Other tools list the rules while portsight has its own there, and may take away all others.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn other_tools_work_meanwhile() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let wire = Capture::of(&there);
    let mut running = world.prepare(SCAN).start();
    has_begun(&mut running);
    running.held(|| {
        assert!(feed("nft", &["list", "ruleset"], "").contains("table inet portsight-"));
        let json: Value =
            serde_json::from_str(&feed("nft", &["-j", "list", "ruleset"], "")).unwrap();
        assert!(json.to_string().contains("portsight-"));
        for program in ["iptables-nft-save", "ip6tables-nft-save"] {
            let saved = feed(program, &[], "");
            assert!(saved.contains("--dport 32000"), "{saved}");
        }
        feed("nft", &["flush", "ruleset"], "");
        let left = feed("nft", &["list", "ruleset"], "");
        assert!(left.contains("portsight-") && !left.contains("table inet fw"), "{left}");
    });
    let report = running.end().exits(0).document();
    // Nobody drops the last port any more.
    assert_eq!(report["vantages"][0]["lost"], 0, "{report:#}");
    has_gone("after the flush");
    assert_eq!(feed("nft", &["list", "ruleset"], ""), "");
    sleep(Duration::from_secs(3));
    wire.assert_silent();
}

/// The kernel's tale comes late, and from another processor.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn packets_that_another_processor_takes_are_followed() {
    if !can_inject() {
        return;
    }
    let (world, there) = busy();
    let steer = "mount --make-rprivate / && mount -t sysfs none /sys && \
                 echo 3 >/sys/class/net/lan0/queues/rx-0/rps_cpus && cat /sys/class/net/lan0/queues/rx-0/rps_cpus";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", steer]);
    let output = alone(|| command.output()).unwrap();
    if !String::from_utf8_lossy(&output.stdout).trim().ends_with('3') {
        return did_not_run(&format!("receive packet steering cannot be set: {output:?}"));
    }
    let wire = Capture::of(&there);
    let report =
        world.json("check 2000,2001,2100,3000,3001,31000,32000,33000 --from lan --proto tcp");
    wire.assert_silent();
    assert_told(
        &report,
        "2000/tcp   lan  open      syn-ack      reachable  -        *
         2001/tcp   lan  open      syn-ack      reachable  -        *
         2100/tcp   lan  filtered  no-response  filtered   dropped  drop
         3000/tcp   lan  filtered  no-response  shielded   dropped  drop
         3001/tcp   lan  filtered  no-response  shielded   dropped  drop
         31000/tcp  lan  closed    reset        shielded   reset    reset
         32000/tcp  lan  filtered  no-response  shielded   dropped  *
         33000/tcp  lan  closed    reset        closed     -        *",
    );
    assert_neighbour_agrees(&report, &there);
    let report = world.portsight(SCAN).exits(0).document();
    let open = views(&report).filter(|(_, view)| view["state"] == "open").count();
    assert_eq!(open, usize::from(SERVERS) - 1, "all but the one that is dropped");
}

/// The BPF programs that a run had.
struct Programs(Vec<u32>);

impl Programs {
    /// Those of a run that is started and ended for it.
    fn during(world: &World) -> Self {
        let mut running = world.prepare(SCAN).start();
        has_begun(&mut running);
        let mut programs = Vec::new();
        running.held(|| {
            for process in portsights() {
                let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
                for file in files.map(|file| file.unwrap().path()) {
                    let text = fs::read_to_string(file).unwrap_or_default();
                    let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
                    programs.extend(id.map(|id| id.trim().parse::<u32>().unwrap()));
                }
            }
        });
        assert!(!programs.is_empty(), "it has programs");
        assert!(programs.iter().all(|id| is_loaded(*id)), "they are loaded");
        running.signal(Signal::KILL);
        drop(running.end());
        Self(programs)
    }

    /// The kernel frees them a moment after their last descriptor.
    #[track_caller]
    fn assert_gone(&self) {
        let gone = within(10, || !self.0.iter().any(|id| is_loaded(*id)));
        assert!(gone, "programs {:?} stay", self.0);
    }
}

/// Whether the kernel has a BPF program with this number.
fn is_loaded(id: u32) -> bool {
    /// `BPF_PROG_GET_FD_BY_ID` (`linux/bpf.h`).
    const GET_BY_ID: libc::c_long = 13;
    let attributes = [id, 0, 0];
    // SAFETY: the attributes live through the call, and the size is theirs. The descriptor is closed at once.
    unsafe {
        let size = size_of_val(&attributes);
        let fd = libc::syscall(libc::SYS_bpf, GET_BY_ID, attributes.as_ptr(), size);
        match i32::try_from(fd).unwrap() {
            -1 => {
                let error = std::io::Error::last_os_error();
                assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{error}");
                false
            }
            fd => libc::close(fd) == 0,
        }
    }
}
