#!/bin/bash
# Two machines: server and agent each in a network namespace of its own, on default ports, with names that only their
# own hosts files know. Set up as README.md says it.
why=
[ "$(id -u)" -eq 0 ] || why="needs root"
command -v ip >/dev/null || why="needs iproute2"
probe=casemate-p$$
if [ -z "$why" ]; then
    ip netns add "$probe" 2>/dev/null || why="network namespaces cannot be made here"
    ip netns del "$probe" 2>/dev/null
fi
[ -z "$why" ] || { echo "$why"; exit 77; }
. "$(dirname "$0")/lib.bash"
PATH=$CASEMATE_BUILD/src/prog/casemate:$CASEMATE_BUILD/src/prog/casemated:$CASEMATE_BUILD/src/prog/agent:$PATH
server=$sandbox/server web=$sandbox/computer1
backup_net=casemate-b$$ web_net=casemate-w$$
export CASEMATE_SOCKET=$server/admin.sock

leave() {
    "$root/tools/sandbox" down "$sandbox" >/dev/null 2>&1
    ip netns del "$backup_net" 2>/dev/null
    ip netns del "$web_net" 2>/dev/null
    rm -rf "/etc/netns/$backup_net" "/etc/netns/$web_net"
    finish
}
trap leave EXIT

net() { # NAMESPACE LINK ADDRESS PEER-NAME PEER-ADDRESS
    mkdir -p "/etc/netns/$1"
    printf '127.0.0.1 localhost\n%s %s\n' "$5" "$4" >"/etc/netns/$1/hosts"
    ip -n "$1" address add "$3/24" dev "$2"
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
}

two_machines() {
    ip netns add "$backup_net" && ip netns add "$web_net" || return
    ip link add "cmb$$" netns "$backup_net" type veth peer name "cmw$$" netns "$web_net" || return
    net "$backup_net" "cmb$$" 10.77.0.1 web01.dmz.test 10.77.0.2
    net "$web_net" "cmw$$" 10.77.0.2 backup.office.test 10.77.0.1
}

await() { # until the command succeeds, 20 s at most
    local end=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        read -r -t 0.05 <> <(:) || true
    done
}

certificates() {
    casemate ca init --dir "$work/ca" --name "Test CA" &&
        casemate ca issue backup.office.test --dir "$work/ca" --output "$work" &&
        casemate ca issue web01.dmz.test --dir "$work/ca" --output "$work" &&
        casemate ca crl --dir "$work/ca" --output "$work/ca.crl"
}

start_server() {
    mkdir -p "$server"
    printf '%s\n' "state = $server/state" "name = backup.office.test" "socket = $CASEMATE_SOCKET" "rest-port = 0" \
        "pid-file = $server/pid" >"$server/casemated.conf"
    ip netns exec "$backup_net" casemated --config "$server/casemated.conf" run >>"$server/log" 2>&1 </dev/null &
    await casemate status
}

start_agent() {
    ip netns exec "$web_net" casemate-agent --config "$web/agent.conf" run >>"$web/log" 2>&1 </dev/null &
    await test -s "$web/pid"
}

set_server() {
    mkdir -p "$web/state"
    printf '%s\n' "state = $web/state" "policy = $web/policy.conf" "pid-file = $web/pid" >"$web/agent.conf"
    printf '%s\n' "read = $work/data" "restore = $work/restored" "set-id = yes" >"$web/policy.conf"
    casemate-agent --config "$web/agent.conf" set-server \
        --credential "$work/CertificateConfiguration_backup.office.test.bin" \
        --certificate "$work/web01.dmz.test.pem" --key "$work/web01.dmz.test.key" --anchors "$work/ca/ca.pem" \
        --crl "$work/ca.crl" --name web01.dmz.test --output "$work"
}

mkdir "$work/data"
make_tree "$work/data" 8
check "two namespaces and a wire between them" two_machines
check "the machines reach each other by name only where they know it" \
    exits 1 ip netns exec "$web_net" grep -q web01.dmz.test /etc/hosts
check "a CA issues both certificates" certificates
check "the server starts" start_server
check "step 1: the server gets its certificate" casemate credentials configure \
    --certificate "$work/backup.office.test.pem" --key "$work/backup.office.test.key" \
    --anchors "$work/ca/ca.pem" --crl "$work/ca.crl" --output "$work"
check "step 2: the computer trusts the server" set_server
check "the agent starts" start_agent
check "step 3: the server trusts the computer" casemate computer attach \
    --credential "$work/CertificateConfiguration_web01.dmz.test.bin"
check "doctor finds the way" casemate doctor web01.dmz.test

check "a group is made" casemate group create site --member "web01.dmz.test:$work/data"
check "a backup crosses the wire" casemate backup site --wait
check "a restore crosses it back" casemate restore latest --group site --to "$work/restored" --wait
check "source and restored are the same" same "$work/data" "$work/restored"
check "the policy of the computer holds: nothing lands elsewhere" \
    says "does not permit restoring" casemate restore latest --group site --to "$work/elsewhere" --wait
check "and nothing did" test ! -e "$work/elsewhere"

ip -n "$web_net" address del 10.77.0.2/24 dev "cmw$$"
ip -n "$web_net" address add 10.77.0.3/24 dev "cmw$$"
ip -n "$backup_net" route add unreachable 10.77.0.2 # at once, instead of after the time a lost packet is waited for
check "a computer that is not where its name says is not backed up" \
    says "cannot connect to web01.dmz.test port 135" casemate backup site --wait
check "doctor says so" says "cannot connect" casemate doctor web01.dmz.test
printf '127.0.0.1 localhost\n10.77.0.3 web01.dmz.test\n' >"/etc/netns/$backup_net/hosts"
check "when its name leads to it again, so does the next backup" casemate backup site --wait
check "two points are there" says '"points":2' casemate --json status
