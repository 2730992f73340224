#!/bin/sh
# Makes the virtual environment: tools/make_env.sh DIRECTORY
# or one beside it, without the package: tools/make_env.sh DIRECTORY REQUIREMENTS [REQUIREMENTS_WITHOUT_DEPENDENCIES]
set -eu
env=$1

# 3.11 first: the pins were proven with it.
python=
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "error: Python 3.11 or newer is needed and was not found; install it, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi

if ! "$env/bin/python" -c '' >/dev/null 2>&1; then
    echo "making $env with $("$python" --version)"
    rm -rf "$env"
    if ! "$python" -m venv "$env"; then
        rm -rf "$env"
        echo "error: $python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
fi

pip() { "$env/bin/python" -m pip --disable-pip-version-check "$@"; }
echo "installing the pinned requirements (some 200 MB the first time, more where PyTorch comes with CUDA)"
pip install --quiet -r "${2:-requirements.txt}"
if [ $# -eq 1 ]; then
    pip install --quiet --no-deps --no-build-isolation --editable .
    pip check
elif [ $# -gt 2 ]; then
    pip install --quiet --no-deps -r "$3"
fi
touch "$env/.installed"
