//! Which service answers at an open port: what it says first, else what it says to a few questions.
//!
//! A connection is opened from the address that it goes to, as every probe is, and nothing is said on it before the
//! kernel has shown that a socket of this host took it. What a port may cost is bounded in time and in bytes.

mod ask;
mod link;
mod secure;

use super::local::only_local;
use super::share::Progress;
use crate::model::{Port, PortSet, Seen, Spoken, Target};
use ask::Asker;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many ports are asked at a time.
const AT_ONCE: usize = 16;

/// A port to be asked what it serves.
#[derive(Debug, Clone)]
pub struct Question {
    /// The address to ask at.
    pub target: Target,
    /// The port, which was found open.
    pub port: Port,
    /// What may be known of the service: the name that the port is registered for, names of processes. What they let
    /// expect is asked first, so that a service gets few questions that it does not understand.
    pub hints: Vec<String>,
}

/// What serves each of these ports, in their order. No socket of an `excluded` port hears a word, also where another
/// port leads to it.
#[must_use]
pub fn identify(
    questions: &[Question],
    excluded: &PortSet,
    progress: &Progress,
) -> Vec<Seen<Spoken>> {
    let before = not_local(questions);
    let mut heard = beside_each_other(questions, &|question| {
        let heard = match before.get(&question.target) {
            Some(reason) => Seen::Failed(reason.clone()),
            None => Asker::new(question, excluded, progress).ask(),
        };
        progress.advance(1);
        heard
    });
    // What an address said that was not ours in the end counts for nothing.
    let after = not_local(questions);
    for (question, heard) in questions.iter().zip(&mut heard) {
        if let (Some(reason), false) = (after.get(&question.target), heard.is_unknown()) {
            *heard = Seen::Failed(reason.clone());
        }
    }
    heard
}

/// The targets that packets would leave this host for, with the reason.
fn not_local(questions: &[Question]) -> BTreeMap<Target, String> {
    let mut targets: Vec<Target> =
        questions.iter().map(|question| question.target.clone()).collect();
    targets.sort();
    targets.dedup();
    let gap = |target: Target| {
        let gap = only_local(vec![target.clone()]).1.into_iter().next()?;
        Some((target, gap.reason))
    };
    targets.into_iter().filter_map(gap).collect()
}

/// Asks with a few threads, each of which takes the next question when it is done with one.
fn beside_each_other(
    questions: &[Question],
    ask: &(impl Fn(&Question) -> Seen<Spoken> + Sync),
) -> Vec<Seen<Spoken>> {
    let next = AtomicUsize::new(0);
    let work = || -> Vec<(usize, Seen<Spoken>)> {
        let take = || next.fetch_add(1, Ordering::Relaxed);
        std::iter::repeat_with(take)
            .map_while(|at| questions.get(at).map(|question| (at, ask(question))))
            .collect()
    };
    let mut heard =
        vec![Seen::Failed("the thread that asked it failed".to_owned()); questions.len()];
    thread::scope(|scope| {
        // This thread is one of them: where the system gives no more, it does the work alone.
        let others = 1..questions.len().min(AT_ONCE);
        let others: Vec<_> =
            others.filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let others = others.into_iter().filter_map(|thread| thread.join().ok()).flatten();
        for (at, answer) in own.into_iter().chain(others) {
            if let Some(slot) = heard.get_mut(at) {
                *slot = answer;
            }
        }
    });
    heard
}
