//! The words for what ended a probe.

use super::Scene;
use crate::model::{CgroupFilters, Hook, Place, Program, TableFamily};

impl Scene<'_> {
    pub(super) fn xdp(&self, reason: &str) -> String {
        let device = self.at_device();
        let is_native = reason != "XDP";
        let program =
            device.and_then(|it| if is_native { &it.native_xdp } else { &it.generic_xdp }.as_ref());
        let program = program.map_or_else(String::new, |program| format!(" ({program})"));
        let at = if is_native { "in the driver of" } else { "on" };
        let failed = if reason == "XDP_ABORTED" { ", which failed" } else { "" };
        format!("an XDP program {at} {}{program}{failed}", self.name())
    }

    pub(super) fn tc(&self) -> String {
        let filters = self.at_device().map(|it| it.tc.join(", ")).unwrap_or_default();
        let filters = if filters.is_empty() { filters } else { format!(" ({filters})") };
        format!("a filter of traffic control on {}{filters}", self.name())
    }

    pub(super) fn reverse_path(&self) -> String {
        let rp_filter = self.at_device().and_then(|it| it.rp_filter);
        let rp_filter = rp_filter.map_or_else(String::new, |it| format!("rp_filter={it} "));
        format!("the reverse path filter ({rp_filter}on {}), before any rule of input", self.name())
    }

    /// The kernel has one reason for both, and does not tell which sockets have a filter.
    pub(super) fn socket_filter(&self) -> (Place, String) {
        match self.cgroup() {
            Some(cgroup) if !cgroup.ingress.is_empty() => (Place::Cgroup, of_cgroup(cgroup)),
            Some(_) => {
                (Place::SocketFilter, "a filter of the socket (SO_ATTACH_FILTER)".to_owned())
            }
            None => {
                let text = "a filter of the socket, of its cgroup or of a security module";
                (Place::SocketFilter, text.to_owned())
            }
        }
    }
}

pub(super) const SIGNATURE: &str =
    "the listener's demand for TCP signatures (MD5 or AO), which the probe lacks";
pub(super) const LEGACY: &str = "a rule of iptables-legacy, whose trace could not be heard";

pub(super) fn ingress_chain(chains: &[String]) -> String {
    let chains = chains.join(" or ");
    format!("a rule of {chains}: the kernel does not trace what a chain at a device does")
}

pub(super) fn netfilter_programs(programs: &[&(TableFamily, Hook, Program)]) -> String {
    let name = |(_, hook, program): &&(TableFamily, Hook, Program)| {
        format!("a BPF program at the hook {} of netfilter ({program})", hook.name())
    };
    programs.iter().map(name).collect::<Vec<_>>().join(", or ")
}

/// The kernel does not tell it from a filter of the socket.
pub(super) fn of_cgroup(cgroup: &CgroupFilters) -> String {
    let programs: Vec<String> = cgroup.ingress.iter().map(ToString::to_string).collect();
    let programs = programs.join(", ");
    format!("a program of the cgroup {} ({programs}), or a filter of the socket", cgroup.path)
}
