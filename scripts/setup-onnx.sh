# shellcheck shell=bash
# To be sourced. `setup_onnx [ARGUMENTS of pip]...` makes a Python environment with the pinned onnx package, and what is named beside it;
# `$onnx_python` is its interpreter.

. scripts/setup-venv.sh
onnx_package=onnx==1.23.2

setup_onnx() {
  local tools=${CARGO_TARGET_DIR:-target}/tools/onnx
  setup_venv "$tools" "$onnx_package" numpy==2.4.6 protobuf==7.36.2 ml_dtypes==0.6.0 typing_extensions==4.16.0
  onnx_python=$tools/bin/python
  [ $# -eq 0 ] || "$onnx_python" -m pip install --quiet --disable-pip-version-check "$@"
}
