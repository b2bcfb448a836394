//! The seam between how a port is knocked on and how a whole sweep goes.

use crate::model::{Answer, Port};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What a knock brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet: the probe must be kept to hear more.
    Pending,
    /// An answer, and whether the probe can knock on another port.
    Answered(Answer, Reuse),
    /// The probe met itself: it was sent from the very port that it knocked on.
    MetItself,
}

/// Whether a probe can knock on another port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It can.
    Again,
    /// It is spent.
    Spent,
}

/// A way of knocking on the ports of one address.
pub(super) trait Client {
    /// One probe: a socket.
    type Probe;

    /// Makes a probe that can knock on `port`. `freely` lets the kernel choose any source port, for a host where the
    /// half that `port` is not in has none.
    fn open(&mut self, port: Port, freely: bool) -> io::Result<Self::Probe>;

    /// Whether a probe that was opened for one port may knock on the other.
    fn serves_both(&self, one: Port, other: Port) -> bool;

    /// Sends a probe to a port and looks for the answer.
    fn knock(&mut self, probe: &Self::Probe, port: Port) -> Outcome;

    /// Looks again for the answer.
    fn look(&mut self, probe: &Self::Probe, port: Port) -> Outcome;

    /// Sends a probe again to a port that has been silent, with the same socket or with another.
    fn knock_again(&mut self, probe: &mut Self::Probe, port: Port) -> io::Result<Outcome>;

    /// Where a probe is sent from.
    fn source(&self, probe: &Self::Probe) -> Option<SocketAddr>;

    /// Waits until something comes for one of the probes, or until `time` is over. Returns the indices of those
    /// that may have an answer.
    fn wait<'a>(&self, probes: impl Iterator<Item = &'a Self::Probe>, time: Duration) -> Vec<usize>
    where
        Self::Probe: 'a;
}
