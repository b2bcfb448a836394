//! portsight on a machine that each test makes for itself: a network namespace with its own addresses,
//! sockets and firewall rules, so that every answer is known beforehand.
//!
//! The tests are ignored by a plain `cargo test`, since they need root or a user namespace. `scripts/test`
//! runs them: a test that cannot have its namespace fails and says "did not run", it never passes.

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
#![expect(
    unsafe_code,
    reason = "unshare(2), openpty(3) and the steps between fork and exec have no safe form"
)]

mod around;
mod bpf;
mod cgroups;
mod check;
mod churn;
mod containers;
mod deaf;
mod delay;
mod firewall;
mod holder;
mod host;
mod hostile;
mod identify;
mod kinds;
mod listen;
mod namespaces;
mod nflog;
mod nmap;
mod options;
mod ordinary;
mod outside;
mod owners;
mod published;
mod rules;
mod run;
mod safety;
mod scan;
mod sockets;
mod syn;
mod terminal;
mod truth;
mod udp;
mod units;
mod who;
mod why;
mod world;
