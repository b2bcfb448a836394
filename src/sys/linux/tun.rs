//! A device whose other end is this program (`linux/if_tun.h`): it takes and gives IP packets.
#![expect(unsafe_code, reason = "TUNSETIFF (ioctl(2)) has no safe wrapper")]

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, open};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `IFF_TUN`, `IFF_NO_PI` and `IFF_VNET_HDR`.
const FLAGS: u16 = 0x0001 | 0x1000 | 0x4000;
/// The bytes of `struct virtio_net_hdr` before each packet.
const OUTLINE: usize = 10;
/// The largest packet, and the outline before it.
const LARGEST: usize = OUTLINE + (1 << 16);
/// The bytes of a device's name, with the closing zero (`IFNAMSIZ`), and of `struct ifreq`.
const NAME: usize = 16;
const REQUEST: usize = 40;

/// The device. It goes when this is dropped, whatever namespace it is in.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    /// Its index.
    pub index: u32,
}

impl Tun {
    /// Makes a device of this name in the network namespace of this thread.
    ///
    /// # Errors
    /// Where there is no `/dev/net/tun`, without `CAP_NET_ADMIN`, or when there is a device of this name.
    pub fn create(name: &str) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = open("/dev/net/tun", flags, Mode::empty())?;
        let mut request = [0_u8; REQUEST];
        let room = request.get_mut(..name.len()).filter(|room| room.len() < NAME);
        room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
        request[NAME..NAME + 2].copy_from_slice(&FLAGS.to_ne_bytes());
        // SAFETY: the request is a struct ifreq, with a name that ends in a zero and with flags, and lives through the
        // call.
        let status = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
        let asked =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        let index = netdevice::name_to_index(&asked, name)?;
        Ok(Self { fd, index })
    }

    /// The next packet that the namespace sends, in a buffer that may be used again; `None` when there is none.
    pub fn take<'a>(&self, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        buffer.clear();
        buffer.reserve(LARGEST);
        rustix::io::read(&self.fd, spare_capacity(buffer)).ok()?;
        buffer.get(OUTLINE..)
    }

    /// Makes the namespace receive a packet, with what the outline says is left to do with it.
    ///
    /// # Errors
    /// When the kernel takes it for none.
    pub fn give(&self, outline: [u8; OUTLINE], packet: &[u8]) -> io::Result<()> {
        rustix::io::writev(&self.fd, &[IoSlice::new(&outline), IoSlice::new(packet)])?;
        Ok(())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
