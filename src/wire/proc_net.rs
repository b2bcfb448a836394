//! Tables of `/proc/net` (`proc(5)`), for what the kernel shows nowhere else.

use crate::model::Inode;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The sockets of a protocol in a network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// The kernel's name of the protocol, as `UDP-Lite` or `SCTPv6`.
    pub protocol: String,
    /// How many sockets there are.
    pub sockets: u32,
}

/// The rows of `/proc/net/protocols`.
pub fn protocols(text: &str) -> impl Iterator<Item = InUse> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (protocol, _size, sockets) = (fields.next()?, fields.next()?, fields.next()?);
        Some(InUse { protocol: protocol.to_owned(), sockets: sockets.parse().ok()? })
    })
}

/// A raw socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSocket {
    /// The address it is bound to.
    pub address: IpAddr,
    /// The IP protocol that it takes.
    pub protocol: u8,
    /// Its user.
    pub uid: u32,
    /// Its inode.
    pub inode: Inode,
}

/// The rows of `/proc/net/raw` and `/proc/net/raw6`.
pub fn raw_sockets(text: &str) -> impl Iterator<Item = RawSocket> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, protocol) = fields.get(1)?.split_once(':')?;
        Some(RawSocket {
            address: ip_address(address)?,
            protocol: u8::try_from(u16::from_str_radix(protocol, 16).ok()?).ok()?,
            uid: fields.get(7)?.parse().ok()?,
            inode: Inode(fields.get(9)?.parse().ok()?),
        })
    })
}

/// An address as the kernel prints it: its 32-bit words in hexadecimal, each in the byte order of the host.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    match hex.len() {
        8 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        32 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_is_read_without_its_heading() {
        let text = "protocol  size sockets  memory press\nUDP-Lite  1344      2       0   NI\nMPTCP 1936 0 281 no\n";
        let found: Vec<_> = protocols(text).map(|of| (of.protocol, of.sockets)).collect();
        assert_eq!(found, [("UDP-Lite".to_owned(), 2), ("MPTCP".to_owned(), 0)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_raw_socket_is_read_field_by_field() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
            245: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000    33        0 35400749 2 00000000cd1a4d85 0\n  \
             58: 00000000000000000000000001000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9 2 0 0\n";
        let found: Vec<_> = raw_sockets(text).collect();
        let expected = [("127.0.0.1", 1, 33, 35_400_749), ("::1", 58, 0, 9)];
        let expected = expected.map(|(address, protocol, uid, inode)| RawSocket {
            address: address.parse().unwrap(),
            protocol,
            uid,
            inode: Inode(inode),
        });
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in ".{0,200}") {
            let _any = (raw_sockets(&text).count(), protocols(&text).count());
        }
    }
}
