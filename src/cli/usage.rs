//! Usage errors in one line: the value, what is accepted, and a suggestion where one is near.

use super::exit::Exit;
use super::output;
use clap::error::ErrorKind;

/// Prints help and the version where those were asked for, else what is wrong.
pub(super) fn explain(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                output::say(format_args!("portsight: cannot write the output: {error}"));
                Exit::Error
            }
            _ => Exit::Success,
        };
    }
    output::say(format_args!("portsight: {}", one_line(&error.render().to_string())));
    Exit::Error
}

/// The message of clap without its headings, usage and pointers to the help.
fn one_line(message: &str) -> String {
    let kept = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_start_matches("error: ").trim_start_matches("tip: "));
    kept.collect::<Vec<_>>().join("; ").replace("; [", " [").replace(":; ", ": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_error_is_one_line() {
        let message = "error: invalid value 'jsn' for '--output <FORMAT>'\n  [possible values: table, plain, json]\n\n  \
                       tip: a similar value exists: 'json'\n\nUsage: portsight\n\nFor more information, try '--help'.\n";
        assert_eq!(
            one_line(message),
            "invalid value 'jsn' for '--output <FORMAT>' [possible values: table, plain, json]; a similar value \
             exists: 'json'"
        );
    }
}
