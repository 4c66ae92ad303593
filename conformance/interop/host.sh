# shellcheck shell=bash
# A private host, on which one row of the matrix happens: its directories, its links, the host outside, and how they are asked.

# eventually COMMAND...: waits until it succeeds. A busy machine needs seconds for what an idle one does in no time.
eventually() {
    local - deadline=$((SECONDS + 30)) output
    set +x
    until output=$("$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            printf '%s\nnot within 30 s: %s\n' "$output" "$*" >&2
            return 1
        fi
        sleep 0.1
    done
}

# fetch ADDRESS PORT: the page that is there, now. (By bash, because Debian's busybox-static has a wget that crashes.)
fetch() {
    timeout 20 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && grep "it answers" <&3' "$1" "$2"
}
# For shells in other namespaces.
export -f fetch

# serves ADDRESS: the container's server listens, which it may not yet when its runtime says that it runs. From then on nothing is
# waited for.
serves() { eventually fetch "$1" 80; }

# fetch_in NAME ADDRESS PORT: from that network namespace.
fetch_in() { ip netns exec "$1" bash -c 'fetch "$0" "$1"' "$2" "$3"; }

# fetch_from PID ADDRESS PORT: from that process's network.
fetch_from() { nsenter --target "$1" --net bash -c 'fetch "$0" "$1"' "$2" "$3"; }

# fetch_in_vain ADDRESS PORT: nobody answers there.
fetch_in_vain() { ! timeout 1 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"; }

private_host() {
    private_directories
    ip link set lo up
    # Rows of scripts/vm-test, whose kernel's nf_tables is incomplete, forward nothing.
    if [[ $row != *", "@(ipvlan|vlan|vrf|dummy)* ]]; then
        iptables -P FORWARD DROP
        ip6tables -P FORWARD DROP
    fi
    # Our firewall lets in what comes to published ports; the reference's leaves that to the operator.
    if [[ $row = *@(firewall theirs|upgraded|downgraded) ]]; then
        iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
    fi
    host_outside
}

private_directories() {
    local dir
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/netns /run/lock /run/interop /run/private
    for dir in etc var opt; do
        [ -d /$dir ] || continue
        mkdir -p /run/private/$dir /run/private/$dir.work
        mount -t overlay -o "lowerdir=/$dir,upperdir=/run/private/$dir,workdir=/run/private/$dir.work" overlay /$dir
    done
    mount -t tmpfs tmpfs /dev/shm
    # podman's package has a network in /etc/cni/net.d; here are those of the row only.
    rm -rf /etc/cni /var/lib/cni /var/lib/containers /var/lib/containerd
    mkdir -p /etc/cni/net.d /opt/cni/bin /run/reference /var/lib/cni
    mount --bind /usr/lib/cni /run/reference
    if [[ $row = *upgraded ]]; then put_in_place /run/reference; else put_in_place "$bin"; fi
    export TMPDIR=/run/private
}

# It knows no way to containers: who comes from there has to be masqueraded.
host_outside() {
    ip netns add outside
    ip link add uplink0 type veth peer name eth0 netns outside
    ip addr add 203.0.113.1/24 dev uplink0
    ip link set uplink0 up
    ip route add default via 203.0.113.2
    ip -n outside link set lo up
    ip -n outside addr add 203.0.113.2/24 dev eth0
    ip -n outside link set eth0 up
    ip netns exec outside busybox httpd -p 203.0.113.2:80 -h "$work/root/www"
}

# put_in_place DIR: where runtimes look, which is upstream's directory or Debian's.
put_in_place() {
    mount --bind "$1" /opt/cni/bin
    mount --bind "$1" /usr/lib/cni
}

# Whose plugins are in place changes here, while containers are running.
exchange() {
    case $row in
        *upgraded) put_in_place "$bin" ;;
        *downgraded) put_in_place /run/reference ;;
        *) return ;;
    esac
    [[ $row != *dhcp* ]] || start_dhcp_daemon
}

# What belongs to a container, as opposed to what they share.
of_containers() {
    local table
    ip -o link show type veth | grep -v uplink0
    nft list ruleset 2>/dev/null | sed '/set localnet_links/,/}/d' | grep elements
    for table in iptables ip6tables iptables-legacy ip6tables-legacy; do
        $table-save 2>/dev/null | grep -E ' id: |CNI-(DN-)?[0-9a-f]{16}|10\.8[0-9]\.|fd00:|2001:db8:4860:'
    done
    find /var/lib/cni /run/cni /run/mooring -type f 2>/dev/null | grep -vE '/(lock|last_reserved_ip\.[0-9]+|\.boot_id|\.[^/]*\.index)$'
    find /run/netns -mindepth 1 ! -name outside
}

nothing_left() {
    if [[ $row = *downgraded ]]; then
        # Theirs removes what it knows. Our own records of whose that was go with our next DEL.
        [ -z "$(of_containers | grep -vE 'MOORING-|elements =')" ]
        put_in_place "$bin"
        attachment del web
        attachment del client
    fi
    [ -z "$(of_containers)" ]
}
