//! What the words after `portsight` mean when no command is named.

use std::ffi::{OsStr, OsString};

/// Whether an option takes the next word as its value: also `-o` at the end of a cluster such as `-qo`.
fn takes_value(word: &str) -> bool {
    let cluster = word.starts_with('-') && !word.starts_with("--");
    matches!(word, "--output" | "--color" | "--netns" | "--from")
        || (cluster && word.ends_with('o') && !word.contains('='))
}

/// The arguments with the command that was left out: `key=value` filters the list, any other word asks who, and
/// no word at all is the list. `commands` are the names that are commands themselves.
pub(super) fn with_command(args: Vec<OsString>, commands: &[String]) -> Vec<OsString> {
    let mut words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    let mut first = None;
    let mut help = false;
    while let Some(word) = words.next() {
        if takes_value(&word) {
            words.next();
        } else if word == "--" {
            first = words.next().map(|_| "who");
            break;
        } else if word.starts_with('-') && word.len() > 1 {
            help |= ["-h", "--help", "-V", "--version"].contains(&&*word);
        } else {
            first = Some(match &*word {
                word if commands.iter().any(|command| command == word) => return args,
                word if word.contains('=') => "ls",
                _ => "who",
            });
            break;
        }
    }
    if help && first.is_none() {
        return args;
    }
    let mut args = args;
    args.insert(args.len().min(1), OsStr::new(first.unwrap_or("ls")).to_owned());
    args
}

/// Whether the arguments name the command `outside`.
pub(super) fn name_outside(args: impl Iterator<Item = OsString>) -> bool {
    let mut words = args.skip(1).map(|arg| arg.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if takes_value(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return word == "outside";
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_is_named_by_the_first_word() {
        let is_named = |typed: &str| name_outside(typed.split(' ').map(OsString::from));
        assert!(is_named("portsight outside") && is_named("portsight -o json outside -- curl"));
        assert!(!is_named("portsight") && !is_named("portsight -o outside ls outside"));
    }

    #[test]
    fn a_word_that_is_no_command_gets_one() {
        let commands = ["ls", "who", "check", "scan", "help"].map(str::to_owned);
        let table = [
            ("portsight", "portsight ls"),
            ("portsight -tulpn", "portsight ls -tulpn"),
            ("portsight -o json", "portsight ls -o json"),
            ("portsight --help", "portsight --help"),
            ("portsight -V", "portsight -V"),
            ("portsight 8080", "portsight who 8080"),
            ("portsight :8080", "portsight who :8080"),
            ("portsight udp:53", "portsight who udp:53"),
            ("portsight nginx", "portsight who nginx"),
            ("portsight -o json 8080", "portsight who -o json 8080"),
            ("portsight -qo json", "portsight ls -qo json"),
            ("portsight --output=json 8080", "portsight who --output=json 8080"),
            ("portsight --netns all 8080", "portsight who --netns all 8080"),
            ("portsight --netns all", "portsight ls --netns all"),
            ("portsight port=22 user=root", "portsight ls port=22 user=root"),
            ("portsight check 22", "portsight check 22"),
            ("portsight --json scan", "portsight --json scan"),
            ("portsight who check", "portsight who check"),
            ("portsight 8080 --help", "portsight who 8080 --help"),
            ("portsight -- check", "portsight who -- check"),
        ];
        for (typed, meant) in table {
            let args = typed.split(' ').map(OsString::from).collect();
            let meant: Vec<OsString> = meant.split(' ').map(OsString::from).collect();
            assert_eq!(with_command(args, &commands), meant, "{typed}");
        }
    }
}
