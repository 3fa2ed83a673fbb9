# shellcheck shell=bash
# To be sourced. `setup_venv FOLDER PACKAGE==VERSION...` makes FOLDER a virtual environment with these
# packages, unless it is that already; on Debian it installs Python's venv where it is missing.
setup_venv() {
  local folder=$1
  shift
  [ "$(cat "$folder/packages" 2>/dev/null)" != "$*" ] || return 0
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null; then
    echo "installing Python's venv" >&2
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-venv >&2
  fi
  python3 -m venv --clear "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
  printf '%s\n' "$*" >"$folder/packages"
}
