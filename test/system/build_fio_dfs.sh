#!/bin/sh
# Builds fio from Debian's source package, unpatched by us, with its DFS engine on ROSS's libdaos, in a build folder.
#
#   test/system/build_fio_dfs.sh [BUILD_FOLDER]      default: build/release of this checkout
#
# FIO_SOURCE=DIR takes an unpacked fio source instead of Debian's. The last word printed is the path of the program.
# It has the rados and nbd engines too where librados and libnbd can be compiled against, as Debian's own has.
# Nothing outside the build folder is changed: the source comes through package lists of our own, derived from the
# machine's entries, because those seldom list sources. A second run with the same headers and source builds nothing.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build/release}" 2>/dev/null && pwd) || {
  echo "build_fio_dfs: there is no build folder ${1:-$root/build/release}: run cmake --preset release first" >&2
  exit 1
}
version=3.33
work=$build/fio
library=$build/src/faces/dfs
log=$work/log
mkdir -p "$work"

stop() {
  echo "build_fio_dfs: $1" >&2
  [ ! -s "$log" ] || tail -n 15 "$log" >&2
  exit 1
}

: >"$log"
if [ ! -e "$library/libdaos.so" ]; then
  cmake --build "$build" --target ross_libdaos >"$log" 2>&1 || stop "building libdaos failed"
fi

# What the program depends on; the library itself is found when it runs.
engines=$(ls /usr/include/rados/librados.h /usr/include/libnbd.h 2>/dev/null || :)
stamp=$({ cat "$0" "$root"/include/daos/*.h "$root"/include/daos/*/*.h && echo "$engines"; } | sha256sum | cut -d ' ' -f 1)
program=$work/fio-$version/fio
if [ -x "$program" ] && [ "$(cat "$work/stamp" 2>/dev/null)" = "$stamp ${FIO_SOURCE-}" ]; then
  echo "$program"
  exit 0
fi

# Puts Debian's source of fio into the work folder.
fetch() {
  apt=$work/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  [ ! -r "$key" ] || signed="[signed-by=$key] "
  # One source entry for each binary entry that the machine has of Debian itself.
  # shellcheck disable=SC2016  # apt-get expands these, not the shell
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 2>"$log" |
    while read -r uri suite component; do
      case "$uri $suite $component" in
        */debian/\ *-*) ;; # updates, backports and the like
        */debian/\ *\ main) echo "deb-src ${signed-}$uri $suite main" ;;
      esac
    done | sort -u >"$apt/sources.list"
  if [ ! -s "$apt/sources.list" ]; then
    echo "deb-src ${signed-}http://deb.debian.org/debian bookworm main" >"$apt/sources.list"
  fi
  options="-q -o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$apt/lists
    -o Dir::Cache=$apt -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User= -o Acquire::Retries=3"
  # shellcheck disable=SC2086  # a list of words is meant
  timeout 300 apt-get update $options >"$log" 2>&1 || stop "cannot read Debian's list of sources: check the network"
  # shellcheck disable=SC2086
  (cd "$work" && timeout 300 apt-get source $options --only-source "fio=$version-*" >>"$log" 2>&1) ||
    (cd "$work" && timeout 300 apt-get source $options --only-source fio >>"$log" 2>&1) ||
    stop "cannot get fio's source from Debian: check the network, and that dpkg-dev is installed"
}

rm -rf "$work/fio-$version"
if [ -n "${FIO_SOURCE-}" ]; then
  cp -a "$FIO_SOURCE" "$work/fio-$version"
else
  fetch
fi
[ -x "$work/fio-$version/configure" ] || stop "Debian's fio is not version $version any more"

cd "$work/fio-$version"
set -- --disable-native # it also runs on another processor: the one that test/rdma emulates
case "$engines" in
  *libnbd.h*) set -- "$@" --enable-libnbd ;; # the one that is off by default
esac
CFLAGS="-I$root/include/daos" LDFLAGS="-L$library -Wl,-rpath,$library" ./configure "$@" >"$log" 2>&1 ||
  stop "fio's configure failed"
grep -q '^#define CONFIG_DFS' config-host.h || stop "fio's configure did not find the DFS library (see $PWD/config.log)"
make -j2 >"$log" 2>&1 || stop "building fio failed"
LD_BIND_NOW=1 ./fio --enghelp=dfs >"$log" 2>&1 || stop "the built fio does not start with its DFS engine"
echo "$stamp ${FIO_SOURCE-}" >"$work/stamp"
echo "$program"
