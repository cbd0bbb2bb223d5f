#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Installs everything that a plain Debian 12 or 13 lacks: packages, a QEMU that can nest
# SMMUv3 stages, the kernel source, and a static arm64 busybox for the guest. A second QEMU,
# for a few tests, that can have several SMMUs; without it these tests are skipped.
# Each piece is made under a temporary name and renamed when it is complete, so
# that the next run repairs an interrupted one.
#
#   setup.sh			all of it
#   setup.sh packages	only the part that needs root
#   setup.sh nightly	packages that only `make nightly` uses
#   setup.sh mirror		print the Debian mirror of this machine
#   setup.sh remove		remove the cache

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES="make gcc libc6-dev flex bison bc libssl-dev libelf-dev ccache cpio
	gzip xz-utils rsync python3 perl patch device-tree-compiler
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross git qemu-efi-aarch64"
# Both versions of clang: that of the release has the library for the fuzzers, and the
# other one can build Linux.
NIGHTLY_PACKAGES="python3-sphinx python3-yaml sparse clang libclang-rt-dev
	clang-19 lld-19 llvm-19"
DISTRO_PACKAGES="debootstrap e2fsprogs kmod libssl-dev"
QEMU_MIN=10
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
APT=$CACHE/apt

release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# The Debian mirror of this machine, as apt prints it, whatever the format of its
# sources.
mirror() {
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' | awk -v rel="$(release)" '
		$2 == rel && $3 == "main" {
			any = any ? any : $1
			if ($1 ~ /debian\/?$/) { print $1; found = 1; exit }
		}
		END { if (!found && any) print any }'
}

# private_apt NAME ARCH SUITES COMMAND...: apt-get with its own sources and
# lists, so that the system's configuration stays as it is. The package status
# is the system's, so an install is a normal one.
private_apt() {
	pa_dir=$APT/$1-$2
	pa_arch=$2
	pa_suites=$3
	shift 3
	pa_mirror=$(mirror)
	[ -n "$pa_mirror" ] || die "no Debian mirror in the sources of apt: set DEBIAN_MIRROR="
	mkdir -p "$pa_dir/lists/partial" "$pa_dir/cache/archives/partial"
	for pa_suite in $pa_suites; do
		echo "deb [signed-by=$KEYRING] $pa_mirror $pa_suite main"
	done >"$pa_dir/sources.list"
	apt-get -q -y \
		-o Dir::Etc::sourcelist="$pa_dir/sources.list" \
		-o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$pa_dir/lists" \
		-o Dir::Cache="$pa_dir/cache" \
		-o APT::Architecture="$pa_arch" -o APT::Architectures="$pa_arch" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o Acquire::Retries=3 "$@"
}

# fetch_deb PACKAGE ARCH SUITE...: download from the first suite that has the
# package, to $DL.
fetch_deb() {
	fd_pkg=$1
	fd_arch=$2
	shift 2
	for fd_suite; do
		echo "== $fd_pkg from $fd_suite"
		private_apt "$fd_suite" "$fd_arch" "$fd_suite" update || continue
		fd_part=$DL/part.$fd_pkg
		rm -rf "$fd_part"
		mkdir -p "$fd_part"
		(cd "$fd_part" && private_apt "$fd_suite" "$fd_arch" "$fd_suite" \
			download "$fd_pkg/$fd_suite") || continue
		mv "$fd_part"/*.deb "$DL/" && rmdir "$fd_part" && return 0
	done
	echo "$fd_pkg: in none of these suites: $*"
	return 1
}

need_root() {
	[ "$(id -u)" = 0 ] ||
		die "$1; as root, run: sh $TOOLS/setup.sh packages"
}

qemu_version() {
	"${QEMU:-qemu-system-aarch64}" --version 2>/dev/null |
		sed -n 's/.* version \([0-9]*\)\..*/\1/p'
}

qemu_ok() {
	qv=$(qemu_version)
	[ "${qv:-0}" -ge $QEMU_MIN ]
}

install_qemu() {
	export DEBIAN_FRONTEND=noninteractive
	iq_rel=$(release)
	# ipxe-qemu has the boot ROMs without which QEMU refuses some devices.
	set -- install --no-install-recommends qemu-system-arm ipxe-qemu
	# Debian 13 has a new enough one, Debian 12 in its backports.
	iq_have=$(apt-cache policy qemu-system-arm |
		sed -n 's/.*Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\)\..*/\2/p')
	if [ "${iq_have:-0}" -ge $QEMU_MIN ]; then
		apt-get -q -y "$@" && qemu_ok
		return
	fi
	iq_suites="$iq_rel $iq_rel-updates $iq_rel-backports"
	private_apt qemu "$(dpkg --print-architecture)" "$iq_suites" update || return 1
	private_apt qemu "$(dpkg --print-architecture)" "$iq_suites" \
		"$@" -t "$iq_rel-backports" || return 1
	qemu_ok
}

setup_packages() {
	command -v dpkg-query >/dev/null || die "setup knows Debian 12 and 13 only"
	missing=
	for p in $PACKAGES; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q ' installed$' || missing="$missing $p"
	done
	if [ -n "$missing" ]; then
		need_root "missing packages:$missing"
		step "apt-get update" apt-get -q update
		# shellcheck disable=SC2086
		DEBIAN_FRONTEND=noninteractive step "install$missing" \
			apt-get -q -y install --no-install-recommends $missing
	fi
	qemu_ok && return
	need_root "QEMU $QEMU_MIN or newer is needed"
	[ -n "$missing" ] || step "apt-get update" apt-get -q update
	step "install QEMU $QEMU_MIN or newer" install_qemu
}

# The inner tarball of a Debian linux-source package.
deb_tarball() {
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/linux-source-$SERIES.tar.xz"
}

# extract SOURCE DIR: a tree, a .deb or a tarball becomes DIR.
extract() {
	rm -rf "$2"
	mkdir -p "$2"
	if [ -d "$1" ]; then
		rsync -a --exclude .git --exclude .pkvm-iommu "$1/" "$2/"
		return
	fi
	case $1 in
	*.deb)		deb_tarball "$1" | tar -xJ -C "$2" --strip-components=1 ;;
	*.tar.xz)	tar -xJf "$1" -C "$2" --strip-components=1 ;;
	*.tar.gz|*.tgz)	tar -xzf "$1" -C "$2" --strip-components=1 ;;
	*)		echo "$1: not a directory, .deb, .tar.xz or .tar.gz"; false ;;
	esac || return 1
	# A pipe hides a failure of its left side: check that the tree is complete.
	[ -d "$2/virt" ]
}

newest_deb() {
	for nd in "$DL/linux-source-$SERIES"_*.deb "$CACHE/linux-source-$SERIES"_*.deb; do
		[ -f "$nd" ] && dpkg-deb -f "$nd" Version >/dev/null 2>&1 && echo "$nd"
	done | sort -V | tail -n 1
}

setup_kernel() {
	# Extract again only if the source has changed.
	if [ -s "$CACHE/tree" ] && [ -d "$(tree)" ]; then
		[ -n "${KERNEL_SRC:-}" ] || return 0
		[ "$KERNEL_SRC" != "$(cat "$CACHE/tree.from" 2>/dev/null)" ] || return 0
	fi
	src=${KERNEL_SRC:-}
	if [ -z "$src" ]; then
		src=$(newest_deb)
		if [ -z "$src" ]; then
			step "download linux-source-$SERIES" fetch_deb \
				linux-source-$SERIES "$(dpkg --print-architecture)" \
				"$(release)-backports" trixie-backports sid forky
			src=$(newest_deb)
		fi
	fi
	[ -e "$src" ] || die "KERNEL_SRC=$src does not exist"
	[ ! -d "$src" ] || check_version "$src"
	step "extract ${src##*/}" extract "$src" "$CACHE/extract.tmp"
	check_version "$CACHE/extract.tmp"
	name=linux-$(version_of "$CACHE/extract.tmp")
	rm -rf "$CACHE/tree" "${CACHE:?}/$name"
	mv "$CACHE/extract.tmp" "$CACHE/$name"
	echo "$src" >"$CACHE/tree.from"
	echo "$name" >"$CACHE/tree.tmp"
	mv "$CACHE/tree.tmp" "$CACHE/tree"
}

get_busybox() {
	ls "$DL"/busybox-static_*_arm64.deb >/dev/null 2>&1 ||
		fetch_deb busybox-static arm64 "$(release)" sid || return 1
	for gb in "$DL"/busybox-static_*_arm64.deb; do :; done
	dpkg-deb --fsys-tarfile "$gb" >"$CACHE/busybox.tar" || return 1
	# /bin or /usr/bin, as the release has it
	gb_path=$(tar -tf "$CACHE/busybox.tar" | grep '/bin/busybox$')
	tar -xOf "$CACHE/busybox.tar" "$gb_path" >"$BUSYBOX.tmp" || return 1
	rm -f "$CACHE/busybox.tar"
	chmod 755 "$BUSYBOX.tmp"
	mv "$BUSYBOX.tmp" "$BUSYBOX"
}

# The QEMU of a later release, with every library that it needs, unpacked into the cache. It
# runs by its own dynamic loader, so that the system stays as it is.
unpack_new_qemu() {
	nq=$NEW_QEMU.tmp
	rm -rf "$nq"
	mkdir -p "$nq/root"
	: >"$nq/status"
	private_apt new-qemu "$(dpkg --print-architecture)" sid update || return 1
	private_apt new-qemu "$(dpkg --print-architecture)" sid -o Dir::State::status="$nq/status" \
		--no-install-recommends --download-only install qemu-system-arm ipxe-qemu || return 1
	for nq_deb in "$APT"/new-qemu-*/cache/archives/*.deb; do
		dpkg-deb -x "$nq_deb" "$nq/root" || return 1
	done
	rm -f "$APT"/new-qemu-*/cache/archives/*.deb
	nq_loader=$(cd "$nq/root" && find usr/lib* -name 'ld-linux-*.so.*' | head -n 1)
	nq_lib=$(cd "$nq/root" && find usr/lib -maxdepth 1 -name '*-linux-gnu*' | head -n 1)
	cat >"$nq/qemu" <<-EOF
		#!/bin/sh
		root=$NEW_QEMU/root
		export QEMU_MODULE_DIR="\$root/$nq_lib/qemu"
		exec "\$root/$nq_loader" --library-path "\$root/$nq_lib" \\
			"\$root/usr/bin/qemu-system-aarch64" -L "\$root/usr/share/qemu" "\$@"
	EOF
	chmod 755 "$nq/qemu"
	rm -rf "$NEW_QEMU"
	mv "$nq" "$NEW_QEMU"
	"$NEW_QEMU/qemu" -M virt -device arm-smmuv3,help | grep -q primary-bus && return
	rm -rf "$NEW_QEMU"
	return 1
}

setup_new_qemu() {
	[ ! -x "$NEW_QEMU/qemu" ] || return 0
	nq_t0=$(now)
	unpack_new_qemu >"$LOGS/new-qemu" 2>&1 ||
		{ say "no QEMU with several SMMUs: its tests will be skipped; see $LOGS/new-qemu"
		  return 0; }
	say "$(printf '%5d s  a second, newer QEMU' $(($(now) - nq_t0)))"
}

case ${1:-all} in
all)
	lock
	setup_packages
	setup_kernel
	[ -x "$BUSYBOX" ] || step "static arm64 busybox" get_busybox
	setup_new_qemu
	;;
packages)
	lock
	setup_packages
	;;
nightly)
	lock
	PACKAGES=$NIGHTLY_PACKAGES
	setup_packages
	;;
distro)
	lock
	PACKAGES=$DISTRO_PACKAGES
	setup_packages
	;;
deb)
	shift
	fetch_deb "$1" "$2" "$(release)-backports" trixie-backports sid forky
	;;
mirror)
	mirror
	;;
remove)
	case $CACHE in
	*/pkvm-iommu)	rm -rf "$CACHE" ;;
	*)		die "$CACHE is not named pkvm-iommu: remove it yourself" ;;
	esac
	;;
*)
	die "usage: setup.sh [packages|nightly|distro|deb PACKAGE ARCH|mirror|remove]"
	;;
esac
