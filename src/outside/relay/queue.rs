//! The queues in which this host's packets to a program outside arrive.

use super::rules::Numbers;
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::queue::{self, Queued};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for what was not read yet, and for one packet with all that the kernel says of it.
const ROOM: usize = 32 << 20;
const LARGEST: usize = 128 << 10;
/// How many packets may wait.
const WAITING: u32 = 16 * 1024;

/// Both queues. The kernel drops what is for them when this is dropped.
#[derive(Debug)]
pub(super) struct Queues {
    socket: NetlinkSocket,
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
            match Self::of(Numbers { tcp, others: tcp + 1 }) {
                // Somebody has one of them: the kernel says that this is not permitted, or that it is busy.
                Err(AnswerError::Refused(error)) if tries < TRIES && is_had(&error) => {}
                opened => return opened,
            }
        }
    }

    /// Takes these two.
    pub(super) fn of(numbers: Numbers) -> Result<Self, AnswerError> {
        let mut socket = NetlinkSocket::open(Protocol::Netfilter)?;
        socket.take_up_to(LARGEST);
        socket.receive_up_to(ROOM)?;
        for (number, large) in [(numbers.tcp, true), (numbers.others, false)] {
            for (seq, request) in queue::open(number, large, WAITING, || socket.next_seq()) {
                let mut answer = Answer::entry(seq);
                socket.converse(&request, |datagram| answer.take(datagram, |_, _| ()))?;
            }
        }
        Ok(Self { socket, numbers })
    }

    /// Hands some of the packets that have come to `take`, and then drops them, so that their senders take them for
    /// sent.
    pub(super) fn take(&mut self, most: u32, mut take: impl FnMut(&Queued<'_>)) {
        let mut last = [None; 2];
        let Numbers { tcp, others } = self.numbers;
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
