//! The source tree obeys the law, and shows it to its readers.

use crate::judge::check;
use crate::law::LAW;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn the_tree_obeys_every_law() {
    let mut files = Vec::new();
    sources(&src(), &mut files);
    files.sort();
    assert!(files.len() > 20, "only {} files under src: was the right place read?", files.len());
    let complaints: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            check(file.strip_prefix(src()).unwrap().to_str().unwrap(), &text)
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn lib_rs_holds_the_rooms_and_nothing_else() {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let file = syn::parse_file(&text).unwrap();
    let mut rooms = BTreeSet::new();
    for item in &file.items {
        match item {
            syn::Item::Mod(item) if item.content.is_none() => {
                rooms.insert(item.ident.to_string());
            }
            syn::Item::Macro(item) if item.mac.path.is_ident("compile_error") => {}
            _ => panic!("lib.rs holds `pub mod` lines only"),
        }
    }
    for room in &rooms {
        let row = text.lines().find(|line| line.starts_with(&format!("//! | [`{room}`] |")));
        let row = row.unwrap_or_else(|| panic!("the table in lib.rs has no row for {room}"));
        let shown = row.split('|').nth(2).unwrap().trim();
        let (_, may) = LAW.iter().find(|(name, _)| name == room).expect("a room of the law");
        let law = match may {
            None => "everything".to_owned(),
            Some([]) => "nothing".to_owned(),
            Some(may) => may.join(", "),
        };
        assert_eq!(shown, law, "the table in lib.rs and the law differ for {room}");
    }
}

#[test]
fn the_law_is_one_way() {
    for (room, may) in LAW {
        for named in may.unwrap_or_default() {
            let back = LAW.iter().find(|(name, _)| name == named).expect("the law names a room").1;
            let back =
                back.unwrap_or_else(|| panic!("{room} may import {named}, which imports all"));
            assert!(!back.contains(room), "{room} and {named} may import each other");
        }
    }
}
