# shellcheck shell=bash
# This machine, of which scripts/interop needs packages and on which it leaves nothing: the packages, what runtimes are given, and
# the snapshots.

# Debian's podman and containerd do with what they depend on; runc because crun fails where control groups are of both versions.
packages=(iproute2 nftables iptables containernetworking-plugins busybox-static golang-go golang-github-appc-cni-dev
    podman conmon runc containerd dnsmasq-base)

need_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "interop: needs the Debian packages ${missing[*]}" >&2
        exit 1
    fi
    echo "interop: installing the Debian packages ${missing[*]}"
    # shellcheck disable=SC2016 # for the other shell
    unshare --mount bash -euc '
        # The packages start containerd and a socket for podman where systemd runs, which they see by its directory.
        [ ! -d /run/systemd/system ] || mount -t tmpfs tmpfs /run/systemd
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends "$@" >/dev/null' interop "${missing[@]}"
}

# What plugins and runtimes could leave. Lifetimes and counters change by themselves.
machine() {
    local table
    ip -o link | sed 's/^[0-9]*: //'
    for table in addr route rule; do ip -o -4 $table; ip -o -6 $table; done | sed -E 's/ (valid|preferred)_lft [^ ]*//g; s/ expires [^ ]*//g; s/^[0-9]+: //'
    nft list ruleset | sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/'
    for table in iptables ip6tables iptables-legacy ip6tables-legacy; do
        $table-save 2>/dev/null | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]//'
    done
    find /etc/cni /opt/cni /var/lib/cni /var/lib/containers /var/lib/containerd /run/containers /run/libpod /run/containerd \
        /run/netns /run/cni /run/mooring /dev/shm 2>/dev/null | sort || true
    find /sys/fs/cgroup -type d -path "*/$cgroup*" || true
}

# A group that cannot be removed is found by the snapshot.
remove_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + || true; }

# What runtimes are given: the containers' root, as a directory, as a layer, as an image; the program that stands for cnitool; runc.
prepare() {
    mkdir "$work/root" "$work/image"
    containers_root "$work/root"
    tar -C "$work/root" -cf "$work/layer.tar" .
    docker_archive "$work/image"
    tar -C "$work/image" -cf "$work/image.tar" .
    if [ ! target/gocnitool -nt "$parts/gocnitool.go" ]; then
        GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$work/gocache go build -o target/gocnitool "$parts/gocnitool.go"
    fi
    cp target/gocnitool "$work"
    cp "$parts/runc-without-rlimits" "$work/runc"
}

containers_root() {
    local name
    mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp,run,www}
    cp "$(command -v busybox)" "$1/bin/busybox"
    for name in sh httpd ip sleep; do ln -s busybox "$1/bin/$name"; done
    echo "root:x:0:0:root:/:/bin/sh" >"$1/etc/passwd"
    echo "it answers" >"$1/www/index.html"
}

# docker_archive DIR: the layer, as `docker save` writes an image.
docker_archive() {
    local layer
    layer=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
    cp "$work/layer.tar" "$1/layer.tar"
    cat >"$1/config.json" <<JSON
{"architecture": "$(dpkg --print-architecture)", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
JSON
    echo '[{"Config": "config.json", "RepoTags": ["localhost/busybox:interop"], "Layers": ["layer.tar"]}]' >"$1/manifest.json"
}
