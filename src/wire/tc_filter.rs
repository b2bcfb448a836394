//! The filters of traffic control for what a device receives, over `NETLINK_ROUTE` (`linux/rtnetlink.h`,
//! `linux/pkt_cls.h`).

use super::netlink::{self, attribute, text};

const RTM_GETTFILTER: u16 = 46;
/// The qdiscs `ingress` and `clsact`, at what comes in (`TC_H_CLSACT`, `TC_H_MIN_INGRESS`).
const INGRESS: u32 = 0xffff_fff2;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;

/// The size of `struct tcmsg`, and where the device, the filter's handle and its place stand.
const TCMSG: usize = 20;
const DEVICE: usize = 4;
const HANDLE: usize = 8;
const PARENT: usize = 12;
const INFO: usize = 16;

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter {
    /// Its kind, as `bpf` or `flower`.
    pub kind: String,
    /// Its place among the others: the smaller, the earlier (`pref`).
    pub preference: u16,
    /// The name of its program, where it has one.
    pub name: Option<String>,
}

/// A request for the filters of what a device receives.
#[must_use]
pub fn dump(device: u32, seq: u32) -> Vec<u8> {
    let mut body = vec![0; TCMSG];
    for (at, value) in [(DEVICE, device), (PARENT, INGRESS)] {
        if let Some(field) = body.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
    }
    netlink::request(RTM_GETTFILTER, netlink::DUMP, seq, &body)
}

/// The filter that an entry of the answer stands for; `None` for one that only says that there may be some.
#[must_use]
pub fn filter(payload: &[u8]) -> Option<Filter> {
    if netlink::u32_at(HANDLE, payload)? == 0 {
        return None;
    }
    let attributes = payload.get(TCMSG..)?;
    let options = attribute(attributes, TCA_OPTIONS).unwrap_or_default();
    let kind = text(attribute(attributes, TCA_KIND)?);
    let name = attribute(options, TCA_BPF_NAME).filter(|_| kind == "bpf").map(text);
    let preference = u16::try_from(netlink::u32_at(INFO, payload)? >> 16).ok()?;
    Some(Filter { kind, preference, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_filter_has_its_kind_and_its_program() {
        let entry = |handle: u8, kind: &[u8]| {
            let mut options = Vec::new();
            netlink::push_attribute(&mut options, TCA_BPF_NAME, b"drop.o:[tc]\0");
            let mut payload = vec![0; TCMSG];
            payload[HANDLE] = handle;
            payload[INFO..].copy_from_slice(&(49_152_u32 << 16 | 3).to_ne_bytes());
            netlink::push_attribute(&mut payload, TCA_KIND, kind);
            netlink::push_attribute(&mut payload, TCA_OPTIONS, &options);
            filter(&payload)
        };
        let bpf =
            Filter { kind: "bpf".into(), preference: 49_152, name: Some("drop.o:[tc]".into()) };
        assert_eq!(entry(1, b"bpf\0"), Some(bpf));
        assert_eq!(entry(1, b"flower\0").unwrap().name, None);
        assert_eq!(entry(0, b"bpf\0"), None, "the head of its filters");
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _any = filter(&bytes);
        }
    }
}
