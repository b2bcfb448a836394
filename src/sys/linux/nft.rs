//! Asking the programs `nft` and `iptables-legacy` what a table says, for rules that are not understood here.

use super::program::{of_system, run_apart};
use crate::model::Family;
use std::path::Path;
use std::time::Duration;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of what it prints is read: more is no listing that is worth its memory.
const BOUND: usize = 8 << 20;

/// What `nft` lists of a table in our thread's network namespace, with handles and without what was counted. `None`
/// when there is no such program, it refuses, or it says too much or too late.
#[must_use]
pub fn nft_list_table(family: &str, table: &str) -> Option<String> {
    listed_by(&of_system("nft")?, &["-a", "-s", "list", "table", family, table], PATIENCE, BOUND)
}

/// What `iptables-legacy` lists of a table of the old `ip_tables` of a family in our thread's network namespace, one rule
/// in a line. `None` as above.
#[must_use]
pub fn legacy_list_table(family: Family, table: &str) -> Option<String> {
    let program = match family {
        Family::Ipv4 => "iptables-legacy",
        Family::Ipv6 => "ip6tables-legacy",
    };
    listed_by(&of_system(program)?, &["-t", table, "-S"], PATIENCE, BOUND)
}

fn listed_by(
    program: &Path,
    arguments: &[&str],
    patience: Duration,
    bound: usize,
) -> Option<String> {
    let ended = run_apart(program, arguments, &[], patience, bound).ok();
    let ended = ended.filter(|ended| ended.status == Some(0))?;
    Some(String::from_utf8_lossy(&ended.output).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_shell(script: &str) -> Option<String> {
        listed_by(Path::new("/bin/sh"), &["-c", script], Duration::from_millis(500), 1000)
    }

    #[test]
    fn a_listing_is_whole_or_none() {
        assert_eq!(by_shell("echo one; echo two").as_deref(), Some("one\ntwo\n"));
        assert_eq!(by_shell("printf '\\377'").as_deref(), Some("\u{fffd}"));
        assert_eq!(by_shell("echo one; exit 1"), None, "it refuses");
        assert_eq!(by_shell("head -c 2000 /dev/zero"), None, "too much");
        assert_eq!(by_shell("echo one; exec sleep 20"), None, "too late");
        let nowhere = listed_by(Path::new("/nowhere/nft"), &[], PATIENCE, BOUND);
        assert_eq!(nowhere, None);
        let told = by_shell("echo $LC_ALL $HOME").expect("it runs");
        assert_eq!(told, "C\n", "no variable of ours");
    }
}
