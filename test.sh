#!/usr/bin/env bash
# Installs what the tests need, builds everything, runs every test and ends with "N passed, N failed".
# Usage: ./test.sh [NAME…]   only the test projects whose name contains one of the NAMEs
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en

PATH=$PATH:/usr/sbin
need() { # need PACKAGE FILE…: installs PACKAGE unless one of the FILEs, a command or a path, is there
  local package=$1 file
  shift
  has() { for file in "$@"; do { command -v "$file" || ls "$file"; } >/dev/null 2>&1 && return 0; done; return 1; }
  has "$@" && return
  echo "== installing $package (for $1)"
  if [ "$(id -u)" = 0 ]; then run=""; else run="sudo"; fi
  export DEBIAN_FRONTEND=noninteractive
  { $run apt-get install -y --no-install-recommends "$package" || { $run apt-get update && $run apt-get install -y --no-install-recommends "$package"; }; } >/dev/null 2>&1
  has "$@" || { echo "$1 is needed by the tests and could not be installed (package $package)"; echo "0 passed, 1 failed"; exit 1; }
}
command -v dotnet >/dev/null 2>&1 || { echo "the .NET 10 SDK is needed: https://dotnet.microsoft.com/download"; echo "0 passed, 1 failed"; exit 1; }
need curl curl
need etcd-server etcd
need etcd-client etcdctl
need redis-server redis-server
need redis-tools redis-cli
need mariadb-server mariadbd
need libmariadb3 /usr/lib/x86_64-linux-gnu/libmariadb.so.3 /usr/lib/aarch64-linux-gnu/libmariadb.so.3 /usr/lib64/libmariadb.so.3

echo "== build"
if ! dotnet build PushSystem.sln -c Release -v quiet -clp:ErrorsOnly; then
  echo "the build failed"
  echo "0 passed, 1 failed"
  exit 1
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
passed=0 failed=0
for project in tests/*.Tests; do
  name=$(basename "$project")
  if [ $# -gt 0 ]; then
    wanted=0
    for word in "$@"; do case "$name" in *"$word"*) wanted=1 ;; esac; done
    [ $wanted = 1 ] || continue
  fi
  echo "== $name"
  log="$results/$name.log"
  timeout --kill-after=10 "${TEST_TIMEOUT:-900}" dotnet "$project/bin/Release/net10.0/PushSystem.$name.dll" -noColor -noLogo -longRunning 60 >"$log" 2>&1
  code=$?
  # The runner's closing line: "Total: 12, Errors: 0, Failed: 1, Skipped: 0, Not Run: 0, Time: 1.2s"
  summary=$(grep -E 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+' "$log" | tail -n 1)
  number() { sed -nE "s/.*$1: ([0-9]+).*/\1/p" <<<"$summary"; }
  total=$(number Total) bad=$(( $(number Failed || echo 0) + $(number Errors || echo 0) )) skipped=$(number Skipped)
  if [ -z "$summary" ] || { [ $code -ne 0 ] && [ "$bad" -eq 0 ]; }; then
    tail -n 60 "$log"
    echo "$name did not run to its end (exit code $code)"
    failed=$((failed + 1))
    continue
  fi
  # A skipped test is a test that nobody ran: it counts as failed.
  bad=$((bad + skipped))
  [ "$bad" -gt 0 ] && cat "$log"
  [ "$total" -eq 0 ] && { echo "$name has no test"; bad=1; total=1; }
  echo "   $((total - bad)) passed, $bad failed"
  passed=$((passed + total - bad)) failed=$((failed + bad))
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
