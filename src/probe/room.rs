//! The kernel's table of tracked connections: a scan leaves room in it for others.

use crate::sys;

/// How many of a table's parts one part is left to others: a tenth.
pub(super) const RESERVE: u64 = 10;
/// The same for the few ports that matter most.
pub(super) const SMALL_RESERVE: u64 = 100;

/// The probes that may be sent before the table is looked at again.
#[derive(Debug)]
pub(super) struct Room {
    reserve: u64,
    left: usize,
}

impl Room {
    /// Leaves one of `reserve` parts of the table alone.
    pub(super) fn new(reserve: u64) -> Self {
        Self { reserve, left: 0 }
    }

    /// Takes room for up to `wanted` probes, and says for how many there is, at least one; why for none, in words.
    pub(super) fn take(&mut self, wanted: usize) -> Result<usize, String> {
        if self.left == 0 {
            self.left = to_track(sys::conntrack_room(), self.reserve)?;
        }
        let taken = wanted.min(self.left);
        self.left -= taken;
        Ok(taken)
    }
}

/// How many probes may be sent before the table is looked at again. Each probe that is not refused, and each UDP
/// probe, takes a place in it, and a full table makes the kernel drop the traffic of others.
fn to_track(room: Option<(u64, u64)>, reserve: u64) -> Result<usize, String> {
    const MOST: usize = 1024;
    let Some((free, size)) = room else { return Ok(MOST) };
    if free < size / reserve {
        return Err(format!("the connection tracking table, of {size} places, is nearly full"));
    }
    Ok(usize::try_from(free / 64).map_or(MOST, |probes| probes.clamp(1, MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_tracking_table_is_left_alone() {
        assert_eq!(to_track(None, RESERVE), Ok(1024));
        assert_eq!(to_track(Some((262_144, 262_144)), RESERVE), Ok(1024));
        assert_eq!(to_track(Some((30_000, 262_144)), RESERVE), Ok(468));
        assert_eq!(to_track(Some((10, 64)), RESERVE), Ok(1));
        assert!(to_track(Some((26_000, 262_144)), RESERVE).is_err());
        assert!(to_track(Some((26_000, 262_144)), SMALL_RESERVE).is_ok());
    }
}
