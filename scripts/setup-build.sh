# shellcheck shell=bash
# To be sourced. Makes sure that cargo and a linker are there, and the rustup components given.

setup_build() {
  if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
  fi
  command -v cargo >/dev/null || { echo "setup-build: please install Rust first (rustup)" >&2; return 1; }

  if ! command -v cc >/dev/null && command -v apt-get >/dev/null; then
    echo "setup-build: installing a linker"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gcc libc6-dev
  fi

  local component
  for component in "$@"; do
    # rustfmt answers to `cargo fmt`, other components to their own names.
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
  done
}
