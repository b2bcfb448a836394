//! The command line as clap reads it. Nothing here touches the machine.

use super::exit::Exit;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  portsight                        what is listening, and who owns it
  portsight 8080                   who holds port 8080
  sudo portsight check             what listens, what answers, and where the two differ
  portsight check 22,80,8000-8100  the same for these ports
  portsight why localhost:3000     why connecting to it fails
  sudo portsight outside -- curl http://10.0.0.2/  what a neighbour gets there
  portsight proto=udp user=root    a filtered list";

fn exit_status() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:<4} {}", exit.status(), exit.meaning()));
    format!(
        "Exit status:\n{}\n  outside ends with the status of its program; see its help",
        lines.join("\n")
    )
}

/// Who listens on this host, who can reach it, and what the firewall does to it.
#[derive(Debug, Parser)]
#[command(
    name = "portsight",
    version,
    before_help = EXAMPLES,
    after_help = exit_status(),
    override_usage = "portsight [OPTIONS] [COMMAND]\n       portsight PORT|NAME|pid:N\n       portsight KEY=VALUE...",
    infer_subcommands = false,
    arg_required_else_help = false
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(super) struct Common {
    /// How to print the result
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Output,
    /// The same as --output json
    #[arg(long, global = true, conflicts_with = "output")]
    pub(super) json: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorWhen,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists
    /// the same sockets
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(super) verbose: bool,
}

impl Common {
    /// The output format, by either option.
    pub(super) fn format(&self) -> Output {
        if self.json { Output::Json } else { self.output }
    }
}

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// One record on a line, fields separated by tabs, no heading
    Plain,
    /// One JSON document
    Json,
    /// Lines of JSON: the document without its items, then each item
    Ndjson,
    /// Comma-separated values with headings (RFC 4180)
    Csv,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    #[value(help = "On a terminal, unless NO_COLOR is set or TERM is dumb")]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What is listening, who owns it, and who can reach it by its binding
    Ls(Ls),
    /// Who holds a port
    Who(Who),
    /// Probe this host and compare with what listens
    #[command(visible_alias = "scan")]
    Check(Check),
    /// Why connecting to a port, or binding to it, fails
    Why(Why),
    /// Run a program as if it were another machine on the network
    #[command(
        after_help = OUTSIDE,
        override_usage = "portsight outside [--from VANTAGE] [--] COMMAND [ARGUMENT]..."
    )]
    Outside(Outside),
    /// Print a shell completion script
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print the JSON Schema of a command's documents
    #[command(hide = true)]
    Schema {
        /// The command
        command: Documented,
    },
}

/// A command that prints documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Documented {
    /// The sockets of `ls`
    Ls,
    /// The sockets of `who`
    Who,
    /// The ports of `check`
    Check,
    /// The reason that `why` gives
    Why,
}

/// The letters that fingers know from `ss` and `netstat`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Kinds {
    /// Only TCP (with -u: both)
    #[arg(short, long)]
    pub(super) tcp: bool,
    /// Only UDP (with -t: both)
    #[arg(short, long)]
    pub(super) udp: bool,
    /// Only sockets that take IPv4
    #[arg(short = '4', long)]
    pub(super) ipv4: bool,
    /// Only sockets that take IPv6
    #[arg(short = '6', long)]
    pub(super) ipv6: bool,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    pub(super) kinds: Kinds,
    #[command(flatten)]
    pub(super) more: More,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) habits: Habits,
    /// Keep what matches all of these: port=22,8000-8100, proto=tcp|udp|sctp|unix|raw|packet,
    /// state=listen|bound|unconnected|established|time-wait…, address=IP, scope=any|loopback|link-local|address,
    /// family=ipv4|ipv6, interface=NAME, service=NAME, process=NAME, pid=N, user=NAME, uid=N, unit=NAME,
    /// container=NAME|ID
    #[arg(value_name = "KEY=VALUE")]
    pub(super) filters: Vec<String>,
}

/// What to list beside the sockets that hold a port.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct More {
    /// Every kind of socket: with --unix and --raw (with -t or -u: nothing more)
    #[arg(short, long)]
    pub(super) all: bool,
    /// Also the Unix sockets that clients can find
    #[arg(short = 'x', long)]
    pub(super) unix: bool,
    /// Also the raw and packet sockets
    #[arg(short = 'w', long)]
    pub(super) raw: bool,
    /// Also the connections, and UDP sockets with a peer
    #[arg(long)]
    pub(super) established: bool,
    /// Also what is left of closed TCP connections
    #[arg(long)]
    pub(super) time_wait: bool,
}

/// Where to look.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Look into other network namespaces, as of containers: all, the name of one, or a process in it
    #[arg(long, value_name = "all|NAME|PID")]
    pub(super) netns: Option<String>,
}

/// Switches that change nothing here: what they ask for is what is shown anyway.
#[derive(Debug, Args)]
pub(super) struct Habits {
    /// Accepted for the habit of `ss -tulpn`: changes nothing
    #[arg(short = 'l', long, hide = true)]
    listening: bool,
    /// As -l
    #[arg(short = 'n', long, hide = true)]
    numeric: bool,
    /// As -l
    #[arg(short = 'p', long, hide = true)]
    processes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Who {
    #[command(flatten)]
    pub(super) kinds: Kinds,
    /// Also ask the kernel which socket a packet from this address would reach, as far as no rule stops it
    #[arg(long, value_name = "ADDRESS[:PORT]", conflicts_with = "netns")]
    pub(super) from: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) habits: Habits,
    /// A port (8080, :8080, 53/udp, udp:53, 8000-8100), pid:N, a service or a process
    #[arg(required = true, value_name = "PORT|NAME|pid:N")]
    pub(super) subjects: Vec<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Check {
    /// The ports, as in 80,443,8000-8100,ssh [default: every TCP port, and the UDP ports that are bound]
    #[arg(value_name = "PORTS")]
    pub(super) ports: Vec<String>,
    /// Which transport to probe
    #[arg(long, value_enum, value_name = "PROTO", default_value = "all")]
    pub(super) proto: Proto,
    /// Probe every UDP port
    #[arg(long)]
    pub(super) all_udp: bool,
    /// Probe IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(super) ipv4: bool,
    /// Probe IPv6 addresses only
    #[arg(short = '6', long)]
    pub(super) ipv6: bool,
    /// From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root,
    /// else loopback,self]
    #[arg(long, value_name = "VANTAGE", value_delimiter = ',')]
    pub(super) from: Vec<String>,
    /// How to probe TCP ports
    #[arg(long, value_enum, value_name = "METHOD", default_value = "auto")]
    pub(super) method: Method,
    /// Ports to keep the probes away from
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    pub(super) exclude: Vec<String>,
    /// How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second
    /// look at least 300 ms, unless nothing here can delay an answer]
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<String>,
    /// How often a silent port is asked again [default: once, and more often while that brings answers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub(super) retries: Option<u8>,
    /// Send no more than this many probes in a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_rate: Option<u32>,
    /// The verdicts that make the exit status 1
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', default_value = "unexpected")]
    pub(super) fail_on: Vec<String>,
    /// What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)
    #[arg(long, value_name = "VANTAGE:PORT=VERDICT")]
    pub(super) expect: Vec<String>,
    /// Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on
    /// them, so applications may log it
    #[arg(long)]
    pub(super) identify: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("question").required(true).args(["target", "bind", "explain"])))]
pub(super) struct Why {
    /// What to connect to: HOST:PORT, PORT, a URL, or the path of a Unix socket
    #[arg(value_name = "TARGET")]
    pub(super) target: Option<String>,
    /// Say why binding fails instead: `8080`, `127.0.0.1:8080`, `[::1]:8080`
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub(super) bind: Option<String>,
    /// UDP instead of TCP
    #[arg(short, long, conflicts_with = "explain")]
    pub(super) udp: bool,
    /// Ask from a place on the network about a port of this host: lan, lan=ADDRESS, internet, internet=ADDRESS or
    /// ADDRESS (takes root); or from another machine: ssh:USER@HOST
    #[arg(long, value_name = "VANTAGE", conflicts_with_all = ["bind", "explain"])]
    pub(super) from: Option<String>,
    /// Go on until it works, for so long at most, as in 30s or 2m
    #[arg(long, value_name = "DURATION", conflicts_with = "explain")]
    pub(super) wait: Option<String>,
    /// Tell what a code such as R05 means, or all of them
    #[arg(long, value_name = "CODE|all")]
    pub(super) explain: Option<String>,
}

/// What `outside --help` ends with.
const OUTSIDE: &str = "\
The program is in a network of its own, from where it reaches the addresses of this host, and no other: packets to \
others are refused. This host takes what it sends for what a neighbour sends, by its interface, and the firewall does \
with it what it does with a neighbour's. Nothing leaves this host. It takes root, and the program is run as root too, \
with the files of this host: this is no sandbox.

Names do not resolve where a name server would have to be asked, unless that is at an address of this host: name the \
address, as in curl --resolve www.example:443:10.0.0.2, or write it into /etc/hosts.

The exit status is that of the program, or 128 and the number of the signal that ended it; 125 where portsight fails, \
126 where the program cannot be run, and 127 where there is none.";

#[derive(Debug, Args)]
pub(super) struct Outside {
    /// Where the program stands: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS
    #[arg(long, value_name = "VANTAGE", default_value = "lan")]
    pub(super) from: String,
    /// The program and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(super) command: Vec<OsString>,
}

/// How TCP ports are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    #[value(help = "By SYN where CAP_NET_RAW allows it, else by connections")]
    Auto,
    /// By SYN: no connection is opened, and no application sees it
    Syn,
    /// By connections, which takes no privileges
    Connect,
}

/// The transports to probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Proto {
    /// Only TCP
    Tcp,
    /// Only UDP
    Udp,
    /// Both
    All,
}
