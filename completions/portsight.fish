# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_portsight_global_optspecs
    string join \n o/output= json color= q/quiet v/verbose h/help V/version
end

function __fish_portsight_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_portsight_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_portsight_using_subcommand
    set -l cmd (__fish_portsight_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c portsight -n "__fish_portsight_needs_command" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_needs_command" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_needs_command" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_needs_command" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_needs_command" -s V -l version -d 'Print version'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "ls" -d 'What is listening, who owns it, and who can reach it by its binding'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "who" -d 'Who holds a port'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "check" -d 'Probe this host and compare with what listens'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "scan" -d 'Probe this host and compare with what listens'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "why" -d 'Why connecting to a port, or binding to it, fails'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "outside" -d 'Run a program as if it were another machine on the network'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "completions" -d 'Print a shell completion script'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "man" -d 'Print the manual page'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "schema" -d 'Print the JSON Schema of a command\'s documents'
complete -c portsight -n "__fish_portsight_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -l netns -d 'Look into other network namespaces, as of containers: all, the name of one, or a process in it' -r
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand ls" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s t -l tcp -d 'Only TCP (with -u: both)'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s u -l udp -d 'Only UDP (with -t: both)'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s 4 -l ipv4 -d 'Only sockets that take IPv4'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s 6 -l ipv6 -d 'Only sockets that take IPv6'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s a -l all -d 'Every kind of socket: with --unix and --raw (with -t or -u: nothing more)'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s x -l unix -d 'Also the Unix sockets that clients can find'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s w -l raw -d 'Also the raw and packet sockets'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -l established -d 'Also the connections, and UDP sockets with a peer'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -l time-wait -d 'Also what is left of closed TCP connections'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s l -l listening -d 'Accepted for the habit of `ss -tulpn`: changes nothing'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s n -l numeric -d 'As -l'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s p -l processes -d 'As -l'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand who" -l from -d 'Also ask the kernel which socket a packet from this address would reach, as far as no rule stops it' -r
complete -c portsight -n "__fish_portsight_using_subcommand who" -l netns -d 'Look into other network namespaces, as of containers: all, the name of one, or a process in it' -r
complete -c portsight -n "__fish_portsight_using_subcommand who" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand who" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand who" -s t -l tcp -d 'Only TCP (with -u: both)'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s u -l udp -d 'Only UDP (with -t: both)'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s 4 -l ipv4 -d 'Only sockets that take IPv4'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s 6 -l ipv6 -d 'Only sockets that take IPv6'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s l -l listening -d 'Accepted for the habit of `ss -tulpn`: changes nothing'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s n -l numeric -d 'As -l'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s p -l processes -d 'As -l'
complete -c portsight -n "__fish_portsight_using_subcommand who" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand who" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand check" -l proto -d 'Which transport to probe' -r -f -a "tcp\t'Only TCP'
udp\t'Only UDP'
all\t'Both'"
complete -c portsight -n "__fish_portsight_using_subcommand check" -l from -d 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l method -d 'How to probe TCP ports' -r -f -a "auto\t'By SYN where CAP_NET_RAW allows it, else by connections'
syn\t'By SYN: no connection is opened, and no application sees it'
connect\t'By connections, which takes no privileges'"
complete -c portsight -n "__fish_portsight_using_subcommand check" -l exclude -d 'Ports to keep the probes away from' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l timeout -d 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l retries -d 'How often a silent port is asked again [default: once, and more often while that brings answers]' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l max-rate -d 'Send no more than this many probes in a second' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l fail-on -d 'The verdicts that make the exit status 1' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -l expect -d 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)' -r
complete -c portsight -n "__fish_portsight_using_subcommand check" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand check" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand check" -l all-udp -d 'Probe every UDP port'
complete -c portsight -n "__fish_portsight_using_subcommand check" -s 4 -l ipv4 -d 'Probe IPv4 addresses only'
complete -c portsight -n "__fish_portsight_using_subcommand check" -s 6 -l ipv6 -d 'Probe IPv6 addresses only'
complete -c portsight -n "__fish_portsight_using_subcommand check" -l identify -d 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it'
complete -c portsight -n "__fish_portsight_using_subcommand check" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand check" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand check" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l proto -d 'Which transport to probe' -r -f -a "tcp\t'Only TCP'
udp\t'Only UDP'
all\t'Both'"
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l from -d 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l method -d 'How to probe TCP ports' -r -f -a "auto\t'By SYN where CAP_NET_RAW allows it, else by connections'
syn\t'By SYN: no connection is opened, and no application sees it'
connect\t'By connections, which takes no privileges'"
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l exclude -d 'Ports to keep the probes away from' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l timeout -d 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l retries -d 'How often a silent port is asked again [default: once, and more often while that brings answers]' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l max-rate -d 'Send no more than this many probes in a second' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l fail-on -d 'The verdicts that make the exit status 1' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l expect -d 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)' -r
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l all-udp -d 'Probe every UDP port'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s 4 -l ipv4 -d 'Probe IPv4 addresses only'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s 6 -l ipv6 -d 'Probe IPv6 addresses only'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l identify -d 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand why" -l bind -d 'Say why binding fails instead: `8080`, `127.0.0.1:8080`, `[::1]:8080`' -r
complete -c portsight -n "__fish_portsight_using_subcommand why" -l from -d 'Ask from a place on the network about a port of this host: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS (takes root); or from another machine: ssh:USER@HOST' -r
complete -c portsight -n "__fish_portsight_using_subcommand why" -l wait -d 'Go on until it works, for so long at most, as in 30s or 2m' -r
complete -c portsight -n "__fish_portsight_using_subcommand why" -l explain -d 'Tell what a code such as R05 means, or all of them' -r
complete -c portsight -n "__fish_portsight_using_subcommand why" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand why" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand why" -s u -l udp -d 'UDP instead of TCP'
complete -c portsight -n "__fish_portsight_using_subcommand why" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand why" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand why" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand outside" -l from -d 'Where the program stands: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS' -r
complete -c portsight -n "__fish_portsight_using_subcommand outside" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand outside" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand outside" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand outside" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand outside" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand outside" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand completions" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand completions" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand completions" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand completions" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand man" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand man" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand man" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand man" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand man" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand schema" -s o -l output -d 'How to print the result' -r -f -a "table\t'For people'
plain\t'One record on a line, fields separated by tabs, no heading'
json\t'One JSON document'
ndjson\t'Lines of JSON: the document without its items, then each item'
csv\t'Comma-separated values with headings (RFC 4180)'"
complete -c portsight -n "__fish_portsight_using_subcommand schema" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c portsight -n "__fish_portsight_using_subcommand schema" -l json -d 'The same as --output json'
complete -c portsight -n "__fish_portsight_using_subcommand schema" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c portsight -n "__fish_portsight_using_subcommand schema" -s v -l verbose -d 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
complete -c portsight -n "__fish_portsight_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "ls" -d 'What is listening, who owns it, and who can reach it by its binding'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "who" -d 'Who holds a port'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "check" -d 'Probe this host and compare with what listens'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "why" -d 'Why connecting to a port, or binding to it, fails'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "outside" -d 'Run a program as if it were another machine on the network'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "completions" -d 'Print a shell completion script'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "man" -d 'Print the manual page'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "schema" -d 'Print the JSON Schema of a command\'s documents'
complete -c portsight -n "__fish_portsight_using_subcommand help; and not __fish_seen_subcommand_from ls who check why outside completions man schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
