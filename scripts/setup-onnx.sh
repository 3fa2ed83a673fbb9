# shellcheck shell=bash
# To be sourced. Makes a Python environment with the pinned onnx package, and what is named beside it; `$onnx_python` is its interpreter.

onnx_package=onnx==1.23.2

setup_onnx() {
  local tools=${CARGO_TARGET_DIR:-target}/tools/onnx
  local pins=(numpy==2.4.6 protobuf==7.36.2 ml_dtypes==0.6.0 typing_extensions==4.16.0)
  onnx_python=$tools/bin/python
  if [ "$(cat "$tools/package" 2>/dev/null)" != "$onnx_package" ]; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null; then
      echo "setup-onnx: installing Python's venv"
      local as_root=()
      [ "$(id -u)" -eq 0 ] || as_root=(sudo)
      "${as_root[@]}" apt-get update -q
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-venv
    fi
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "$onnx_package" "${pins[@]}"
    printf '%s\n' "$onnx_package" >"$tools/package"
  fi
  [ $# -eq 0 ] || "$tools/bin/pip" install --quiet --disable-pip-version-check "$@"
}
