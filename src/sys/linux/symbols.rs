//! The kernel's functions (`/proc/kallsyms`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// The functions that these addresses are in. None where the kernel does not show its addresses (`kptr_restrict`).
#[must_use]
pub fn kernel_functions(addresses: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let Ok(file) = File::open("/proc/kallsyms") else { return BTreeMap::new() };
    let lines = BufReader::with_capacity(256 * 1024, file).lines();
    functions(lines.map_while(Result::ok), addresses)
}

fn functions(
    lines: impl Iterator<Item = String>,
    addresses: &BTreeSet<u64>,
) -> BTreeMap<u64, String> {
    let mut nearest: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let (Some(begin), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(begin) = u64::from_str_radix(begin, 16) else { continue };
        if begin == 0 || !kind.eq_ignore_ascii_case("t") {
            continue;
        }
        for address in addresses.range(begin..) {
            match nearest.get(address) {
                Some((known, _)) if *known >= begin => {}
                _ => drop(nearest.insert(*address, (begin, name.to_owned()))),
            }
        }
    }
    nearest.into_iter().map(|(address, (_, name))| (address, name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_function_that_begins_before_it() {
        let lines =
            "ffff0100 T first\nffff0300 t third\nffff0200 t second\t[nf_x]\nffff0210 d data\n";
        let of = |address| {
            let lines = lines.lines().map(str::to_owned);
            functions(lines, &BTreeSet::from([address])).remove(&address)
        };
        assert_eq!(of(0xffff_0100).as_deref(), Some("first"));
        assert_eq!(of(0xffff_0250).as_deref(), Some("second"));
        assert_eq!(of(0xffff_9999).as_deref(), Some("third"));
        assert_eq!(of(1), None);
        let hidden = ["0000000000000000 T first".to_owned()].into_iter();
        assert!(functions(hidden, &BTreeSet::from([9])).is_empty(), "kptr_restrict");
    }
}
