//! Asking systemd for `why`: only where its answer can matter, and no more often than it may change.

use crate::inventory::{self, Services};
use crate::model::{Endpoint, Gap, Restrictions, Seen, Unit, UnitState};
use crate::reconcile::why;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// For so long an answer is as good as a new one, to who asks again and again.
const FRESH: Duration = Duration::from_secs(1);

type Answer = (Seen<Vec<UnitState>>, Vec<Gap>);

/// Who asks, and remembers.
#[derive(Default)]
pub(super) struct Systemd(RefCell<Option<(Instant, Answer)>>);

impl Systemd {
    /// What systemd says of the units that may be about a port. Absent where there is no systemd; what could not be seen
    /// becomes a gap.
    pub(super) fn units(
        &self,
        at: Endpoint,
        services: &Services,
        gaps: &mut Vec<Gap>,
    ) -> Seen<Vec<UnitState>> {
        let mut last = self.0.borrow_mut();
        last.take_if(|(then, _)| then.elapsed() >= FRESH);
        let (_, (units, unseen)) = last.get_or_insert_with(|| {
            let programs = services.name(at).map(why::programs_of).unwrap_or_default();
            let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
            let answer = inventory::unit_states(at.port, &programs);
            (Instant::now(), answer)
        });
        gaps.extend_from_slice(unseen);
        units.clone()
    }

    /// What keeps packets and binds of a unit out.
    pub(super) fn restrictions(unit: Option<&Unit>, gaps: &mut Vec<Gap>) -> Option<Restrictions> {
        match inventory::restrictions(unit?) {
            Ok(restrictions) => Some(restrictions),
            Err(gap) => {
                gaps.push(gap);
                None
            }
        }
    }
}
