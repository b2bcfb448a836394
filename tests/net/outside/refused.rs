//! What `--from lan` says where it cannot be had.

use super::{can_inject, with_neighbour};
use crate::run::{Run, before_exec};
use crate::sockets::tcp;
use crate::truth::{LAN, views};
use crate::world::World;
use serde_json::Value;
use std::io;
use std::process::Command;

/// `CAP_BPF` (`linux/capability.h`).
const BPF: u64 = 1 << 39;
/// `CAP_SYS_ADMIN`, which allows what `CAP_BPF` does.
const SYS_ADMIN: u64 = 1 << 21;

/// What is missing, and what would allow it.
#[track_caller]
fn assert_missing(run: &Run, vantage: &str, words: &[&str]) {
    let report = run.document();
    let gaps = report["incomplete"].as_array().unwrap();
    let what = format!("the vantage {vantage}");
    let found: Vec<&Value> = gaps.iter().filter(|gap| gap["what"] == *what).collect();
    let [gap] = found.as_slice() else { panic!("one gap for {what}: {report:#}") };
    assert_eq!(gap["need"], "root", "{gap:#}");
    let reason = gap["reason"].as_str().unwrap();
    assert!(words.iter().all(|word| reason.contains(word)), "{words:?} in {reason:?}");
    assert_eq!(views(&report).count(), 0, "nothing is claimed: {report:#}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_is_told_what_a_look_from_the_network_takes() {
    let world = World::new().veth(&LAN).listens(tcp("0.0.0.0:22"));
    let run = |arguments: &str| world.prepare(arguments).by_ordinary_user().run();
    for vantage in ["lan", "internet"] {
        let run = run(&format!("check 22 --from {vantage} --proto tcp -o json")).exits(3);
        if vantage == "lan" {
            assert_missing(&run, vantage, &["frames cannot be injected"]);
        }
    }
    let run = run("check 22 --from lan --proto tcp").exits(3);
    assert!(run.stderr.contains("the vantage lan") && run.stderr.contains("root"), "{run:?}");
}

/// Who does not ask for the network by name gets the next best, and no complaint.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_gets_the_next_best_by_default() {
    let world = World::new().veth(&LAN).listens(tcp("0.0.0.0:22"));
    let run = world.prepare("check 22 --proto tcp -4 -o json").by_ordinary_user().run().exits(0);
    let report = run.document();
    let seen: Vec<_> = views(&report).map(|(_, view)| view["vantage"].clone()).collect();
    assert_eq!(seen, ["loopback", "self"], "{report:#}");
    assert!(!report["incomplete"].to_string().contains("vantage"), "{report:#}");
    let run = world.prepare("check 22 --proto tcp -4").by_ordinary_user().run().exits(0);
    assert!(!run.stderr.contains("vantage"), "{run:?}");
}

/// Rules may be made, and frames not injected.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_the_right_to_run_bpf_programs_nothing_is_injected() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:22"));
    let prepared = world.prepare("check 22 --from lan --proto tcp -o json");
    let run = prepared.with(|command| without(command, BPF | SYS_ADMIN)).run().exits(3);
    assert!(run.document()["privileges"]["capabilities"].to_string().contains("net_admin"));
    assert_missing(&run, "lan", &["frames cannot be injected"]);
}

/// Frames may be injected, and rules not made: then none is, for the replies would leave.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_the_table_nothing_is_injected() {
    /// `CAP_NET_ADMIN`.
    const NET_ADMIN: u64 = 1 << 12;
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:22"));
    let capture = super::wire::Capture::of(&there);
    let prepared = world.prepare("check 22 --from lan --proto tcp -o json");
    let run = prepared.with(|command| without(command, NET_ADMIN)).run().exits(3);
    let report = run.document();
    assert_eq!(views(&report).count(), 0, "{report:#}");
    assert!(report["incomplete"].to_string().contains("the vantage lan"), "{report:#}");
    capture.assert_silent();
}

/// Takes these capabilities away, from root too.
pub(super) fn without(command: &mut Command, capabilities: u64) {
    before_exec(command, move || {
        // SAFETY: prctl(2) with this option takes a number. The raw capset(2) and capget(2) get a header and two data
        // words that live through the call.
        unsafe {
            for capability in 0..=63 {
                if capabilities >> capability & 1 == 1 {
                    libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
                }
            }
            let header = [0x2008_0522_u32, 0]; // _LINUX_CAPABILITY_VERSION_3, this process
            let mut sets = [0_u32; 6];
            libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr());
            let bytes = capabilities.to_ne_bytes();
            let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word));
            for (half, word) in words.enumerate() {
                // Effective, permitted, inheritable.
                for set in 0..3 {
                    sets[3 * half + set] &= !word;
                }
            }
            if libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    });
}
