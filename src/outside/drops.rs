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
    /// What was dropped since the last call. Where `injected`, the last of it is the frame that the injection itself needs
    /// no more: only a clone goes on.
    pub(super) fn hear(&mut self, injected: bool) -> Heard {
        let (mut all, format) = (Vec::new(), &self.format);
        self.events.hear(|fields| {
            all.extend(format.freed(fields).map(|it| (it.reason.to_owned(), it.location)));
        });
        if injected && all.last().is_some_and(|(reason, _)| reason == Dropped::NO_REASON) {
            all.pop();
        }
        let has_reason = all.iter().any(|(reason, _)| reason != Dropped::NO_REASON);
        // Also what has no reason has a place, but what a socket of ours needs no more is of no interest.
        all.retain(|(reason, _)| reason != Dropped::NO_REASON || (injected && !has_reason));
        all.into_iter().collect()
    }
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
