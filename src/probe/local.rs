//! Only this host: an address is probed only when the kernel's routing says that packets to it stay here, whatever
//! their port.

use crate::model::{Family, Gap, Hides, Target};
use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::route::{self, Route};

/// The targets that packets would not leave the host for, and a gap for each of the others. The targets that are
/// kept have the device that the kernel would look up their sockets on.
#[must_use]
pub fn only_local(targets: Vec<Target>) -> (Vec<Target>, Vec<Gap>) {
    let mut kept = Vec::new();
    let mut gaps = Vec::new();
    let mut routing = Routing::open();
    for target in targets {
        match routing
            .as_mut()
            .map_err(|error| error.clone())
            .and_then(|routing| routing.device(&target))
        {
            Ok(device) => kept.push(Target { device, ..target }),
            Err(reason) => gaps.push(Gap {
                what: format!("{} from {}", target.address, target.vantage.name()),
                reason: format!("not probed: {reason}"),
                need: None,
                hides: Hides::Views,
            }),
        }
    }
    (kept, gaps)
}

/// What the kernel says of its routing; why not, in words.
struct Routing {
    netlink: NetlinkSocket,
    /// Whether only the address decides where a packet goes: for IPv4 and for IPv6.
    by_address: [bool; 2],
}

impl Routing {
    fn open() -> Result<Self, String> {
        if !sys::loopback_is_up() {
            return Err("lo is down, and packets of this host to itself take it".to_owned());
        }
        let mut netlink =
            NetlinkSocket::open(Protocol::Route).map_err(|error| error.to_string())?;
        let mut first_rule = |family| {
            first_rule_is_for_local_addresses(&mut netlink, family)
                .map_err(|error| error.with_cause())
        };
        let by_address = [first_rule(Family::Ipv4)?, first_rule(Family::Ipv6)?];
        Ok(Self { netlink, by_address })
    }

    /// The device that has the address.
    fn device(&mut self, target: &Target) -> Result<u32, String> {
        let [ipv4, ipv6] = self.by_address;
        if !(if target.address.is_ipv4() { ipv4 } else { ipv6 }) {
            return Err(
                "a routing rule that is asked before this host's addresses could send probes out"
                    .into(),
            );
        }
        match self.route(target) {
            Ok(Some(Route { is_local: true, device, .. })) => Ok(device.unwrap_or(target.device)),
            Ok(_) => Err(format!(
                "packets to it would leave this host (is {} up?)",
                target.interface.name
            )),
            Err(error) => Err(error.with_cause()),
        }
    }

    fn route(&mut self, target: &Target) -> Result<Option<Route>, AnswerError> {
        let mut found = None;
        let seq = self.netlink.next_seq();
        let mut answer = netlink::Answer::entry(seq);
        self.netlink.converse(&route::get(target.address, target.scope_id, seq), |datagram| {
            answer.take(datagram, |_, payload| found = route::route(payload))
        })?;
        Ok(found)
    }
}

/// Whether the first rule of a family asks for this host's own addresses, for every packet. A kernel without
/// policy routing has no rules and looks there first.
fn first_rule_is_for_local_addresses(
    netlink: &mut NetlinkSocket,
    family: Family,
) -> Result<bool, AnswerError> {
    let mut first = None;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::dump(seq);
    let asked = netlink.converse(&route::rules(family, seq), |datagram| {
        answer.take(datagram, |_, payload| {
            first.get_or_insert_with(|| route::asks_for_local_addresses(payload));
        })
    });
    match asked {
        Ok(()) => Ok(first.unwrap_or(true)),
        // EOPNOTSUPP, EAFNOSUPPORT: there is no such thing as a rule.
        Err(AnswerError::Refused(error))
            if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT)) =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
