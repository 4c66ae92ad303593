# shellcheck shell=bash
# The matrix of scripts/interop: a row is a runtime and whose plugins it runs, a column is something asked of them.

columns=(attach check out port peers ip mac second restart detach left)
# What each of them asks for:
#   attach   an ADD of the whole list, and the address in the container
#   check    CHECK
#   out      the container reaches the host outside, masqueraded
#   port     the published port answers the host itself, the host outside and another container
#   peers    two containers reach each other
#   ip mac   the address that was asked for, the hardware address that was asked for
#   second   a network more, of both families and isolated, is connected to the running container and disconnected
#   restart  stopped and started again, it is reached at the published port as before
#   detach   DEL of all; the runtime has nothing to complain about
#   left     no link, lease, firewall element or rule of a container remains on the private host
# "Theirs" are the reference's plugins, the others of the chain are ours. "Upgraded": theirs attach, then ours are put in place.
# "Downgraded": the other way round, with backends that theirs has as well.
rows=("libcni" "libcni, portmap theirs" "libcni, firewall theirs" "libcni, tuning theirs" "libcni, bridge+firewall theirs"
    "libcni, host-local theirs" "libcni, upgraded" "libcni, downgraded" "libcni, ptp" "libcni, ptp, upgraded"
    "libcni, ptp, downgraded" "libcni, macvlan" "libcni, macvlan, upgraded" "libcni, macvlan, downgraded" "libcni, host-device" "libcni, host-device, upgraded"
    "libcni, host-device, downgraded" "libcni, dhcp" "libcni, dhcp, upgraded" "libcni, tap" "libcni, ipvlan" "libcni, vlan" "libcni, vrf"
    "libcni, dummy" "podman" "podman, upgraded" "containerd, 0.4.0" "containerd, 1.0.0" "containerd, 1.0.0, upgraded")

# Only those that match INTEROP_ROWS.
select_rows() {
    local row selected=()
    for row in "${rows[@]}"; do
        [[ ! $row =~ ${INTEROP_ROWS:-} ]] || selected+=("$row")
    done
    [ ${#selected[@]} -gt 0 ] || { echo "interop: no row matches INTEROP_ROWS=$INTEROP_ROWS" >&2; exit 1; }
    rows=("${selected[@]}")
}

# leave_out KIND...: rows of links that this machine's kernel lacks. Those are for scripts/vm-test.
leave_out() {
    local kind row kept=()
    for row in "${rows[@]}"; do
        for kind in "$@"; do [[ ! ",$row," =~ ", $kind," ]] || continue 2; done
        kept+=("$row")
    done
    rows=("${kept[@]}")
}

# cell COLUMN COMMAND...: runs it with `set -e` and writes down whether it came to its end.
cell() {
    local column=$1
    shift
    echo FAIL >"$results/$column.verdict"
    # What was never attached cannot be looked at, but has to be detached.
    if [[ $column != @(host|attach|detach|left) ]] && ! passed attach; then
        echo "not attached" >"$results/$column.log"
        return
    fi
    (
        set -ex
        "$@"
        echo pass >"$results/$column.verdict"
    ) >"$results/$column.log" 2>&1
}

# passed COLUMN: in this row.
passed() { [ "$(cat "$results/$1.verdict")" = pass ]; }

# The matrix, and the logs of what failed; sets `failures`.
report() {
    local row column verdict
    failures=0
    printf '\n%-34s' ""
    printf '%-8s' "${columns[@]}"
    for row in "${rows[@]}"; do
        printf '\n%-34s' "$row"
        mkdir -p "$work/results/$row"
        # The last column is of every row.
        [ -e "$work/results/$row/left.verdict" ] || {
            echo FAIL >"$work/results/$row/left.verdict"
            echo "the row did not come to its end" >"$work/results/$row/left.log"
        }
        for column in "${columns[@]}"; do
            verdict=$(cat "$work/results/$row/$column.verdict" 2>/dev/null || echo -)
            [ "$verdict" != FAIL ] || failures=$((failures + 1))
            printf '%-8s' "$verdict"
        done
    done
    printf '\n\n'
    report_logs
}

# The ends of the logs of what failed, as it happened. Where everything fails, a dozen is enough.
report_logs() {
    local row column log shown=0
    for row in "${rows[@]}"; do
        for column in host "${columns[@]}"; do
            log=$work/results/$row/$column
            if [[ $(cat "$log.verdict" 2>/dev/null) != FAIL || $(cat "$log.log") = "not attached" ]]; then continue; fi
            shown=$((shown + 1))
            [ $shown -le 12 ] || continue
            echo "== $row: $column"
            tail -n 30 "$log.log" | cut -c 1-300
        done
    done
    [ $shown -le 12 ] || echo "== and $((shown - 12)) more, whose logs are not shown"
}
