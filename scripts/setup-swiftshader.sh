#!/usr/bin/env bash
# Puts SwiftShader, a Vulkan driver that runs on the CPU and is no relative of Mesa's, under target/swiftshader, and prints what
# VK_DRIVER_FILES has to be to use it. Two files out of Debian's package chromium-common; nothing is installed. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup-swiftshader: %s\n' "$*" >&2; }

mkdir -p "${CARGO_TARGET_DIR:-target}"
folder=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/swiftshader
driver=$folder/vk_swiftshader_icd.json
if [ -e "$driver" ]; then
  say "version $(cat "$folder/version") is there; nothing to do"
  echo "$driver"
  exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  say "this takes the driver from Debian's package chromium-common, and there is no apt-get here"
  exit 1
fi

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
candidate() { apt-cache policy chromium-common 2>/dev/null | sed -n 's/^ *Candidate: //p'; }

# An old list names versions that the archive has no more.
download() { (cd "$work" && apt-get download -q "chromium-common=$(candidate)"); }
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! download >&2; then
  as_root apt-get update -q >&2
  download >&2
fi
mkdir "$work/files"
dpkg-deb --fsys-tarfile "$work"/chromium-common_*.deb |
  tar -x -C "$work/files" ./usr/lib/chromium/vk_swiftshader_icd.json ./usr/lib/chromium/libvk_swiftshader.so
candidate >"$work/files/usr/lib/chromium/version"
# The last step, so that what is half done is not taken for whole.
rm -rf "$folder"
mv "$work/files/usr/lib/chromium" "$folder"
say "took SwiftShader from chromium-common $(cat "$folder/version")"
echo "$driver"
