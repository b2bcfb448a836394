//! `--netns`: the sockets of other network namespaces, with real ones of `ip netns` and of processes.
//!
//! Other tests make namespaces at the same time, and `--netns all` shows theirs too: each test here looks at its own.

use crate::cgroups::did_not_run;
use crate::holder::{Plan, holder};
use crate::run::{Prepared, Run, mount_for_this_thread};
use crate::sockets::{Spec, tcp, udp};
use crate::truth::{items, name, names};
use crate::world::{LAN_INDEX, World, alone, feed};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A network namespace of the test's own, with names for others: the test's thread has a mount namespace of its own
/// as well, and in it a `/run/netns` that no other program sees and that ends with the test.
struct Names(World);

impl Names {
    /// Without names. `None` where nothing can be mounted.
    fn new() -> Option<Self> {
        let world = World::new();
        if let Err(error) = mount_for_this_thread(c"tmpfs", c"/run", c"tmpfs", 0) {
            did_not_run(&format!("no mount namespace: {error}"));
            return None;
        }
        // Namespaces that this machine has names for are none of the test's.
        let mut umount = Command::new("umount");
        umount.args(["--lazy", "--all", "--types", "nsfs"]).stderr(Stdio::null());
        drop(alone(|| umount.spawn()).and_then(|mut umount| umount.wait()));
        Some(Self(world))
    }

    /// Makes a namespace of this name, in which `lo` is up.
    fn add(&self, name: &str) {
        feed("ip", &["netns", "add", name], "");
        self.inside(name, || feed("ip", &["link", "set", "lo", "up"], ""));
    }

    /// Does this on a thread in the namespace of this name.
    #[expect(clippy::unused_self, reason = "the names are those of this thread")]
    fn inside<T: Send>(&self, name: &str, action: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{name}")).unwrap();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), network).unwrap();
                action()
            });
            thread.join().expect("what is done inside succeeds")
        })
    }

    /// A server's socket, made in the namespace of this name.
    fn socket(&self, name: &str, spec: Spec) -> OwnedFd {
        self.inside(name, || spec.serving().into())
    }

    fn document(&self, arguments: &str) -> Value {
        self.0.portsight(&format!("{arguments} -o json")).exits(0).document()
    }

    fn prepare(&self, arguments: &str) -> Prepared {
        self.0.prepare(arguments)
    }
}

/// How `/proc/PID/ns` calls the namespace that this file stands for.
fn number(path: &str) -> String {
    format!("net:[{}]", fs::metadata(path).unwrap().ino())
}

/// A socket by its port, its namespace (`-` for ours), and the processes that hold it.
type Row = (String, String, Vec<u64>);

fn row(item: &Value) -> Row {
    let owners = item["owners"].as_array().unwrap();
    let pids = owners.iter().map(|owner| owner["pid"].as_u64().unwrap());
    (name(item), item["netns"].as_str().unwrap_or("-").to_owned(), pids.collect())
}

/// The sockets of these namespaces and of ours.
fn rows_of(document: &Value, namespaces: &[&str]) -> BTreeSet<Row> {
    let rows = items(document).iter().map(row);
    rows.filter(|row| row.1 == "-" || namespaces.contains(&row.1.as_str())).collect()
}

fn rows(expected: &[(&str, &str, u32)]) -> BTreeSet<Row> {
    let row = |(port, netns, pid): &(&str, &str, u32)| {
        ((*port).to_owned(), (*netns).to_owned(), vec![u64::from(*pid)])
    };
    expected.iter().map(row).collect()
}

/// What could not be seen of the namespaces themselves.
fn gaps(document: &Value) -> Vec<&Value> {
    let is_of_namespaces = |gap: &&Value| {
        let what = gap["what"].as_str().unwrap();
        ["other network namespaces", "the network namespace ", "the sockets of "]
            .iter()
            .any(|start| what.starts_with(start))
    };
    document["incomplete"].as_array().unwrap().iter().filter(is_of_namespaces).collect()
}

/// How many processes we may not look at, which may be in any namespace.
fn hidden_processes() -> usize {
    let pids = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let denied = |path: &PathBuf| {
        let looked = fs::metadata(path.join("ns/net"));
        looked.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) && path.exists()
    };
    pids.filter(denied).count()
}

/// Asserts that nothing is said to be unseen but the processes that we may not look at: none where we are root, some
/// where we are that of a user namespace only. There they come and go.
#[track_caller]
fn assert_complete(document: &Value) {
    let (gaps, hidden) = (gaps(document), hidden_processes());
    let reasons: Vec<_> = gaps.iter().map(|gap| gap["reason"].as_str().unwrap()).collect();
    match hidden {
        0 => assert_eq!(reasons, [""; 0], "{gaps:#?}"),
        1 => assert_eq!(reasons, ["that of 1 process may not be looked at"], "{gaps:#?}"),
        _ => assert!(matches!(reasons[..], [one] if one.starts_with("those of ")), "{gaps:#?}"),
    }
}

/// The exit status of `who` for a free port: that it is free can only be said by who sees everything.
fn status_of_free() -> i32 {
    if hidden_processes() == 0 { 1 } else { 3 }
}

/// `127.0.0.1:22` of each listener that `ss` shows with these words before it.
fn listeners_of_ss(before: &[&str]) -> Vec<String> {
    let (program, arguments) = before.split_first().unwrap();
    let text = feed(program, arguments, "");
    text.lines().map(|line| line.split_whitespace().nth(3).unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_namespace_has_many_names() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    let ours = holder().holding(tcp("127.0.0.1:7001")).start();
    let theirs = world.inside("blue", || holder().holding(tcp("127.0.0.1:7002")).start());
    let number = number("/run/netns/blue");
    let of_blue = rows(&[("7002/tcp", "blue", theirs.pid())]);
    for netns in [
        "blue",
        "/run/netns/blue",
        &theirs.pid().to_string(),
        &format!("/proc/{}/ns/net", theirs.pid()),
        &number,
    ] {
        let report = world.document(&format!("ls --netns {netns}"));
        assert_eq!(items(&report).iter().map(row).collect::<BTreeSet<_>>(), of_blue, "{netns}");
        assert_eq!(report["incomplete"], json!([]), "{netns}");
        let who = world.document(&format!("who 7002 --netns {netns}"));
        assert_eq!(items(&who).iter().map(row).collect::<BTreeSet<_>>(), of_blue, "{netns}");
        world.0.portsight(&format!("who 7001 --netns {netns}")).exits(1);
        // A second look is at our sockets, which are not asked for.
        let run = world.0.portsight(&format!("ls -v --netns {netns}")).exits(0);
        assert_eq!(run.stderr, "", "{netns}");
        let row = run.stdout.lines().find(|line| line.starts_with("7002/tcp")).unwrap();
        assert!(row.contains("blue"), "{}", run.stdout);
    }
    for before in [
        &["ss", "-N", "blue", "-Htln"][..],
        &["ip", "netns", "exec", "blue", "ss", "-Htln"],
        &["nsenter", "--net=/run/netns/blue", "ss", "-Htln"],
    ] {
        assert_eq!(listeners_of_ss(before), ["127.0.0.1:7002"], "{before:?}");
    }
    // Ours by a process in it: as if it were not named.
    let report = world.document(&format!("ls --netns {}", ours.pid()));
    assert_eq!(rows_of(&report, &[]), rows(&[("7001/tcp", "-", ours.pid())]));
    assert_eq!(items(&report), items(&world.document("ls")));
}

/// Whoever holds a socket, and wherever: it is in the namespace that it was made in.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn all_namespaces_are_listed_with_the_right_owners() {
    let Some(world) = Names::new() else { return };
    for name in ["blue", "red", "green"] {
        world.add(name);
    }
    let ours = holder().holding(tcp("127.0.0.1:7003")).start();
    let of_blue = world.inside("blue", || holder().holding(tcp("127.0.0.1:7003")).start());
    // One in blue holds a socket of red, which has no process: only a mount keeps it.
    let of_red = world.socket("red", tcp("127.0.0.1:7003"));
    let abroad = world.inside("blue", move || holder().given(of_red).start());
    // One holds sockets of three.
    let sockets = ["blue", "red"].map(|name| world.socket(name, udp("127.0.0.1:7004")));
    let [blue, red] = sockets;
    let both = holder().given(blue).given(red).holding(udp("127.0.0.1:7004")).start();
    // What is mounted under no name of `ip netns` has its number only.
    let green = number("/run/netns/green");
    let of_green = world.socket("green", tcp("127.0.0.1:7003"));
    let of_green = holder().given(of_green).start();
    File::create("/run/elsewhere").unwrap();
    feed("mount", &["--bind", "/run/netns/green", "/run/elsewhere"], "");
    feed("ip", &["netns", "delete", "green"], "");

    let namespaces = ["blue", "red", &green];
    let report = world.document("ls --netns all");
    let expected = rows(&[
        ("7003/tcp", "-", ours.pid()),
        ("7003/tcp", "blue", of_blue.pid()),
        ("7003/tcp", "red", abroad.pid()),
        ("7003/tcp", &green, of_green.pid()),
        ("7004/udp", "-", both.pid()),
        ("7004/udp", "blue", both.pid()),
        ("7004/udp", "red", both.pid()),
    ]);
    assert_eq!(rows_of(&report, &namespaces), expected);
    assert_eq!(rows_of(&world.document("who 7003-7004 --netns all"), &namespaces), expected);
    // By a filter, and by a process, they are found wherever they are.
    let mine = world.document(&format!("ls --netns all pid={}", both.pid()));
    assert_eq!(names(&mine), ["7004/udp"; 3]);
    let mine = world.document(&format!("who pid:{} --netns all", abroad.pid()));
    assert_eq!(rows_of(&mine, &namespaces), rows(&[("7003/tcp", "red", abroad.pid())]));
    // In a table each is a row of its own, with its namespace; in plain text the last field is that.
    let table = world.0.portsight("ls --netns all port=7003").exits(0).stdout;
    assert!(table.lines().next().unwrap().contains("NETNS"), "{table}");
    for (netns, pid) in [("blue", of_blue.pid()), ("red", abroad.pid()), (&green, of_green.pid())] {
        let row = table.lines().find(|line| line.contains(&format!(" {pid} ")));
        assert!(row.is_some_and(|row| row.contains(&format!(" {netns} "))), "{netns}: {table}");
    }
    let plain = world.0.portsight("ls --netns all -o plain port=7003").exits(0).stdout;
    let plain = plain.lines().filter_map(|line| line.rsplit_once('\t')).map(|(_, last)| last);
    let plain: BTreeSet<&str> = plain.collect();
    assert!(["-", "blue", "red", &green].iter().all(|netns| plain.contains(netns)), "{plain:?}");
    // Without the switch only ours are there.
    assert_eq!(rows_of(&world.document("ls"), &[]).len(), 2);
    assert_eq!(items(&world.document("ls")).len(), 2);
    assert_complete(&report);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn every_kind_of_socket_of_a_namespace_is_listed() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    let sockets = world.inside("blue", || {
        let kind = socket2::Type::STREAM;
        let unix = socket2::Socket::new(socket2::Domain::UNIX, kind, None).unwrap();
        unix.bind(&socket2::SockAddr::unix("\0portsight-blue").unwrap()).unwrap();
        unix.listen(1).unwrap();
        let icmp = socket2::Protocol::ICMPV4;
        let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(icmp));
        let (_listener, client) = {
            let listener = tcp("127.0.0.1:7001").listening(1);
            let client = std::net::TcpStream::connect("127.0.0.1:7001").unwrap();
            (listener, client)
        };
        let bound = tcp("127.0.0.1:7002").bound();
        let sockets: [OwnedFd; 4] = [unix.into(), raw.unwrap().into(), client.into(), bound.into()];
        sockets
    });
    let process = sockets.into_iter().fold(holder(), Plan::given).start();
    let report = world.document("ls -a --established --netns blue");
    let seen = items(&report).iter().map(|item| {
        let pid = item["owners"][0]["pid"].as_u64();
        (item["proto"].as_str().unwrap(), item["state"].as_str().unwrap(), pid)
    });
    let pid = Some(u64::from(process.pid()));
    let expected = [
        ("raw", "unconnected", pid),
        ("tcp", "bound", pid),
        // Its listener was closed, and with it what nobody had accepted: the client was reset.
        ("unix", "listen", pid),
    ];
    assert_eq!(seen.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    assert!(items(&report).iter().all(|item| item["netns"] == "blue"), "{report:#}");
    assert_eq!(report["incomplete"], json!([]));
}

/// The same index is another interface elsewhere.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_interface_has_the_name_that_it_has_in_its_namespace() {
    let Some(Names(world)) = Names::new() else { return };
    let world = Names(world.veth(&["10.77.0.2/24"]));
    world.add("blue");
    let batch = format!(
        "link add blue0 index {LAN_INDEX} type veth peer name blue1\naddr add 10.78.0.2/24 dev blue0\nlink set blue0 up\n"
    );
    world.inside("blue", || feed("ip", &["-batch", "-"], &batch));
    let here = tcp("10.77.0.2:7001").on("lan0").listening(1);
    let there = world.inside("blue", || tcp("10.78.0.2:7001").on("blue0").listening(1));
    let report = world.document("who 7001 --netns all");
    let mut seen: Vec<_> = items(&report)
        .iter()
        .filter(|item| item["netns"].is_null() || item["netns"] == "blue")
        .map(|item| (item["address"].as_str().unwrap(), item["interface"].as_str().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [("10.77.0.2", "lan0"), ("10.78.0.2", "blue0")]);
    drop((here, there));
}

/// A tunnel of ours holds no socket of another namespace, also where it has the same port.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_tunnel_holds_sockets_of_its_own_namespace_only() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    let add = |name: &str| {
        let vxlan = format!("link add {name} type vxlan id 1 dstport 7789\nlink set {name} up\n");
        feed("ip", &["-batch", "-"], &vxlan)
    };
    add("ours0");
    world.inside("blue", || add("theirs0"));
    let report = world.document("who 7789 --netns all");
    for item in items(&report).iter().filter(|item| item["netns"] == "blue") {
        assert_eq!(item["owners"], json!([]), "{item:#}");
        let text = item["owners_unknown"]["text"].as_str().unwrap();
        assert!(!text.contains("ours0"), "{text}");
    }
    let mine: Vec<_> = items(&report).iter().filter(|item| item["netns"].is_null()).collect();
    assert!(!mine.is_empty());
    for item in mine {
        let text = item["owners_unknown"]["text"].as_str().unwrap();
        assert!(text.contains("vxlan device ours0"), "{text}");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_may_not_enter_a_namespace_is_told_so() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    let _theirs = world.inside("blue", || holder().holding(tcp("127.0.0.1:7001")).start());
    let _ours = holder().holding(tcp("127.0.0.1:7002")).start();
    let ordinary = |arguments: &str| world.prepare(arguments).by_ordinary_user().run();
    for netns in ["all", "blue"] {
        let report = ordinary(&format!("ls --netns {netns} -o json")).exits(0).document();
        let gaps = gaps(&report);
        assert!(gaps.iter().any(|gap| gap["need"] == "root"), "{netns}: {report:#}");
        let of_blue = gaps.iter().find(|gap| gap["what"] == "the sockets of blue");
        assert!(of_blue.is_some_and(|gap| gap["need"] == "root"), "{netns}: {report:#}");
        // No port is called free that may be held where we may not look.
        for port in [7001, 7003] {
            let run = ordinary(&format!("who {port} --netns {netns}")).exits(3);
            run.says_in_one_line(&["not seen", "root"]);
        }
        let run = ordinary(&format!("ls --netns {netns}")).exits(0);
        run.says_in_one_line(&["not seen", "root"]);
    }
    let run = ordinary("ls --netns blue").exits(0);
    assert!(run.stdout.contains("not everything could be seen"), "{run:?}");
    // Ours are listed all the same.
    let report = ordinary("ls --netns all -o json").exits(0).document();
    assert_eq!(rows_of(&report, &["blue"]).len(), 1);
    ordinary("who 7002 --netns all").exits(0);
    world.0.portsight("who 64003 --netns all").exits(status_of_free());
    world.0.portsight("who 7001 --netns all").exits(0);
}

/// A `/proc` that leaves out the processes of others hides the namespaces that they are in.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_proc_that_hides_processes_hides_namespaces() {
    let Some(world) = Names::new() else { return };
    let mut mount = Command::new("mount");
    mount.args(["-t", "proc", "-o", "hidepid=2", "proc", "/proc"]).stderr(Stdio::null());
    let status = alone(|| mount.spawn()).and_then(|mut mount| mount.wait());
    if !status.is_ok_and(|status| status.success()) {
        did_not_run("no /proc with hidepid can be mounted");
        return;
    }
    let run = world.prepare("who 64003 --netns all -o json").by_ordinary_user().run();
    let report = run.exits(3).document();
    // Of other tests' namespaces some may be seen, and not entered.
    let hidden = "/proc hides the processes of other users";
    let gap = gaps(&report).into_iter().find(|gap| gap["reason"] == hidden);
    assert_eq!(gap.expect("a gap")["need"], "root", "{report:#}");
    // Root sees them all.
    world.0.portsight("who 64003 --netns all").exits(status_of_free());
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_no_network_namespace_is_one_clear_line() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    // What `ip netns` leaves behind when the machine ends, and other things that are no namespace.
    fs::write("/run/netns/stale", "").unwrap();
    fs::create_dir("/run/netns/directory").unwrap();
    feed("mkfifo", &["/run/netns/pipe"], "");
    let fails = |netns: &str, words: &[&str]| {
        for command in ["ls", "who 7001"] {
            let run: Run = world.prepare(command).arg("--netns").arg(netns).run();
            assert_eq!(run.stdout, "", "{run:?}");
            run.exits(2).says_in_one_line(words);
        }
    };
    fails("nowhere", &["there is no network namespace \"nowhere\""]);
    fails("net:[1]", &["there is no network namespace \"net:[1]\""]);
    fails("4194305", &["there is no network namespace \"4194305\""]);
    fails("/run/netns/nowhere", &["there is no network namespace"]);
    fails("no\u{1b}[31mwhere", &["there is no network namespace", "u{1b}"]);
    fails("", &["there is no network namespace \"\""]);
    for name in ["stale", "directory", "pipe"] {
        fails(name, &["cannot open the network namespace", name, "it is no network namespace"]);
    }
    for path in ["/proc/self/ns/mnt", "/proc/self/ns/pid", "/run/netns/stale", "/dev/null", "/"] {
        fails(path, &["cannot open the network namespace", path, "it is no network namespace"]);
    }
    // None of them keeps the others from being listed.
    let report = world.document("ls --netns all");
    assert_complete(&report);
    world.document("ls --netns blue");
}

/// Namespaces come and go while they are looked for: what has gone is no error, and hides nothing.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn namespaces_that_vanish_make_no_errors() {
    let Some(world) = Names::new() else { return };
    world.add("blue");
    let process = world.inside("blue", || holder().holding(tcp("127.0.0.1:7001")).start());
    let over = AtomicBool::new(false);
    let churn = |commands: &[&[&str]]| {
        while !over.load(Ordering::Relaxed) {
            for command in commands {
                feed(command[0], &command[1..], "");
            }
        }
    };
    thread::scope(|scope| {
        let _end = Raised(&over);
        scope.spawn(|| {
            churn(&[&["ip", "netns", "add", "brief"], &["ip", "netns", "delete", "brief"]]);
        });
        scope.spawn(|| churn(&[&["unshare", "--net", "true"]]));
        for _ in 0..60 {
            let report = world.document("ls --netns all");
            let blue = rows(&[("7001/tcp", "blue", process.pid())]);
            assert_eq!(rows_of(&report, &["blue"]), blue);
            assert_complete(&report);
        }
    });
}

/// Raises a flag when it is dropped, however that comes.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn fifty_namespaces_are_all_listed() {
    let Some(world) = Names::new() else { return };
    let all: Vec<String> = (0..50).map(|number| format!("room-{number}")).collect();
    let mut plan = holder();
    for (number, name) in all.iter().enumerate() {
        world.add(name);
        plan = plan.given(world.socket(name, tcp(&format!("127.0.0.1:{}", 7000 + number))));
    }
    let process = plan.start();
    let report = world.document("ls --netns all");
    let expected = all.iter().enumerate().map(|(number, name)| {
        (format!("{}/tcp", 7000 + number), name.clone(), vec![u64::from(process.pid())])
    });
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(rows_of(&report, &names), expected.collect());
    assert_complete(&report);
}
