//! Why the kernel drops what we send, by its own word: the tracepoint `skb:kfree_skb`, as far as this thread causes it.
//! A packet that we inject or send to this host is dropped within the call that sends it, unless its device spreads the
//! work over processors.

use crate::model::Dropped;
use crate::sys::{self, OwnEvents};
use crate::wire::kfree_skb::{Format, TRACEPOINT};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of the tracepoint, and of the functions that it names.
#[derive(Debug, Default)]
pub(super) struct Drops {
    format: Option<Arc<Format>>,
    /// Whether it was asked for: where it cannot be had once, it cannot be had later.
    was_asked: bool,
    functions: BTreeMap<u64, Option<String>>,
}

/// Hears this thread's drops.
#[derive(Debug)]
pub(super) struct Ear {
    format: Arc<Format>,
    events: OwnEvents,
}

/// Why a packet was dropped, and the address in the kernel where it was.
pub(super) type Heard = BTreeSet<(String, u64)>;

impl Drops {
    /// From now on hears the drops of this thread; `None` where the kernel does not tell them to us.
    pub(super) fn listen(&mut self) -> Option<Ear> {
        if !self.was_asked {
            self.was_asked = true;
            let text = sys::tracepoint_format(TRACEPOINT).ok()?;
            self.format = Format::parse(&text).map(Arc::new);
        }
        let format = Arc::clone(self.format.as_ref()?);
        let events = OwnEvents::open(format.id).ok()?;
        Some(Ear { format, events })
    }

    /// With the names of the kernel's functions. They are looked up all at once: their table is long.
    pub(super) fn named<K: Ord>(
        &mut self,
        heard: BTreeMap<K, (String, u64)>,
    ) -> BTreeMap<K, Dropped> {
        let known = &mut self.functions;
        let of = heard.values().map(|(_, location)| *location);
        let unknown: BTreeSet<u64> = of.filter(|it| !known.contains_key(it)).collect();
        if !unknown.is_empty() {
            let mut found = sys::kernel_functions(&unknown);
            // The compiler's names of parts of a function say nothing more.
            let whole = |name: String| name.split('.').next().unwrap_or_default().to_owned();
            known.extend(unknown.into_iter().map(|it| (it, found.remove(&it).map(whole))));
        }
        let named = heard.into_iter().map(|(key, (reason, at))| {
            let location = known.get(&at).cloned().flatten();
            (key, Dropped { reason, location })
        });
        named.collect()
    }
}

impl Ear {
    /// What was dropped since the last call; nothing where the kernel had no room for all of it. Where `injected`, the last
    /// of it is the frame that the injection itself needs no more: only a clone goes on.
    pub(super) fn hear(&mut self, injected: bool) -> Heard {
        let (mut all, format) = (Vec::new(), &self.format);
        let is_lost = self.events.hear(|fields| {
            all.extend(format.freed(fields).map(|it| (it.reason.to_owned(), it.location)));
        });
        if is_lost { Heard::new() } else { ours(all, injected) }
    }
}

/// What of this is the end of a probe.
fn ours(mut all: Vec<(String, u64)>, injected: bool) -> Heard {
    let has_none = |(reason, _): &(String, u64)| reason == Dropped::NO_REASON;
    if injected && all.last().is_some_and(has_none) {
        all.pop();
    }
    // Also what has no reason has a place, but what a socket of ours needs no more is of no interest.
    let keeps_nameless = injected && all.iter().all(has_none);
    all.retain(|it| keeps_nameless || !has_none(it));
    all.into_iter().collect()
}

/// What was heard both times. While a thread sends, it may have to do the work of others too; what they lose is not lost
/// both times.
pub(super) fn both(first: &Heard, second: &Heard) -> Option<(String, u64)> {
    let mut same = first.intersection(second);
    same.next().filter(|_| same.next().is_none()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_that_was_injected_is_no_drop() {
        let of = |reasons: &[&str], injected| {
            let all = reasons.iter().zip(0..).map(|(reason, at)| ((*reason).to_owned(), at));
            ours(all.collect(), injected).into_iter().map(|(_, at)| at).collect::<Vec<u64>>()
        };
        let none = Dropped::NO_REASON;
        assert!(of(&[none], true).is_empty());
        assert_eq!(of(&[none, none], true), [0], "where XDP drops it");
        assert_eq!(of(&["XDP", none], true), [0]);
        assert_eq!(of(&[none, "XDP", none], true), [1]);
        assert!(of(&[none], false).is_empty(), "of a socket of ours");
        assert_eq!(of(&["XDP"], false), [0]);
    }

    #[test]
    fn only_what_is_heard_both_times_and_alone_is_ours() {
        let heard = |reasons: &[&str]| reasons.iter().map(|it| ((*it).to_owned(), 7)).collect();
        let of = |first, second| both(&heard(first), &heard(second)).map(|(reason, _)| reason);
        assert_eq!(of(&["XDP"], &["XDP"]).as_deref(), Some("XDP"));
        assert_eq!(of(&["XDP", "OTHERHOST"], &["XDP"]).as_deref(), Some("XDP"));
        assert_eq!(of(&["XDP"], &["OTHERHOST"]), None);
        assert_eq!(of(&["XDP", "OTHERHOST"], &["XDP", "OTHERHOST"]), None, "which?");
        assert_eq!(of(&[], &[]), None);
    }
}
