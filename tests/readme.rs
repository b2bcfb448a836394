//! Every `console` block of the README is run, in a network namespace with the fixture world that the README
//! describes, and its output compared: `[..]` stands for anything within a line, `...` alone on a line for any
//! number of lines. Standard output and standard error are read as one, as on a terminal.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper may panic: that is how a test fails"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start programs and read their environment; portsight does not"
)]
#![expect(unsafe_code, reason = "unshare(2) has no safe form")]

use rustix::process::{Signal, set_parent_process_death_signal};
use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// The environment variable that makes this binary a server of the world instead of a test.
const SERVE: &str = "PORTSIGHT_README_SERVE";

/// The world's interface and rules.
const LINKS: &str = "\
link set lo up
link add eth0 type veth peer name wire0
link set eth0 addrgenmode none
link set wire0 addrgenmode none
addr add 192.0.2.10/24 dev eth0
link set eth0 up
link set wire0 up
";
const RULES: &str = "\
table inet filter {
  chain input {
    type filter hook input priority 0
    tcp dport 8080 drop
  }
}
";

/// One command of the README, and what it shows below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The commands of every `console` block.
fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut fresh = false;
    for (at, line) in readme.lines().enumerate() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => (inside, fresh) = (true, true),
            ("```", _) => inside = false,
            (_, Some(command)) if inside => {
                fresh = false;
                let command = command.to_owned();
                steps.push(Step { line: at + 1, command, shown: Vec::new() });
            }
            _ if inside => {
                assert!(!fresh, "README.md:{}: a console block begins with a command", at + 1);
                let step = steps.last_mut().expect("the block began with a command");
                step.shown.push(line.to_owned());
            }
            _ => {}
        }
    }
    assert!(!inside, "README.md ends within a console block");
    steps
}

/// Whether the output is what is shown.
fn matches(shown: &[&str], output: &[&str]) -> bool {
    match (shown.split_first(), output.split_first()) {
        (None, None) => true,
        (Some((&"...", later)), rest) => {
            matches(later, output) || rest.is_some_and(|(_, output)| matches(shown, output))
        }
        (Some((pattern, shown)), Some((line, output))) => {
            line_matches(pattern.trim_end(), line.trim_end()) && matches(shown, output)
        }
        _ => false,
    }
}

/// Whether the line is what is shown.
fn line_matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once("[..]") {
        None => pattern == line,
        Some((start, later)) => line.strip_prefix(start).is_some_and(|rest| {
            (0..=rest.len())
                .filter_map(|skipped| rest.get(skipped..))
                .any(|rest| line_matches(later, rest))
        }),
    }
}

/// The words of a command line, as a shell splits them: blanks, and both kinds of quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | '&' | ';' | '$') => {
                panic!("`{command}`: the README's commands are plain ones")
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "`{command}`: an open quote");
    words.extend(word);
    words
}

/// Runs `portsight` with these words; gives its output and its exit status.
fn run(arguments: &[String]) -> (String, i32) {
    let (mut output, writer) = io::pipe().unwrap();
    let mut child = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_portsight")])
        .args(arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .expect("timeout(1) starts");
    let mut text = String::new();
    output.read_to_string(&mut text).expect("it prints UTF-8");
    // The world is a network namespace of its own, maybe in a container: that line is not the reader's.
    let text = match text.split_once('\n') {
        Some((header, rest)) if header.starts_with("inside ") => rest.to_owned(),
        _ => text,
    };
    (text, child.wait().unwrap().code().expect("it ends by itself"))
}

/// Runs a command with something on its standard input; it must succeed.
fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("did not run: {program}: {error}: use scripts/test"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?} with:\n{input}");
}

/// The servers that the README speaks of. Dropping it ends them.
struct World {
    directory: PathBuf,
    servers: Vec<Child>,
}

impl World {
    fn new() -> Self {
        // SAFETY: unshare(2) takes no pointers, and CLONE_NEWNET changes nothing that Rust relies on.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            let error = io::Error::last_os_error();
            panic!(
                "did not run: no network namespace ({error}): use scripts/test, as root or where user \
                 namespaces are allowed"
            );
        }
        feed("ip", &["-batch", "-"], LINKS);
        feed("nft", &["-f", "-"], RULES);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
        drop(fs::remove_dir_all(&directory));
        fs::create_dir_all(&directory).unwrap();

        let tcp = |address: &str| OwnedFd::from(TcpListener::bind(address).unwrap());
        let udp = |address: &str| OwnedFd::from(UdpSocket::bind(address).unwrap());
        let mut world = Self { directory, servers: Vec::new() };
        world.serve("sshd", tcp("[::]:22"), None);
        world.serve("dnsmasq", udp("127.0.0.1:53"), None);
        world.serve("node", tcp("127.0.0.1:3000"), None);
        world.serve("postgres", tcp("127.0.0.1:5432"), Some(tcp("[::1]:5432")));
        world.serve("java", tcp("0.0.0.0:8080"), None);
        world
    }

    /// Starts this binary under another name, with the sockets as its standard input and standard error. Only
    /// that process holds them then.
    fn serve(&mut self, name: &str, socket: OwnedFd, second: Option<OwnedFd>) {
        let path = self.directory.join(name);
        let this = env::current_exe().unwrap();
        fs::hard_link(&this, &path).or_else(|_| fs::copy(&this, &path).map(drop)).unwrap();
        let server = Command::new(&path)
            .arg0(name)
            .args(["the_readme_is_true", "--exact", "--include-ignored"])
            .env(SERVE, "1")
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(second.map_or_else(Stdio::null, Stdio::from))
            .spawn()
            .unwrap();
        self.servers.push(server);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &mut self.servers {
            drop(server.kill());
            drop(server.wait());
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Sends back each datagram that comes to standard input, until killed; with a TCP socket there, only holds it.
fn serve() {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let socket = UdpSocket::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, peer)) => drop(socket.send_to(&buffer[..length], peer)),
            Err(_) => thread::park(),
        }
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_readme_is_true() {
    if env::var_os(SERVE).is_some() {
        return serve();
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let steps = steps(&fs::read_to_string(readme).unwrap());
    assert!(steps.len() >= 8, "only {} commands found in README.md", steps.len());

    let world = World::new();
    let mut wrong = Vec::new();
    let mut last = 0;
    for step in &steps {
        let output = if step.command == "echo $?" {
            format!("{last}\n")
        } else {
            let words = words(&step.command);
            let words = words.strip_prefix(["sudo".to_owned()].as_slice()).unwrap_or(&words);
            let (program, arguments) = words.split_first().expect("a command has a word");
            assert_eq!(
                program, "portsight",
                "README.md:{}: a console block runs portsight",
                step.line
            );
            let (output, status) = run(arguments);
            last = status;
            output
        };
        let shown: Vec<_> = step.shown.iter().map(String::as_str).collect();
        if !matches(&shown, &output.lines().collect::<Vec<_>>()) {
            wrong.push(format!(
                "\nREADME.md:{}: $ {}\n--- shown\n{}\n--- printed\n{output}",
                step.line,
                step.command,
                shown.join("\n")
            ));
        }
    }
    drop(world);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn wildcards_stand_for_what_they_say_and_no_more() {
    let yes: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["a"], &["a"]),
        (&["a  "], &["a"]),
        (&["a[..]d"], &["abcd"]),
        (&["a[..]d"], &["ad"]),
        (&["[..]"], &[""]),
        (&["[..]x[..]x"], &["axbxcx"]),
        (&["[..]é"], &["né"]),
        (&["..."], &[]),
        (&["a", "...", "z"], &["a", "b", "c", "z"]),
        (&["a", "...", "z"], &["a", "z"]),
        (&["...", "z", "..."], &["a", "z", "z"]),
    ];
    for (shown, output) in yes {
        assert!(matches(shown, output), "{shown:?} shows {output:?}");
    }
    let no: &[(&[&str], &[&str])] = &[
        (&[], &["a"]),
        (&["a"], &[]),
        (&["a"], &["b"]),
        (&["a"], &["a", "b"]),
        (&["  a"], &["a"]),
        (&["a[..]d"], &["abc"]),
        (&["[..]"], &["a", "b"]),
        (&["a", "...", "z"], &["a", "b"]),
        (&["a ..."], &["a", "b"]),
        (&["x", "..."], &["a", "x"]),
    ];
    for (shown, output) in no {
        assert!(!matches(shown, output), "{shown:?} does not show {output:?}");
    }
}

#[test]
fn blocks_are_read_as_commands_with_their_output() {
    let readme =
        "text\n```sh\n$ rm -r /\n```\n$ not me\n```console\n$ a 'b c' \"\"\none\n\n$ d\n```\n";
    let step = |line, command: &str, shown: &[&str]| Step {
        line,
        command: command.to_owned(),
        shown: shown.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(steps(readme), [step(7, "a 'b c' \"\"", &["one", ""]), step(10, "d", &[])]);
    assert_eq!(words("a 'b c' \"\" d=e"), ["a", "b c", "", "d=e"]);
}

#[test]
#[should_panic(expected = "plain ones")]
fn a_pipeline_is_refused() {
    words("portsight | head -1");
}

#[test]
#[should_panic(expected = "begins with a command")]
fn a_block_without_a_command_is_refused() {
    steps("```console\noutput\n```\n");
}
