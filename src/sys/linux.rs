//! Linux.

pub(super) mod batch;
pub(super) mod bpf;
pub(super) mod cgroup;
pub(super) mod client_socket;
pub(super) mod clock;
mod error_queue;
pub(super) mod guardian;
pub(super) mod host;
pub(super) mod interfaces;
pub(super) mod interrupt;
pub(super) mod kcmp;
pub(super) mod limits;
pub(super) mod mounts;
pub(super) mod namespaces;
mod netlink_group;
pub(super) mod netlink_socket;
pub(super) mod nft;
pub(super) mod probe_socket;
pub(super) mod procfs;
pub(super) mod raw_receiver;
pub(super) mod raw_sender;
pub(super) mod resolve;
pub(super) mod shared_memory;
mod socket_filter;
pub(super) mod sysctl;
pub(super) mod terminal;
pub(super) mod users;
