//! What a rule says, expression by expression: values that no reader of text has chosen words for. Either the whole
//! rule is understood, or nothing of it.

mod asks;
mod does;
mod operands;

use super::be32;
use super::numbers::{NFTA_DATA_VALUE, NFTA_EXPR_DATA, NFTA_EXPR_NAME};
use crate::wire::netlink::{attribute, attributes, text};
use asks::{bitwise, compares, load_or_set, looks_up};
use does::{does, immediate};
use operands::Registers;

pub(super) use does::verdict;
pub(super) use operands::{Field, Operand};

/// What becomes of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    Jump(String),
    Goto(String),
}

/// The first and the last value of a range.
pub(super) type Ends = (Vec<u8>, Vec<u8>);

/// One thing that a rule asks for or does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// A comparison (`NFT_CMP_…`) with a constant.
    Compare {
        left: Operand,
        operator: u32,
        right: Vec<u8>,
    },
    /// Whether it is in a range, or not.
    Range {
        left: Operand,
        is_in: bool,
        ends: Ends,
    },
    /// Whether these are in a set, or not.
    Lookup {
        left: Vec<Operand>,
        set: String,
        is_in: bool,
    },
    /// What a map says for these.
    VerdictMap {
        left: Vec<Operand>,
        set: String,
    },
    Verdict(Verdict),
    Counter,
    /// `NFT_REJECT_…` and its code.
    Reject {
        kind: u32,
        code: u8,
    },
    /// So many packets in so many seconds.
    Limit {
        rate: u64,
        seconds: u64,
        burst: u32,
        is_over: bool,
    },
    Log {
        prefix: Option<String>,
        group: Option<u16>,
        snaplen: u32,
        threshold: u16,
        level: u32,
        flags: u32,
    },
    /// `NFT_NAT_…`, the family of the addresses, `NF_NAT_RANGE_…`.
    Nat {
        kind: u32,
        family: u32,
        addresses: Option<Ends>,
        ports: Option<Ends>,
        flags: u32,
    },
    Masquerade {
        ports: Option<Ends>,
        flags: u32,
    },
    Redirect {
        ports: Option<Ends>,
        flags: u32,
    },
    Tproxy {
        family: u32,
        address: Option<Vec<u8>>,
        port: Option<Vec<u8>>,
    },
    /// It writes a field.
    Set {
        field: Field,
        value: Operand,
    },
    Notrack,
    /// A named object (`NFT_OBJECT_…`).
    Object {
        kind: u32,
        name: String,
    },
    /// A match or a target of iptables.
    Xt {
        is_target: bool,
        name: String,
        revision: u32,
        info: Vec<u8>,
    },
}

impl Statement {
    /// Whether it looks at the packet only.
    pub(super) fn asks(&self) -> bool {
        matches!(
            self,
            Self::Compare { .. }
                | Self::Range { .. }
                | Self::Lookup { .. }
                | Self::VerdictMap { .. }
        )
    }
}

/// The statements of a rule's expressions; `None` where one of them is not understood. `key_len` says how long the
/// keys of a set are, in bytes.
pub(super) fn of(
    expressions: &[u8],
    key_len: &dyn Fn(&str) -> Option<usize>,
) -> Option<Vec<Statement>> {
    let mut registers = Registers::default();
    let mut statements = Vec::new();
    for (_, expression) in attributes(expressions) {
        let name = text(attribute(expression, NFTA_EXPR_NAME)?);
        let data = Data(attribute(expression, NFTA_EXPR_DATA).unwrap_or_default());
        match name.as_str() {
            "payload" | "meta" | "ct" | "fib" => {
                load_or_set(&mut registers, &mut statements, &name, data)?;
            }
            "bitwise" => bitwise(&mut registers, data)?,
            "immediate" => immediate(&mut registers, &mut statements, data)?,
            "cmp" | "range" => statements.push(compares(&registers, &name, data)?),
            "lookup" => statements.push(looks_up(&registers, key_len, data)?),
            _ => statements.push(does(&registers, &name, data)?),
        }
    }
    Some(statements)
}

/// The attributes of an expression.
#[derive(Debug, Clone, Copy)]
struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    /// The same, where no attribute has a greater number: a later kernel may say more than is known here.
    fn up_to(self, last: u16) -> Option<Self> {
        attributes(self.0).all(|(kind, _)| kind <= last).then_some(self)
    }

    fn bytes(self, kind: u16) -> Option<&'a [u8]> {
        attribute(self.0, kind)
    }

    fn number(self, kind: u16) -> Option<u32> {
        self.bytes(kind).and_then(be32)
    }

    fn short(self, kind: u16) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(kind)?.try_into().ok()?))
    }

    fn long(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(kind)?.try_into().ok()?))
    }

    /// A constant, nested in an attribute.
    fn value(self, kind: u16) -> Option<&'a [u8]> {
        attribute(self.bytes(kind)?, NFTA_DATA_VALUE)
    }
}
