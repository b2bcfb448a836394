//! A line on stderr that says how far a long piece of work is.

use super::output::{self, Printer};
use crate::probe::Progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Work that is shorter than this shows no progress.
const QUIET: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// Ends the line when it is dropped, also when the work panics.
struct Line<'a> {
    over: &'a AtomicBool,
    drawer: Thread,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.drawer.unpark();
    }
}

/// Does `work` while a line on the terminal counts up to `total`.
pub(super) fn shown<T>(
    printer: &Printer,
    progress: &Progress,
    total: u64,
    work: impl FnOnce() -> T,
) -> T {
    if !printer.may_show_progress() {
        return work();
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let drawer = thread::Builder::new().spawn_scoped(scope, || draw(progress, total, &over));
        let line = drawer.ok().map(|drawer| Line { over: &over, drawer: drawer.thread().clone() });
        let done = work();
        drop(line);
        done
    })
}

fn draw(progress: &Progress, total: u64, over: &AtomicBool) {
    let started = Instant::now();
    let mut drawn = false;
    while !over.load(Ordering::Relaxed) {
        thread::park_timeout(TICK);
        if started.elapsed() > QUIET && !over.load(Ordering::Relaxed) {
            let percent = progress.done() * 100 / total.max(1);
            let line = match percent {
                0..100 => format!("\rchecking: {percent} %"),
                _ => "\rlooking once more at what is silent".to_owned(),
            };
            output::say_in_place(&line);
            drawn = true;
        }
    }
    if drawn {
        output::say_in_place("\r\x1b[K");
    }
}
