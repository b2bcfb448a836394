//! What `nft -a list table` prints.

use std::collections::BTreeMap;

/// The rules in a listing, by their handles.
pub(super) fn by_handle(listing: &str) -> BTreeMap<u64, String> {
    let mut rules = BTreeMap::new();
    let mut in_chain = false;
    for line in listing.lines() {
        // Tables are not indented, chains and sets once, what stands in them twice.
        let depth = line.chars().take_while(|letter| *letter == '\t').count();
        let Some((text, handle)) = line.rsplit_once(" # handle ") else {
            in_chain &= depth > 1;
            continue;
        };
        if depth < 2 {
            in_chain = depth == 1 && text.trim_start().starts_with("chain ");
        } else if let (true, Ok(handle)) = (in_chain, handle.parse()) {
            rules.insert(handle, text.trim().to_owned());
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_from_sets_and_chains() {
        let listing = "table inet t { # handle 1\n\
            \tset pair { # handle 4\n\t\ttype ipv4_addr\n\t\telements = { 1.2.3.4 comment \"x # handle 6\" }\n\t}\n\n\
            \tchain i { # handle 2\n\t\ttype filter hook input priority filter; policy drop;\n\
            \t\ttcp dport 22 drop comment \"a # handle 9\" # handle 5\n\
            \t\t counter drop # handle 7\n\t\tno handle\n\t}\n}\n";
        let rules = by_handle(listing);
        let expected = [
            (5, "tcp dport 22 drop comment \"a # handle 9\"".to_owned()),
            (7, "counter drop".to_owned()),
        ];
        assert_eq!(rules, BTreeMap::from(expected));
        assert_eq!(by_handle(""), BTreeMap::new());
    }
}
