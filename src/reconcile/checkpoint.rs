//! What ended a probe that no rule of `nf_tables` ended: by what the kernel said when it dropped it, by how far it came,
//! and by what there is that could have.

mod words;

use crate::model::{
    CgroupFilters, Chain, Checkpoint, DeviceFilters, Dropped, Filters, Hook, Journey, Place,
    Program, Reached, Rulebook, Seen, Socket, TableFamily, Transport,
};
use std::net::IpAddr;
use words::{LEGACY, SIGNATURE, ingress_chain, netfilter_programs, of_cgroup};

/// Everything that bears on it.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The way of the probe.
    pub journey: &'a Journey,
    /// What there is.
    pub filters: &'a Filters,
    /// The chains.
    pub rulebook: &'a Rulebook,
    /// The device that the probe came in by; `None` for one of this host to itself.
    pub device: Option<u32>,
    /// Where the probe came from.
    pub source: Option<IpAddr>,
    /// The socket that should have got it.
    pub socket: Option<&'a Socket>,
}

/// What ended the probe of one journey, or its reply, where that is no rule: none where nothing did.
#[must_use]
pub fn ended(scene: &Scene<'_>) -> Option<Checkpoint> {
    let journey = scene.journey;
    let came = matches!(journey.reached, Reached::Host(_));
    let transport = scene.socket.map_or(Transport::Tcp, |socket| socket.transport);
    if came && journey.dropped.is_some() && !is_filtered(journey, transport) {
        return None;
    }
    let is_silent = journey.reached == Reached::Host(None) && journey.reply.is_none();
    let is_ended = journey.is_cut_short() || (is_silent && !journey.is_barred());
    is_ended.then(|| scene.checkpoint())
}

/// What the kernel says where a socket has no room, and where there is none: no filter of any kind.
const NO_FILTER: [&str; 3] = ["NO_SOCKET", "SOCKET_RCVBUFF", "PROTO_MEM"];

/// What it says where something at the sockets filters datagrams. Protocols on top of UDP, as those of tunnels, throw
/// away what is none of theirs, each with words of its own.
const FILTERS_DATAGRAMS: [&str; 5] =
    ["SOCKET_FILTER", "SECURITY_HOOK", "XFRM_POLICY", "BPF_CGROUP_EGRESS", "NETFILTER_DROP"];

/// Whether what came to the sockets was dropped by something that filters.
pub(super) fn is_filtered(journey: &Journey, transport: Transport) -> bool {
    let Some(Dropped { reason, .. }) = &journey.dropped else { return false };
    match transport {
        Transport::Udp => FILTERS_DATAGRAMS.contains(&reason.as_str()),
        _ => !NO_FILTER.contains(&reason.as_str()),
    }
}

impl Scene<'_> {
    /// What ended the probe or its reply.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let dropped = self.journey.dropped.as_ref();
        let by_reason = dropped.and_then(|dropped| {
            let at_xdp = (!dropped.has_reason() && dropped.is_at_xdp()).then_some("XDP");
            self.by_reason(at_xdp.unwrap_or(&dropped.reason))
        });
        let (place, hook, text) =
            by_reason.or_else(|| self.untraced()).unwrap_or_else(|| self.by_state());
        let text = match dropped {
            // Words of ours for what the kernel says are left out where there are none.
            Some(Dropped { reason, location }) if place.is_vague() => {
                let at = location.as_ref().map_or_else(String::new, |at| format!(" in {at}"));
                format!("{text} (the kernel says {reason}{at})")
            }
            _ => text,
        };
        Checkpoint { place, hook, dropped: dropped.cloned(), text }
    }

    /// By the kernel's reason (`include/net/dropreason-core.h`).
    fn by_reason(&self, reason: &str) -> Option<(Place, Option<Hook>, String)> {
        let routing = Some(Hook::Prerouting);
        let input = Some(Hook::Input);
        let address = |why: &str| {
            (Place::Address, routing, format!("the kernel's check of addresses: {why}"))
        };
        Some(match reason {
            "XDP" | "XDP_DROP" | "XDP_ABORTED" => {
                (Place::Xdp, Some(Hook::Ingress), self.xdp(reason))
            }
            "TC_INGRESS" => (Place::Tc, Some(Hook::Ingress), self.tc()),
            "IP_RPFILTER" => (Place::ReversePath, routing, self.reverse_path()),
            "IP_LOCALNET" => address(
                "addresses as 127.0.0.1 stay within this host (route_localnet=0), before any rule of input",
            ),
            "IP_LOCAL_SOURCE" => address("its source is an address of this host (a martian)"),
            "IP_INVALID_SOURCE" => address("its source is the address of no host (a martian)"),
            "IP_INVALID_DEST" => address("it was sent to the address of no host (a martian)"),
            "IP_INADDRERRORS" | "IP_INNOROUTES" => (
                Place::Route,
                routing,
                "the routing of what comes in: no route takes it".to_owned(),
            ),
            "IP_OUTNOROUTES" => {
                (Place::Route, Some(Hook::Output), "the routing of the answer: no route".to_owned())
            }
            "SOCKET_FILTER" => {
                let (place, text) = self.socket_filter();
                (place, input, text)
            }
            "BPF_CGROUP_EGRESS" => {
                let text = "a program of the cgroup, on the way out (BPF_CGROUP_EGRESS)";
                (Place::Cgroup, Some(Hook::Output), text.to_owned())
            }
            "SECURITY_HOOK" => {
                let text = "a security module (SELinux, Smack), at the socket";
                (Place::SecurityModule, input, text.to_owned())
            }
            "XFRM_POLICY" => (Place::Ipsec, input, "a policy of IPsec (ip xfrm policy)".to_owned()),
            "TCP_LISTEN_OVERFLOW" | "SOCKET_BACKLOG" => {
                (Place::SocketQueue, input, "the full queue of the listener".to_owned())
            }
            signature if signature.starts_with("TCP_MD5") || signature.starts_with("TCP_AO") => {
                (Place::Signature, input, SIGNATURE.to_owned())
            }
            _ => return None,
        })
    }

    /// A rule on whose way the trace was turned off. At a device nothing is traced at all.
    fn untraced(&self) -> Option<(Place, Option<Hook>, String)> {
        let dropped = self.journey.dropped.as_ref()?;
        let is_rule = dropped.location.as_deref() == Some("nft_do_chain");
        let text =
            "a rule of nf_tables that was not traced: another turns that off (meta nftrace set 0)";
        (is_rule && self.journey.reached != Reached::Nothing)
            .then(|| (Place::Unknown, None, text.to_owned()))
    }

    /// Whether the kernel gave a reason that is not that of anything which is looked for here: what there is did not do
    /// it then.
    fn is_elsewhere(&self) -> bool {
        let dropped = self.journey.dropped.as_ref().filter(|dropped| dropped.has_reason());
        dropped.is_some_and(|dropped| dropped.reason != "NETFILTER_DROP")
    }

    /// By how far it came.
    fn by_state(&self) -> (Place, Option<Hook>, String) {
        if let Some(reply) = &self.journey.reply
            && !reply.left
        {
            return self.on_the_way_back();
        }
        match self.journey.reached {
            Reached::Nothing => self.at_the_device(),
            Reached::Rules => self.between_rules(),
            _ => self.at_the_socket(),
        }
    }

    fn on_the_way_back(&self) -> (Place, Option<Hook>, String) {
        let unknown = || {
            let text = "something that is no rule of nf_tables, on the way of the answer";
            (Place::Reply, Some(Hook::Output), text.to_owned())
        };
        if self.is_elsewhere() {
            return unknown();
        }
        let programs = self.at_hooks(&[Hook::Output, Hook::Postrouting]);
        match (programs.as_slice(), self.filters.legacy.is_empty()) {
            ([_, ..], true) => {
                (Place::NetfilterProgram, Some(Hook::Output), netfilter_programs(&programs))
            }
            ([], false) => (Place::LegacyTables, Some(Hook::Output), LEGACY.to_owned()),
            _ => unknown(),
        }
    }

    /// Before the first rule: nothing but what is attached to the device is there.
    fn at_the_device(&self) -> (Place, Option<Hook>, String) {
        let ingress = Some(Hook::Ingress);
        let unknown = || {
            let text = format!("something at {}, before every rule", self.name());
            (Place::Device, ingress, text)
        };
        if self.is_elsewhere() {
            return unknown();
        }
        let device = self.at_device();
        let chains = self.ingress_chains();
        let netfilter_did = self.reason() == Some("NETFILTER_DROP");
        let has_xdp = device.is_some_and(|it| it.generic_xdp.is_some());
        let has_tc = device.is_some_and(|it| !it.tc.is_empty());
        match (has_xdp, has_tc, !chains.is_empty()) {
            (_, _, true) if netfilter_did => {}
            (true, false, false) => return (Place::Xdp, ingress, self.xdp("XDP")),
            (false, true, false) => return (Place::Tc, ingress, self.tc()),
            (false, false, true) => {}
            (false, false, false) => return unknown(),
            _ => {
                let mut all: Vec<String> = Vec::new();
                all.extend(has_xdp.then(|| self.xdp("XDP")));
                all.extend(has_tc.then(|| self.tc()));
                all.extend((!chains.is_empty()).then(|| ingress_chain(&chains)));
                return (Place::Device, ingress, all.join(", or "));
            }
        }
        (Place::IngressChain, ingress, ingress_chain(&chains))
    }

    /// It came to the first rule, no rule ended it, and it came to no socket.
    fn between_rules(&self) -> (Place, Option<Hook>, String) {
        if self.journey.reply.is_some() {
            let text =
                "something that answers in the place of the socket, and is no rule of nf_tables";
            return (Place::Unknown, Some(Hook::Input), text.to_owned());
        }
        let netfilter_did = self.reason() == Some("NETFILTER_DROP");
        let unknown = (self.reason().is_some() && !netfilter_did).then(|| {
            let text = "the kernel, between the first rule and the sockets".to_owned();
            (Place::Unknown, Some(Hook::Prerouting), text)
        });
        // A packet of this host to itself goes out before it comes in.
        let first =
            if self.device.is_some() { None } else { Some([Hook::Output, Hook::Postrouting]) };
        let hooks =
            first.into_iter().flatten().chain([Hook::Prerouting, Hook::Input, Hook::Forward]);
        let programs = self.at_hooks(&hooks.collect::<Vec<_>>());
        let hook = |programs: &[&(TableFamily, Hook, Program)]| match programs {
            [(_, hook, _)] => Some(*hook),
            _ => Some(Hook::Input),
        };
        let legacy = !self.filters.legacy.is_empty();
        unknown.unwrap_or_else(|| match (programs.as_slice(), legacy) {
            ([_, ..], false) => {
                (Place::NetfilterProgram, hook(&programs), netfilter_programs(&programs))
            }
            ([], true) => (Place::LegacyTables, Some(Hook::Input), LEGACY.to_owned()),
            ([_, ..], true) => {
                let text = format!("{}, or {LEGACY}", netfilter_programs(&programs));
                (Place::Unknown, Some(Hook::Input), text)
            }
            ([], false) if netfilter_did => {
                let text = "a hook of netfilter that is no rule of nf_tables";
                (Place::Unknown, Some(Hook::Input), text.to_owned())
            }
            ([], false) => {
                // There is no such check for IPv6.
                let text = match self.source {
                    Some(IpAddr::V6(_)) => "the kernel's routing, before any rule of input",
                    _ => {
                        "the kernel's check of its source (rp_filter), or its routing, before any rule of input"
                    }
                };
                (Place::Route, Some(Hook::Prerouting), text.to_owned())
            }
        })
    }

    /// Every rule let it pass.
    fn at_the_socket(&self) -> (Place, Option<Hook>, String) {
        let input = Some(Hook::Input);
        if self.is_elsewhere() {
            let text = "something behind the last rule, at the socket or on the way of the answer";
            return (Place::Socket, input, text.to_owned());
        }
        if let Some(source) = self.source.filter(|it| self.filters.no_way_to.contains(it)) {
            let text = format!("the routing of the answer: there is no route to {source}");
            return (Place::Route, Some(Hook::Output), text);
        }
        if let Some(programs) = self.cgroup().filter(|cgroup| !cgroup.ingress.is_empty()) {
            return (Place::Cgroup, input, of_cgroup(programs));
        }
        if self.socket.is_some_and(|socket| socket.signed) {
            return (Place::Signature, input, SIGNATURE.to_owned());
        }
        let text = "something behind the last rule: a filter of the socket or its cgroup, or for want of room";
        (Place::Socket, input, text.to_owned())
    }

    fn reason(&self) -> Option<&str> {
        self.journey.dropped.as_ref().map(|dropped| dropped.reason.as_str())
    }

    fn at_device(&self) -> Option<&DeviceFilters> {
        self.filters.devices.get(&self.device?)
    }

    fn name(&self) -> &str {
        match self.at_device() {
            Some(device) => &device.name,
            None if self.device.is_none() => "lo",
            None => "the device",
        }
    }

    fn cgroup(&self) -> Option<&CgroupFilters> {
        let Seen::Known(cgroup) = self.socket?.held.cgroup else { return None };
        self.filters.cgroups.get(&cgroup)
    }

    /// The programs at these hooks, for the family of the probe.
    fn at_hooks(&self, hooks: &[Hook]) -> Vec<&(TableFamily, Hook, Program)> {
        let fits = |family: TableFamily| match self.source {
            Some(IpAddr::V4(_)) => family != TableFamily::Ip6,
            Some(IpAddr::V6(_)) => family != TableFamily::Ip,
            None => true,
        };
        let programs = self.filters.netfilter.iter();
        programs.filter(|(family, hook, _)| fits(*family) && hooks.contains(hook)).collect()
    }

    /// The chains at devices. Which devices is not known of them.
    fn ingress_chains(&self) -> Vec<String> {
        let chains = self.rulebook.chains.iter();
        let at_devices = chains.filter(|(_, base)| base.is_some_and(|it| it.hook == Hook::Ingress));
        let name = |(chain, _): (&Chain, _)| {
            format!("{} {} {}", chain.table.family.name(), chain.table.name, chain.name)
        };
        at_devices.map(name).collect()
    }
}

#[cfg(test)]
mod tests;
