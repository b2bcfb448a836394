//! The registers in which a rule's expressions hand values on: 16 words of 4 bytes, with the facts of a packet, which
//! are not known here, and the constants of the rule, which are.

/// A fact of a packet that says whether it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Its family, as `NFPROTO_IPV4`: 1 byte.
    Family,
    /// Its transport protocol, as `IPPROTO_TCP`: 1 byte.
    Protocol,
    /// Its destination: 4 or 16 bytes.
    Address,
    /// What its destination is to this host, as `RTN_LOCAL`: 4 bytes, in the byte order of the host.
    AddressKind,
    /// The port that it goes to: 2 bytes.
    Port,
    /// The name of the interface that it comes in by, filled up with zeros: 16 bytes.
    Interface,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Unknown,
    Constant([u8; WORD]),
    /// The word of a field with this number.
    Of(Field, usize),
}

const WORD: usize = 4;
const WORDS: usize = 16;

/// The registers.
#[derive(Debug)]
pub(super) struct Registers([Word; WORDS]);

impl Registers {
    /// Registers in which nothing is known.
    pub(super) fn new() -> Self {
        Self([Word::Unknown; WORDS])
    }

    /// Forgets everything: an expression that is not understood may have written anywhere.
    pub(super) fn forget(&mut self) {
        *self = Self::new();
    }

    /// Puts a fact of the packet, or something else for `None`, into the register with this number.
    pub(super) fn load(&mut self, register: u32, bytes: usize, field: Option<Field>) {
        for (number, word) in self.words_mut(register, bytes).enumerate() {
            *word = field.map_or(Word::Unknown, |field| Word::Of(field, number));
        }
    }

    /// Puts a constant into the register with this number.
    pub(super) fn set(&mut self, register: u32, value: &[u8]) {
        for (word, chunk) in self.words_mut(register, value.len()).zip(value.chunks(WORD)) {
            let mut bytes = [0; WORD];
            bytes.iter_mut().zip(chunk).for_each(|(byte, value)| *byte = *value);
            *word = Word::Constant(bytes);
        }
    }

    /// The constant in the register with this number.
    pub(super) fn constant<const BYTES: usize>(&self, register: u32) -> Option<[u8; BYTES]> {
        let mut value = [0; BYTES];
        let mut words = self.words(register);
        for chunk in value.chunks_mut(WORD) {
            let Some(Word::Constant(bytes)) = words.next() else { return None };
            chunk.iter_mut().zip(bytes).for_each(|(byte, value)| *byte = *value);
        }
        Some(value)
    }

    /// The fact that stands in so many bytes of the register with this number.
    pub(super) fn field(&self, register: u32, bytes: usize) -> Option<Field> {
        let Some(Word::Of(field, 0)) = self.words(register).next() else { return None };
        let mut words = self.words(register).take(bytes.div_ceil(WORD)).enumerate();
        words.all(|(number, word)| *word == Word::Of(*field, number)).then_some(*field)
    }

    fn words(&self, register: u32) -> impl Iterator<Item = &Word> {
        self.0.iter().skip(first_word(register))
    }

    fn words_mut(&mut self, register: u32, bytes: usize) -> impl Iterator<Item = &mut Word> {
        self.0.iter_mut().skip(first_word(register)).take(bytes.div_ceil(WORD))
    }
}

/// Where a register begins: `NFT_REG_1` to `NFT_REG_4` are four words each, `NFT_REG32_00` to `NFT_REG32_15` are one.
pub(super) fn first_word(register: u32) -> usize {
    match register {
        1..=4 => (register as usize - 1) * 4,
        8..=23 => register as usize - 8,
        _ => WORDS,
    }
}
