//! portsight looks at one host's ports from both sides: which sockets are bound and by whom, and what a
//! client gets when it knocks. A reconciler joins both into one verdict for each port.
//!
//! The rooms, and what each may import (checked by `tests/architecture`):
//!
//! | room | may import | what it is |
//! |---|---|---|
//! | [`model`] | nothing | values |
//! | [`wire`] | model | bytes and values, no I/O |
//! | [`sys`] | model | syscalls, files and sockets; the only home of `unsafe` |
//! | [`inventory`] | model, wire, sys | what is bound, and by whom |
//! | [`probe`] | model, wire, sys | what answers a client on this host |
//! | [`outside`] | model, wire, sys | what answers a neighbour, and which rule decided |
//! | [`firewall`] | model, wire, sys | what the firewall's rules publish, and say |
//! | [`reconcile`] | model | pure: inventory + answers → verdicts |
//! | [`document`] | model | the JSON documents |
//! | [`render`] | model, document | pure: a report → bytes |
//! | [`cli`] | everything | composes, prints, exits; reads the environment and the wall clock |

#[cfg(not(target_os = "linux"))]
compile_error!(
    "portsight reads the Linux kernel's socket tables: this version builds on Linux only"
);

pub mod cli;
pub mod document;
pub mod firewall;
pub mod inventory;
pub mod model;
pub mod outside;
pub mod probe;
pub mod reconcile;
pub mod render;
pub mod sys;
pub mod wire;
