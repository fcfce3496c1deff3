#!/bin/sh
# Pins and hashes the requirements: scripts/lock.sh UV [--upgrade]. No registry is named in what it writes.
set -eu
uv=$1
shift
compile() {
    "$uv" pip compile --universal --python-version 3.11 --generate-hashes --no-config --quiet \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@" \
        pyproject.toml requirements/build.in
}
compile "$@" --output-file requirements/serve.txt
compile "$@" --extra dev --extra bench --constraint requirements/serve.txt --output-file requirements/dev.txt
compile "$@" --extra rivals --constraint requirements/serve.txt --output-file requirements/rivals.txt
