#compdef portsight

autoload -U is-at-least

_portsight() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_portsight_commands" \
"*::: :->portsight" \
&& ret=0
    case $state in
    (portsight)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:portsight-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--netns=[Look into other network namespaces, as of containers\: all, the name of one, or a process in it]:all|NAME|PID:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'-t[Only TCP (with -u\: both)]' \
'--tcp[Only TCP (with -u\: both)]' \
'-u[Only UDP (with -t\: both)]' \
'--udp[Only UDP (with -t\: both)]' \
'-4[Only sockets that take IPv4]' \
'--ipv4[Only sockets that take IPv4]' \
'-6[Only sockets that take IPv6]' \
'--ipv6[Only sockets that take IPv6]' \
'-a[Every kind of socket\: with --unix and --raw (with -t or -u\: nothing more)]' \
'--all[Every kind of socket\: with --unix and --raw (with -t or -u\: nothing more)]' \
'-x[Also the Unix sockets that clients can find]' \
'--unix[Also the Unix sockets that clients can find]' \
'-w[Also the raw and packet sockets]' \
'--raw[Also the raw and packet sockets]' \
'--established[Also the connections, and UDP sockets with a peer]' \
'--time-wait[Also what is left of closed TCP connections]' \
'-l[Accepted for the habit of \`ss -tulpn\`\: changes nothing]' \
'--listening[Accepted for the habit of \`ss -tulpn\`\: changes nothing]' \
'-n[As -l]' \
'--numeric[As -l]' \
'-p[As -l]' \
'--processes[As -l]' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::filters -- Keep what matches all of these\: port=22,8000-8100, proto=tcp|udp|sctp|unix|raw|packet, state=listen|bound|unconnected|established|time-wait…, address=IP, scope=any|loopback|link-local|address, family=ipv4|ipv6, interface=NAME, service=NAME, process=NAME, pid=N, user=NAME, uid=N, unit=NAME, container=NAME|ID:_default' \
&& ret=0
;;
(who)
_arguments "${_arguments_options[@]}" : \
'(--netns)--from=[Also ask the kernel which socket a packet from this address would reach, as far as no rule stops it]:ADDRESS[:PORT]:_default' \
'--netns=[Look into other network namespaces, as of containers\: all, the name of one, or a process in it]:all|NAME|PID:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'-t[Only TCP (with -u\: both)]' \
'--tcp[Only TCP (with -u\: both)]' \
'-u[Only UDP (with -t\: both)]' \
'--udp[Only UDP (with -t\: both)]' \
'-4[Only sockets that take IPv4]' \
'--ipv4[Only sockets that take IPv4]' \
'-6[Only sockets that take IPv6]' \
'--ipv6[Only sockets that take IPv6]' \
'-l[Accepted for the habit of \`ss -tulpn\`\: changes nothing]' \
'--listening[Accepted for the habit of \`ss -tulpn\`\: changes nothing]' \
'-n[As -l]' \
'--numeric[As -l]' \
'-p[As -l]' \
'--processes[As -l]' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::subjects -- A port (8080, \:8080, 53/udp, udp\:53, 8000-8100), pid\:N, a service or a process:_default' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--proto=[Which transport to probe]:PROTO:((tcp\:"Only TCP"
udp\:"Only UDP"
all\:"Both"))' \
'*--from=[From where to probe\: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS \[default\: loopback,lan as root, else loopback,self\]]:VANTAGE:_default' \
'--method=[How to probe TCP ports]:METHOD:((auto\:"By SYN where CAP_NET_RAW allows it, else by connections"
syn\:"By SYN\: no connection is opened, and no application sees it"
connect\:"By connections, which takes no privileges"))' \
'*--exclude=[Ports to keep the probes away from]:PORTS:_default' \
'--timeout=[How long an answer may take, as in 300ms or 2s \[default\: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer\]]:DURATION:_default' \
'--retries=[How often a silent port is asked again \[default\: once, and more often while that brings answers\]]:N:_default' \
'--max-rate=[Send no more than this many probes in a second]:N:_default' \
'*--fail-on=[The verdicts that make the exit status 1]:VERDICT:_default' \
'*--expect=[What a port should be, as in lan\:3306=shielded\: else the exit status is 1 (may be given more than once)]:VANTAGE:PORT=VERDICT:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'--all-udp[Probe every UDP port]' \
'(-6 --ipv6)-4[Probe IPv4 addresses only]' \
'(-6 --ipv6)--ipv4[Probe IPv4 addresses only]' \
'-6[Probe IPv6 addresses only]' \
'--ipv6[Probe IPv6 addresses only]' \
'--identify[Ask each open TCP port what it serves, and warn of dangerous services\: completes connections and speaks on them, so applications may log it]' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::ports -- The ports, as in 80,443,8000-8100,ssh \[default\: every TCP port, and the UDP ports that are bound\]:_default' \
&& ret=0
;;
(scan)
_arguments "${_arguments_options[@]}" : \
'--proto=[Which transport to probe]:PROTO:((tcp\:"Only TCP"
udp\:"Only UDP"
all\:"Both"))' \
'*--from=[From where to probe\: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS \[default\: loopback,lan as root, else loopback,self\]]:VANTAGE:_default' \
'--method=[How to probe TCP ports]:METHOD:((auto\:"By SYN where CAP_NET_RAW allows it, else by connections"
syn\:"By SYN\: no connection is opened, and no application sees it"
connect\:"By connections, which takes no privileges"))' \
'*--exclude=[Ports to keep the probes away from]:PORTS:_default' \
'--timeout=[How long an answer may take, as in 300ms or 2s \[default\: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer\]]:DURATION:_default' \
'--retries=[How often a silent port is asked again \[default\: once, and more often while that brings answers\]]:N:_default' \
'--max-rate=[Send no more than this many probes in a second]:N:_default' \
'*--fail-on=[The verdicts that make the exit status 1]:VERDICT:_default' \
'*--expect=[What a port should be, as in lan\:3306=shielded\: else the exit status is 1 (may be given more than once)]:VANTAGE:PORT=VERDICT:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'--all-udp[Probe every UDP port]' \
'(-6 --ipv6)-4[Probe IPv4 addresses only]' \
'(-6 --ipv6)--ipv4[Probe IPv4 addresses only]' \
'-6[Probe IPv6 addresses only]' \
'--ipv6[Probe IPv6 addresses only]' \
'--identify[Ask each open TCP port what it serves, and warn of dangerous services\: completes connections and speaks on them, so applications may log it]' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::ports -- The ports, as in 80,443,8000-8100,ssh \[default\: every TCP port, and the UDP ports that are bound\]:_default' \
&& ret=0
;;
(why)
_arguments "${_arguments_options[@]}" : \
'--bind=[Say why binding fails instead\: \`8080\`, \`127.0.0.1\:8080\`, \`\[\:\:1\]\:8080\`]:[ADDRESS:]PORT:_default' \
'(--bind --explain)--from=[Ask from a place on the network about a port of this host\: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS (takes root); or from another machine\: ssh\:USER@HOST]:VANTAGE:_default' \
'(--explain)--wait=[Go on until it works, for so long at most, as in 30s or 2m]:DURATION:_default' \
'--explain=[Tell what a code such as R05 means, or all of them]:CODE|all:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(--explain)-u[UDP instead of TCP]' \
'(--explain)--udp[UDP instead of TCP]' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::target -- What to connect to\: HOST\:PORT, PORT, a URL, or the path of a Unix socket:_default' \
&& ret=0
;;
(outside)
_arguments "${_arguments_options[@]}" : \
'--from=[Where the program stands\: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS]:VANTAGE:_default' \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::command -- The program and its arguments:_default' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--output=[How to print the result]:FORMAT:((table\:"For people"
plain\:"One record on a line, fields separated by tabs, no heading"
json\:"One JSON document"
ndjson\:"Lines of JSON\: the document without its items, then each item"
csv\:"Comma-separated values with headings (RFC 4180)"))' \
'--color=[When to use colour]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set or TERM is dumb"
always\:"Always"
never\:"Never"))' \
'(-o --output)--json[The same as --output json]' \
'-q[Say nothing on stderr but errors]' \
'--quiet[Say nothing on stderr but errors]' \
'(-q --quiet)-v[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'(-q --quiet)--verbose[Say more\: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':command -- The command:((ls\:"The sockets of \`ls\`"
who\:"The sockets of \`who\`"
check\:"The ports of \`check\`"
why\:"The reason that \`why\` gives"))' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_portsight__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:portsight-help-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(who)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(why)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(outside)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_portsight_commands] )) ||
_portsight_commands() {
    local commands; commands=(
'ls:What is listening, who owns it, and who can reach it by its binding' \
'who:Who holds a port' \
'check:Probe this host and compare with what listens' \
'scan:Probe this host and compare with what listens' \
'why:Why connecting to a port, or binding to it, fails' \
'outside:Run a program as if it were another machine on the network' \
'completions:Print a shell completion script' \
'man:Print the manual page' \
'schema:Print the JSON Schema of a command'\''s documents' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'portsight commands' commands "$@"
}
(( $+functions[_portsight__subcmd__check_commands] )) ||
_portsight__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'portsight check commands' commands "$@"
}
(( $+functions[_portsight__subcmd__completions_commands] )) ||
_portsight__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'portsight completions commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help_commands] )) ||
_portsight__subcmd__help_commands() {
    local commands; commands=(
'ls:What is listening, who owns it, and who can reach it by its binding' \
'who:Who holds a port' \
'check:Probe this host and compare with what listens' \
'why:Why connecting to a port, or binding to it, fails' \
'outside:Run a program as if it were another machine on the network' \
'completions:Print a shell completion script' \
'man:Print the manual page' \
'schema:Print the JSON Schema of a command'\''s documents' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'portsight help commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__check_commands] )) ||
_portsight__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help check commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__completions_commands] )) ||
_portsight__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help completions commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__help_commands] )) ||
_portsight__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help help commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__ls_commands] )) ||
_portsight__subcmd__help__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help ls commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__man_commands] )) ||
_portsight__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help man commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__outside_commands] )) ||
_portsight__subcmd__help__subcmd__outside_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help outside commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__schema_commands] )) ||
_portsight__subcmd__help__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help schema commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__who_commands] )) ||
_portsight__subcmd__help__subcmd__who_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help who commands' commands "$@"
}
(( $+functions[_portsight__subcmd__help__subcmd__why_commands] )) ||
_portsight__subcmd__help__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'portsight help why commands' commands "$@"
}
(( $+functions[_portsight__subcmd__ls_commands] )) ||
_portsight__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'portsight ls commands' commands "$@"
}
(( $+functions[_portsight__subcmd__man_commands] )) ||
_portsight__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'portsight man commands' commands "$@"
}
(( $+functions[_portsight__subcmd__outside_commands] )) ||
_portsight__subcmd__outside_commands() {
    local commands; commands=()
    _describe -t commands 'portsight outside commands' commands "$@"
}
(( $+functions[_portsight__subcmd__schema_commands] )) ||
_portsight__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'portsight schema commands' commands "$@"
}
(( $+functions[_portsight__subcmd__who_commands] )) ||
_portsight__subcmd__who_commands() {
    local commands; commands=()
    _describe -t commands 'portsight who commands' commands "$@"
}
(( $+functions[_portsight__subcmd__why_commands] )) ||
_portsight__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'portsight why commands' commands "$@"
}

if [ "$funcstack[1]" = "_portsight" ]; then
    _portsight "$@"
else
    compdef _portsight portsight
fi
