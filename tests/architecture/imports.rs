//! The imports of a file, read from its syntax, and the items that would lead round the law.

use crate::source::{Finds, Written};
use syn::visit::Visit;

/// Reads the imports, and the items that would lead round the laws.
pub(crate) struct Imports<'f> {
    pub(crate) finds: &'f mut Finds,
    pub(crate) module: Vec<String>,
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
pub(crate) fn leaves_of(
    tree: &syn::UseTree,
    before: &[String],
    leaves: &mut Vec<(Vec<String>, String)>,
) {
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
pub(crate) fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}
