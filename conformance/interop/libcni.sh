# shellcheck shell=bash
# Go's libcni runs a chain of plugins for two containers; both families. The chains are in chains.sh.

with_libcni() {
    local plugins=/run/plugins name theirs=() chain
    case $row in
        *portmap*) theirs=(portmap) ;;
        *tuning*) theirs=(tuning) ;;
        *bridge+firewall*) theirs=(bridge firewall) ;;
        *firewall*) theirs=(firewall) ;;
        *host-local*) theirs=(host-local) ;;
    esac
    mapfile -t chain < <(chain_types)
    mkdir $plugins
    for name in "${chain[@]}"; do
        # What is in place, which may change.
        if [[ " ${theirs[*]} " = *" $name "* ]]; then ln -s /run/reference/$name $plugins; else ln -s /opt/cni/bin/$name $plugins; fi
    done
    export CNI_PATH=$plugins NETCONFPATH=/etc/cni/net.d
    chain_conflists
    cell attach libcni_attach
    ! check_is_sane || cell check libcni_check
    ! has_way_out || cell out reach_in web 203.0.113.2 80
    ! has_portmap || cell port libcni_port
    ! has_peers || cell peers libcni_peers
    # A server gives what it likes; an ipvlan has its master's hardware address.
    [[ $row = *dhcp* ]] || cell ip libcni_ip
    [[ $row = *ipvlan* ]] || cell mac libcni_mac
    cell restart libcni_restart
    cell detach libcni_detach
    ip netns del web
    ip netns del client
}

has_portmap() { [ -e /run/plugins/portmap ]; }

# attachment COMMAND CONTAINER: what a runtime gives with an attachment, it gives with each of its calls.
attachment() {
    local CAP_ARGS CNI_ARGS
    case $2 in
        web)
            CAP_ARGS='{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}'
            CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAME=web'
            ;;
        client)
            CAP_ARGS='{"mac": "02:00:00:00:00:77"}'
            CNI_ARGS='IgnoreUnknown=1;IP=10.80.0.77'
            ;;
    esac
    export CAP_ARGS CNI_ARGS
    "$work/gocnitool" "$1" "$(network_of "$2")" /run/netns/"$2"
}

# CHECK of the reference's portmap 1.1.1 looks for the rules of each address in both families, and never finds them. What its DHCP
# daemon had leased, no other daemon knows.
check_is_sane() { [[ $row != *portmap* && $row != *downgraded && $row != *"dhcp, upgraded" ]]; }

# A tap has no other end before a program opens it, a dummy none at all.
has_way_out() { [[ $row != *@(tap|dummy)* ]]; }

# Two VLANs do not reach each other.
has_peers() { has_way_out && [[ $row != *", vlan"* ]]; }

# reach_in NAME ADDRESS PORT: programs that do not know of VRFs are not bound to theirs, unlike those that name an interface.
reach_in() {
    if [[ $row = *vrf* ]]; then
        ip netns exec "$1" ping -c 1 -W 10 -I eth0 "$2"
    else
        fetch_in "$@"
    fi
}

libcni_attach() {
    chain_links
    ip netns add web
    ip netns add client
    ip -n web link set lo up
    attachment add web
    attachment add client
    ip -n web addr show eth0 | grep 'inet 10.80.0.2/24'
    ip -n web link show eth0 | grep 'mtu 1400'
    ip netns exec web busybox httpd -p 80 -h "$work/root/www"
    exchange
}

libcni_check() {
    attachment check web
    attachment check client
}

libcni_port() {
    fetch 203.0.113.1 8080
    fetch 127.0.0.1 8080
    fetch_in outside 203.0.113.1 8080
    fetch_in client 203.0.113.1 8080
    fetch_in web 203.0.113.1 8080
}

libcni_peers() {
    reach_in client 10.80.0.2 80
    # DHCPv6 is not in the reference's.
    [[ $row = *dhcp* ]] || reach_in client fd00:80::2 80
}

libcni_ip() { ip -n client addr show eth0 | grep 'inet 10.80.0.77/24'; }

libcni_mac() { ip -n client link show eth0 | grep 'link/ether 02:00:00:00:00:77'; }

libcni_restart() {
    attachment del web
    if has_portmap; then fetch_in_vain 203.0.113.1 8080; fi
    attachment add web
    if has_portmap; then
        fetch 203.0.113.1 8080
        fetch_in outside 203.0.113.1 8080
    fi
    ! check_is_sane || attachment check web
}

libcni_detach() {
    attachment del web
    attachment del client
    # A DEL always works, but for the reference's without its device.
    [[ $row = *"host-device, downgraded" ]] || attachment del web
    ! ip -n web link show eth0 || return
    ! ip -n client link show eth0 || return
    [[ $row != *host-device* ]] || ip link show lent-web
}
