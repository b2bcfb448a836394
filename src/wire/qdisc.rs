//! The queueing disciplines of the network devices over `NETLINK_ROUTE` (`linux/rtnetlink.h`): what a packet may wait in
//! before a device takes it.

use super::netlink::{self, attribute, text};

const RTM_GETQDISC: u16 = 38;

const TCA_KIND: u16 = 1;

/// The size of `struct tcmsg`, and where the index of its device stands.
const TCMSG: usize = 20;
const IFINDEX: usize = 4;

/// A queueing discipline of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qdisc {
    /// The index of the device.
    pub device: u32,
    /// Its kind, as `fq_codel`.
    pub kind: String,
}

/// A request for those of all devices.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    netlink::request(RTM_GETQDISC, netlink::DUMP, seq, &[0; TCMSG])
}

/// The queueing discipline that an entry of the answer stands for; `None` when it is cut short.
#[must_use]
pub fn qdisc(payload: &[u8]) -> Option<Qdisc> {
    let device = netlink::u32_at(IFINDEX, payload)?;
    let kind = text(attribute(payload.get(TCMSG..)?, TCA_KIND)?);
    Some(Qdisc { device, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_has_its_device_and_its_kind() {
        let mut payload = vec![0; TCMSG];
        payload[IFINDEX..IFINDEX + 4].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(qdisc(&payload), None, "no kind");
        netlink::push_attribute(&mut payload, TCA_KIND, b"netem\0");
        assert_eq!(qdisc(&payload), Some(Qdisc { device: 7, kind: "netem".to_owned() }));
        assert_eq!(qdisc(&payload[..TCMSG - 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _any = qdisc(&bytes);
        }
    }
}
