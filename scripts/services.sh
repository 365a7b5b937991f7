#!/bin/sh
# Real services that development and tests need, started and stopped by name.
#
#   scripts/services.sh docker-start    make a Docker engine answer (idempotent)
#   scripts/services.sh docker-stop     stop the engine that docker-start started, and no other
#   scripts/services.sh docker-status   say what answers; exit status 1 if nothing does
#
# An engine that already answers (DOCKER_HOST, the active context, or the default socket) is used
# as it is. Otherwise, as root on Debian or Ubuntu, docker.io and iptables are installed where
# they are missing and a `dockerd` is started detached; its pid and log lie in .cache/docker/.
# Environment: INTERVIEW_DOCKER_DATA_ROOT (default: the engine's own, /var/lib/docker).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
state="$root/.cache/docker"
pidfile="$state/dockerd.pid"
logfile="$state/dockerd.log"
start_timeout_s=60
stop_timeout_s=30

say() { printf '%s\n' "services: $*"; }
fail() { printf '%s\n' "services: $*" >&2; exit 1; }

answers() {
    command -v docker >/dev/null 2>&1 || return 1
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# The pid of the dockerd we started, or nothing. A pid file left over from before a reboot may name
# somebody else's process, so the command line has to name our pid file as well.
our_pid() {
    [ -s "$pidfile" ] || return 1
    pid=$(cat "$pidfile")
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    [ -r "/proc/$pid/cmdline" ] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "--pidfile=$pidfile" || return 1
    printf '%s\n' "$pid"
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"; }

install_missing() {
    wanted=''
    command -v dockerd >/dev/null 2>&1 || wanted="$wanted docker.io"
    command -v iptables >/dev/null 2>&1 || wanted="$wanted iptables"
    if [ -n "$wanted" ]; then
        command -v apt-get >/dev/null 2>&1 ||
            fail "no Docker engine answers, and this is neither Debian nor Ubuntu: install Docker yourself"
        say "installing$wanted"
        apt update >/dev/null
        # shellcheck disable=SC2086  # a list of package names
        apt install --no-install-recommends $wanted >"$state/apt.log" 2>&1 ||
            { tail -n 20 "$state/apt.log" >&2; fail "apt-get could not install$wanted"; }
    fi
    # From Debian 13 on the command-line client is a package of its own.
    command -v docker >/dev/null 2>&1 ||
        apt install --no-install-recommends docker-cli >>"$state/apt.log" 2>&1 ||
        fail "the engine is installed, its command-line client 'docker' is not"
}

# A container host without systemd has often no cgroup hierarchy mounted yet.
mount_cgroups() {
    if mountpoint -q /sys/fs/cgroup 2>/dev/null || [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        return 0
    fi
    mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null ||
        say "no cgroup file system could be mounted; the engine will say whether it can do without"
}

launch() {
    # The working directory is / so that the repository can be moved or unmounted. overlay2 is
    # named so that the engine fails aloud rather than falls back to vfs, which copies each layer.
    set -- --host=unix:///var/run/docker.sock --storage-driver=overlay2 "--pidfile=$pidfile"
    [ -z "${INTERVIEW_DOCKER_DATA_ROOT:-}" ] || set -- "$@" "--data-root=$INTERVIEW_DOCKER_DATA_ROOT"
    (cd / && exec setsid nohup dockerd "$@" >"$logfile" 2>&1 </dev/null 9>&-) &
}

docker_start() {
    if answers; then
        say "a Docker engine already answers ($(docker version --format '{{.Server.Version}}'))"
        return 0
    fi
    [ -z "${DOCKER_HOST:-}" ] || fail "DOCKER_HOST is set, and no engine answers there"
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and starting one takes root: run this as root"
    install_missing
    if answers; then  # the package's own service has started it; it is not ours to stop
        say "the installed Docker service answers"
        return 0
    fi
    mount_cgroups
    our_pid >/dev/null || { rm -f "$pidfile"; launch; }
    waited=0
    until answers; do
        waited=$((waited + 1))
        if [ "$waited" -gt "$((start_timeout_s * 4))" ]; then
            tail -n 20 "$logfile" >&2
            fail "dockerd did not answer within ${start_timeout_s} s; its log: .cache/docker/dockerd.log"
        fi
        sleep 0.25
    done
    say "started a Docker engine ($(docker version --format '{{.Server.Version}}'), pid $(our_pid))"
}

docker_stop() {
    if ! pid=$(our_pid); then
        say "no Docker engine of ours is running"
        return 0
    fi
    kill "$pid"
    waited=0
    while kill -0 "$pid" 2>/dev/null; do
        waited=$((waited + 1))
        [ "$waited" -le "$((stop_timeout_s * 4))" ] ||
            fail "dockerd (pid $pid) has not ended within ${stop_timeout_s} s"
        sleep 0.25
    done
    rm -f "$pidfile"
    say "stopped the Docker engine (pid $pid)"
}

docker_status() {
    if ! answers; then
        say "no Docker engine answers"
        return 1
    fi
    whose="not started by this script"
    ! pid=$(our_pid) || whose="started by this script, pid $pid"
    say "Docker engine $(docker version --format '{{.Server.Version}}'), $whose"
}

mkdir -p "$state"
case "${1:-}" in
    docker-start | docker-stop)
        # One at a time: two `make` targets may come here at once. dockerd closes fd 9, so the
        # lock is released when this script ends.
        exec 9>"$state/lock"
        ! command -v flock >/dev/null 2>&1 || flock 9
        case $1 in docker-start) docker_start ;; *) docker_stop ;; esac
        ;;
    docker-status) docker_status ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
