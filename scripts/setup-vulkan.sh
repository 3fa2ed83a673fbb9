#!/usr/bin/env bash
# Makes sure that this machine has a Vulkan driver: leaves a GPU's own driver alone, otherwise installs
# the loader and Mesa's CPU driver (lavapipe). Safe to run again. Debian and Ubuntu; elsewhere it only tells.
set -euo pipefail

icd_dirs=(/usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d)

say() { printf 'setup-vulkan: %s\n' "$*"; }

# Where Debian keeps ldconfig, which is not on everyone's path.
PATH=$PATH:/usr/sbin:/sbin
have_loader() { ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; }

# A driver for real hardware: any installed ICD that is not lavapipe, with a GPU's device node to talk to.
have_gpu_driver() {
  [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
  [ -e /dev/nvidia0 ] || compgen -G '/dev/dri/renderD*' >/dev/null || return 1
  local dir file
  for dir in "${icd_dirs[@]}"; do
    for file in "$dir"/*.json; do
      [ -e "$file" ] || continue
      case "$file" in *lvp*|*lavapipe*) ;; *) return 0 ;; esac
    done
  done
  return 1
}

have_lavapipe() {
  local dir
  for dir in "${icd_dirs[@]}"; do
    compgen -G "$dir/lvp*.json" >/dev/null && return 0
  done
  return 1
}

mesa_major() { dpkg-query -W -f='${Version}' mesa-vulkan-drivers 2>/dev/null | sed 's/^[0-9]*://; s/\..*//'; }
candidate_major() { apt-cache policy mesa-vulkan-drivers | sed -n 's/^ *Candidate: \([0-9]*:\)\?\([0-9]*\)\..*/\2/p'; }

if [ "$(uname -s)" != Linux ]; then
  say "$(uname -s) brings its own graphics API; nothing to install"
  exit 0
fi
if have_loader && have_gpu_driver; then
  say "a GPU driver is installed; left alone"
  exit 0
fi
installed=$(mesa_major || true)
if have_loader && have_lavapipe && [ "${installed:-99}" -ge 24 ]; then
  say "lavapipe is installed (Mesa ${installed:-of its own}); nothing to do"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  say "no apt-get here: please install a Vulkan driver (lavapipe from Mesa 24 or newer will do)" >&2
  exit 1
fi

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
export DEBIAN_FRONTEND=noninteractive

# Prints a deb822 entry for SUITE-backports, derived from the entry through which the system gets SUITE itself.
backports_entry() {
  local suite=$1
  {
    for file in /etc/apt/sources.list.d/*.sources; do
      [ -e "$file" ] && cat "$file" && echo
    done
  } | awk -v suite="$suite" '
    BEGIN { RS = ""; FS = "\n" }
    {
      uri = ""; key = ""; hit = 0
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^URIs:/) { uri = $i }
        if ($i ~ /^Signed-By:/) { key = $i }
        if ($i ~ /^Suites:/) { n = split($i, word, " "); for (j = 2; j <= n; j++) if (word[j] == suite) hit = 1 }
      }
      if (hit && uri != "") {
        printf "Types: deb\n%s\nSuites: %s-backports\nComponents: main\n", uri, suite
        if (key != "") print key
        exit
      }
    }'
}
backports_line() {
  local suite=$1
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk -v suite="$suite" '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i == suite) { $i = suite "-backports"; print; exit } }'
}

say "installing the Vulkan loader and lavapipe"
as_root apt-get update -q
target=()
candidate=$(candidate_major || true)
if [ "${candidate:-0}" -lt 24 ]; then
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
  if ! apt-cache policy | grep -q "${suite}-backports"; then
    entry=$(backports_entry "$suite")
    list=/etc/apt/sources.list.d/fascine-backports.sources
    if [ -z "$entry" ]; then
      entry=$(backports_line "$suite")
      list=/etc/apt/sources.list.d/fascine-backports.list
    fi
    if [ -n "$entry" ]; then
      say "Mesa ${candidate:-?} is older than 24: enabling ${suite}-backports"
      printf '%s\n' "$entry" | as_root tee "$list" >/dev/null
      as_root apt-get update -q
    fi
  fi
  target=(-t "${suite}-backports")
fi
as_root apt-get install -q -y --no-install-recommends "${target[@]}" libvulkan1 mesa-vulkan-drivers
if ! have_loader || ! have_lavapipe; then
  say "the installation left no Vulkan driver" >&2
  exit 1
fi
say "installed Mesa $(mesa_major)"
