//! A real systemd and real containers, in a file system that `scripts/test` makes once.

use crate::cgroups::{Cgroups, did_not_run, pause, remove_everywhere};
use crate::run::before_exec;
use crate::truth::{LAN, items, views};
use crate::world::{World, alone, feed};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A Debian with systemd and Python.
const SYSTEM: &str = "/var/tmp/portsight-worlds/system";

/// A server at 127.0.0.1: what it says when it listens goes to its standard output.
pub(crate) fn server(port: u16) -> String {
    format!(
        "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen(); \
         print('port {port} is open', flush=True); time.sleep(1000)"
    )
}

/// A directory of the test's own below /var/tmp: programs inside cannot reach that of the build.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = format!("/var/tmp/portsight-test-{name}-{}", std::process::id());
        fs::create_dir_all(&path).unwrap();
        Self(path.into())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Whether the world can be: root, its file system and its programs.
pub(crate) fn can_run(programs: &[&str]) -> bool {
    let lacks = |program: &&&str| {
        let places = ["/usr/bin", "/usr/sbin", "/usr/lib/podman"];
        !places.iter().any(|place| Path::new(place).join(program).exists())
    };
    // Root of a user namespace can make neither.
    let users = fs::read_to_string("/proc/self/uid_map").unwrap();
    let is_host = users.split_whitespace().eq(["0", "0", "4294967295"]);
    let why = if !rustix::process::geteuid().is_root() || !is_host {
        "it takes the root of this machine".to_owned()
    } else if !Path::new(SYSTEM).join("usr/lib/systemd/systemd").exists() {
        format!("there is no system in {SYSTEM}: scripts/test makes it, as root")
    } else if let Some(program) = programs.iter().find(lacks) {
        format!("{program} is not installed")
    } else {
        return true;
    };
    did_not_run(&why);
    false
}

/// The item of a port.
fn item(report: &Value, port: u16) -> &Value {
    let mut items = items(report).iter();
    items.find(|item| item["port"] == port).unwrap_or_else(|| panic!("{port} in {report:#}"))
}

/// A booted `systemd-nspawn`. Dropping it kills everything inside.
pub(crate) struct Machine {
    nspawn: Child,
    _lines: BufReader<std::process::ChildStdout>,
}

impl Machine {
    /// Boots a system with these units (name and text) in the network namespace of this thread.
    pub(crate) fn boot(
        cgroups: &Cgroups,
        scratch: &Scratch,
        units: &[(&str, String)],
        last: &str,
    ) -> Self {
        let directory = scratch.path("units");
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in units {
            fs::write(format!("{directory}/{name}"), text).unwrap();
        }
        // In a pid namespace whose end is the end of all in it, also when this test is killed.
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "systemd-nspawn"])
            .args(["-q", "--boot", "--volatile=overlay", "--register=no", "--keep-unit"])
            .args(["--console=read-only", "-D", SYSTEM])
            // What IPAddressDeny= of a unit takes.
            .args(["--capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON", "--system-call-filter=bpf"])
            .arg(format!("--bind-ro={directory}:/usr/local/lib/systemd/system"))
            .arg(format!("--bind-ro={}:/usr/local/bin/portsight", env!("CARGO_BIN_EXE_portsight")))
            .arg("systemd.unit=world.target")
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut door = cgroups.at("machine-world.scope").door();
        before_exec(&mut command, move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            door.write_all(b"0")
        });
        let mut nspawn = alone(|| command.spawn()).expect("did not run: systemd-nspawn");
        let mut lines = BufReader::new(nspawn.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains(last) {
            let length = lines.read_line(&mut said).expect("the console speaks");
            assert_ne!(length, 0, "the system did not boot:\n{said}");
        }
        Self { nspawn, _lines: lines }
    }

    /// The first process inside.
    pub(crate) fn first(&self) -> String {
        let child = |id: String| {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
            children.split_whitespace().next().expect("it has a child").to_owned()
        };
        // unshare has nspawn, which has the system.
        child(child(self.nspawn.id().to_string()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.nspawn.kill());
        drop(self.nspawn.wait());
    }
}

/// A service, a socket that systemd opened, and the service that it starts for it.
fn units() -> Vec<(&'static str, String)> {
    let service = |script: &str| {
        format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=tty\nTTYPath=/dev/console\n\
             ExecStart=/usr/bin/python3 -c \"{script}\"\n"
        )
    };
    let hello = service(&server(7001)).replace("[Service]", "After=late.socket\n[Service]");
    let late = "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=127.0.0.1:7002\n";
    let target = "[Unit]\nDefaultDependencies=no\nWants=hello.service late.socket\n";
    vec![
        ("hello.service", hello),
        ("late.socket", late.to_owned()),
        ("late.service", service("import time; time.sleep(1000)")),
        ("world.target", target.to_owned()),
    ]
}

#[test]
#[ignore = "needs root, systemd-nspawn and a system to boot: scripts/test"]
fn a_real_systemd_names_its_units() {
    if !can_run(&["systemd-nspawn", "nsenter"]) {
        return;
    }
    let Some(cgroups) = Cgroups::new() else { return };
    let scratch = Scratch::new("systemd");
    let world = World::new();
    let machine = Machine::boot(&cgroups, &scratch, &units(), "port 7001 is open");

    let nspawn = json!({"id": "world", "name": "world", "runtime": "systemd-nspawn"});
    for ordinary in [false, true] {
        let run = world.prepare("ls -o json");
        let run = if ordinary { run.by_ordinary_user() } else { run }.run().exits(0);
        let report = run.document();
        let hello = item(&report, 7001);
        assert_eq!((&hello["unit"], &hello["container"]), (&json!("hello.service"), &nspawn));
        // Opened by systemd in the cgroup of its unit, or in its own where the kernel lacks what that takes.
        let late = item(&report, 7002);
        let unit = late["unit"].as_str().unwrap_or_default();
        assert!(["late.socket", "init.scope"].contains(&unit), "{late:#}");
        assert_eq!(late["container"], nspawn);
    }
    let who = world.portsight("who 7001").exits(0).stdout;
    assert!(who.ends_with("stop it with: systemctl -M world stop hello.service\n"), "{who}");

    // The first connection starts the service, which has the socket as well then.
    let _client = TcpStream::connect("127.0.0.1:7002").unwrap();
    let started = (0..100).find_map(|_| {
        pause(100);
        let report = world.json("who 7002");
        let late = item(&report, 7002);
        let started = late["owners"].as_array().is_some_and(|owners| owners.len() > 1);
        (started && late["unit"] != "init.scope").then(|| late.clone())
    });
    let late = started.expect("systemd starts the service within ten seconds");
    assert!(["late.socket", "late.service"].contains(&late["unit"].as_str().unwrap()), "{late:#}");
    let who = world.portsight("who 7002").exits(0).stdout;
    assert!(who.contains("late.service") && !who.contains("stop it with: kill"), "{who}");

    // The same from inside: its units are its own, and what it is in is said first.
    let first = machine.first();
    let inside = |words: &[&str]| {
        feed("nsenter", &[&["-t", &first, "-a", "/usr/local/bin/portsight"], words].concat(), "")
    };
    let report: Value = serde_json::from_str(&inside(&["ls", "-o", "json"])).unwrap();
    assert_eq!(report["host"]["container"]["runtime"], "systemd-nspawn", "{report:#}");
    let hello = item(&report, 7001);
    assert_eq!((&hello["unit"], &hello["container"]), (&json!("hello.service"), &Value::Null));
    let table = inside(&["ls"]);
    assert!(table.starts_with("inside a container (systemd-nspawn), in a network"), "{table}");
    let who = inside(&["who", "7001"]);
    assert!(who.ends_with("stop it with: systemctl stop hello.service\n"), "{who}");
}

/// Containers of podman with a store of their own. Dropping it removes them.
pub(crate) struct Podman {
    scratch: Scratch,
    parent: String,
}

impl Podman {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pod{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let parent = format!("portsight-test-{name}-{}", std::process::id());
        Self { scratch: Scratch::new(&name), parent }
    }

    pub(crate) fn call(&self, words: &[&str]) -> String {
        let at = |name| self.scratch.path(name);
        // The path of a socket, with the id of a container in it, has no more than 107 characters.
        let (root, run, state) = (at("root"), at("run"), at("s"));
        let ours = ["--root", &root, "--runroot", &run, "--tmpdir", &state, "--runtime", "runc"];
        let manager = ["--cgroup-manager", "cgroupfs"];
        feed("podman", &[&ours[..], &manager, words].concat(), "").trim().to_owned()
    }

    /// Starts a container of this name with a server at a port; gives its id.
    pub(crate) fn run(&self, name: &str, network: &[&str], port: u16, script: &str) -> String {
        let parent = format!("/{}", self.parent);
        let binary = format!("{}:/portsight:ro", env!("CARGO_BIN_EXE_portsight"));
        let fixed = ["run", "-d", "--name", name, "--cgroup-parent", &parent, "-v", &binary];
        // The defaults may be more than a container around us allows.
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
        let program = ["--rootfs", SYSTEM, "/usr/bin/python3", "-c", script];
        let id = self.call(&[&fixed[..], &limits, network, &program].concat());
        let last = format!("port {port} is open");
        let logged = (0..100).any(|_| {
            pause(100);
            self.call(&["logs", name]).contains(&last)
        });
        assert!(logged, "the container {name} serves within ten seconds");
        id
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let removed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.call(&["rm", "-f", "-t", "0", "-a"])
        }));
        assert!(removed.is_ok() || std::thread::panicking(), "the containers are still there");
        // podman mounts its store over itself, and may leave that where another one runs beside it.
        let mut unmount = Command::new("umount");
        unmount.args(["-l", &self.scratch.path("root/overlay")]).stderr(Stdio::null());
        drop(alone(|| unmount.status()));
        remove_everywhere(&self.parent);
    }
}

#[test]
#[ignore = "needs root, podman and a file system for it: scripts/test"]
fn real_containers_are_named() {
    if !can_run(&["podman", "runc", "conmon", "netavark"]) {
        return;
    }
    let world = World::new().veth(&LAN);
    let podman = Podman::new();
    let minio = podman.run("minio", &["--network", "host"], 7001, &server(7001));
    let published = server(80).replace("127.0.0.1", "0.0.0.0");
    let web = podman.run("web", &["-p", "8081:80"], 80, &published);

    let container = |id: &str, name: &str| json!({"id": id, "name": name, "runtime": "podman"});
    for ordinary in [false, true] {
        let run = world.prepare("ls -o json");
        let run = if ordinary { run.by_ordinary_user() } else { run }.run().exits(0);
        let report = run.document();
        let item = item(&report, 7001);
        assert_eq!(item["container"], container(&minio, "minio"), "{item:#}");
        assert_eq!(item["unit"], Value::Null);
    }
    // conmon, its supervisor, holds a published port.
    let report = world.json("ls container=web");
    assert_eq!(items(&report).len(), 1, "{report:#}");
    assert_eq!(item(&report, 8081)["container"], container(&web, "web"));
    for (port, name) in [(7001, "minio"), (8081, "web")] {
        let who = world.portsight(&format!("who {port}")).exits(0).stdout;
        assert!(who.ends_with(&format!("stop it with: podman stop {name}\n")), "{who}");
    }

    // Both sides of the published port, by the rules that netavark made.
    let report = world.portsight("ls container=web --netns all -o json").exits(0).document();
    let (front, behind) = (item(&report, 8081), item(&report, 80));
    assert_eq!(front["leads_to"][0]["port"], 80, "{front:#}");
    assert_eq!(front["leads_to"][0]["netns"], behind["netns"], "{report:#}");
    assert_eq!(behind["container"], container(&web, "web"));
    let name = behind["owners"][0]["name"].as_str();
    assert!(name.is_some_and(|name| name.starts_with("python3")), "{behind:#}");
    let at = json!({"netns": null, "address": null, "port": 8081, "narrowed": false});
    assert_eq!(behind["published_at"], json!([at]), "{behind:#}");
    let who = world.portsight("who 8081 --netns all").exits(0).stdout;
    assert!(who.contains("in the container web, past this socket"), "{who}");

    // A neighbour is handed on to it, past the socket that conmon has.
    let report = world.json("check 8081 --from lan --proto tcp -4");
    let (_, view) = views(&report).find(|(_, view)| view["target"] == "10.77.0.2").unwrap();
    assert_eq!(
        (&view["verdict"], &view["state"]),
        (&json!("forwarded"), &json!("open")),
        "{view:#}"
    );
    assert!(view["note"].as_str().is_some_and(|it| it.contains(", container web)")), "{view:#}");
    assert!(view["rule"]["text"].as_str().is_some_and(|it| it.contains("8081")), "{view:#}");

    // The same from inside of one.
    let report = podman.call(&["exec", "web", "/portsight", "ls", "-o", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let host = &report["host"];
    assert_eq!(host["container"]["runtime"], "podman", "{host:#}");
    assert_eq!(host["container"]["id"], web.as_str(), "{host:#}");
    assert!(host["netns"].as_str().is_some_and(|netns| netns.starts_with("net:[")), "{host:#}");
    let own = item(&report, 80);
    assert_eq!((&own["unit"], &own["container"]), (&Value::Null, &Value::Null), "{own:#}");
    let table = podman.call(&["exec", "web", "/portsight", "ls"]);
    let short = web.get(..12).unwrap();
    assert!(table.starts_with(&format!("inside the container {short} (podman), in")), "{table}");
}
