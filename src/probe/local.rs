//! Only this host: an address is probed only when the kernel's routing table says that packets to it stay here.

use crate::model::{Gap, Hides, Target};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::route;

/// The targets that packets would not leave the host for, and a gap for each of the others.
#[must_use]
pub fn only_local(targets: Vec<Target>) -> (Vec<Target>, Vec<Gap>) {
    let mut netlink = NetlinkSocket::open(Protocol::Route);
    let mut kept = Vec::new();
    let mut gaps = Vec::new();
    for target in targets {
        let reason = match netlink.as_mut().map(|netlink| stays_here(netlink, &target)) {
            Ok(Ok(true)) => {
                kept.push(target);
                continue;
            }
            Ok(Ok(false)) => "packets to it would leave this host".to_owned(),
            Ok(Err(error)) => error.with_cause(),
            Err(error) => error.to_string(),
        };
        gaps.push(Gap {
            what: format!("{} from {}", target.address, target.vantage.name()),
            reason: format!("not probed: {reason} (is {} up?)", target.interface.name),
            need: None,
            hides: Hides::Views,
        });
    }
    (kept, gaps)
}

fn stays_here(netlink: &mut NetlinkSocket, target: &Target) -> Result<bool, AnswerError> {
    let mut here = false;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::entry(seq);
    netlink.converse(&route::get(target.address, target.scope_id, seq), |datagram| {
        answer.take(datagram, |_, payload| {
            here = route::stays_here(payload) == Some(true);
        })
    })?;
    Ok(here)
}
