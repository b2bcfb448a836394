//! One file of the source tree: where it stands, and what is found in it.

use std::collections::BTreeSet;

/// Where a file stands in the crate.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its path below `src`.
    pub(crate) file: String,
    /// The module that it holds: `["render", "table"]`, empty for `lib.rs`; for `main.rs` see `binary`.
    pub(crate) module: Vec<String>,
    /// Whether it is the root of the binary, where `crate` is not the library.
    pub(crate) binary: bool,
}

impl Place {
    pub(crate) fn of(file: &str) -> Self {
        let binary = file == "main.rs";
        let module = if binary || file == "lib.rs" {
            Vec::new()
        } else {
            file.trim_end_matches(".rs").split('/').map(str::to_owned).collect()
        };
        Self { file: file.to_owned(), module, binary }
    }

    /// The room that the file belongs to.
    pub(crate) fn room(&self) -> &str {
        match self.module.first() {
            Some(room) => room,
            None if self.binary => "main.rs",
            None => "lib.rs",
        }
    }
}

/// A path as written, and what is known of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) segments: Vec<String>,
    /// It starts with `::`.
    pub(crate) global: bool,
    /// The module that it stands in.
    pub(crate) module: Vec<String>,
    /// It is an import: the name it binds, `*` for a glob.
    pub(crate) binds: Option<String>,
}

/// What the walk over one file finds.
#[derive(Debug, Default)]
pub(crate) struct Finds {
    pub(crate) paths: Vec<Written>,
    pub(crate) complaints: BTreeSet<String>,
}
