//! The `portsight` binary.

fn main() -> std::process::ExitCode {
    portsight::cli::main()
}
