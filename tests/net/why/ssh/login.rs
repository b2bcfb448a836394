//! A real sshd on the host at the other end of the wire, and an ssh that may log in there.

use crate::host::Host;
use crate::run::Prepared;
use crate::world::{alone, connects, feed};
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where it listens.
const AT: &str = "10.77.0.9:2222";
/// What the programs of a POSIX shell are, and no more.
const TOOLS: [&str; 12] =
    ["sh", "cat", "readlink", "sed", "head", "ip", "date", "tr", "tail", "grep", "sleep", "getent"];

/// A login. Dropping it ends the sshd.
pub(super) struct Login {
    files: Files,
    sshd: Child,
}

impl Login {
    /// An sshd there; the one who logs in has these programs besides those of a shell.
    pub(super) fn to(there: &Host, programs: &[&str]) -> Self {
        let files = Files::new(AT, programs);
        let config = files.path("sshd_config");
        let sshd = there.does(move || start(&config));
        let listens = || there.does(|| connects(AT.parse().unwrap())).is_ok();
        Self { files, sshd }.when(listens)
    }

    /// An sshd of this host itself.
    pub(super) fn back_here(at: &str, programs: &[&str]) -> Self {
        let files = Files::new(at, programs);
        let sshd = start(&files.path("sshd_config"));
        Self { files, sshd }.when(|| connects(at.parse().unwrap()).is_ok())
    }

    fn when(self, listens: impl Fn() -> bool) -> Self {
        let end = Instant::now() + Duration::from_secs(20);
        while !listens() {
            assert!(Instant::now() < end, "sshd does not listen");
            crate::cgroups::pause(10);
        }
        self
    }

    /// Puts a program there.
    pub(super) fn with_program(self, name: &str, text: &str) -> Self {
        write_program(&self.files.directory.join("bin").join(name), text);
        self
    }

    /// Puts portsight there.
    pub(super) fn with_portsight(self) -> Self {
        symlink(env!("CARGO_BIN_EXE_portsight"), self.files.directory.join("bin/portsight"))
            .unwrap();
        self
    }

    /// Changes a file of it.
    pub(super) fn with_file(self, name: &str, text: &str) -> Self {
        fs::write(self.files.directory.join(name), text).unwrap();
        self
    }

    /// Lets a run find the ssh that may log in.
    pub(super) fn of(&self, prepared: Prepared) -> Prepared {
        let client = self.files.directory.join("client");
        prepared.variable("PATH", &format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", client.display()))
    }
}

/// The keys, the configurations and the programs of a login. Dropping it removes them.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new(at: &str, programs: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("/var/tmp/portsight-test-ssh-{}-{number}", std::process::id());
        let directory = PathBuf::from(name);
        fs::create_dir_all(directory.join("bin")).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        for program in TOOLS.iter().chain(programs) {
            let found = feed(
                "sh",
                &["-c", &format!("PATH=/usr/bin:/bin:/usr/sbin:/sbin; command -v {program}")],
                "",
            );
            symlink(found.trim(), directory.join("bin").join(program)).unwrap();
        }
        let files = Self { directory };
        let directory = &files.directory;
        let path = |name: &str| files.path(name);
        for key in ["host_key", "key"] {
            feed("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)], "");
        }
        // ssh wants nobody else to read a key of its own user, and does not ask that of another's.
        fs::copy(path("key"), path("key_of_another")).unwrap();
        fs::set_permissions(path("key_of_another"), Permissions::from_mode(0o644)).unwrap();
        fs::copy(path("key.pub"), path("authorized_keys")).unwrap();
        let host_key = fs::read_to_string(path("host_key.pub")).unwrap();
        fs::write(path("known_hosts"), format!("* {host_key}")).unwrap();
        let config = format!(
            "ListenAddress {at}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel QUIET\n\
             SetEnv PATH={} HOME={}\n",
            path("host_key"),
            path("authorized_keys"),
            path("bin"),
            // What root's own files of this machine say does not matter.
            path("bin"),
        );
        fs::write(path("sshd_config"), config).unwrap();
        let client = format!(
            "IdentitiesOnly yes\nIdentityFile {}\nIdentityFile {}\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\nStrictHostKeyChecking yes\n",
            path("key"),
            path("key_of_another"),
            path("known_hosts"),
        );
        fs::write(path("ssh_config"), client).unwrap();
        fs::create_dir(directory.join("client")).unwrap();
        let ssh = feed("sh", &["-c", "command -v ssh"], "");
        let script = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", ssh.trim(), path("ssh_config"));
        write_program(&directory.join("client/ssh"), &script);
        files
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn start(config: &str) -> Child {
    fs::create_dir_all("/run/sshd").expect("did not run: sshd wants /run/sshd");
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f", config]).stdin(Stdio::null()).stdout(Stdio::null());
    alone(|| command.stderr(Stdio::null()).spawn()).expect("did not run: no sshd")
}

fn write_program(file: &Path, text: &str) {
    // It may be a link to a program of this machine, which nobody wants to write to.
    drop(fs::remove_file(file));
    // A child of another test must not keep it open for writing when it is started.
    alone(|| fs::File::create_new(file)?.write_all(text.as_bytes())).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Login {
    fn drop(&mut self) {
        drop(self.sshd.kill());
        drop(self.sshd.wait());
    }
}
