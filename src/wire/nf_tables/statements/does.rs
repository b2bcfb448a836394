//! The expressions that do something.

use super::super::be32;
use super::super::expressions::ends;
use super::super::numbers::{
    DREG, NFPROTO_IPV4, NFTA_DATA_VERDICT, NFTA_IMMEDIATE_DATA, NFTA_NAT_ADDRESSES,
    NFTA_NAT_FAMILY, NFTA_NAT_FLAGS, NFTA_NAT_PORTS, NFTA_NAT_TYPE, NFTA_REDIR_FLAGS,
    NFTA_REDIR_PORTS, NFTA_VERDICT_CHAIN, NFTA_VERDICT_CODE, VERDICT, XT_INFO, XT_NAME,
    XT_REVISION,
};
use crate::wire::netlink::{attribute, text};

use super::operands::Registers;
use super::{Data, Operand, Statement, Verdict};

/// A constant that is put into a register, or a verdict.
pub(super) fn immediate(
    registers: &mut Registers,
    statements: &mut Vec<Statement>,
    data: Data<'_>,
) -> Option<()> {
    let data = data.up_to(NFTA_IMMEDIATE_DATA)?;
    let register = data.number(DREG)?;
    if register == VERDICT {
        let value = data.bytes(NFTA_IMMEDIATE_DATA)?;
        statements.push(Statement::Verdict(verdict(value)?));
        return Some(());
    }
    let value = data.value(NFTA_IMMEDIATE_DATA)?.to_vec();
    let len = value.len();
    registers.set(register, &Operand::Constant(value), len)
}

/// The verdict in these data.
pub(in super::super) fn verdict(data: &[u8]) -> Option<Verdict> {
    let verdict = attribute(data, NFTA_DATA_VERDICT)?;
    let chain = || attribute(verdict, NFTA_VERDICT_CHAIN).map(text);
    match attribute(verdict, NFTA_VERDICT_CODE).and_then(be32)?.cast_signed() {
        0 => Some(Verdict::Drop),
        1 => Some(Verdict::Accept),
        -1 => Some(Verdict::Continue),
        -3 => chain().map(Verdict::Jump),
        -4 => chain().map(Verdict::Goto),
        -5 => Some(Verdict::Return),
        _ => None,
    }
}

/// An expression that does something, and those of iptables.
pub(super) fn does(registers: &Registers, name: &str, data: Data<'_>) -> Option<Statement> {
    let ends = |names: [u16; 2], len: usize| {
        ends(data.0, names, |register| registers.constant(register, len))
    };
    match name {
        // Its attributes are what it counted.
        "counter" => Some(Statement::Counter),
        "notrack" => Some(Statement::Notrack),
        "reject" => {
            let data = data.up_to(2)?;
            let code = data.bytes(2).map_or(Some(0), |code| code.first().copied())?;
            Some(Statement::Reject { kind: data.number(1)?, code })
        }
        "limit" => {
            // The sixth attribute is padding. Bytes are not understood.
            let data = data.up_to(6).filter(|data| data.number(4).unwrap_or(0) == 0)?;
            let flags = data.number(5).unwrap_or(0);
            Some(Statement::Limit {
                rate: data.long(1)?,
                seconds: data.long(2)?,
                burst: data.number(3)?,
                is_over: (flags <= 1).then_some(flags == 1)?,
            })
        }
        "log" => {
            let data = data.up_to(6)?;
            Some(Statement::Log {
                group: data.short(1),
                prefix: data.bytes(2).map(text),
                snaplen: data.number(3).unwrap_or(0),
                threshold: data.short(4).unwrap_or(0),
                // LOG_WARNING
                level: data.number(5).unwrap_or(4),
                flags: data.number(6).unwrap_or(0),
            })
        }
        "nat" => {
            let data = data.up_to(NFTA_NAT_FLAGS)?;
            let family = data.number(NFTA_NAT_FAMILY)?;
            let len = if family == u32::from(NFPROTO_IPV4) { 4 } else { 16 };
            Some(Statement::Nat {
                kind: data.number(NFTA_NAT_TYPE)?,
                family,
                addresses: ends(NFTA_NAT_ADDRESSES, len)?,
                ports: ends(NFTA_NAT_PORTS, 2)?,
                flags: data.number(NFTA_NAT_FLAGS).unwrap_or(0),
            })
        }
        "masq" => Some(Statement::Masquerade {
            flags: data.up_to(3)?.number(1).unwrap_or(0),
            ports: ends([2, 3], 2)?,
        }),
        "redir" => Some(Statement::Redirect {
            flags: data.up_to(NFTA_REDIR_FLAGS)?.number(NFTA_REDIR_FLAGS).unwrap_or(0),
            ports: ends(NFTA_REDIR_PORTS, 2)?,
        }),
        "tproxy" => {
            let data = data.up_to(3)?;
            let family = data.number(1)?;
            let len = if family == u32::from(NFPROTO_IPV4) { 4 } else { 16 };
            let constant = |kind, len| match data.number(kind) {
                None => Some(None),
                Some(register) => registers.constant(register, len).map(Some),
            };
            Some(Statement::Tproxy { family, address: constant(2, len)?, port: constant(3, 2)? })
        }
        "objref" => Some(Statement::Object {
            kind: data.up_to(2)?.number(1)?,
            name: data.bytes(2).map(text)?,
        }),
        "match" | "target" => Some(Statement::Xt {
            is_target: name == "target",
            name: data.up_to(XT_INFO)?.bytes(XT_NAME).map(text)?,
            revision: data.number(XT_REVISION)?,
            info: data.bytes(XT_INFO)?.to_vec(),
        }),
        _ => None,
    }
}
