
use builtin;
use str;

set edit:completion:arg-completer[portsight] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'portsight'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'portsight'= {
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand ls 'What is listening, who owns it, and who can reach it by its binding'
            cand who 'Who holds a port'
            cand check 'Probe this host and compare with what listens'
            cand scan 'Probe this host and compare with what listens'
            cand why 'Why connecting to a port, or binding to it, fails'
            cand outside 'Run a program as if it were another machine on the network'
            cand completions 'Print a shell completion script'
            cand man 'Print the manual page'
            cand schema 'Print the JSON Schema of a command''s documents'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'portsight;ls'= {
            cand --netns 'Look into other network namespaces, as of containers: all, the name of one, or a process in it'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand -t 'Only TCP (with -u: both)'
            cand --tcp 'Only TCP (with -u: both)'
            cand -u 'Only UDP (with -t: both)'
            cand --udp 'Only UDP (with -t: both)'
            cand -4 'Only sockets that take IPv4'
            cand --ipv4 'Only sockets that take IPv4'
            cand -6 'Only sockets that take IPv6'
            cand --ipv6 'Only sockets that take IPv6'
            cand -a 'Every kind of socket: with --unix and --raw (with -t or -u: nothing more)'
            cand --all 'Every kind of socket: with --unix and --raw (with -t or -u: nothing more)'
            cand -x 'Also the Unix sockets that clients can find'
            cand --unix 'Also the Unix sockets that clients can find'
            cand -w 'Also the raw and packet sockets'
            cand --raw 'Also the raw and packet sockets'
            cand --established 'Also the connections, and UDP sockets with a peer'
            cand --time-wait 'Also what is left of closed TCP connections'
            cand -l 'Accepted for the habit of `ss -tulpn`: changes nothing'
            cand --listening 'Accepted for the habit of `ss -tulpn`: changes nothing'
            cand -n 'As -l'
            cand --numeric 'As -l'
            cand -p 'As -l'
            cand --processes 'As -l'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;who'= {
            cand --from 'Also ask the kernel which socket a packet from this address would reach, as far as no rule stops it'
            cand --netns 'Look into other network namespaces, as of containers: all, the name of one, or a process in it'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand -t 'Only TCP (with -u: both)'
            cand --tcp 'Only TCP (with -u: both)'
            cand -u 'Only UDP (with -t: both)'
            cand --udp 'Only UDP (with -t: both)'
            cand -4 'Only sockets that take IPv4'
            cand --ipv4 'Only sockets that take IPv4'
            cand -6 'Only sockets that take IPv6'
            cand --ipv6 'Only sockets that take IPv6'
            cand -l 'Accepted for the habit of `ss -tulpn`: changes nothing'
            cand --listening 'Accepted for the habit of `ss -tulpn`: changes nothing'
            cand -n 'As -l'
            cand --numeric 'As -l'
            cand -p 'As -l'
            cand --processes 'As -l'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;check'= {
            cand --proto 'Which transport to probe'
            cand --from 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]'
            cand --method 'How to probe TCP ports'
            cand --exclude 'Ports to keep the probes away from'
            cand --timeout 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]'
            cand --retries 'How often a silent port is asked again [default: once, and more often while that brings answers]'
            cand --max-rate 'Send no more than this many probes in a second'
            cand --fail-on 'The verdicts that make the exit status 1'
            cand --expect 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --all-udp 'Probe every UDP port'
            cand -4 'Probe IPv4 addresses only'
            cand --ipv4 'Probe IPv4 addresses only'
            cand -6 'Probe IPv6 addresses only'
            cand --ipv6 'Probe IPv6 addresses only'
            cand --identify 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;scan'= {
            cand --proto 'Which transport to probe'
            cand --from 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]'
            cand --method 'How to probe TCP ports'
            cand --exclude 'Ports to keep the probes away from'
            cand --timeout 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]'
            cand --retries 'How often a silent port is asked again [default: once, and more often while that brings answers]'
            cand --max-rate 'Send no more than this many probes in a second'
            cand --fail-on 'The verdicts that make the exit status 1'
            cand --expect 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --all-udp 'Probe every UDP port'
            cand -4 'Probe IPv4 addresses only'
            cand --ipv4 'Probe IPv4 addresses only'
            cand -6 'Probe IPv6 addresses only'
            cand --ipv6 'Probe IPv6 addresses only'
            cand --identify 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;why'= {
            cand --bind 'Say why binding fails instead: `8080`, `127.0.0.1:8080`, `[::1]:8080`'
            cand --from 'Ask from a place on the network about a port of this host: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS (takes root); or from another machine: ssh:USER@HOST'
            cand --wait 'Go on until it works, for so long at most, as in 30s or 2m'
            cand --explain 'Tell what a code such as R05 means, or all of them'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand -u 'UDP instead of TCP'
            cand --udp 'UDP instead of TCP'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;outside'= {
            cand --from 'Where the program stands: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;completions'= {
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;man'= {
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;schema'= {
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand --color 'When to use colour'
            cand --json 'The same as --output json'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand --verbose 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'portsight;help'= {
            cand ls 'What is listening, who owns it, and who can reach it by its binding'
            cand who 'Who holds a port'
            cand check 'Probe this host and compare with what listens'
            cand why 'Why connecting to a port, or binding to it, fails'
            cand outside 'Run a program as if it were another machine on the network'
            cand completions 'Print a shell completion script'
            cand man 'Print the manual page'
            cand schema 'Print the JSON Schema of a command''s documents'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'portsight;help;ls'= {
        }
        &'portsight;help;who'= {
        }
        &'portsight;help;check'= {
        }
        &'portsight;help;why'= {
        }
        &'portsight;help;outside'= {
        }
        &'portsight;help;completions'= {
        }
        &'portsight;help;man'= {
        }
        &'portsight;help;schema'= {
        }
        &'portsight;help;help'= {
        }
    ]
    $completions[$command]
}
