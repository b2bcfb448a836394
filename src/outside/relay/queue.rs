//! The queues in which this host's packets to a program outside arrive.

use super::super::ask::change;
use super::rules::Numbers;
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::nf_log;
use crate::wire::queue::{self, Queued};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for what was not read yet, and for one packet with all that the kernel says of it.
const ROOM: usize = 32 << 20;
const LARGEST: usize = 128 << 10;
/// Resets and errors are small.
const ROOM_OF_LOG: usize = 1 << 20;
/// How many packets may wait.
const WAITING: u32 = 16 * 1024;

/// Both queues, and the log of what the kernel keeps from them. It drops what is for them when this is dropped.
#[derive(Debug)]
pub(super) struct Queues {
    socket: NetlinkSocket,
    log: NetlinkSocket,
    pub(super) numbers: Numbers,
}

impl Queues {
    /// Takes two queues that nobody has. `chance` is a number that is another one each time.
    pub(super) fn open(chance: u64) -> Result<Self, AnswerError> {
        /// Programs that are set up by hand use low numbers.
        const LOWEST: u16 = 20_000;
        const COUNT: u64 = 40_000;
        const TRIES: u64 = 16;
        let mut tries = 0;
        loop {
            tries += 1;
            let number = chance.wrapping_add(tries * 2) % COUNT;
            let tcp = LOWEST + u16::try_from(number).unwrap_or_default();
            match Self::of(Numbers { tcp, others: tcp + 1, log: tcp }) {
                // Somebody has one of them: the kernel says that this is not permitted, or that it is busy.
                Err(AnswerError::Refused(error)) if tries < TRIES && is_had(&error) => {}
                opened => return opened,
            }
        }
    }

    /// Takes these.
    pub(super) fn of(numbers: Numbers) -> Result<Self, AnswerError> {
        let mut socket = NetlinkSocket::open(Protocol::Netfilter)?;
        socket.take_up_to(LARGEST);
        socket.receive_up_to(ROOM)?;
        for (number, large) in [(numbers.tcp, true), (numbers.others, false)] {
            for request in queue::open(number, large, WAITING) {
                change(&mut socket, request)?;
            }
        }
        let mut log = NetlinkSocket::open(Protocol::Netfilter)?;
        log.receive_up_to(ROOM_OF_LOG)?;
        change(&mut log, |seq| nf_log::bind(numbers.log, nf_log::WHOLE, seq))?;
        Ok(Self { socket, log, numbers })
    }

    /// Hands what was logged to `take`, and before it what was sent before it: a reset comes after what it ends.
    pub(super) fn take_logged(
        &mut self,
        mut take: impl FnMut(&Queued<'_>),
        mut take_logged: impl FnMut(&[u8]),
    ) {
        /// No sender fills a queue with more before its reset is taken out of the log.
        const ALL: u32 = WAITING * 2;
        let mut logged = Vec::new();
        self.log.hear(|datagram| {
            logged.extend(nf_log::packets(datagram).map(<[u8]>::to_vec));
        });
        self.take(ALL, &mut take);
        for packet in logged {
            take_logged(&packet);
        }
    }

    /// Where it is told that something was logged.
    pub(super) fn log(&self) -> BorrowedFd<'_> {
        self.log.as_fd()
    }

    /// Hands some of the packets that have come to `take`, and then drops them, so that their senders take them for
    /// sent.
    pub(super) fn take(&mut self, most: u32, mut take: impl FnMut(&Queued<'_>)) {
        let mut last = [None; 2];
        let Numbers { tcp, others, .. } = self.numbers;
        // What the kernel had no room for is lost, as on a network that is full.
        let _lost = self.socket.hear_some(most, |datagram| {
            for packet in queue::packets(datagram) {
                take(&packet);
                let [of_tcp, of_others] = &mut last;
                let last = if packet.queue == tcp { of_tcp } else { of_others };
                *last = Some(packet.id);
            }
        });
        for (queue, id) in [tcp, others].into_iter().zip(last) {
            if let Some(id) = id {
                let _gone = self.socket.send(&queue::drop_up_to(queue, id)).is_err();
            }
        }
    }
}

/// Whether a queue was refused because somebody else has it.
fn is_had(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied)
}

impl AsFd for Queues {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
