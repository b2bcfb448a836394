//! What a rule looks at, and the registers in which its expressions hand it on.

use super::super::registers::first_word;

/// Something of a packet that a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Field {
    /// So many bytes of a header (`NFT_PAYLOAD_…_HEADER`).
    Payload { base: u32, offset: u32, len: usize },
    /// `NFT_META_…`.
    Meta(u32),
    /// `NFT_CT_…`, of no direction.
    Ct(u32),
    /// `NFT_FIB_RESULT_…` for `NFTA_FIB_F_…`.
    Fib { result: u32, flags: u32 },
}

/// What stands in a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Operand {
    /// Something of the packet, all of it, or the bits of it that are set here.
    Of { field: Field, mask: Option<Vec<u8>> },
    /// A constant of the rule.
    Constant(Vec<u8>),
}

const WORD: usize = 4;
const WORDS: usize = 16;

/// One of the words that an operand fills.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    operand: Operand,
    /// Which of them it is.
    number: usize,
    /// How many they are.
    of: usize,
}

/// What stands in each of the 16 registers of 4 bytes.
#[derive(Debug, Default)]
pub(super) struct Registers([Option<Word>; WORDS]);

impl Registers {
    fn words(&self, register: u32, len: usize) -> Option<&[Option<Word>]> {
        let first = first_word(register);
        self.0.get(first..first.checked_add(len.div_ceil(WORD))?)
    }

    pub(super) fn set(&mut self, register: u32, operand: &Operand, len: usize) -> Option<()> {
        let (first, of) = (first_word(register), len.div_ceil(WORD));
        for (number, word) in self.0.get_mut(first..first.checked_add(of)?)?.iter_mut().enumerate()
        {
            *word = Some(Word { operand: operand.clone(), number, of });
        }
        Some(())
    }

    /// What stands in so many bytes from this register on; it may be longer.
    pub(super) fn operand(&self, register: u32, len: usize) -> Option<&Operand> {
        let words = self.words(register, len)?;
        let operand = &words.first()?.as_ref()?.operand;
        let mut numbered = words.iter().flatten().enumerate();
        let is_one = numbered.all(|(at, word)| word.number == at && word.operand == *operand);
        (is_one && words.iter().all(Option::is_some)).then_some(operand)
    }

    /// The operands that fill so many bytes from this register on, each of them to its end.
    pub(super) fn key(&self, register: u32, len: usize) -> Option<Vec<Operand>> {
        let mut parts: Vec<Operand> = Vec::new();
        let mut open = 0;
        for word in self.words(register, len)? {
            let word = word.as_ref()?;
            match (word.number, open) {
                (0, 0) => {
                    parts.push(word.operand.clone());
                    open = word.of - 1;
                }
                (number, 1..)
                    if number == word.of - open && parts.last() == Some(&word.operand) =>
                {
                    open -= 1;
                }
                _ => return None,
            }
        }
        (open == 0 && !parts.is_empty()).then_some(parts)
    }

    pub(super) fn constant(&self, register: u32, len: usize) -> Option<Vec<u8>> {
        match self.operand(register, len)? {
            Operand::Constant(value) => value.get(..len).map(<[u8]>::to_vec),
            Operand::Of { .. } => None,
        }
    }
}
