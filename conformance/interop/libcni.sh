# shellcheck shell=bash
# Go's libcni runs a chain of plugins for two containers; both families.

with_libcni() {
    local plugins=/run/plugins name theirs=() chain
    case $row in
        *portmap*) theirs=(portmap) ;;
        *tuning*) theirs=(tuning) ;;
        *bridge+firewall*) theirs=(bridge firewall) ;;
        *firewall*) theirs=(firewall) ;;
        *host-local*) theirs=(host-local) ;;
    esac
    case $row in
        *ptp*) chain=(ptp host-local portmap firewall tuning bandwidth) ;;
        *macvlan*) chain=(macvlan host-local tuning) ;;
        *) chain=(bridge host-local portmap firewall tuning) ;;
    esac
    mkdir $plugins
    for name in "${chain[@]}"; do
        # What is in place, which may change.
        if [[ " ${theirs[*]} " = *" $name "* ]]; then ln -s /run/reference/$name $plugins; else ln -s /opt/cni/bin/$name $plugins; fi
    done
    export CNI_PATH=$plugins NETCONFPATH=/etc/cni/net.d
    chain_conflist
    cell attach libcni_attach
    check_is_sane && cell check libcni_check
    cell out fetch_in web 203.0.113.2 80
    ! has_portmap || cell port libcni_port
    cell peers libcni_peers
    cell ip libcni_ip
    cell mac libcni_mac
    cell restart libcni_restart
    cell detach libcni_detach
    ip netns del web
    ip netns del client
}

has_portmap() { [ -e /run/plugins/portmap ]; }

chain_conflist() {
    cat >/etc/cni/net.d/chain.conflist <<CONFLIST
{ "cniVersion": "1.0.0", "name": "chain", "plugins": [ $(chain_plugins | paste -sd , -) ] }
CONFLIST
}

# The chain of the row, a plugin a line.
chain_plugins() {
    local masquerade= backend= ranges='[[{ "subnet": "10.80.0.0/24" }], [{ "subnet": "fd00:80::/64" }]]'
    local routes='[{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]'
    if [[ $row = *downgraded ]]; then masquerade='"ipMasqBackend": "iptables",' backend='"backend": "iptables",'; fi
    local tuning='{ "type": "tuning", "capabilities": { "mac": true }, "mtu": 1400, "sysctl": { "net.ipv4.conf.all.log_martians": "1" } }'
    local portmap='{ "type": "portmap", '$backend' "capabilities": { "portMappings": true } }'
    local firewall='{ "type": "firewall", '$backend
    case $row in
        *ptp*)
            echo '{ "type": "ptp", "ipMasq": true, '"$masquerade"' "ipam": { "type": "host-local", "ranges": '"$ranges"', "routes": '"$routes"' } }'
            echo "$portmap"
            echo "$firewall"' "capabilities": {} }'
            echo "$tuning"
            echo '{ "type": "bandwidth", "ingressRate": 1000000000, "ingressBurst": 80000000, "egressRate": 1000000000, "egressBurst": 80000000 }'
            ;;
        *macvlan*)
            # The host outside is the containers' gateway: it is on the same link.
            echo '{ "type": "macvlan", "master": "uplink0", "ipam": { "type": "host-local", "ranges": '"$ranges"', "routes": '"$routes"' } }'
            echo "$tuning"
            ;;
        *)
            echo '{ "type": "bridge", "bridge": "chain0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, '"$masquerade"' "ipam": { "type": "host-local", "ranges": '"$ranges"' } }'
            echo "$portmap"
            echo "$firewall"' "ingressPolicy": "same-bridge" }'
            echo "$tuning"
            ;;
    esac
}

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
    "$work/gocnitool" "$1" chain /run/netns/"$2"
}

# CHECK of the reference's portmap 1.1.1 looks for the rules of each address in both families, and never finds them.
check_is_sane() { [[ $row != *portmap* && $row != *downgraded ]]; }

libcni_attach() {
    if [[ $row = *macvlan* ]]; then
        ip -n outside addr add 10.80.0.1/24 dev eth0
        ip -n outside addr add fd00:80::1/64 dev eth0 nodad
    fi
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
    fetch_in client 10.80.0.2 80
    fetch_in client fd00:80::2 80
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
    # A DEL always works.
    attachment del web
    ! ip -n web link show eth0 || return
    ! ip -n client link show eth0
}
