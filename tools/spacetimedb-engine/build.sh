#!/bin/sh
# usage: build.sh [--release] [--where]
# Builds the engine, unless it is built already, and prints where it is. --where builds nothing, and prints nothing when
# there is nothing. Keeps what it makes in the cache folder of the user, by what it was made of.
set -eu
cd "$(dirname "$0")"

profile=debug build= where=
for argument; do
  case $argument in
    --release) profile=release build=--release ;;
    --where) where=yes ;;
    *) sed -n 2p "$0" >&2 && exit 2 ;;
  esac
done
cache=${XDG_CACHE_HOME:-$HOME/.cache}/latchkey/spacetimedb-engine
made_of=$(cat Cargo.toml build.rs versions.txt src/*.rs shim/Cargo.toml shim/src/*.rs | sha256sum | cut -c1-16)
binary=$cache/$profile-$made_of
if [ -x "$binary" ]; then echo "$binary" && exit; fi
[ -z "$where" ] || exit 0

without() {
  echo "SpacetimeDB's engine is not built: $1. The tests that need it are left out." >&2
  exit 1
}
command -v cargo >/dev/null || without "there is no cargo"
command -v cc >/dev/null || without "there is no C compiler called cc"
pkg-config --exists openssl 2>/dev/null || without "pkg-config finds no openssl (Debian: pkg-config libssl-dev)"
[ -e /usr/include/simde/simde-common.h ] || without "there are no headers of SIMDe (Debian: libsimde-dev)"

echo "Building SpacetimeDB's engine, once, in $cache: four to eight minutes on two idle cores." >&2
venv=$cache/venv
if [ ! -x "$venv/wrap/cmake" ]; then
  python3 -m venv "$venv" >&2 && "$venv/bin/pip" install --quiet --disable-pip-version-check libclang cmake >&2 ||
    without "libclang and cmake could not be installed by pip"
  mkdir -p "$venv/wrap"
  # v8x builds WAMR, whose CMake would fetch SIMDe by git: the system's headers serve.
  cat >"$venv/wrap/cmake" <<WRAP
#!/bin/sh
case "\$1" in --build) exec $venv/bin/cmake "\$@" ;; *) exec $venv/bin/cmake -DFETCHCONTENT_FULLY_DISCONNECTED=ON "\$@" ;; esac
WRAP
  chmod +x "$venv/wrap/cmake"
fi
LIBCLANG_PATH=$(echo "$venv"/lib/python3*/site-packages/clang/native)
PATH=$venv/wrap:$venv/bin:$PATH
export LIBCLANG_PATH PATH OPENSSL_NO_VENDOR=1 CARGO_TARGET_DIR="$cache/target"

# Cargo.lock names a registry; versions.txt does not, so the lock is made of it, with the registry that cargo uses here.
source=$cache/source-$made_of
mkdir -p "$source" && cp -r Cargo.toml build.rs src shim "$source/"
if [ ! -e "$source/Cargo.lock" ]; then
  cargo generate-lockfile --quiet --ignore-rust-version --manifest-path "$source/Cargo.toml" >&2 ||
    without "cargo cannot fetch from its registry"
  registry=$(sed -n 's/^source = "\(.*\)"$/\1/p' "$source/Cargo.lock" | head -1)
  {
    echo "version = 4"
    grep -v '^#' versions.txt | while read -r name version; do
      printf '\n[[package]]\nname = "%s"\nversion = "%s"\nsource = "%s"\n' "$name" "$version" "$registry"
    done
  } >"$source/Cargo.lock"
fi
timeout 2700 cargo build --quiet --ignore-rust-version --manifest-path "$source/Cargo.toml" $build >&2 ||
  without "cargo build failed, or took more than 45 minutes"
cp "$CARGO_TARGET_DIR/$profile/stdb-engine" "$binary.new" && mv "$binary.new" "$binary"
echo "$binary"
