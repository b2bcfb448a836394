//! Comparisons, as `nft` writes them.

use super::super::numbers::{
    EQUAL, GREATER, LESS, LESS_OR_EQUAL, META_IIFTYPE, META_L4PROTO, META_NFPROTO, META_PROTOCOL,
    NFPROTO_IPV4, NFPROTO_IPV6, NOT_EQUAL,
};
use super::super::statements::Field;
use super::Writer;
use super::fields::{About, Named};
use super::values::{Kind, mask_len};
use crate::model::{Family, TableFamily};

impl Writer<'_> {
    pub(super) fn compare(&mut self, field: &Field, operator: u32, right: &[u8]) -> Option<()> {
        if let Field::Payload { base, offset, len } = field {
            (*len == right.len()).then_some(())?;
            return self.compare_header(field, (*base, *offset, *len), operator, right);
        }
        let says = self.protocol(field, operator, right);
        if let Says::More = says {
            return None;
        }
        if let (Field::Meta(META_IIFTYPE), Says::Link) = (field, says) {
            self.link = Some(self.parts.len());
            self.say("meta iiftype ether");
            return Some(());
        }
        let Named { words, kind, len } = self.named(field)?;
        (right.len() == len || kind == Kind::InterfaceName).then_some(())?;
        let value = self.value(kind, right)?;
        let part = Some(self.parts.len());
        self.say(format!("{words} {}{value}", sign(operator, kind)));
        match says {
            Says::Network(family) => {
                (self.about.network, self.network) = (Some(family), part);
            }
            Says::Transport(protocol) => {
                (self.about.transport, self.transport) = (Some(protocol), part);
                self.says_its_family();
            }
            Says::Again => {
                // What was said first stays said.
                self.transport = part;
                self.again.replace(self.parts.len() - 1).is_none().then_some(())?;
            }
            Says::Frames => self.about.is_of_frames = true,
            Says::Nothing | Says::Link | Says::More => {}
        }
        Some(())
    }

    /// What a comparison says about the protocols of the packet.
    fn protocol(&self, field: &Field, operator: u32, right: &[u8]) -> Says {
        let About { family, network, transport, .. } = self.about;
        match (field, operator, right) {
            (Field::Meta(META_NFPROTO | META_PROTOCOL), ..) if self.about.is_of_one() => Says::More,
            (Field::Meta(META_NFPROTO), EQUAL, [protocol]) if family == TableFamily::Inet => {
                match (*protocol, network) {
                    (NFPROTO_IPV4, None) => Says::Network(Family::Ipv4),
                    (NFPROTO_IPV6, None) => Says::Network(Family::Ipv6),
                    _ => Says::More,
                }
            }
            (Field::Meta(META_PROTOCOL), ..) if family == TableFamily::Inet => Says::Frames,
            (Field::Meta(META_PROTOCOL), EQUAL, protocol) => match (protocol, network) {
                ([0x08, 0x00], None) => Says::Network(Family::Ipv4),
                ([0x86, 0xdd], None) => Says::Network(Family::Ipv6),
                (_, Some(_)) => Says::More,
                _ => Says::Nothing,
            },
            (Field::Meta(META_L4PROTO), EQUAL, [protocol]) => match transport {
                None => Says::Transport(*protocol),
                Some(same) if same == *protocol => Says::Again,
                Some(_) => Says::More,
            },
            // ARPHRD_ETHER
            (Field::Meta(META_IIFTYPE), EQUAL, kind) if *kind == 1_u16.to_ne_bytes() => Says::Link,
            _ => Says::Nothing,
        }
    }

    /// A comparison of bytes of a header. `nft` asks for fields beside each other at once, and of an address with a
    /// prefix of whole bytes only for these.
    fn compare_header(
        &mut self,
        field: &Field,
        (base, offset, len): (u32, u32, usize),
        operator: u32,
        right: &[u8],
    ) -> Option<()> {
        let parts = self.about.in_header(base, offset, len)?;
        (parts.len() == 1 || operator == EQUAL).then_some(())?;
        self.implied_by(field);
        let mut right = right;
        for (named, taken) in parts {
            let (bytes, rest) = right.split_at_checked(taken)?;
            right = rest;
            let sign = sign(operator, named.kind);
            let value = if taken == named.len {
                self.value(named.kind, bytes)?
            } else {
                let is_prefix = matches!(named.kind, Kind::Ipv4 | Kind::Ipv6);
                (is_prefix && matches!(operator, EQUAL | NOT_EQUAL)).then_some(())?;
                let mut whole = bytes.to_vec();
                whole.resize(named.len, 0);
                format!("{}/{}", self.value(named.kind, &whole)?, taken * 8)
            };
            self.say(format!("{} {sign}{value}", named.words));
            if let (Kind::Protocol, EQUAL, [protocol]) = (named.kind, operator, bytes) {
                self.about.transport.replace(*protocol).is_none().then_some(())?;
                // Where packets can be of two families that stays said.
                self.transport = self.about.is_of_one().then(|| self.parts.len() - 1);
            }
        }
        Some(())
    }

    pub(super) fn compare_bits(
        &mut self,
        field: &Field,
        mask: &[u8],
        operator: u32,
        right: &[u8],
    ) -> Option<()> {
        let Named { words, kind, len } = self.named(field)?;
        let is_whole = mask.len() == len && right.len() == len;
        let is_inside = right.iter().zip(mask).all(|(bits, mask)| bits & !mask == 0);
        (is_whole && is_inside && matches!(operator, EQUAL | NOT_EQUAL)).then_some(())?;
        let is_zero = right.iter().all(|byte| *byte == 0);
        let not = if operator == EQUAL { "" } else { "!= " };
        let words = match kind {
            Kind::Ipv4 | Kind::Ipv6 => {
                format!("{words} {not}{}/{}", self.value(kind, right)?, mask_len(mask)?)
            }
            _ if kind.is_bits() && is_zero => {
                let none = if operator == EQUAL { "! " } else { "" };
                format!("{words} {none}{}", kind.bits(mask)?)
            }
            Kind::TcpFlags if !is_zero => {
                format!("{words} {not}{} / {}", kind.bits(right)?, kind.bits(mask)?)
            }
            Kind::Mark => {
                let sign = if operator == EQUAL { "==" } else { "!=" };
                let (mask, right) = (self.value(kind, mask)?, self.value(kind, right)?);
                format!("{words} & {mask} {sign} {right}")
            }
            _ => return None,
        };
        self.say(words);
        Some(())
    }
}

/// What a comparison says about the protocols of a packet.
#[derive(Debug, Clone, Copy)]
enum Says {
    Nothing,
    Link,
    Network(Family),
    Transport(u8),
    /// The transport that was said before.
    Again,
    /// The protocol of the frame, in a table for both families.
    Frames,
    /// Something that was said before, or that the table says already: how `nft` writes that is not known here.
    More,
}

/// What stands between a field and a constant.
fn sign(operator: u32, kind: Kind) -> &'static str {
    match operator {
        EQUAL if kind.is_bits() => "== ",
        EQUAL => "",
        NOT_EQUAL => "!= ",
        LESS => "< ",
        LESS_OR_EQUAL => "<= ",
        GREATER => "> ",
        _ => ">= ",
    }
}
