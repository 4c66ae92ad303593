# shellcheck shell=bash
# The network configuration lists of libcni's rows, and the links that they build upon.

# The types of the plugins, and of their delegates.
chain_types() { chain_plugins web | grep -oP '"type": "\K[^"]*'; }

# network_of CONTAINER: where a link is only once, each has a network.
network_of() {
    if [[ $row = *@(host-device|, vlan)* ]]; then echo "chain-$1"; else echo chain; fi
}

chain_conflists() {
    local container name
    for container in web client; do
        name=$(network_of $container)
        cat >/etc/cni/net.d/"$name".conflist <<CONFLIST
{ "cniVersion": "1.0.0", "name": "$name", "plugins": [ $(chain_plugins $container | paste -sd , -) ] }
CONFLIST
    done
}

# Where the container is on the host's own link, the host outside is its gateway. DHCP serves it there.
chain_links() {
    local gateway=eth0 container
    case $row in
        *host-device*)
            for container in web client; do ip link add link uplink0 name lent-$container type macvlan mode bridge; done
            ;;
        *", vlan"*)
            gateway=eth0.5
            ip -n outside link add link eth0 name $gateway type vlan id 5
            ip -n outside link set $gateway up
            ;;
        *macvlan* | *dhcp* | *ipvlan* | *vrf*) ;;
        *) return ;;
    esac
    ip -n outside addr add 10.80.0.1/24 dev $gateway
    ip -n outside addr add fd00:80::1/64 dev $gateway nodad
    [[ $row != *dhcp* ]] || serve_dhcp
}

serve_dhcp() {
    # All that is in this process namespace ends with the row.
    ip netns exec outside dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --port=0 --interface=eth0 --no-ping --pid-file= \
        --dhcp-authoritative --dhcp-sequential-ip --dhcp-range=10.80.0.2,10.80.0.99,255.255.255.0,1h \
        --dhcp-leasefile=/run/private/dnsmasq.leases </dev/null >/run/private/dnsmasq.log 2>&1 &
    eventually ip netns exec outside grep -q ':0043 ' /proc/net/udp
    start_dhcp_daemon
}

# The daemon of whose plugins are in place.
start_dhcp_daemon() {
    if [ "${dhcp_daemon:-}" ]; then
        kill $dhcp_daemon
        # It may take the socket away at its end, which must not be the next one's.
        wait $dhcp_daemon || true
        rm -f /run/cni/dhcp.sock
    fi
    /opt/cni/bin/dhcp daemon </dev/null >/run/private/dhcp.log 2>&1 &
    dhcp_daemon=$!
    eventually test -S /run/cni/dhcp.sock
}

# chain_plugins CONTAINER: the chain of the row, a plugin a line.
chain_plugins() {
    local masquerade='' backend='' mac='"capabilities": { "mac": true },' first=2 ranges
    # Networks of their own count addresses of their own.
    if [ "$(network_of "$1")" = chain-client ]; then first=3; fi
    ranges='[[{ "subnet": "10.80.0.0/24" }], [{ "subnet": "fd00:80::/64", "rangeStart": "fd00:80::'$first'" }]]'
    local ipam='"ipam": { "type": "host-local", "ranges": '$ranges', "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] }'
    if [[ $row = *downgraded ]]; then masquerade='"ipMasqBackend": "iptables",' backend='"backend": "iptables",'; fi
    # An ipvlan has its master's hardware address.
    if [[ $row = *ipvlan* ]]; then mac=''; fi
    local tuning='{ "type": "tuning", '$mac' "mtu": 1400, "sysctl": { "net.ipv4.conf.all.log_martians": "1" } }'
    local portmap='{ "type": "portmap", '$backend' "capabilities": { "portMappings": true } }'
    local firewall='{ "type": "firewall", '$backend
    case $row in
        *ptp*)
            echo '{ "type": "ptp", "ipMasq": true, '"$masquerade $ipam"' }'
            echo "$portmap"
            echo "$firewall"' "capabilities": {} }'
            echo "$tuning"
            echo '{ "type": "bandwidth", "ingressRate": 1000000000, "ingressBurst": 80000000, "egressRate": 1000000000, "egressBurst": 80000000 }'
            return
            ;;
        *macvlan*) echo '{ "type": "macvlan", "master": "uplink0", '"$ipam"' }' ;;
        *ipvlan*) echo '{ "type": "ipvlan", "master": "uplink0", '"$ipam"' }' ;;
        *", vlan"*)
            if [ "$1" = web ]; then echo '{ "type": "vlan", "master": "uplink0", "vlanId": 5, '"$ipam"' }'
            else echo '{ "type": "vlan", "master": "uplink0", "vlanId": 6, '"$ipam"' }'; fi
            ;;
        *vrf*)
            echo '{ "type": "macvlan", "master": "uplink0", '"$ipam"' }'
            echo '{ "type": "vrf", "vrfname": "blue" }'
            ;;
        *host-device*) echo '{ "type": "host-device", "device": "lent-'"$1"'", '"$ipam"' }' ;;
        *tap*) echo '{ "type": "tap", '"$ipam"' }' ;;
        *dummy*) echo '{ "type": "dummy", '"$ipam"' }' ;;
        *dhcp*) echo '{ "type": "macvlan", "master": "uplink0", "ipam": { "type": "dhcp" } }' ;;
        *)
            echo '{ "type": "bridge", "bridge": "chain0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, '"$masquerade"' "ipam": { "type": "host-local", "ranges": '"$ranges"' } }'
            echo "$portmap"
            echo "$firewall"' "ingressPolicy": "same-bridge" }'
            ;;
    esac
    echo "$tuning"
}
