
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'portsight' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'portsight'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'portsight' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'What is listening, who owns it, and who can reach it by its binding')
            [CompletionResult]::new('who', 'who', [CompletionResultType]::ParameterValue, 'Who holds a port')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Probe this host and compare with what listens')
            [CompletionResult]::new('scan', 'scan', [CompletionResultType]::ParameterValue, 'Probe this host and compare with what listens')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Why connecting to a port, or binding to it, fails')
            [CompletionResult]::new('outside', 'outside', [CompletionResultType]::ParameterValue, 'Run a program as if it were another machine on the network')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a shell completion script')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of a command''s documents')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'portsight;ls' {
            [CompletionResult]::new('--netns', '--netns', [CompletionResultType]::ParameterName, 'Look into other network namespaces, as of containers: all, the name of one, or a process in it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Only TCP (with -u: both)')
            [CompletionResult]::new('--tcp', '--tcp', [CompletionResultType]::ParameterName, 'Only TCP (with -u: both)')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'Only UDP (with -t: both)')
            [CompletionResult]::new('--udp', '--udp', [CompletionResultType]::ParameterName, 'Only UDP (with -t: both)')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only sockets that take IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only sockets that take IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only sockets that take IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only sockets that take IPv6')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Every kind of socket: with --unix and --raw (with -t or -u: nothing more)')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every kind of socket: with --unix and --raw (with -t or -u: nothing more)')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Also the Unix sockets that clients can find')
            [CompletionResult]::new('--unix', '--unix', [CompletionResultType]::ParameterName, 'Also the Unix sockets that clients can find')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Also the raw and packet sockets')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Also the raw and packet sockets')
            [CompletionResult]::new('--established', '--established', [CompletionResultType]::ParameterName, 'Also the connections, and UDP sockets with a peer')
            [CompletionResult]::new('--time-wait', '--time-wait', [CompletionResultType]::ParameterName, 'Also what is left of closed TCP connections')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Accepted for the habit of `ss -tulpn`: changes nothing')
            [CompletionResult]::new('--listening', '--listening', [CompletionResultType]::ParameterName, 'Accepted for the habit of `ss -tulpn`: changes nothing')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--numeric', '--numeric', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--processes', '--processes', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;who' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Also ask the kernel which socket a packet from this address would reach, as far as no rule stops it')
            [CompletionResult]::new('--netns', '--netns', [CompletionResultType]::ParameterName, 'Look into other network namespaces, as of containers: all, the name of one, or a process in it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Only TCP (with -u: both)')
            [CompletionResult]::new('--tcp', '--tcp', [CompletionResultType]::ParameterName, 'Only TCP (with -u: both)')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'Only UDP (with -t: both)')
            [CompletionResult]::new('--udp', '--udp', [CompletionResultType]::ParameterName, 'Only UDP (with -t: both)')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only sockets that take IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only sockets that take IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only sockets that take IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only sockets that take IPv6')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Accepted for the habit of `ss -tulpn`: changes nothing')
            [CompletionResult]::new('--listening', '--listening', [CompletionResultType]::ParameterName, 'Accepted for the habit of `ss -tulpn`: changes nothing')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--numeric', '--numeric', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--processes', '--processes', [CompletionResultType]::ParameterName, 'As -l')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;check' {
            [CompletionResult]::new('--proto', '--proto', [CompletionResultType]::ParameterName, 'Which transport to probe')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]')
            [CompletionResult]::new('--method', '--method', [CompletionResultType]::ParameterName, 'How to probe TCP ports')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Ports to keep the probes away from')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'How often a silent port is asked again [default: once, and more often while that brings answers]')
            [CompletionResult]::new('--max-rate', '--max-rate', [CompletionResultType]::ParameterName, 'Send no more than this many probes in a second')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'The verdicts that make the exit status 1')
            [CompletionResult]::new('--expect', '--expect', [CompletionResultType]::ParameterName, 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--all-udp', '--all-udp', [CompletionResultType]::ParameterName, 'Probe every UDP port')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Probe IPv4 addresses only')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Probe IPv4 addresses only')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Probe IPv6 addresses only')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Probe IPv6 addresses only')
            [CompletionResult]::new('--identify', '--identify', [CompletionResultType]::ParameterName, 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;scan' {
            [CompletionResult]::new('--proto', '--proto', [CompletionResultType]::ParameterName, 'Which transport to probe')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'From where to probe: loopback, self, lan, lan=ADDRESS, internet, internet=ADDRESS [default: loopback,lan as root, else loopback,self]')
            [CompletionResult]::new('--method', '--method', [CompletionResultType]::ParameterName, 'How to probe TCP ports')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Ports to keep the probes away from')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long an answer may take, as in 300ms or 2s [default: four times the slowest, from 20 to 300 ms; the second look at least 300 ms, unless nothing here can delay an answer]')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'How often a silent port is asked again [default: once, and more often while that brings answers]')
            [CompletionResult]::new('--max-rate', '--max-rate', [CompletionResultType]::ParameterName, 'Send no more than this many probes in a second')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'The verdicts that make the exit status 1')
            [CompletionResult]::new('--expect', '--expect', [CompletionResultType]::ParameterName, 'What a port should be, as in lan:3306=shielded: else the exit status is 1 (may be given more than once)')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--all-udp', '--all-udp', [CompletionResultType]::ParameterName, 'Probe every UDP port')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Probe IPv4 addresses only')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Probe IPv4 addresses only')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Probe IPv6 addresses only')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Probe IPv6 addresses only')
            [CompletionResult]::new('--identify', '--identify', [CompletionResultType]::ParameterName, 'Ask each open TCP port what it serves, and warn of dangerous services: completes connections and speaks on them, so applications may log it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;why' {
            [CompletionResult]::new('--bind', '--bind', [CompletionResultType]::ParameterName, 'Say why binding fails instead: `8080`, `127.0.0.1:8080`, `[::1]:8080`')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Ask from a place on the network about a port of this host: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS (takes root); or from another machine: ssh:USER@HOST')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Go on until it works, for so long at most, as in 30s or 2m')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Tell what a code such as R05 means, or all of them')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'UDP instead of TCP')
            [CompletionResult]::new('--udp', '--udp', [CompletionResultType]::ParameterName, 'UDP instead of TCP')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;outside' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Where the program stands: lan, lan=ADDRESS, internet, internet=ADDRESS or ADDRESS')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;completions' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;man' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;schema' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --output json')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: check tells the way of each traced probe through the rules, ls on stderr whether a second reader lists the same sockets')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'portsight;help' {
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'What is listening, who owns it, and who can reach it by its binding')
            [CompletionResult]::new('who', 'who', [CompletionResultType]::ParameterValue, 'Who holds a port')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Probe this host and compare with what listens')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Why connecting to a port, or binding to it, fails')
            [CompletionResult]::new('outside', 'outside', [CompletionResultType]::ParameterValue, 'Run a program as if it were another machine on the network')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a shell completion script')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of a command''s documents')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'portsight;help;ls' {
            break
        }
        'portsight;help;who' {
            break
        }
        'portsight;help;check' {
            break
        }
        'portsight;help;why' {
            break
        }
        'portsight;help;outside' {
            break
        }
        'portsight;help;completions' {
            break
        }
        'portsight;help;man' {
            break
        }
        'portsight;help;schema' {
            break
        }
        'portsight;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
