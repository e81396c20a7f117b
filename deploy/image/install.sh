#!/bin/sh
# Install Pilotage into an empty directory: install.sh DEST [cli]
#
# Without `cli` DEST holds worker, watcher and receiver; with it the whole command line. Every distribution is of the
# version and hash that deploy/requirements/ locks; nothing is resolved, and nothing but Pilotage itself is built.
# PYTHON names the interpreter (python3), which DEST goes on using.
set -eu

usage() {
  echo "usage: $0 DEST [cli]; DEST is an empty directory, or none yet" >&2
  exit 2
}

test $# -ge 1 && test $# -le 2 || usage
dest=$1
case ${2-} in
  '') lock=runtime ;;
  cli) lock=cli ;;
  *) usage ;;
esac
if test -e "$dest" && test -n "$(ls -A "$dest")"; then
  usage
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
requirements=$root/deploy/requirements
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
pinned='--quiet --no-deps --no-compile --require-hashes --only-binary :all:'

"${PYTHON:-python3}" -m venv "$scratch/build"
build=$scratch/build/bin/python
# shellcheck disable=SC2086 # several options
"$build" -m pip install $pinned --requirement "$requirements/build.txt"
(cd "$root" && "$build" -m hatchling build --target wheel --directory "$scratch/wheel" >&2)

"${PYTHON:-python3}" -m venv --without-pip "$dest"
# shellcheck disable=SC2086
"$build" -m pip --python "$dest/bin/python" install $pinned --report "$scratch/report.json" \
  --requirement "$requirements/$lock.txt"
"$build" -m pip --python "$dest/bin/python" install --quiet --no-deps --no-compile --no-index "$scratch"/wheel/*.whl
# Once, here: the user that runs it later can write nothing. Never compared with the sources, whose times a copy may change.
"$dest/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$dest/lib"
mkdir -p "$dest/share/pilotage"
"$dest/bin/python" "$root/deploy/image/sbom.py" "$scratch/report.json" >"$dest/share/pilotage/sbom.cdx.json"
chmod -R a+rX,go-w "$dest"
