//! `portsight ls`: what is listening, who owns it, and who can reach it by its binding.

use super::about::Started;
use super::args::{Ls, Output};
use super::exit::Exit;
use super::filter::Filter;
use super::output::{self, Printer};
use super::place::{link, namespaces};
use crate::document;
use crate::inventory::{self, Across, Services, SockDiag};
use crate::model::{Hides, Inventory};
use crate::render::{self, Extent, Records, Shown};
use anyhow::Result;

pub(super) fn run(args: &Ls, printer: &Printer) -> Result<Exit> {
    let started = Started::now();
    let services = Services::load();
    let filter = Filter::parse(&args.kinds, &args.more, &args.filters, &services)?;
    let namespaces = namespaces(&args.place)?;
    let mut source = Across { namespaces: &namespaces, what: SockDiag::with(filter.extras()) };
    let mut inventory = inventory::take(&mut source, &services);
    // The second reader lists our own namespace.
    if printer.is_verbose() && args.place.netns.is_none() {
        note_second_opinion(&inventory, printer);
    }
    filter.narrow(&mut inventory);
    inventory::find_owners(&mut inventory, &mut source);
    let surroundings = inventory::surroundings();
    inventory::find_units(&mut inventory, &surroundings);
    if args.place.netns.is_some() {
        link(&mut inventory, &namespaces);
    }
    let unit_unknown = inventory.held().any(|held| held.unit.is_unknown());
    filter.narrow_by_owner(&mut inventory);
    let gaps = &inventory.gaps;
    let owner_unknown = gaps.iter().any(|gap| gap.hides == Hides::Owners);
    let may_lack = (owner_unknown && filter.is_by_owner()) || (unit_unknown && filter.is_by_unit());
    let extent = if inventory.may_lack_servers() || may_lack {
        Extent::Incomplete
    } else if filter.is_empty() {
        Extent::Everything
    } else {
        Extent::Selection
    };
    let about = started.about(surroundings);
    let document = || document::sockets(&about, &inventory);
    let (exit, shown) = output::print(Exit::Success, |out| match printer.format() {
        Output::Table => {
            render::header(out, &about.surroundings)?;
            render::sockets_table(
                out,
                &inventory,
                extent,
                &printer.appearance(started.unix_seconds()),
            )
        }
        Output::Plain => {
            render::sockets_records(out, &inventory, Records::Plain).map(|()| Shown::default())
        }
        Output::Csv => {
            render::sockets_records(out, &inventory, Records::Csv).map(|()| Shown::default())
        }
        Output::Json => render::json(out, &document()).map(|()| Shown::default()),
        Output::Ndjson => render::ndjson(out, &document()).map(|()| Shown::default()),
    })?;
    if let Some(shown) = shown {
        printer.note_hidden(&shown);
        printer.note_gaps(gaps);
    }
    Ok(exit)
}

/// Holds the inventory against a second, independent reader.
fn note_second_opinion(inventory: &Inventory, printer: &Printer) {
    match inventory::second_opinion(inventory) {
        Ok(difference) if difference.missing.is_empty() && difference.extra.is_empty() => {
            let compared = difference.compared;
            printer.note(format_args!("netstat2 lists the same {compared} serving sockets"));
        }
        Ok(difference) => {
            for socket in difference.missing {
                printer.note(format_args!(
                    "netstat2 lists a socket that is not listed here: {socket}"
                ));
            }
            for socket in difference.extra {
                printer.note(format_args!("netstat2 does not list {socket}"));
            }
        }
        Err(error) => printer.note(format_args!("netstat2 could not list the sockets: {error}")),
    }
}
