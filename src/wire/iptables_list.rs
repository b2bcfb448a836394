//! What `iptables-legacy -S` lists of a table: `-P INPUT DROP`, `-N chain`, `-A INPUT -p tcp -j DROP`.

/// The rule with this number in a chain, from 1 on.
#[must_use]
pub fn rule<'a>(listing: &'a str, chain: &str, number: u64) -> Option<&'a str> {
    let before = usize::try_from(number).ok()?.checked_sub(1)?;
    let mut rules = listing.lines().filter(|line| is_of(line, "-A", chain));
    rules.nth(before)
}

/// The policy of a chain.
#[must_use]
pub fn policy<'a>(listing: &'a str, chain: &str) -> Option<&'a str> {
    listing.lines().find(|line| is_of(line, "-P", chain))
}

/// What a rule does with a packet that it takes: the name of a target or of a chain.
#[must_use]
pub fn target(rule: &str) -> Option<&str> {
    // What stands in quotes, as a comment, may look the same.
    let mut words = rule.split(' ');
    let mut quoted = false;
    while let Some(word) = words.next() {
        if !quoted && matches!(word, "-j" | "-g") {
            return words.next();
        }
        quoted ^= word.matches('"').count() % 2 == 1;
    }
    None
}

fn is_of(line: &str, command: &str, chain: &str) -> bool {
    let mut words = line.split(' ');
    words.next() == Some(command) && words.next() == Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "-P INPUT DROP
-P FORWARD ACCEPT
-N late
-A INPUT -i lo -j ACCEPT
-A late -j RETURN
-A INPUT -p tcp -m comment --comment \"not -j DROP\" -m tcp --dport 22 -j late
-A INPUT -p tcp
";

    #[test]
    fn rules_are_counted_within_their_chain() {
        assert_eq!(rule(LISTING, "INPUT", 1), Some("-A INPUT -i lo -j ACCEPT"));
        assert!(rule(LISTING, "INPUT", 2).unwrap().ends_with("-j late"));
        assert_eq!(rule(LISTING, "late", 1), Some("-A late -j RETURN"));
        assert_eq!([rule(LISTING, "late", 2), rule(LISTING, "INPUT", 0)], [None; 2]);
        assert_eq!(policy(LISTING, "INPUT"), Some("-P INPUT DROP"));
        assert_eq!(policy(LISTING, "late"), None);
    }

    #[test]
    fn a_target_is_no_word_of_a_comment() {
        let of = |number| target(rule(LISTING, "INPUT", number).unwrap());
        assert_eq!([of(1), of(2), of(3)], [Some("ACCEPT"), Some("late"), None]);
    }
}
