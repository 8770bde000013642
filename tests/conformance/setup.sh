#!/usr/bin/env bash
# Makes the environments of the conformance tests, beside this file:
#   .venv/clients      boto3, the AWS CLI, authlib, requests-oauthlib, pytest: what calls credbroker
#   .venv/upstreams    moto, ministack: what credbroker calls
#   node/node_modules  oidc-provider: what credbroker calls; the AWS SDK for JavaScript, oauth4webapi, aws-jwt-verify,
#                      puppeteer-core and axe-core: what calls credbroker or judges with it
# and sees to it that nginx and Chromium are there, as packages of the machine.
# Each environment is keyed by a hash of its requirements, so a warm run installs nothing. Besides those packages of the
# machine, only this directory is written to.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '   %s\n' "$*"; }
stop() { printf 'conformance: %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 ||
  stop "python3 is not installed; it is needed for the conformance tests only (Debian: apt-get install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$python" --version) is too old; the pinned packages want Python 3.11 or newer (set PYTHON=… to choose one)."

# Debian splits venv out of python3; `import venv` works there while making one does not, ensurepip tells them apart.
if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "python3 has no venv module: installing the Debian package python3-venv"
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null 2>&1 ||
      { apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null; } ||
      stop "python3-venv could not be installed; install it by hand and run this again."
  else
    stop "python3 has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv) and run this again."
  fi
fi

environment() { # name, requirements file
  local at=.venv/$1 wanted key
  wanted=$({ "$python" --version; cat "$2"; } | sha256sum | cut -d' ' -f1)
  key=$at/.installed-for
  if [ -x "$at/bin/python" ] && [ "$(cat "$key" 2>/dev/null)" = "$wanted" ]; then
    say "python environment '$1' is up to date"
    return
  fi
  say "making the python environment '$1' from $2 (once; about 20 s)"
  rm -rf "$at"
  "$python" -m venv "$at" || stop "'$python -m venv' failed; see the lines above."
  "$at/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2" ||
    stop "pip could not install $2; the lines above say why (is the package index reachable?)."
  # Written last: an interrupted install is made again from nothing.
  printf '%s\n' "$wanted" >"$key"
}

# A program of the machine, at the version of its release: installed where that can be done without asking anybody.
program() { # command, Debian package, what for
  if command -v "$1" >/dev/null 2>&1; then
    say "$1 is installed"
    return
  fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    stop "$1 is not installed; $3 (Debian, Ubuntu: apt-get install $2)."
  fi
  say "$1 is not installed: installing the Debian package $2 (once)"
  # No service is started by the installation: invoke-rc.d does nothing in runlevel 1.
  apt_get() { RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq --no-install-recommends "$@" >/dev/null 2>&1; }
  apt_get install -y "$2" || { apt_get update && apt_get install -y "$2"; } ||
    stop "the package $2 could not be installed; install it by hand and run this again."
}

environment clients requirements.txt
environment upstreams requirements-upstreams.txt

command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 ||
  stop "node or npm is not installed; the conformance tests need both (Debian: apt-get install nodejs npm)."
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
  stop "node $(node --version) is too old; oidc-provider runs on 20 and newer (22 and newer without a warning)."

node_modules() {
  local key=node/node_modules/.installed-for wanted
  wanted=$({ node --version; cat node/package-lock.json; } | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$key" 2>/dev/null)" = "$wanted" ]; then
    say "node packages are up to date"
    return
  fi
  say "installing the node packages of node/package-lock.json (once; about 20 s)"
  (cd node && npm ci --silent) ||
    stop "npm ci failed in $PWD/node; run it there to see why (is the package registry reachable?)."
  printf '%s\n' "$wanted" >"$key"
}

node_modules
program nginx nginx-light "forward-auth is tested with it"
program chromium chromium "the page at / is tested with it"
