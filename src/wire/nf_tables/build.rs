//! Messages that make a table of rules (`linux/netfilter/nf_tables.h`), in the form that `nft` itself would send: other
//! programs list these rules while they are there.

use super::{
    NFNL_BATCH_RESOURCE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE,
    NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_HOOK_HOOKNUM,
    NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
};
use crate::model::{Family, Hook, Transport};
use crate::wire::netlink::{self, push_attribute};
use std::net::{IpAddr, SocketAddr};

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` (`linux/netfilter/nfnetlink.h`).
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// `NLM_F_ACK`, `NLM_F_EXCL`, `NLM_F_CREATE` and `NLM_F_APPEND` (`linux/netlink.h`).
const ACK: u8 = 0x04;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// `NFT_TABLE_F_OWNER`: the table goes with the socket that made it, and nobody else can change it (since Linux 5.12).
const OWNER: u32 = 2;
/// `NFPROTO_INET`, `NFPROTO_IPV4`, `NFPROTO_NETDEV` and `NFPROTO_IPV6`.
const INET: u8 = 1;
const IPV4: u8 = 2;
const NETDEV: u8 = 5;
const IPV6: u8 = 10;

const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_CHAIN_POLICY: u16 = 5;
const NF_ACCEPT: u32 = 1;
const NF_DROP: u32 = 0;

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// `NFT_REG_VERDICT`, `NFT_REG_1` for sixteen bytes, and `NFT_REG32_00` for up to four.
const REG_VERDICT: u32 = 0;
const REG_1: u32 = 1;
const REG32_00: u32 = 8;

/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

const META_PROTOCOL: u32 = 1;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_NFTRACE: u32 = 12;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;

/// A batch of messages that takes effect as one, or not at all.
#[derive(Debug)]
pub struct Batch {
    seq: u32,
    /// That of the tables that the next messages are about.
    family: u8,
    bytes: Vec<u8>,
    /// Where the last message begins.
    last: usize,
}

/// The expressions of a rule.
#[derive(Debug, Default)]
pub struct Expressions(Vec<u8>);

/// How packets get into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queueing {
    /// By the expression of `nf_tables`.
    Expression,
    /// By the target of iptables, in tables of one family only.
    Target,
}

impl Batch {
    /// A batch whose messages carry this sequence number. The kernel acknowledges the last, and says of any message that
    /// it refuses it.
    #[must_use]
    pub fn new(seq: u32) -> Self {
        let mut batch = Self { seq, family: INET, bytes: Vec::new(), last: 0 };
        batch.message(BATCH_BEGIN, 0, 0, NFNL_BATCH_RESOURCE, &[]);
        batch
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) {
        let mut body = vec![family, 0];
        body.extend(resource.to_be_bytes());
        body.extend_from_slice(attributes);
        self.last = self.bytes.len();
        self.bytes.extend(netlink::request(kind, flags, self.seq, &body));
    }

    /// From now on the tables are of this family, and no more of `inet`.
    pub fn of(&mut self, family: Family) {
        self.family = match family {
            Family::Ipv4 => IPV4,
            Family::Ipv6 => IPV6,
        };
    }

    /// From now on the tables are those of devices.
    pub fn of_devices(&mut self) {
        self.family = NETDEV;
    }

    /// Makes a table that belongs to the socket, where there is none of this name.
    pub fn table(&mut self, name: &str) {
        let mut body = Vec::new();
        push_text(&mut body, NFTA_TABLE_NAME, name);
        push_attribute(&mut body, NFTA_TABLE_FLAGS, &OWNER.to_be_bytes());
        self.message(NFT_MSG_NEWTABLE, CREATE | EXCL, self.family, 0, &body);
    }

    /// Removes such a table, with all that is in it.
    pub fn remove_table(&mut self, name: &str) {
        let mut body = Vec::new();
        push_text(&mut body, NFTA_TABLE_NAME, name);
        self.message(NFT_MSG_DELTABLE, 0, self.family, 0, &body);
    }

    /// Makes a chain of the table that begins at a hook and lets everything go on.
    pub fn chain(&mut self, table: &str, name: &str, hook: Hook, priority: i32) {
        let number: u32 = match hook {
            Hook::Prerouting => 0,
            Hook::Input => 1,
            Hook::Forward => 2,
            Hook::Output => 3,
            Hook::Postrouting => 4,
            Hook::Ingress | Hook::Egress => 5,
        };
        self.at_hook(table, name, number, priority, &[]);
    }

    /// Makes a chain of a table of devices, which sees what leaves this one (since Linux 5.16).
    pub fn way_out(&mut self, table: &str, name: &str, device: &str) {
        /// `NF_NETDEV_EGRESS`.
        const EGRESS: u32 = 1;
        let mut of_device = Vec::new();
        push_text(&mut of_device, NFTA_HOOK_DEV, device);
        self.at_hook(table, name, EGRESS, 0, &of_device);
    }

    fn at_hook(&mut self, table: &str, name: &str, number: u32, priority: i32, more: &[u8]) {
        let mut hook = Vec::new();
        push_attribute(&mut hook, NFTA_HOOK_HOOKNUM, &number.to_be_bytes());
        push_attribute(&mut hook, NFTA_HOOK_PRIORITY, &priority.to_be_bytes());
        hook.extend_from_slice(more);
        let mut body = Vec::new();
        push_text(&mut body, NFTA_CHAIN_TABLE, table);
        push_text(&mut body, NFTA_CHAIN_NAME, name);
        push_attribute(&mut body, NFTA_CHAIN_HOOK | NESTED, &hook);
        push_attribute(&mut body, NFTA_CHAIN_POLICY, &NF_ACCEPT.to_be_bytes());
        push_text(&mut body, NFTA_CHAIN_TYPE, "filter");
        self.message(NFT_MSG_NEWCHAIN, CREATE, self.family, 0, &body);
    }

    /// The whole batch.
    #[must_use]
    pub fn end(mut self) -> Vec<u8> {
        /// Where the lower byte of the flags is in `struct nlmsghdr`, whichever end comes first.
        const FLAGS: usize = if cfg!(target_endian = "little") { 6 } else { 7 };
        if let Some(flags) = self.bytes.get_mut(self.last + FLAGS) {
            *flags |= ACK;
        }
        self.message(BATCH_END, 0, 0, NFNL_BATCH_RESOURCE, &[]);
        self.bytes
    }

    /// Makes a rule at the end of a chain.
    pub fn rule(&mut self, table: &str, chain: &str, expressions: &Expressions) {
        let mut body = Vec::new();
        push_text(&mut body, NFTA_RULE_TABLE, table);
        push_text(&mut body, NFTA_RULE_CHAIN, chain);
        push_attribute(&mut body, NFTA_RULE_EXPRESSIONS | NESTED, &expressions.0);
        self.message(NFT_MSG_NEWRULE, CREATE | APPEND, self.family, 0, &body);
    }
}

impl Expressions {
    /// Those of a packet from this address.
    #[must_use]
    pub fn from_host(source: IpAddr) -> Self {
        Self::default().host(source, 12, 8)
    }

    /// Those of a packet to this address.
    #[must_use]
    pub fn to_host(target: IpAddr) -> Self {
        Self::default().host(target, 16, 24)
    }

    /// `at4` and `at6` are where the address is in the header of its family.
    fn host(self, address: IpAddr, at4: u32, at6: u32) -> Self {
        let family = if address.is_ipv4() { IPV4 } else { IPV6 };
        self.meta(META_NFPROTO).equals(REG32_00, &[family]).address(address, at4, at6)
    }

    /// And from this address, of the same family, or of that of the table.
    #[must_use]
    pub fn and_from(self, source: IpAddr) -> Self {
        self.address(source, 12, 8)
    }

    /// And to this address, of the same family, or of that of the table.
    #[must_use]
    pub fn and_to(self, target: IpAddr) -> Self {
        self.address(target, 16, 24)
    }

    fn address(self, address: IpAddr, at4: u32, at6: u32) -> Self {
        match address {
            IpAddr::V4(address) => {
                self.payload(NETWORK, at4, 4, REG32_00).equals(REG32_00, &address.octets())
            }
            IpAddr::V6(address) => {
                self.payload(NETWORK, at6, 16, REG_1).equals(REG_1, &address.octets())
            }
        }
    }

    /// Those of a packet of IP from this address, in a table of devices.
    #[must_use]
    pub fn sent_from(source: IpAddr) -> Self {
        Self::default().of_ip(source).and_from(source)
    }

    /// Those of a packet of IP to this address, in a table of devices.
    #[must_use]
    pub fn sent_to(target: IpAddr) -> Self {
        Self::default().of_ip(target).and_to(target)
    }

    fn of_ip(self, address: IpAddr) -> Self {
        /// `ETH_P_IP` and `ETH_P_IPV6`.
        const KINDS: [u16; 2] = [0x0800, 0x86dd];
        let kind = if address.is_ipv4() { KINDS[0] } else { KINDS[1] };
        self.meta(META_PROTOCOL).equals(REG32_00, &kind.to_be_bytes())
    }

    /// And in and out by the device with this index.
    #[must_use]
    pub fn there_and_back(self, device: u32) -> Self {
        let device = device.to_ne_bytes();
        self.meta(META_IIF).equals(REG32_00, &device).meta(META_OIF).equals(REG32_00, &device)
    }

    /// And from this port.
    #[must_use]
    pub fn from_port(self, transport: Transport, port: u16) -> Self {
        self.of(transport).payload(TRANSPORT, 0, 2, REG32_00).equals(REG32_00, &port.to_be_bytes())
    }

    /// And to this port.
    #[must_use]
    pub fn to_port(self, transport: Transport, port: u16) -> Self {
        self.of(transport).payload(TRANSPORT, 2, 2, REG32_00).equals(REG32_00, &port.to_be_bytes())
    }

    /// And of this transport.
    #[must_use]
    pub fn of(self, transport: Transport) -> Self {
        let number = match transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Sctp => 132,
        };
        self.protocol(number)
    }

    fn protocol(self, number: u8) -> Self {
        self.meta(META_L4PROTO).equals(REG32_00, &[number])
    }

    /// And with the flag SYN.
    #[must_use]
    pub fn syn(self) -> Self {
        const SYN: u8 = 2;
        self.flag(SYN)
    }

    /// And of TCP, with the flag RST.
    #[must_use]
    pub fn reset(self) -> Self {
        const RST: u8 = 4;
        self.of(Transport::Tcp).flag(RST)
    }

    fn flag(self, flag: u8) -> Self {
        /// Where the flags of TCP are.
        const FLAGS: u32 = 13;
        self.payload(TRANSPORT, FLAGS, 1, REG32_00).and(flag).differs(REG32_00, &[0])
    }

    /// And an ICMP message of this type and family.
    #[must_use]
    pub fn icmp(self, family: Family, kind: u8) -> Self {
        let protocol = if family == Family::Ipv4 { 1 } else { 58 };
        self.protocol(protocol).payload(TRANSPORT, 0, 1, REG32_00).equals(REG32_00, &[kind])
    }

    /// An ICMP message that quotes a packet of ours: one from `source`, whose own header has no options.
    #[must_use]
    pub fn quoting(self, source: SocketAddr) -> Self {
        // The eight bytes of the message, and the header of the quoted packet.
        let (protocol, at) = if source.is_ipv4() { (1, 8 + 20) } else { (58, 8 + 40) };
        self.protocol(protocol)
            .payload(TRANSPORT, at, 2, REG32_00)
            .equals(REG32_00, &source.port().to_be_bytes())
    }

    /// An `ICMPv6` redirect (RFC 4861, section 4.5).
    #[must_use]
    pub fn redirect(self) -> Self {
        const REDIRECT: u8 = 137;
        self.icmp(Family::Ipv6, REDIRECT)
    }

    /// Begins to trace the packet.
    #[must_use]
    pub fn trace(self) -> Self {
        let value = self.immediate(REG32_00, &data(NFTA_DATA_VALUE, &[1]));
        // NFTA_META_KEY and NFTA_META_SREG.
        value.expression("meta", &[(2, &META_NFTRACE.to_be_bytes()), (3, &REG32_00.to_be_bytes())])
    }

    /// Lets the packet go on to the next chain.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(NF_ACCEPT)
    }

    /// Drops it.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(NF_DROP)
    }

    /// Hands it to the program that has the queue of this number, and drops it where nobody has it: by the expression
    /// `queue`, or by the target of iptables, which older and smaller kernels have in its place.
    #[must_use]
    pub fn queue(self, number: u16, by: Queueing) -> Self {
        match by {
            // NFTA_QUEUE_NUM and NFTA_QUEUE_TOTAL.
            Queueing::Expression => {
                self.expression("queue", &[(1, &number.to_be_bytes()), (2, &1_u16.to_be_bytes())])
            }
            Queueing::Target => {
                // struct xt_NFQ_info_v1: the number, and how many queues there are; as long as the kernel aligns it.
                let [low, high] = number.to_ne_bytes();
                let [one, zero] = 1_u16.to_ne_bytes();
                let info = [low, high, one, zero, 0, 0, 0, 0];
                // NFTA_TARGET_NAME, _REV and _INFO.
                self.expression(
                    "target",
                    &[(1, b"NFQUEUE\0"), (2, &1_u32.to_be_bytes()), (3, &info)],
                )
            }
        }
    }

    /// Tells the program that has the log of this group of it, whole and at once (`NFTA_LOG_GROUP`, `_SNAPLEN` and
    /// `_QTHRESHOLD`).
    #[must_use]
    pub fn log(self, group: u16) -> Self {
        let whole = u32::from(u16::MAX).to_be_bytes();
        let at_once = 1_u16.to_be_bytes();
        self.expression("log", &[(1, &group.to_be_bytes()), (3, &whole), (4, &at_once)])
    }

    fn verdict(self, code: u32) -> Self {
        let mut verdict = Vec::new();
        push_attribute(&mut verdict, NFTA_VERDICT_CODE, &code.to_be_bytes());
        self.immediate(REG_VERDICT, &data(NFTA_DATA_VERDICT | NESTED, &verdict))
    }

    /// `NFTA_IMMEDIATE_DREG` and `NFTA_IMMEDIATE_DATA`.
    fn immediate(self, register: u32, data: &[u8]) -> Self {
        self.expression("immediate", &[(1, &register.to_be_bytes()), (2 | NESTED, data)])
    }

    /// `NFTA_META_DREG` and `NFTA_META_KEY`.
    fn meta(self, key: u32) -> Self {
        self.expression("meta", &[(1, &REG32_00.to_be_bytes()), (2, &key.to_be_bytes())])
    }

    /// `NFTA_PAYLOAD_DREG`, `_BASE`, `_OFFSET` and `_LEN`.
    fn payload(self, base: u32, offset: u32, length: u32, register: u32) -> Self {
        let [register, base, offset, length] =
            [register, base, offset, length].map(u32::to_be_bytes);
        self.expression("payload", &[(1, &register), (2, &base), (3, &offset), (4, &length)])
    }

    /// One byte, by `NFTA_BITWISE_SREG`, `_DREG`, `_LEN`, `_MASK` and `_XOR`.
    fn and(self, mask: u8) -> Self {
        let register = REG32_00.to_be_bytes();
        let (mask, zero) = (data(NFTA_DATA_VALUE, &[mask]), data(NFTA_DATA_VALUE, &[0]));
        let length = 1_u32.to_be_bytes();
        self.expression(
            "bitwise",
            &[
                (1, &register),
                (2, &register),
                (3, &length),
                (4 | NESTED, &mask),
                (5 | NESTED, &zero),
            ],
        )
    }

    fn equals(self, register: u32, value: &[u8]) -> Self {
        self.compare(0, register, value)
    }

    fn differs(self, register: u32, value: &[u8]) -> Self {
        self.compare(1, register, value)
    }

    /// `NFTA_CMP_SREG`, `_OP` (`NFT_CMP_EQ`, `NFT_CMP_NEQ`) and `_DATA`.
    fn compare(self, operation: u32, register: u32, value: &[u8]) -> Self {
        let (register, operation) = (register.to_be_bytes(), operation.to_be_bytes());
        let value = data(NFTA_DATA_VALUE, value);
        self.expression("cmp", &[(1, &register), (2, &operation), (3 | NESTED, &value)])
    }

    fn expression(mut self, name: &str, attributes: &[(u16, &[u8])]) -> Self {
        let mut values = Vec::new();
        for (kind, value) in attributes {
            push_attribute(&mut values, *kind, value);
        }
        let mut body = Vec::new();
        push_text(&mut body, NFTA_EXPR_NAME, name);
        push_attribute(&mut body, NFTA_EXPR_DATA | NESTED, &values);
        push_attribute(&mut self.0, NFTA_LIST_ELEM | NESTED, &body);
        self
    }
}

fn data(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    push_attribute(&mut body, kind, value);
    body
}

fn push_text(body: &mut Vec<u8>, kind: u16, text: &str) {
    push_attribute(body, kind, &[text.as_bytes(), &[0]].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `nft --debug=mnl add rule ip t c queue num 5` shows that it sends.
    #[test]
    fn a_queue_is_asked_for_as_nft_does() {
        let Expressions(bytes) = Expressions::default().queue(5, Queueing::Expression);
        assert_eq!(bytes.len(), 36);
        assert_eq!(bytes[..14], [36, 0, 1, 0x80, 10, 0, 1, 0, b'q', b'u', b'e', b'u', b'e', 0]);
        assert_eq!(bytes[16..], [20, 0, 2, 0x80, 6, 0, 1, 0, 0, 5, 0, 0, 6, 0, 2, 0, 0, 1, 0, 0]);
    }
}
