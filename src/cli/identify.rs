//! `check --identify`: what serves each open TCP port, asked once at one address.

use super::output::Printer;
use super::progress;
use super::request::Request;
use crate::model::{Check, PortFinding, State, Target, Transport, Verdict, View};
use crate::probe::{self, Progress, Question};
use crate::reconcile;
use crate::sys;

/// Asks each open TCP port of the report what it serves, and enters the answers.
pub(super) fn identify(
    check: &mut Check,
    targets: &[Target],
    request: &Request,
    printer: &Printer,
) {
    check.identified = true;
    let excluded = request.excluded(Transport::Tcp);
    let open = check.items.iter_mut().filter(|item| {
        item.endpoint.transport == Transport::Tcp && !excluded.contains(item.endpoint.port)
    });
    let (asked, questions): (Vec<&mut PortFinding>, Vec<Question>) =
        open.filter_map(|item| question(item, targets).map(|question| (item, question))).unzip();
    let progress = Progress::new(sys::interrupted);
    let total = u64::try_from(questions.len()).unwrap_or(u64::MAX);
    let told = progress::shown(printer, &progress, total, || {
        probe::identify(&questions, &excluded, &progress)
    });
    for ((item, question), told) in asked.into_iter().zip(&questions).zip(told) {
        item.identity = reconcile::identity(item, question.target.address, told);
    }
    check.partial |= progress.stopped();
}

/// What to ask, at the best address where the port is open: one where its own socket took the probe goes first, and
/// loopback, which no rule for the network cuts off, before others. `None` where none is.
fn question(item: &PortFinding, targets: &[Target]) -> Option<Question> {
    let open = item.views.iter().filter(|view| view.state == State::Open);
    let best = open.min_by_key(|view| (view.verdict != Verdict::Reachable, view.vantage))?;
    let is_of = |target: &&Target, view: &View| {
        target.vantage == view.vantage
            && target.address == view.target
            && target.interface == view.interface
    };
    let processes = item.listeners.iter().flat_map(|socket| &socket.held.owners);
    let processes = processes.map(|owner| owner.process.name.to_lowercase());
    Some(Question {
        target: targets.iter().find(|target| is_of(target, best))?.clone(),
        port: item.endpoint.port,
        hints: item.service.clone().into_iter().chain(processes).collect(),
    })
}
