//! `portsight check`: the self-check, printed and turned into an exit status.

use super::about::Started;
use super::args::{self, Output};
use super::examine::examine;
use super::exit::Exit;
use super::output::{self, Printer};
use super::request::Request;
use crate::document;
use crate::inventory::{self, Services};
use crate::model::{Check, Hides, Verdict};
use crate::render::{self, Records, Shown};
use crate::sys;
use anyhow::{Context, Result};

pub(super) fn run(args: &args::Check, printer: &Printer) -> Result<Exit> {
    let started = Started::now();
    let services = Services::load();
    let request = Request::parse(args, &services)?;
    sys::catch_interrupt().context("cannot catch SIGINT")?;
    let surroundings = inventory::surroundings();
    let check = examine(&request, &services, &surroundings, printer)?;
    let exit = exit(&check, &request);
    let about = started.about(surroundings);
    let document = || document::check(&about, &check);
    let (exit, shown) = output::print(exit, |out| match printer.format() {
        Output::Table => {
            let appearance = printer.appearance(started.unix_seconds());
            render::header(out, &about.surroundings)?;
            render::check_table(out, &check, about.duration, &appearance)
        }
        Output::Plain => {
            render::check_records(out, &check, Records::Plain).map(|()| Shown::default())
        }
        Output::Csv => render::check_records(out, &check, Records::Csv).map(|()| Shown::default()),
        Output::Json => render::json(out, &document()).map(|()| Shown::default()),
        Output::Ndjson => render::ndjson(out, &document()).map(|()| Shown::default()),
    })?;
    if let Some(shown) = shown {
        printer.note_hidden(&shown);
        printer.note_gaps(&check.gaps);
    }
    Ok(exit)
}

/// A verdict of any view counts, also where a graver one of another view is the port's.
fn exit(check: &Check, request: &Request) -> Exit {
    let any = |is: &dyn Fn(Verdict) -> bool| {
        check.items.iter().flat_map(|item| &item.views).any(|view| is(view.verdict))
    };
    let expected = |met| check.expected.iter().any(|expected| expected.is_met() == met);
    let blind = |hides| matches!(hides, Hides::Sockets | Hides::Views);
    if check.partial {
        Exit::Interrupted
    } else if any(&|verdict| request.fail_on.contains(&verdict)) || expected(Some(false)) {
        Exit::Negative
    } else if expected(None)
        || any(&|verdict| verdict == Verdict::Inconclusive)
        || check.gaps.iter().any(|gap| blind(gap.hides))
    {
        Exit::Inconclusive
    } else {
        Exit::Success
    }
}
