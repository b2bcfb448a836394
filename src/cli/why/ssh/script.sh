# shellcheck shell=sh disable=SC2154
# What portsight asks on another machine, by standard input of its POSIX shell. Before this stand the assignments of:
#   host        what to connect to; empty for the machine that asks, as this one sees it
#   literal     yes where the host is an address
#   port        a number
#   scheme      that of a URL, with its ://, or empty
#   udp         --udp, or empty
#   ours        the addresses of the machine that asks
#   patience    how many seconds an answer may take
#   portsight   yes where a portsight of this machine may be asked
# It writes lines; the last one is "end". It changes nothing, and opens one connection to each address.
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
export LC_ALL PATH
echo 'portsight-asks 1'
echo "boot $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
echo "netns $(readlink /proc/self/ns/net 2>/dev/null)"
echo "seen ${SSH_CONNECTION:-}"
{ ip -o addr || ifconfig -a; } 2>/dev/null </dev/null |
    sed -n 's/.*inet6\{0,1\} \{1,\}\(addr: *\)\{0,1\}\([0-9a-fA-F.:]*\).*/own \2/p' | head -n 300

# From where it would speak to each of them. An address of the link needs its interface, which ssh names only.
for address in $ours; do
    source=$(ip -o route get "$address" 2>/dev/null </dev/null |
        sed -n 's/.* src \([0-9a-fA-F.:]*\).*/\1/p' | head -n 1)
    [ -z "$source" ] || echo "way $address $source"
done

if [ -z "$host" ]; then
    client=${SSH_CONNECTION%% *}
    # An address of the link has its interface behind it.
    bare=${client%%%*}
    case " $ours " in
    *" $bare "*) host=$client literal=yes ;;
    *)
        echo end
        exit 0
        ;;
    esac
fi

if [ "$portsight" = yes ] && command -v portsight >/dev/null 2>&1; then
    case $host in
    *:*) target="${scheme}[$host]:$port" ;;
    *) target="${scheme}$host:$port" ;;
    esac
    echo portsight
    # shellcheck disable=SC2086 # empty is no argument
    portsight why $udp -o json -- "$target" 2>/dev/null </dev/null | head -c 200000
    echo
    echo end
    exit 0
fi
if [ -n "$udp" ]; then
    echo 'tool none'
    echo end
    exit 0
fi

# Whether a program is there and can do what is wanted of it.
tool=none
if command -v bash >/dev/null 2>&1 &&
    ! bash -c ': 3<>/dev/tcp/0/0' 2>&1 </dev/null | grep -q 'No such file'; then
    tool=bash
elif python3 -c 'import socket' >/dev/null 2>&1 </dev/null; then
    tool=python3
elif command -v nc >/dev/null 2>&1; then
    tool=nc
fi
echo "tool $tool"

addresses=
if [ "$literal" = yes ]; then
    addresses=$host
elif command -v getent >/dev/null 2>&1; then
    for address in $(getent ahosts "$host" 2>/dev/null </dev/null | sed 's/[[:space:]].*//' | head -n 48); do
        case " $addresses " in
        *" $address "*) ;;
        *) addresses="$addresses $address" ;;
        esac
    done
    [ -n "$addresses" ] || echo 'name none'
else
    echo 'name unknown'
fi

now() {
    now=$(date +%s%N)
    case $now in
    *[!0-9]*) now=$(date +%s)000000000 ;;
    esac
    echo "$now"
}

# Tries one address; what the tool says goes to standard output, and its status is the status.
knock() {
    # shellcheck disable=SC2016 # bash expands these
    case $tool in
    bash) exec bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$1" "$port" ;;
    python3)
        exec python3 -c '
import errno, socket, sys
to = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), 0, socket.SOCK_STREAM)[0]
client = socket.socket(to[0], socket.SOCK_STREAM)
try:
    client.connect(to[4])
except OSError as error:
    sys.exit(errno.errorcode.get(error.errno, str(error)))' "$1" "$port"
        ;;
    nc) exec nc -z -v "$1" "$port" ;;
    esac
}

attempt() {
    begin=$(now)
    said=$(
        exec 2>/dev/null
        # The one that waits must not keep what this one prints.
        knock "$2" 2>&1 </dev/null &
        client=$!
        (
            sleep "$patience"
            kill -9 $client
        ) >/dev/null 2>&1 </dev/null &
        guard=$!
        wait $client
        status=$?
        kill $guard
        echo " status $status"
    )
    end=$(now)
    said=$(printf '%s' "$said" | tr -s '[:space:][:cntrl:]' ' ' | tail -c 300)
    echo "attempt $1 $2 $(((end - begin) / 1000)) $said"
}

number=0
for address in $addresses; do
    number=$((number + 1))
    [ "$number" -le 8 ] || break
    [ "$tool" = none ] || attempt "$number" "$address" &
done
wait
echo end
