# shellcheck shell=bash
# containerd, by its own client: `ctr run --cni`.

# with_containerd VERSION: of the configuration.
with_containerd() {
    local daemon
    containerd_configuration "$1"
    containerd --config /run/ctrd/config.toml >/run/ctrd/daemon.log 2>&1 &
    daemon=$!
    cell attach containerd_attach
    cell out containerd_out
    cell peers containerd_peers
    cell restart containerd_restart
    cell detach containerd_detach
    kill $daemon
    wait $daemon
}

containerd_configuration() {
    mkdir -p /run/ctrd /var/lib/ctrd
    cat >/run/ctrd/config.toml <<'CONF'
version = 2
root = "/var/lib/ctrd"
state = "/run/ctrd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.overlayfs"]
[grpc]
  address = "/run/ctrd/socket"
CONF
    # As containerd's own script writes it, with firewall for the host's policy.
    cat >/etc/cni/net.d/10-containerd-net.conflist <<CONFLIST
{
  "cniVersion": "$1",
  "name": "containerd-net",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": true,
      "promiscMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [
          [{ "subnet": "10.88.0.0/16" }],
          [{ "subnet": "2001:db8:4860::/64" }]
        ],
        "routes": [
          { "dst": "0.0.0.0/0" },
          { "dst": "::/0" }
        ]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "firewall" }
  ]
}
CONFLIST
}

containerd_ctr() {
    timeout 60 ctr --address /run/ctrd/socket --namespace "$cgroup" "$@"
}

# containerd_run NAME: ctr stays in front of its container, and detaches it when it has ended.
containerd_run() {
    ctr --address /run/ctrd/socket --namespace "$cgroup" run --rm --snapshotter native --runc-binary "$work/runc" --cni \
        localhost/busybox:interop "$1" /bin/httpd -f -p 80 -h /www </dev/null >/run/ctrd/"$1".log 2>&1 &
    echo $! >/run/ctrd/"$1".pid
    eventually containerd_runs "$1" || { cat /run/ctrd/"$1".log; return 1; }
    [ -n "$(containerd_address "$1")" ]
}

containerd_runs() { containerd_ctr task ls | grep -x "$1 .* RUNNING *"; }

# containerd_stop NAME: what ctr complains about, it says in its log.
containerd_stop() {
    containerd_ctr task kill --signal KILL "$1"
    eventually ended "$(cat /run/ctrd/"$1".pid)"
    cat /run/ctrd/"$1".log
    [ ! -s /run/ctrd/"$1".log ]
    ! containerd_ctr container ls --quiet | grep -x "$1"
}

ended() { ! kill -0 "$1"; }

containerd_attach() {
    eventually containerd_ctr version || { cat /run/ctrd/daemon.log; return 1; }
    containerd_ctr image import --snapshotter native "$work/image.tar"
    containerd_run web
    containerd_run client
    serves "$(containerd_address web)"
    exchange
}

containerd_pid() { containerd_ctr task ls | awk -v name="$1" '$1 == name { print $2 }'; }

# By another way than `ctr task exec`, which loses what short processes say.
containerd_address() { nsenter --target "$(containerd_pid "$1")" --net ip addr show eth0 | sed -n 's|.*inet \(10.88[.0-9]*\)/16.*|\1|p'; }

containerd_out() { fetch_from "$(containerd_pid web)" 203.0.113.2 80; }

containerd_peers() { fetch_from "$(containerd_pid client)" "$(containerd_address web)" 80; }

containerd_restart() {
    local old
    old=$(containerd_address web)
    containerd_stop web
    fetch_in_vain "$old" 80
    containerd_run web
    serves "$(containerd_address web)"
}

containerd_detach() {
    containerd_stop web
    containerd_stop client
}
