#!/bin/sh
# Makes ready what a make target needs, once, and says what it installs.
#
# usage: sh tools/setup.sh check|demo|test|bench|fuzz
#
#   check        the virtual environment in .venv with the development tools
#   test, bench  the same, and the Debian packages that the tests use
#   fuzz         what check needs, the library of fwknop, and atheris where there is one
#   demo         a virtual environment, and the Debian packages that the demo uses
#
# A second call finds everything in place, needs no network and takes no time.
# Packages are installed only where they are missing, only by root, and no
# service that comes with one is started or enabled.

set -eu
cd "$(dirname "$0")/.."

TARGET=${1:-}
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
VENV_PYTHON=.venv/bin/python
POLICY=/usr/sbin/policy-rc.d

# program:package, or file:package
FOR_DEMO="ip:iproute2 nft:nftables nmap:nmap ssh:openssh-client ssh-keygen:openssh-client
    mount:mount sshd:openssh-server sysctl:procps"
FOR_TEST="$FOR_DEMO conntrack:conntrack fwknop:fwknop-client fwknopd:fwknop-server
    dbus-daemon:dbus-daemon fail2ban-server:fail2ban firewalld:firewalld fish:fish gpg:gnupg ipset:ipset iptables:iptables knock:knockd knockd:knockd
    locale-gen:locales man:man-db mandoc:mandoc nc:netcat-openbsd
    nginx:nginx-light openssl:openssl openvpn:openvpn ping:iputils-ping rsync:rsync socat:socat strace:strace
    tcpdump:tcpdump /usr/include/linux/landlock.h:linux-libc-dev
    systemctl:systemd tinyproxy:tinyproxy-bin tor:tor turnserver:coturn ufw:ufw ulogd:ulogd2-pcap wg:wireguard-tools
    wireguard-go:wireguard-go wget:wget zbarimg:zbar-tools zsh:zsh"
FOR_FUZZ="fwknopd:fwknop-server"

say() {
    echo "setup: $*"
}

stop() {
    echo "setup: error: $*" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# --- what is missing ---------------------------------------------------------

# Prints the packages of the given pairs whose program or file is not there.
missing_packages() {
    for pair in "$@"; do
        if [ -z "$(packaged "${pair%%:*}")" ]; then
            echo "${pair#*:}"
        fi
    done | sort -u | tr '\n' ' '
}

# Prints where a packaged program is; our own programs of the same names do not count. A file that
# is no program has a whole path.
packaged() {
    if [ -e "$1" ] && [ "${1#/}" != "$1" ]; then
        echo "$1"
        return
    fi
    for directory in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
        if [ -x "$directory/$1" ]; then
            echo "$directory/$1"
            return
        fi
    done
}

# Prints the first Python that is new enough; nothing if there is none.
find_python() {
    for name in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

venv_works() {
    "$VENV_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python_packages() {
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "python3 python3-venv"
    elif ! can_make_venv "$python"; then
        echo "python3-venv"
    fi
}

# --- Debian packages ---------------------------------------------------------

installed_packages() {
    dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' | sed -n 's/^ii *//p' | sort
}

# Keeps the services of new packages from starting now; the trap takes it away again.
forbid_starts() {
    if [ -e "$POLICY" ]; then
        return
    fi
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

# Keeps the services of new packages from starting at the next boot; reads package names.
disable_services() {
    while read -r package; do
        dpkg -L "$package"
    done | while read -r path; do
        name=${path##*/}
        case $path in
        /etc/init.d/*)
            update-rc.d "$name" disable >/dev/null 2>&1 || true
            ;;
        */lib/systemd/system/*.service | */lib/systemd/system/*.socket | */lib/systemd/system/*.timer)
            systemctl disable "$name" >/dev/null 2>&1 || rm -f /etc/systemd/system/*.wants/"$name"
            ;;
        esac
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
        "$@" </dev/null
}

# Installs the given packages: root on a Debian system only.
install_packages() {
    say "installing the Debian packages $*"
    say "(no service that comes with them is started or enabled)"
    forbid_starts
    before=$(mktemp)
    installed_packages >"$before"
    apt update || stop "apt-get update failed; is there a network?"
    apt install -y --no-install-recommends "$@" >/dev/null ||
        stop "apt-get could not install: $*"
    installed_packages | comm -13 "$before" - | disable_services
    rm -f "$before"
}

# Packages without which nothing works.
require_packages() {
    if [ $# -eq 0 ]; then
        return
    fi
    command -v apt-get >/dev/null || stop "please install by hand what Debian calls: $*"
    is_root || stop "please install as root: apt-get install $*"
    install_packages "$@"
}

# Packages without which some tests are skipped.
want_packages() {
    if [ $# -eq 0 ]; then
        return
    fi
    if is_root && command -v apt-get >/dev/null; then
        install_packages "$@"
    else
        say "not installed: $*; tests that need them are skipped"
    fi
}

# --- the virtual environment -------------------------------------------------

# What a finished environment was made from: these files, in this place.
fingerprint() {
    { cat pyproject.toml tools/setup.sh; pwd; } | sha256sum
}

is_stamped() {
    venv_works && [ "$(cat ".venv/.made-for-$1" 2>/dev/null)" = "$(fingerprint)" ]
}

make_environment() {
    if ! venv_works; then
        say "making the virtual environment .venv"
        "$(find_python)" -m venv --clear .venv
    fi
    say "installing $1 into .venv"
    "$VENV_PYTHON" -m pip install --quiet --no-input --disable-pip-version-check \
        --root-user-action=ignore --editable "$1" ||
        stop "pip could not install $1; is there a network?"
}

environment_for_use() {
    if ! is_stamped use && ! is_stamped work; then
        make_environment .
        fingerprint >.venv/.made-for-use
    fi
}

environment_for_work() {
    if ! is_stamped work; then
        make_environment '.[dev]'
        fingerprint >.venv/.made-for-work
    fi
}

# Atheris has to match the Python; where it cannot be had, fuzzing goes on without it.
atheris_if_possible() {
    if is_stamped fuzz; then
        return
    fi
    say "installing .[fuzz] into .venv"
    "$VENV_PYTHON" -m pip install --quiet --no-input --disable-pip-version-check \
        --root-user-action=ignore --only-binary atheris --editable '.[fuzz]' || {
        say "not installed: atheris; inputs are mutated without looking at what they reach"
        return
    }
    fingerprint >.venv/.made-for-fuzz
}

# shellcheck disable=SC2046  # package names are words
case $TARGET in
check)
    venv_works || require_packages $(python_packages)
    environment_for_work
    ;;
demo)
    is_root || stop "the demo makes network namespaces, which needs root; it installs $(
        missing_packages $FOR_DEMO)where missing"
    require_packages $(venv_works || python_packages) $(missing_packages $FOR_DEMO)
    environment_for_use
    ;;
test | bench)
    venv_works || require_packages $(python_packages)
    want_packages $(missing_packages $FOR_TEST)
    environment_for_work
    ;;
fuzz)
    venv_works || require_packages $(python_packages)
    want_packages $(missing_packages $FOR_FUZZ)
    environment_for_work
    atheris_if_possible
    ;;
*)
    stop "usage: sh tools/setup.sh check|demo|test|bench|fuzz"
    ;;
esac

# As pip does with what it installs, but not with what is installed to be worked on. Where Python is
# told to keep no bytecode, each start of a program would compile seven hundred modules first.
"$VENV_PYTHON" -m compileall -qq -j 0 src || :
