//! Names, resolved as every client of the C library does.
#![expect(
    unsafe_code,
    reason = "getaddrinfo(3) is what clients ask, with all sources of nsswitch.conf"
)]

use std::ffi::{CStr, CString};
use std::net::{SocketAddr, SocketAddrV6};
use std::ptr;

/// Why a name was not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAddress {
    /// There is no such name, or it has no address; the text is the C library's.
    Denied(String),
    /// It could not be looked up; the text is the C library's.
    Unreachable(String),
}

/// The addresses of a name with this port, in the order in which clients try them.
///
/// # Errors
/// When there is none, or it could not be looked up.
pub fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
    let denied = |text: &str| Err(NoAddress::Denied(text.to_owned()));
    let Ok(name) = CString::new(name) else { return denied("it holds a NUL byte") };
    // SAFETY: all-zero bytes are a valid addrinfo: no flags, any family, null pointers.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: `name` and `hints` outlive the call, which writes to `list`.
    let status =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list) };
    if status != 0 {
        // SAFETY: gai_strerror(3) gives a string that lives for ever.
        let text = unsafe { CStr::from_ptr(libc::gai_strerror(status)) };
        let text = text.to_string_lossy().into_owned();
        // EAI_NODATA and EAI_ADDRFAMILY of the GNU C library: the name is there, without an address.
        return Err(match status {
            libc::EAI_NONAME | -5 | -9 => NoAddress::Denied(text),
            _ => NoAddress::Unreachable(text),
        });
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list is the C library's own until it is freed below; each entry is valid and its address has the
    // length that belongs to its family.
    unsafe {
        while let Some(entry) = next.as_ref() {
            match entry.ai_family {
                libc::AF_INET => {
                    let address = entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    found.push(SocketAddr::from((address.sin_addr.s_addr.to_ne_bytes(), port)));
                }
                libc::AF_INET6 => {
                    let address = entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    let (ip, scope) = (address.sin6_addr.s6_addr.into(), address.sin6_scope_id);
                    found.push(SocketAddrV6::new(ip, port, 0, scope).into());
                }
                _ => {}
            }
            next = entry.ai_next;
        }
        libc::freeaddrinfo(list);
    }
    let mut seen = Vec::new();
    found.retain(|address| {
        !seen.contains(address) && {
            seen.push(*address);
            true
        }
    });
    if found.is_empty() { denied("it has no address") } else { Ok(found) }
}
