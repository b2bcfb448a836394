//! Numbers of `linux/netfilter/nf_tables.h` and `linux/netfilter.h` that several readers of rules need.

pub(super) const NFTA_EXPR_NAME: u16 = 1;
pub(super) const NFTA_EXPR_DATA: u16 = 2;

/// The attributes of `payload`, `meta`, `fib`, `ct` and `immediate` begin with the register that is written.
pub(super) const DREG: u16 = 1;
/// Those of `cmp` and `range` with the register that is read, and the comparison.
pub(super) const SREG: u16 = 1;
pub(super) const OPERATOR: u16 = 2;

pub(super) const NFTA_PAYLOAD_BASE: u16 = 2;
pub(super) const NFTA_PAYLOAD_OFFSET: u16 = 3;
pub(super) const NFTA_PAYLOAD_LEN: u16 = 4;
pub(super) const LINK_HEADER: u32 = 0;
pub(super) const NETWORK_HEADER: u32 = 1;
pub(super) const TRANSPORT_HEADER: u32 = 2;

pub(super) const NFTA_META_KEY: u16 = 2;
pub(super) const NFTA_META_SREG: u16 = 3;
pub(super) const META_PROTOCOL: u32 = 1;
pub(super) const META_MARK: u32 = 3;
pub(super) const META_IIF: u32 = 4;
pub(super) const META_OIF: u32 = 5;
pub(super) const META_IIFNAME: u32 = 6;
pub(super) const META_OIFNAME: u32 = 7;
pub(super) const META_IIFTYPE: u32 = 8;
pub(super) const META_NFTRACE: u32 = 12;
pub(super) const META_NFPROTO: u32 = 15;
pub(super) const META_L4PROTO: u32 = 16;
pub(super) const META_PKTTYPE: u32 = 19;

pub(super) const NFTA_FIB_RESULT: u16 = 2;
pub(super) const NFTA_FIB_FLAGS: u16 = 3;
pub(super) const FIB_RESULT_OIF: u32 = 1;
pub(super) const FIB_RESULT_OIFNAME: u32 = 2;
pub(super) const FIB_RESULT_ADDRTYPE: u32 = 3;
pub(super) const FIB_DADDR: u32 = 1 << 1;

pub(super) const NFTA_CMP_DATA: u16 = 3;
pub(super) const NFTA_RANGE_FROM: u16 = 3;
pub(super) const NFTA_RANGE_TO: u16 = 4;
pub(super) const EQUAL: u32 = 0;
pub(super) const NOT_EQUAL: u32 = 1;
pub(super) const LESS: u32 = 2;
pub(super) const LESS_OR_EQUAL: u32 = 3;
pub(super) const GREATER: u32 = 4;
pub(super) const GREATER_OR_EQUAL: u32 = 5;

pub(super) const NFTA_IMMEDIATE_DATA: u16 = 2;
pub(super) const NFTA_DATA_VALUE: u16 = 1;
pub(super) const NFTA_DATA_VERDICT: u16 = 2;
pub(super) const NFTA_VERDICT_CODE: u16 = 1;
pub(super) const NFTA_VERDICT_CHAIN: u16 = 2;
/// `NFT_REG_VERDICT`: what is written there ends the rule.
pub(super) const VERDICT: u32 = 0;

pub(super) const NFTA_LOOKUP_DREG: u16 = 3;

/// The attributes of `match` and `target`.
pub(super) const XT_NAME: u16 = 1;
pub(super) const XT_REVISION: u16 = 2;
pub(super) const XT_INFO: u16 = 3;

pub(super) const NFTA_NAT_TYPE: u16 = 1;
pub(super) const NFTA_NAT_FAMILY: u16 = 2;
pub(super) const NFTA_NAT_ADDRESSES: [u16; 2] = [3, 4];
pub(super) const NFTA_NAT_PORTS: [u16; 2] = [5, 6];
pub(super) const NFTA_NAT_FLAGS: u16 = 7;
pub(super) const NFT_NAT_SNAT: u32 = 0;
pub(super) const NFT_NAT_DNAT: u32 = 1;
pub(super) const NFTA_REDIR_PORTS: [u16; 2] = [1, 2];
pub(super) const NFTA_REDIR_FLAGS: u16 = 3;

/// `NFPROTO_IPV4` and `NFPROTO_IPV6`.
pub(super) const NFPROTO_IPV4: u8 = 2;
pub(super) const NFPROTO_IPV6: u8 = 10;
