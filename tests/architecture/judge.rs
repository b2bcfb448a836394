//! The judgement of one file: what in it breaks the law.

use crate::imports::Imports;
use crate::law::{HOMES, IMPURE, LAW, PURE};
use crate::source::{Finds, Place, Written};
use crate::tokens::walk;
use std::collections::BTreeMap;
use syn::buffer::TokenBuffer;
use syn::visit::Visit as _;

/// Checks the text of one file against every law.
pub(crate) fn check(file: &str, text: &str) -> Vec<String> {
    let place = Place::of(file);
    let Ok(syntax) = syn::parse_file(text) else {
        return vec![format!("{file}: cannot be parsed as Rust")];
    };
    let tokens = TokenBuffer::new2(text.parse().expect("parsed as a file, so it has tokens"));

    let mut finds = Finds::default();
    if file == "mod.rs" || file.ends_with("/mod.rs") {
        finds.complaints.insert("name the file after its module, not mod.rs".to_owned());
    }
    Imports { finds: &mut finds, module: place.module.clone() }.visit_file(&syntax);
    walk(tokens.begin(), &place.module, false, &place, &mut finds);
    judge(&place, &mut finds);
    finds.complaints.into_iter().map(|complaint| format!("{file}: {complaint}")).collect()
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// Into the library: the segments below its root.
    Inside(Vec<String>),
    /// Into another crate, or to a local name.
    Elsewhere(Vec<String>),
}

/// Follows every path to its room or crate and says which of them the room may not name.
fn judge(place: &Place, finds: &mut Finds) {
    let mut bound: BTreeMap<String, Meaning> = BTreeMap::new();
    for path in &finds.paths {
        if let Some(name) = path.binds.as_deref().filter(|name| !matches!(*name, "*" | "_")) {
            bound.insert(name.to_owned(), meaning(path, place, None));
        }
    }
    for path in &finds.paths {
        let text = path.segments.join("::");
        match meaning(path, place, Some(&bound)) {
            Meaning::Inside(segments) => {
                if let Some(complaint) = judge_room(place, &segments, path) {
                    finds.complaints.insert(format!("{complaint} (`{text}`)"));
                }
            }
            Meaning::Elsewhere(segments) => {
                if let Some(complaint) = judge_crate(place, &segments, path) {
                    finds.complaints.insert(format!("{complaint} (`{text}`)"));
                }
            }
        }
    }
}

/// What is wrong with naming this place of the library from this room.
fn judge_room(place: &Place, segments: &[String], path: &Written) -> Option<String> {
    let here = place.room();
    let named = segments.first().map_or("*", String::as_str);
    let may = match here {
        "main.rs" => Some(["cli"].as_slice()),
        "lib.rs" => Some([].as_slice()),
        _ => match LAW.iter().find(|(room, _)| *room == here) {
            Some((_, may)) => *may,
            None => return Some(format!("{here} is no room of the law")),
        },
    };
    if matches!(named, "*" | "self") {
        let import = path.binds.is_some() || !segments.is_empty();
        return (import && may.is_some()).then(|| {
            format!("{here} must not import the root of the crate, which holds every room")
        });
    }
    if !LAW.iter().any(|(room, _)| *room == named) {
        return Some(format!("{here} names {named}, which is no room of the law"));
    }
    let allowed = named == here || may.is_none_or(|may| may.contains(&named));
    (!allowed).then(|| format!("{here} must not import {named}"))
}

/// What is wrong with naming this place of another crate from this room.
fn judge_crate(place: &Place, segments: &[String], path: &Written) -> Option<String> {
    let here = place.room();
    let first = segments.first()?;
    let names_crate = segments.len() > 1 || path.binds.is_some();
    if let Some((_, homes)) = HOMES.iter().find(|(name, _)| name == first && names_crate)
        && !homes.contains(&here)
    {
        return Some(format!("{here} must not use {first}: it belongs to {}", homes.join(", ")));
    }
    if !PURE.contains(&here) {
        return None;
    }
    let text = segments.join("::");
    let within = |prefix: &str| text == prefix || text.starts_with(&format!("{prefix}::"));
    if let Some(impure) = IMPURE.iter().find(|impure| within(impure)) {
        return Some(format!("{here} is pure and must not use {impure}"));
    }
    if path.binds.as_deref() == Some("*") {
        let opened = text.trim_end_matches("::*");
        if IMPURE.iter().any(|impure| impure.starts_with(&format!("{opened}::"))) {
            return Some(format!("{here} is pure and must not import all of {opened}"));
        }
    }
    if segments.len() >= 2 && segments.last().is_some_and(|last| last == "now") {
        return Some(format!("{here} is pure and must not read a clock"));
    }
    None
}

/// Follows a path through `crate`, `self`, `super`, the crate's own name and the file's imports.
fn meaning(path: &Written, place: &Place, bound: Option<&BTreeMap<String, Meaning>>) -> Meaning {
    let (first, rest) = path.segments.split_first().expect("a path has a segment");
    let ours = |module: &[String], rest: &[String]| {
        let segments = [module, rest].concat();
        if place.binary { Meaning::Elsewhere(segments) } else { Meaning::Inside(segments) }
    };
    if first == "portsight" {
        return Meaning::Inside(rest.to_vec());
    }
    if path.global {
        return Meaning::Elsewhere(path.segments.clone());
    }
    match first.as_str() {
        "crate" => ours(&[], rest),
        "self" | "super" => {
            let mut module = path.module.as_slice();
            let mut rest = path.segments.as_slice();
            while let Some((word, after)) = rest.split_first() {
                match word.as_str() {
                    "self" => {}
                    "super" => module = module.split_last().map_or(module, |(_, outer)| outer),
                    _ => break,
                }
                rest = after;
            }
            ours(module, rest)
        }
        name => match bound.and_then(|bound| bound.get(name)) {
            Some(_) if path.binds.is_none() && rest.is_empty() => {
                Meaning::Elsewhere(path.segments.clone())
            }
            Some(Meaning::Inside(to)) => Meaning::Inside([to.as_slice(), rest].concat()),
            Some(Meaning::Elsewhere(to)) => Meaning::Elsewhere([to.as_slice(), rest].concat()),
            None => Meaning::Elsewhere(path.segments.clone()),
        },
    }
}
