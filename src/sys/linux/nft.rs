//! Asking the program `nft` what a table says, for rules that are not understood here.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where it may be. A path that the user chose is not among them: portsight may have more rights than its user.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of what it prints is read: more is no listing that is worth its memory.
const BOUND: usize = 8 << 20;

/// What `nft` lists of a table in our thread's network namespace, with handles and without what was counted. `None`
/// when there is no such program, it refuses, or it says too much or too late.
#[must_use]
pub fn nft_list_table(family: &str, table: &str) -> Option<String> {
    let program = DIRECTORIES.iter().map(|directory| Path::new(directory).join("nft"));
    let program = program.into_iter().find(|program| program.is_file())?;
    listed_by(&program, &["-a", "-s", "list", "table", family, table], PATIENCE, BOUND)
}

fn listed_by(
    program: &Path,
    arguments: &[&str],
    patience: Duration,
    bound: usize,
) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only program that portsight starts: it knows rules that are not understood here"
    )]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LC_ALL", "C").env("PATH", DIRECTORIES.join(":"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
    let mut child = command.spawn().ok()?;
    let printed = printed(&mut child, Instant::now() + patience, bound);
    if printed.is_none() {
        // One that has ended already is not there to be killed.
        drop(child.kill());
    }
    let ended = child.wait().ok()?;
    printed.filter(|_| ended.success()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// What the program prints until it closes its output.
fn printed(child: &mut Child, deadline: Instant, bound: usize) -> Option<Vec<u8>> {
    let mut output = child.stdout.take()?;
    let mut printed = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        let left = Timespec::try_from(left).ok()?;
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&left)) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        let read = output.read(&mut chunk).ok()?;
        if read == 0 {
            return Some(printed);
        }
        printed.extend_from_slice(chunk.get(..read)?);
        (printed.len() <= bound).then_some(())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_shell(script: &str) -> Option<String> {
        listed_by(Path::new("/bin/sh"), &["-c", script], Duration::from_millis(500), 1000)
    }

    #[test]
    fn a_program_is_read_to_its_end_and_no_longer_than_it_may_take() {
        assert_eq!(by_shell("echo one; echo two").as_deref(), Some("one\ntwo\n"));
        assert_eq!(by_shell("printf '\\377'").as_deref(), Some("\u{fffd}"));
        assert_eq!(by_shell("echo one; exit 1"), None, "it refuses");
        assert_eq!(by_shell("head -c 2000 /dev/zero"), None, "too much");
        let begun = Instant::now();
        assert_eq!(by_shell("echo one; exec sleep 20"), None, "too late");
        assert!(begun.elapsed() < Duration::from_secs(10));
        let nowhere = listed_by(Path::new("/nowhere/nft"), &[], PATIENCE, BOUND);
        assert_eq!(nowhere, None);
    }

    #[test]
    fn a_program_gets_no_variable_of_ours() {
        let variables = by_shell("/usr/bin/env").expect("env runs");
        let names: Vec<_> = variables.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(
            names
                .iter()
                .all(|name| ["LC_ALL", "PATH", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)),
            "{names:?}"
        );
    }
}
