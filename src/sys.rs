//! The operating system: syscalls, files and sockets behind safe functions. The only room with `unsafe` and
//! `cfg(target_os)`. It hands over what the kernel said and judges nothing.

mod linux;

pub use linux::batch::{BATCH, Sent};
pub use linux::bpf::{Injection, Injector};
pub use linux::bpf_programs::{
    NetfilterLink, XdpProgram, XdpVerdict, cgroup_programs, netfilter_links, program_name,
    tcx_programs,
};
pub use linux::cgroup::{Cgroup2, CgroupPaths};
pub use linux::claim::Claim;
pub use linux::client_socket::{
    Binding, Came, ClientSocket, bind_for_a_moment, connect_to_path, error_of,
};
pub use linux::clock::{pause, ready, time_since_boot};
pub use linux::command::{Ending, Started, kill};
pub use linux::file::beginning_of;
pub use linux::guardian::Guardian;
pub use linux::host::{
    boot_id, capabilities, effective_uid, host_name, kernel_release, kernel_version,
};
pub use linux::interfaces::{
    LocalAddress, LocalAddresses, interface_name, local_addresses, loopback_is_up,
};
pub use linux::interrupt::{catch_interrupt, interrupted};
pub use linux::kcmp::share_descriptors;
pub use linux::limits::raise_open_files;
pub use linux::mounts::{Mount, mounts};
pub use linux::namespaces::{
    Namespace, OpenNamespace, OpenNamespaces, cgroup_namespace_is_initial,
    first_process_environment, first_process_shares_network, in_namespaces, network_namespace,
    network_namespaces, pid_namespace_is_initial,
};
pub use linux::netlink_socket::{NetlinkSocket, Protocol};
pub use linux::new_network::in_new_network;
pub use linux::nft::{legacy_list_table, nft_list_table};
pub use linux::perf::OwnEvents;
pub use linux::probe_socket::{
    Source, SourcePorts, TcpAnswer, TcpProbe, UdpAnswer, UdpProbe, wait_readable, wait_writable,
};
pub use linux::procfs::{Kin, OpenTable, Procfs, Table, Unreadable};
pub use linux::program::{Ended, Program, Unfinished, is_program};
pub use linux::raw_receiver::{Heard, RawPacket, RawReceiver};
pub use linux::raw_sender::RawSender;
pub use linux::resolve::{NoAddress, resolve};
pub use linux::security::{kernel_log, security_label, security_modules};
pub use linux::shared_memory::SharedNote;
pub use linux::signals::{Came as CameSignal, Signals};
pub use linux::symbols::kernel_functions;
pub use linux::sysctl::{
    PacketCounters, balances_connections, conntrack_room, has_legacy_nat, ipsec_drops,
    legacy_tables, local_port_range, network_table, packet_counters, packet_logger,
    programs_take_packets, reverse_path_filter, set_network, set_packet_logger, tcp_counters,
    tracks_connections, udp_datagrams_received, unprivileged_port_start,
};
pub use linux::systemctl::{
    Untold, manages_units, other_users_with_units, systemctl_show, unit_files,
};
pub use linux::terminal::{columns, is_terminal};
pub use linux::tracefs::tracepoint_format;
pub use linux::tun::Tun;
pub use linux::users::user_name;
