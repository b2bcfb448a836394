//! The laws of the source tree, checked on its tokens and its syntax: who may import whom, where `unsafe` and
//! platform switches may stand, which rooms are pure. Each law has snippets that break it and must be
//! reported, and near misses that must not: a check that cannot fail is worth nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::buffer::{Cursor, TokenBuffer};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::Visit;

/// Each room, and the rooms that it may name. `None` is every room.
///
/// `lib.rs` shows the same table to readers; `outside` is a law for a room still to be built.
const LAW: &[(&str, Option<&[&str]>)] = &[
    ("model", Some(&[])),
    ("wire", Some(&["model"])),
    ("sys", Some(&["model"])),
    ("inventory", Some(&["model", "wire", "sys"])),
    ("probe", Some(&["model", "wire", "sys"])),
    ("outside", Some(&["model", "wire", "sys"])),
    ("firewall", Some(&["model", "wire", "sys"])),
    ("reconcile", Some(&["model"])),
    ("document", Some(&["model"])),
    ("render", Some(&["model", "document"])),
    ("cli", None),
];

/// The rooms that may not touch the machine, the clock or the environment.
const PURE: &[&str] = &["model", "wire", "reconcile", "document", "render"];

/// What a pure room may not name, by prefix. The value types of `std::net` are free.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::Stderr",
    "std::io::Stdin",
    "std::io::Stdout",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "netstat2",
    "rustix",
    "socket2",
    "sysinfo",
];

/// Crates that belong to some rooms only.
const HOMES: &[(&str, &[&str])] = &[
    ("serde", &["document", "render", "cli"]),
    // The inventory reads the files of container runtimes; its own values have no form in JSON.
    ("serde_json", &["inventory", "document", "render", "cli"]),
    ("schemars", &["document", "render", "cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

/// The words of a `cfg` that ask for the platform.
const PLATFORM: &[&str] = &["target_os", "target_family", "unix", "windows"];

/// Where a file stands in the crate.
#[derive(Debug, Clone)]
struct Place {
    /// Its path below `src`.
    file: String,
    /// The module that it holds: `["render", "table"]`, empty for `lib.rs`; for `main.rs` see `binary`.
    module: Vec<String>,
    /// Whether it is the root of the binary, where `crate` is not the library.
    binary: bool,
}

impl Place {
    fn of(file: &str) -> Self {
        let binary = file == "main.rs";
        let module = if binary || file == "lib.rs" {
            Vec::new()
        } else {
            file.trim_end_matches(".rs").split('/').map(str::to_owned).collect()
        };
        Self { file: file.to_owned(), module, binary }
    }

    /// The room that the file belongs to.
    fn room(&self) -> &str {
        match self.module.first() {
            Some(room) => room,
            None if self.binary => "main.rs",
            None => "lib.rs",
        }
    }
}

/// A path as written, and what is known of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    segments: Vec<String>,
    /// It starts with `::`.
    global: bool,
    /// The module that it stands in.
    module: Vec<String>,
    /// It is an import: the name it binds, `*` for a glob.
    binds: Option<String>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// Into the library: the segments below its root.
    Inside(Vec<String>),
    /// Into another crate, or to a local name.
    Elsewhere(Vec<String>),
}

/// What the walk over one file finds.
#[derive(Debug, Default)]
struct Finds {
    paths: Vec<Written>,
    complaints: BTreeSet<String>,
}

/// Checks the text of one file against every law.
fn check(file: &str, text: &str) -> Vec<String> {
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

/// Reads the imports, and the items that would lead round the laws.
struct Imports<'f> {
    finds: &'f mut Finds,
    module: Vec<String>,
}

impl Imports<'_> {
    fn complain(&mut self, complaint: &str) {
        self.finds.complaints.insert(complaint.to_owned());
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut leaves = Vec::new();
        leaves_of(&item.tree, &[], &mut leaves);
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        for (segments, binds) in leaves {
            if public && binds == "*" {
                self.complain(&format!("re-export by name, not `pub use {}`", segments.join("::")));
            }
            self.finds.paths.push(Written {
                segments,
                global: item.leading_colon.is_some(),
                module: self.module.clone(),
                binds: Some(binds),
            });
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.complain("a module lies where its name says: no #[path]");
        }
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_extern_crate(&mut self, _: &'ast syn::ItemExternCrate) {
        self.complain("no `extern crate`: it gives a crate another name");
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if item.path.segments.last().is_some_and(|last| last.ident == "include") {
            self.complain("no `include!`: the included text would not be checked");
        }
    }
}

/// Every import of a use tree: its full path, and the name that it binds.
fn leaves_of(tree: &syn::UseTree, before: &[String], leaves: &mut Vec<(Vec<String>, String)>) {
    let with = |name: &syn::Ident| [before, &[plain(&name.to_string())]].concat();
    match tree {
        syn::UseTree::Path(path) => leaves_of(&path.tree, &with(&path.ident), leaves),
        syn::UseTree::Name(name) if name.ident == "self" && !before.is_empty() => {
            leaves.push((before.to_vec(), before.last().cloned().unwrap_or_default()));
        }
        syn::UseTree::Name(name) => {
            leaves.push((with(&name.ident), plain(&name.ident.to_string())));
        }
        syn::UseTree::Rename(name) => {
            let itself = name.ident == "self" && !before.is_empty();
            let path = if itself { before.to_vec() } else { with(&name.ident) };
            leaves.push((path, plain(&name.rename.to_string())));
        }
        syn::UseTree::Glob(_) => {
            leaves.push(([before, &["*".to_owned()]].concat(), "*".to_owned()));
        }
        syn::UseTree::Group(group) => {
            group.items.iter().for_each(|tree| leaves_of(tree, before, leaves));
        }
    }
}

/// An identifier without `r#`.
fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}

/// Goes through the tokens, into every group and so into every macro call, and notes each path, each
/// `unsafe` and each platform switch. In an attribute a string may hold a path.
fn walk(mut at: Cursor<'_>, module: &[String], attribute: bool, place: &Place, finds: &mut Finds) {
    // The last word, to know what a group belongs to, and whether `::` has just been passed.
    let mut word = String::new();
    let mut before = String::new();
    let mut global = false;
    while !at.eof() {
        if let Some((_, after)) = at.lifetime() {
            (at, global) = (after, false);
        } else if let Some((literal, after)) = at.literal() {
            if attribute {
                finds.paths.extend(path_in(&literal.to_string(), module));
            }
            (at, global) = (after, false);
        } else if let Some((inside, after)) = attribute_at(at) {
            let doc = inside.ident().is_some_and(|(name, _)| name == "doc");
            walk(inside, module, !doc, place, finds);
            (at, global) = (after, false);
        } else if let Some(after) = colons(at) {
            (at, global) = (after, true);
        } else if let Some((name, after)) = at.ident() {
            let name = plain(&name.to_string());
            if name == "unsafe" && place.room() != "sys" {
                finds.complaints.insert("unsafe is for sys only".to_owned());
            }
            let (segments, after) = follow(name, after, module, global, finds);
            let called = after.punct().is_some_and(|(mark, _)| mark.as_char() == '!');
            before = word;
            word = segments.last().cloned().unwrap_or_default();
            // A macro of std is named like a module: `std::env!`.
            if !(called && segments.first().is_some_and(|first| first == "std")) {
                finds.paths.push(Written {
                    segments,
                    global,
                    module: module.to_vec(),
                    binds: None,
                });
            }
            (at, global) = (after, false);
        } else if let Some((inside, _, _, after)) = at.any_group() {
            if matches!(word.as_str(), "cfg" | "cfg_attr" | "cfg_select")
                && !matches!(place.room(), "sys" | "lib.rs")
                && names_platform(inside)
            {
                finds.complaints.insert("a platform switch is for sys and lib.rs only".to_owned());
            }
            if !(word == "pub" && is_restriction(inside)) {
                let named_module = before == "mod";
                let inner = if named_module {
                    [module, std::slice::from_ref(&word)].concat()
                } else {
                    module.to_vec()
                };
                walk(inside, &inner, attribute, place, finds);
            }
            (at, global) = (after, false);
            (before, word) = (String::new(), String::new());
        } else if let Some((mark, after)) = at.punct() {
            // `cfg!(…)`: the mark stands between the word and its group.
            if mark.as_char() != '!' {
                (before, word) = (String::new(), String::new());
            }
            (at, global) = (after, false);
        } else {
            panic!("{}: a token of no known kind", place.file);
        }
    }
}

/// Reads on from a path's first name: the whole path, with a group's members noted one by one.
fn follow<'a>(
    first: String,
    mut at: Cursor<'a>,
    module: &[String],
    global: bool,
    finds: &mut Finds,
) -> (Vec<String>, Cursor<'a>) {
    let mut segments = vec![first];
    while let Some(after) = colons(at) {
        if let Some((name, after)) = after.ident() {
            segments.push(plain(&name.to_string()));
            at = after;
        } else if let Some((mark, after)) = after.punct()
            && mark.as_char() == '*'
        {
            segments.push("*".to_owned());
            at = after;
            break;
        } else if let Some((inside, _, _, after)) = after.any_group() {
            let list = Punctuated::<syn::UseTree, syn::Token![,]>::parse_terminated;
            let mut leaves = Vec::new();
            for tree in list.parse2(inside.token_stream()).into_iter().flatten() {
                leaves_of(&tree, &segments, &mut leaves);
            }
            let module = module.to_vec();
            finds.paths.extend(leaves.into_iter().map(|(segments, binds)| Written {
                segments,
                global,
                module: module.clone(),
                binds: Some(binds),
            }));
            at = after;
            break;
        } else {
            break;
        }
    }
    if let Some((word, after)) = at.ident()
        && word == "as"
        && matches!(segments.last().map(String::as_str), Some("crate" | "super" | "self"))
    {
        // `use crate as c` inside a macro, which the syntax walk does not enter.
        let binds = after.ident().map(|(name, _)| plain(&name.to_string()));
        let module = module.to_vec();
        finds.paths.push(Written { segments: segments.clone(), global, module, binds });
    }
    (segments, at)
}

/// The path that a string holds, as in `#[serde(with = "crate::x")]`.
fn path_in(literal: &str, module: &[String]) -> Option<Written> {
    let path = syn::parse_str::<syn::LitStr>(literal).ok()?.parse::<syn::Path>().ok()?;
    let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    (segments.len() > 1).then(|| Written {
        segments,
        global: false,
        module: module.to_vec(),
        binds: None,
    })
}

/// The inside of an attribute, `#[…]` or `#![…]`, and what follows it.
fn attribute_at(at: Cursor<'_>) -> Option<(Cursor<'_>, Cursor<'_>)> {
    let (mark, mut after) = at.punct()?;
    if mark.as_char() != '#' {
        return None;
    }
    if let Some((mark, inner)) = after.punct()
        && mark.as_char() == '!'
    {
        after = inner;
    }
    let (inside, _, _, after) = after.any_group()?;
    Some((inside, after))
}

/// The place after `::`, when the cursor stands on one.
fn colons(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, after) = at.punct()?;
    let (second, after) = after.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(after)
}

/// Whether the group after `pub` says who may see the item, as in `pub(crate)` and `pub(in crate::x)`.
fn is_restriction(inside: Cursor<'_>) -> bool {
    inside.ident().is_some_and(|(word, after)| {
        word == "in" || (after.eof() && ["crate", "super", "self"].iter().any(|it| word == it))
    })
}

/// Whether a `cfg` asks for the platform, at any depth.
fn names_platform(mut at: Cursor<'_>) -> bool {
    while !at.eof() {
        if let Some((word, after)) = at.ident() {
            if PLATFORM.iter().any(|name| word == name) {
                return true;
            }
            at = after;
        } else if let Some((inside, _, _, after)) = at.any_group() {
            if names_platform(inside) {
                return true;
            }
            at = after;
        } else if let Some((_, after)) = at.token_tree() {
            at = after;
        }
    }
    false
}

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

/// Asserts that the checker reports this text, for this reason.
fn reported(file: &str, text: &str, reason: &str) {
    let complaints = check(file, text);
    assert!(
        complaints.iter().any(|complaint| complaint.contains(reason)),
        "in {file}, `{text}` must be reported with `{reason}`, got {complaints:?}"
    );
}

/// Asserts that the checker has nothing against this text.
fn free(file: &str, text: &str) {
    let complaints = check(file, text);
    assert!(complaints.is_empty(), "in {file}, `{text}` is no offence, got {complaints:?}");
}

#[test]
fn an_import_against_the_law_is_reported_in_every_form() {
    let table = "render/table.rs";
    let forms = [
        "use crate::sys;",
        "use crate::sys::netns::enter;",
        "use crate::{model::Port, sys};",
        "use crate::{model::Port, sys::{self, netns}};",
        "use crate::sys as model;",
        "use {crate::model, crate::sys};",
        "use super::super::sys;",
        "use super::super::{sys::netns as n};",
        "use self::super::super::sys;",
        "mod inner { use super::super::super::sys; }",
        "fn f() { crate::sys::pause() }",
        "fn f() { super::super::sys::pause() }",
        "fn f(x: crate::sys::Clock) {}",
        "fn f(x: Option<&'static dyn crate::sys::Clock>) {}",
        "fn f() { Vec::<crate::sys::Clock>::new(); }",
        "fn f() { for x in crate::sys::all() {} }",
        "struct S(pub (crate::sys::A, u8));",
        "impl crate::sys::Clock for () {}",
        "fn f() { <() as crate::sys::Clock>::tick(); }",
        "fn f() { assert_eq!(crate::sys::pause(), 1); }",
        "fn f() { vec![vec![super::super::sys::pause()]]; }",
        "macro_rules! m { () => { $crate::sys::pause() } }",
        "macro_rules! m { () => { use crate::{model::Port, sys::{a, b}}; } }",
        "#[cfg(test)] mod tests { use crate::sys; }",
        "#[derive(Debug)] struct S { #[serde(with = \"crate::sys::f\")] x: u8 }",
        "use crate::r#sys;",
        "use portsight::sys;",
        "use ::portsight::sys;",
        "use super::super as root; fn f() { root::sys::pause() }",
    ];
    for text in forms {
        reported(table, text, "render must not import sys");
    }
    reported("model.rs", "use super::wire::Netlink;", "model must not import wire");
    reported("inventory/owners.rs", "use crate::probe::plan;", "inventory must not import probe");
    reported("probe.rs", "use crate::inventory::read;", "probe must not import inventory");
    reported("reconcile.rs", "use crate::document::X;", "reconcile must not import document");
    reported("document.rs", "use crate::render::X;", "document must not import render");
    reported("render.rs", "use crate::cli::args;", "render must not import cli");
    reported("firewall/text.rs", "use crate::outside;", "firewall must not import outside");
}

#[test]
fn the_root_of_the_crate_is_no_way_round_the_law() {
    for text in [
        "use crate as c;",
        "use crate::{self as c};",
        "use crate::*;",
        "use super::super::*;",
        "use super::super as root;",
        "mod inner { use crate as c; }",
        "macro_rules! m { () => { use crate as c; } }",
        "macro_rules! m { () => { use crate::*; } }",
    ] {
        reported("render/table.rs", text, "must not import the root");
    }
    free("cli/run.rs", "use crate as c; fn f() { c::sys::pause() }");
    reported("render/table.rs", "use crate::helper;", "no room of the law");
    reported("helper.rs", "use crate::model;", "helper is no room of the law");
    reported("render.rs", "#[path = \"x.rs\"] mod x;", "no #[path]");
    reported("render.rs", "include!(\"x.rs\");", "no `include!`");
    reported("render.rs", "extern crate std as s;", "no `extern crate`");
}

#[test]
fn near_misses_of_the_import_law_are_free() {
    let table = "render/table.rs";
    for text in [
        "// use crate::sys;\n/* crate::sys::x */",
        "//! [`crate::sys`] is another room.\n/// [`crate::sys`]\nfn f() {}",
        "#[doc = \"crate::sys\"] fn f() {}",
        "const TEXT: &str = \"use crate::sys;\";",
        "const TEXT: &str = r#\"crate::sys::x\"#;",
        "use crate::model::sys;",
        "use crate::model::sys; fn f() { sys::tick() }",
        "use crate::render::sys;",
        "use super::sys;",
        "use self::sys::pause; mod sys {}",
        "mod inner { use super::super::sys; }",
        "mod inner { use super::*; }",
        "pub(crate) fn f() {} pub(super) fn g() {} pub(self) fn h() {}",
        "pub(in crate::render) fn f() {}",
        "pub(in super::super) fn f() {}",
        "fn sys() { let crate_sys = 1; let _ = crate_sys; }",
        "fn f(system: u8) { let sys = system; sys.leading_zeros(); }",
        "use crate::document::{Check, Sockets}; use crate::model::Port;",
        "fn f() -> impl Iterator<Item = u8> + use<> { std::iter::empty() }",
        "fn f() { <str as Sys>::sys(\"\") }",
    ] {
        free(table, text);
    }
    free("cli/check.rs", "use crate::{inventory, probe, reconcile, render, sys, wire};");
    free("sys/linux/netns.rs", "use super::super::Clock; use crate::model::Seen;");
}

#[test]
fn main_rs_names_the_cli_only() {
    free("main.rs", "fn main() -> std::process::ExitCode { portsight::cli::main() }");
    free("main.rs", "use portsight::cli; fn main() { cli::main(); }");
    reported("main.rs", "fn main() { portsight::sys::pause() }", "main.rs must not import sys");
    reported("main.rs", "use portsight::{cli, render::table};", "main.rs must not import render");
    reported("main.rs", "use portsight as p;", "must not import the root");
    reported("main.rs", "use portsight::*;", "must not import the root");
}

#[test]
fn unsafe_outside_sys_is_reported() {
    for text in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "unsafe trait T {}",
        "unsafe extern \"C\" { fn f(); }",
        "type F = unsafe fn();",
        "#[unsafe(no_mangle)] fn f() {}",
        "macro_rules! m { () => { unsafe { g() } } }",
    ] {
        reported("probe/connect.rs", text, "unsafe is for sys only");
        free("sys/linux/netns.rs", text);
    }
    free("probe.rs", "#![forbid(unsafe_code)] // unsafe\nconst T: &str = \"unsafe\";");
    free("probe.rs", "fn unsafe_count() {}");
}

#[test]
fn a_platform_switch_outside_sys_is_reported() {
    for text in [
        "#[cfg(target_os = \"linux\")] fn f() {}",
        "#[cfg(not(any(unix, test)))] fn f() {}",
        "#[cfg_attr(windows, expect(dead_code))] fn f() {}",
        "#![cfg(target_family = \"unix\")]",
        "fn f() -> bool { cfg!(target_os = \"linux\") }",
        "fn f() { std::cfg_select! { unix => { g() } _ => {} } }",
    ] {
        reported("inventory.rs", text, "platform switch");
        free("sys.rs", text);
        free("lib.rs", text);
    }
    free("inventory.rs", "#[cfg(test)] mod tests {} #[cfg(feature = \"x\")] fn f() {}");
    free("inventory.rs", "fn f(target_os: &str, unix: bool) { g(target_os, unix); }");
}

#[test]
fn a_pure_room_that_touches_the_machine_is_reported() {
    for room in PURE {
        let file = format!("{room}/x.rs");
        for text in [
            "use std::fs;",
            "use std::fs::File;",
            "use std::{fmt, fs::File};",
            "use std::net::{IpAddr, TcpStream};",
            "use std::net; fn f() { net::UdpSocket::bind(\"\"); }",
            "use std::io::{self, Write}; fn f() { io::stdout(); }",
            "use std as s; fn f() { s::env::var(\"\"); }",
            "use std::{self as s}; fn f() { s::env::var(\"\"); }",
            "fn f() { std::process::exit(1) }",
            "fn f() { ::std::env::args(); }",
            "fn f() { vec![std::env::args()]; }",
            "fn f() { std::time::SystemTime::now(); }",
            "use std::time::{Duration, Instant};",
            "fn f() { jiff::Timestamp::now(); }",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
            "use std::net::*;",
            "use std::time::*;",
            "use std::*;",
            "use std::os::fd::RawFd;",
            "use rustix::net::socket;",
            "fn f(x: socket2::Socket) {}",
        ] {
            reported(&file, text, &format!("{room} is pure"));
            free("sys/linux/x.rs", text);
        }
        for text in [
            "use std::net::{IpAddr, Ipv4Addr, SocketAddr};",
            "use std::time::Duration;",
            "use std::io::{self, Write}; fn f(out: &mut dyn io::Write) {}",
            "use std::fmt::Write as _; use std::collections::*;",
            "// std::fs\nconst T: &str = \"std::fs::read\";",
            "const V: &str = env!(\"CARGO_PKG_VERSION\"); const W: &str = std::env!(\"X\");",
            "mod fs { pub fn read() {} } fn f() { fs::read() }",
            "struct Process { env: u8, process: u8 } fn f(p: Process) { p.env; }",
            "fn now() {} fn f() { now() }",
        ] {
            free(&file, text);
        }
    }
}

#[test]
fn a_crate_away_from_home_is_reported() {
    for text in [
        "use serde::Serialize;",
        "#[derive(serde::Serialize)] struct S;",
        "fn f() { serde_json::to_string(&1); }",
    ] {
        for room in ["model", "wire", "sys", "inventory", "probe", "reconcile"] {
            if room == "inventory" && text.contains("serde_json") {
                free("inventory.rs", text);
                continue;
            }
            reported(&format!("{room}.rs"), text, "must not use serde");
        }
        for room in ["document", "render", "cli"] {
            free(&format!("{room}.rs"), text);
        }
    }
    reported("render.rs", "use clap::Parser;", "render must not use clap");
    free("model.rs", "fn f(serde: u8) { serde.leading_zeros(); }");
}

#[test]
fn mod_rs_and_star_exports_are_reported() {
    reported("model/mod.rs", "", "not mod.rs");
    free("model/modem.rs", "");
    free("model/command.rs", "");
    for text in [
        "pub use about::*;",
        "pub use self::about::*;",
        "pub(crate) use about::{Gap, inner::*};",
        "mod inner { pub use super::about::*; }",
    ] {
        reported("model.rs", text, "re-export by name");
    }
    free("model.rs", "pub use about::{About, Gap as Hole};");
    free("model.rs", "#[cfg(test)] mod tests { use super::*; }");
}

#[test]
fn what_is_no_rust_is_reported() {
    reported("model.rs", "fn f( {", "cannot be parsed");
}
