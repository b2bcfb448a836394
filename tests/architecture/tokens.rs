//! The paths of a file, read from its tokens: so also those inside of macros, which have no syntax of their own.

use crate::imports::{leaves_of, plain};
use crate::law::PLATFORM;
use crate::source::{Finds, Place, Written};
use syn::buffer::Cursor;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;

/// Goes through the tokens, into every group and so into every macro call, and notes each path, each
/// `unsafe` and each platform switch. In an attribute a string may hold a path.
pub(crate) fn walk(
    mut at: Cursor<'_>,
    module: &[String],
    attribute: bool,
    place: &Place,
    finds: &mut Finds,
) {
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
