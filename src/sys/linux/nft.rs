//! Asking the program `nft` what a table says, for rules that are not understood here.

use super::program::{Bounds, told_by};
use std::time::Duration;

/// What a listing may take: more than these bytes is none that is worth its memory.
const BOUNDS: Bounds = Bounds { patience: Duration::from_secs(2), bytes: 8 << 20 };

/// What `nft` lists of a table in our thread's network namespace, with handles and without what was counted. `None`
/// when there is no such program, it refuses, or it says too much or too late.
#[must_use]
pub fn nft_list_table(family: &str, table: &str) -> Option<String> {
    told_by("nft", &["-a", "-s", "list", "table", family, table], &[], BOUNDS).ok()
}
