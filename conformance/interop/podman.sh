# shellcheck shell=bash
# podman, with CNI's backend for its networks.

with_podman() {
    podman_configuration
    cell attach podman_attach
    cell out podman_out
    cell port podman_port
    cell peers podman_peers
    cell ip podman_ip
    cell mac podman_mac
    cell second podman_second
    cell restart podman_restart
    cell detach podman_detach
}

podman_configuration() {
    cat >/etc/containers/containers.conf <<CONF
[containers]
cgroups = "no-conmon"
log_driver = "k8s-file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[engine.runtimes]
runc = ["$work/runc"]
CONF
    printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
        >/etc/containers/storage.conf
    echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
}

podman_run() {
    podman run --detach --cgroup-parent "/$cgroup" "$@"
}

podman_attach() {
    podman info --format '{{.Host.NetworkBackend}}' | grep cni
    podman import "$work/layer.tar" localhost/busybox:interop
    podman network create --subnet 10.87.7.0/24 --gateway 10.87.7.1 pods
    cat /etc/cni/net.d/pods.conflist
    podman_run --name web --network pods -p 8080:80 localhost/busybox:interop /bin/httpd -f -p 80 -h /www
    podman_run --name client --network pods --ip 10.87.7.77 --mac-address 02:00:00:00:00:77 localhost/busybox:interop /bin/sleep 1000
    podman inspect web --format '{{json .NetworkSettings}}'
    [ "$(podman_address web)" = 10.87.7.2 ]
    podman exec web ip addr show eth0 | grep 'inet 10.87.7.2/24'
    serves "$(podman_address web)"
    exchange
}

podman_out() { fetch_from "$(podman_pid web)" 203.0.113.2 80; }

podman_address() { podman inspect -f '{{.NetworkSettings.Networks.pods.IPAddress}}' "$1"; }

podman_pid() { podman inspect -f '{{.State.Pid}}' "$1"; }

podman_port() {
    fetch 203.0.113.1 8080
    fetch 127.0.0.1 8080
    fetch_in outside 203.0.113.1 8080
    fetch_from "$(podman_pid client)" 203.0.113.1 8080
    fetch_from "$(podman_pid web)" 203.0.113.1 8080
}

podman_peers() { fetch_from "$(podman_pid client)" 10.87.7.2 80; }

podman_ip() { podman exec client ip addr show eth0 | grep 'inet 10.87.7.77/24'; }

podman_mac() { podman exec client ip link show eth0 | grep 'link/ether 02:00:00:00:00:77'; }

podman_second() {
    podman network create --subnet 10.87.8.0/24 --ipv6 --subnet fd00:87:8::/64 --opt isolate=true --opt mtu=1400 second
    podman network connect --ip 10.87.8.77 --ip6 fd00:87:8::77 second web
    podman exec web ip addr show eth1 | grep 'inet 10.87.8.77/24'
    podman exec web ip addr show eth1 | grep 'inet6 fd00:87:8::77/64'
    podman exec web ip link show eth1 | grep 'mtu 1400'
    fetch 10.87.8.77 80
    podman network disconnect second web
    ! podman exec web ip link show eth1 || return
    fetch 203.0.113.1 8080
    podman network rm second
}

podman_restart() {
    podman restart --time 0 web
    serves "$(podman_address web)"
    fetch 203.0.113.1 8080
    fetch_in outside 203.0.113.1 8080
    podman stop --time 0 web
    fetch_in_vain 203.0.113.1 8080
    podman start web
    serves "$(podman_address web)"
    fetch 203.0.113.1 8080
}

podman_detach() {
    # A plugin's complaint is no more than a warning to podman.
    podman rm --force --time 0 web client 2>/run/interop/complaints
    cat /run/interop/complaints
    [ ! -s /run/interop/complaints ]
    podman network rm pods
    ! ip link show cni-podman1
}
