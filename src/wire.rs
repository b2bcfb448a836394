//! Bytes and the values they stand for: pure, without I/O and without `unsafe`. Anything may come in from
//! outside; a message that is cut short or malformed yields an error or nothing, never a panic.

pub mod denial;
pub mod fdinfo;
pub mod frame;
pub mod ip;
pub mod iptables_list;
pub mod kfree_skb;
pub mod link;
pub mod neighbour;
pub mod netlink;
pub mod nf_log;
pub mod nf_tables;
pub mod nf_trace;
pub mod packet;
pub mod packet_diag;
pub mod proc_net;
pub mod qdisc;
pub mod queue;
pub mod route;
pub mod service;
pub mod setup;
pub mod sock_diag;
pub mod systemd;
pub mod tc_filter;
pub mod unix_diag;
