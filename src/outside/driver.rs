//! Programs in the drivers of devices (native XDP). They see frames of the wire, and none that is injected: so they are
//! asked about each frame before it is.

use super::Post;
use crate::sys::{XdpProgram, XdpVerdict};
use std::collections::{BTreeMap, BTreeSet};

/// The programs, by the index of their device; `None` for one that cannot be asked.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    programs: BTreeMap<u32, Option<XdpProgram>>,
    /// The devices below which others have programs. Those are not asked: by which one a frame would come is not known.
    above_others: BTreeSet<u32>,
}

/// What the driver of a device would do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    /// It takes it in: no program is there, or it lets the frame pass.
    Open,
    /// A program drops it, which returned this.
    Dropped(&'static str),
    /// What becomes of it cannot be seen from here.
    Unknown(&'static str),
    /// A program is there or below, and is not asked.
    Unasked,
}

impl Drivers {
    /// Those of the devices that the posts are at.
    pub(super) fn of(posts: &[Post]) -> Self {
        let programs = posts.iter().filter_map(|post| {
            let device = post.target.device;
            Some((device, XdpProgram::open(post.native_xdp?, device).ok()))
        });
        let above = posts.iter().filter(|post| post.has_xdp_below);
        Self {
            programs: programs.collect(),
            above_others: above.map(|post| post.target.device).collect(),
        }
    }

    /// Asks the program of a device about a frame.
    pub(super) fn ask(&self, device: u32, frame: &[u8]) -> Entrance {
        let open =
            if self.above_others.contains(&device) { Entrance::Unasked } else { Entrance::Open };
        let Some(program) = self.programs.get(&device) else { return open };
        let Some(verdict) = program.as_ref().and_then(|program| program.run(frame).ok()) else {
            return Entrance::Unasked;
        };
        match verdict {
            XdpVerdict::Pass => open,
            XdpVerdict::Drop => Entrance::Dropped("XDP_DROP"),
            XdpVerdict::Aborted => Entrance::Dropped("XDP_ABORTED"),
            XdpVerdict::Changed => {
                Entrance::Unknown("a program in the driver (XDP) changes the frame")
            }
            XdpVerdict::Taken => Entrance::Unknown(
                "a program in the driver (XDP) answers or redirects the frame itself",
            ),
        }
    }
}
