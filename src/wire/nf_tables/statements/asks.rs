//! The expressions that look at a packet.

use super::super::numbers::{
    DREG, EQUAL, FIB_RESULT_OIFNAME, GREATER_OR_EQUAL, META_IIFNAME, META_OIFNAME, NFTA_CMP_DATA,
    NFTA_FIB_FLAGS, NFTA_FIB_RESULT, NFTA_LOOKUP_DREG, NFTA_META_KEY, NFTA_META_SREG,
    NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET, NFTA_RANGE_FROM, NFTA_RANGE_TO,
    NOT_EQUAL, OPERATOR, SREG, VERDICT,
};
use crate::wire::netlink::text;

use super::operands::Registers;
use super::{Data, Field, Operand, Statement};

/// An expression that writes something of the packet into a register, or from a register into the packet.
pub(super) fn load_or_set(
    registers: &mut Registers,
    statements: &mut Vec<Statement>,
    name: &str,
    data: Data<'_>,
) -> Option<()> {
    const NFTA_CT_KEY: u16 = 2;
    const NFTA_CT_SREG: u16 = 4;
    let key = |kind| data.number(kind);
    let (field, len) = match name {
        "payload" => {
            let data = data.up_to(NFTA_PAYLOAD_LEN)?;
            let (base, offset) =
                (data.number(NFTA_PAYLOAD_BASE)?, data.number(NFTA_PAYLOAD_OFFSET)?);
            let len = usize::try_from(data.number(NFTA_PAYLOAD_LEN)?).ok()?;
            (Field::Payload { base, offset, len }, len)
        }
        "meta" => {
            data.up_to(NFTA_META_SREG)?;
            let key = key(NFTA_META_KEY)?;
            (Field::Meta(key), if matches!(key, META_IIFNAME | META_OIFNAME) { 16 } else { 4 })
        }
        "ct" => {
            // A direction is not understood.
            let has_direction = data.up_to(NFTA_CT_SREG)?.bytes(3).is_some();
            (Field::Ct(key(NFTA_CT_KEY).filter(|_| !has_direction)?), 4)
        }
        _ => {
            let data = data.up_to(NFTA_FIB_FLAGS)?;
            let (result, flags) = (data.number(NFTA_FIB_RESULT)?, data.number(NFTA_FIB_FLAGS)?);
            (Field::Fib { result, flags }, if result == FIB_RESULT_OIFNAME { 16 } else { 4 })
        }
    };
    if let Some(register) = data.number(DREG) {
        return registers.set(register, &Operand::Of { field, mask: None }, len);
    }
    let source = data.number(if name == "ct" { NFTA_CT_SREG } else { NFTA_META_SREG })?;
    let value = registers.operand(source, 1)?.clone();
    statements.push(Statement::Set { field, value });
    Some(())
}

pub(super) fn bitwise(registers: &mut Registers, data: Data<'_>) -> Option<()> {
    let data = data.up_to(7)?;
    let (source, target, len) = (data.number(1)?, data.number(2)?, data.number(3)?);
    let (new, xor) = (data.value(4)?.to_vec(), data.value(5)?);
    // A shift, or bits that are turned round, is not understood.
    let is_mask = data.number(6).unwrap_or(0) == 0 && xor.iter().all(|byte| *byte == 0);
    let len = usize::try_from(len).ok().filter(|len| is_mask && *len == new.len())?;
    match registers.operand(source, len)?.clone() {
        Operand::Of { field, mask: None } => {
            registers.set(target, &Operand::Of { field, mask: Some(new) }, len)
        }
        _ => None,
    }
}

/// A comparison with one constant, or two.
pub(super) fn compares(registers: &Registers, name: &str, data: Data<'_>) -> Option<Statement> {
    let operand = |len| registers.operand(data.number(SREG)?, len).cloned();
    let operator = data.number(OPERATOR)?;
    if name == "cmp" {
        let right = data.up_to(NFTA_CMP_DATA)?.value(NFTA_CMP_DATA)?.to_vec();
        let operator = Some(operator).filter(|it| *it <= GREATER_OR_EQUAL)?;
        return Some(Statement::Compare { left: operand(right.len())?, operator, right });
    }
    let data = data.up_to(NFTA_RANGE_TO)?;
    let ends = (data.value(NFTA_RANGE_FROM)?.to_vec(), data.value(NFTA_RANGE_TO)?.to_vec());
    let is_in = (operator <= NOT_EQUAL).then_some(operator == EQUAL)?;
    let is_even = ends.0.len() == ends.1.len();
    Some(Statement::Range { left: operand(ends.0.len()).filter(|_| is_even)?, is_in, ends })
}

/// A question to a set or a map.
pub(super) fn looks_up(
    registers: &Registers,
    key_len: &dyn Fn(&str) -> Option<usize>,
    data: Data<'_>,
) -> Option<Statement> {
    const NFTA_LOOKUP_SET: u16 = 1;
    const NFTA_LOOKUP_SREG: u16 = 2;
    const NFTA_LOOKUP_FLAGS: u16 = 5;
    let data = data.up_to(NFTA_LOOKUP_FLAGS)?;
    let set = data.bytes(NFTA_LOOKUP_SET).map(text)?;
    let left = registers.key(data.number(NFTA_LOOKUP_SREG)?, key_len(&set)?)?;
    let flags = data.number(NFTA_LOOKUP_FLAGS).unwrap_or(0);
    match (data.number(NFTA_LOOKUP_DREG), flags) {
        (None, 0 | 1) => Some(Statement::Lookup { left, set, is_in: flags == 0 }),
        (Some(VERDICT), 0) => Some(Statement::VerdictMap { left, set }),
        _ => None,
    }
}
