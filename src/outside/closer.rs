//! A closer look at probes that no rule of `nf_tables` explains: they are sent again, and the kernel is heard on why it
//! drops what this thread sends, and on which rules of the old `ip_tables` it meets.

use super::Outside;
use super::drops::{Ear, both};
use super::follow::Follower;
use super::legacy::{Log, Loggers};
use crate::model::Port;
use std::collections::BTreeMap;
use std::io;

/// What is heard while probes are sent again.
#[derive(Debug)]
pub(super) struct Closer<'a> {
    ear: Option<Ear>,
    log: Option<Log<'a>>,
}

impl<'a> Closer<'a> {
    /// `None` where nothing more can be heard. To be closed with [`Closer::close`].
    pub(super) fn open(outside: &mut Outside, loggers: &'a Loggers) -> Option<Self> {
        let ear = outside.drops.listen();
        let log = if loggers.is_empty() {
            None
        } else {
            // The guardian must know before it is so.
            outside.has_log = true;
            outside.write_note(None);
            Log::take(loggers)
        };
        outside.has_log = log.is_some();
        (ear.is_some() || log.is_some()).then_some(Self { ear, log })
    }

    /// Gives back what was taken.
    pub(super) fn close(self, outside: &mut Outside) {
        drop(self);
        outside.has_log = false;
    }

    /// Sends some probes again, each at most twice, and takes what is told of them.
    ///
    /// # Errors
    /// When one cannot be sent. What was known of those is still known.
    pub(super) fn again(
        &mut self,
        outside: &mut Outside,
        follower: &mut Follower,
        ports: &[Port],
        send: &mut dyn Resend,
    ) -> io::Result<()> {
        let before: Vec<_> = ports.iter().map(|port| follower.put_aside(*port)).collect();
        let told = ports.iter().zip(&before).filter(|(_, story)| story.is_some());
        let told: Vec<Port> = told.map(|(port, _)| *port).collect();
        let heard = self.send_all(outside, follower, ports, send);
        if heard.is_ok() {
            outside.hear_until(follower, |it| told.iter().all(|port| it.has_begun(*port)));
        }
        if let Some(log) = &mut self.log {
            log.hear(|headers, step| follower.meets(headers, step));
        }
        for (port, story) in ports.iter().zip(before) {
            follower.bring_back(*port, story);
        }
        for (port, dropped) in outside.drops.named(heard?) {
            // Where a rule did it, the rule says more.
            if follower.is_silent(port) {
                follower.drops(port, dropped);
            }
        }
        follower.forget_packets();
        Ok(())
    }

    /// Sends them all, and those of which a drop was heard before that.
    fn send_all(
        &mut self,
        outside: &mut Outside,
        follower: &mut Follower,
        ports: &[Port],
        send: &mut dyn Resend,
    ) -> io::Result<BTreeMap<Port, (String, u64)>> {
        let (mut first, injects) = (BTreeMap::new(), send.injects());
        if let Some(ear) = &mut self.ear {
            for port in ports {
                send.forget(outside, *port);
                ear.hear(injects);
                send.send(outside, *port)?;
                first.insert(*port, ear.hear(injects));
            }
            outside.hear(follower);
            follower.forget_packets();
            if let Some(log) = &mut self.log {
                log.forget();
            }
        }
        let mut heard = BTreeMap::new();
        for port in ports {
            send.forget(outside, *port);
            follower.begin(*port);
            if let Some(ear) = &mut self.ear {
                ear.hear(injects);
            }
            send.send(outside, *port)?;
            if let (Some(ear), Some(first)) = (&mut self.ear, first.get(port)) {
                heard.extend(both(first, &ear.hear(injects)).map(|reason| (*port, reason)));
            }
        }
        Ok(heard)
    }
}

/// Sends probes.
pub(super) trait Resend {
    /// Sends that of a port.
    fn send(&mut self, outside: &Outside, port: Port) -> io::Result<()>;

    /// Whether it injects clones of frames.
    fn injects(&self) -> bool;

    /// Makes the server forget the last one, where it still waits for the rest of the handshake: it would take another
    /// one for the same.
    fn forget(&mut self, outside: &Outside, port: Port);
}
