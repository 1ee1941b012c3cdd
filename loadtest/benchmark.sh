#!/usr/bin/env bash
# Produces the figures of docs/benchmarks.md: starts Standalone on free ports and throw-away data, runs every scenario
# RUNS times (default 3) beside it on the same machine, prints medians as a Markdown table, and stops by itself.
# Usage: loadtest/benchmark.sh [NAME…]   only the rows whose name contains one of the NAMEs
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
RUNS=${RUNS:-3} SECONDS_PER_RUN=${SECONDS_PER_RUN:-8} CLIENTS=${CLIENTS:-1000}

[ "${SKIP_BUILD:-0}" = 1 ] || dotnet build PushSystem.sln -c Release -v quiet -clp:ErrorsOnly || exit 1
work=$(mktemp -d)
pid=""
stop() { [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; pid=""; }
trap 'stop; rm -rf "$work"' EXIT

port() { # a free port below the ephemeral range
  local candidate
  while :; do
    candidate=$((12000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || { echo "$candidate"; return; }
  done
}
start() { # a fresh gateway: no row sees what another row left behind
  rm -rf "$work/data" "$work/gateway.log"
  : >"$work/gateway.log"
  api=$(port) dispatcher=$(port) room=$(port)
  dotnet Standalone/bin/Release/net10.0/PushSystem.Standalone.dll --data "$work/data" --api "127.0.0.1:$api" \
    --dispatcher "127.0.0.1:$dispatcher" --room "127.0.0.1:$room" --no-demo-device >"$work/gateway.log" 2>&1 &
  pid=$!
  for _ in $(seq 200); do grep -q "is ready" "$work/gateway.log" && break; kill -0 "$pid" 2>/dev/null || { cat "$work/gateway.log"; exit 1; }; sleep 0.1; done
  key=$(cat "$work/data/demo.key")
}
load() { # load NAME SCENARIO ARGUMENTS…: one run; the report lands in $work/NAME.RUN.json
  local name=$1; shift
  dotnet loadtest/bin/Release/net10.0/PushSystem.Loadtest.dll "$@" --api "http://127.0.0.1:$api" --dispatcher "http://127.0.0.1:$dispatcher" \
    --api-key "$key" --server-pid "$pid" --plain --json "$work/$name.$run.json" >"$work/$name.$run.log" 2>&1 || { echo "run '$name' failed:"; tail -n 25 "$work/$name.$run.log"; failed=1; }
}
metric() { # metric NAME METRIC: the median over the runs
  for file in "$work/$1".*.json; do sed -nE "s/^ *\"$2\": ([0-9.]+),?$/\1/p" "$file"; done | sort -g | awk '{v[NR]=$1} END {if (NR) print (NR % 2) ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2; else print "-"}'
}
wanted() { [ ${#names[@]} -eq 0 ] && return 0; local word; for word in "${names[@]}"; do case "$1" in *"$word"*) return 0 ;; esac; done; return 1; }
names=("$@") failed=0
row() { printf '| %s | %s | %s | %s |\n' "$@"; }

echo "machine: $(nproc) processors, $(uname -sr), .NET $(dotnet --version), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), load generator on the same machine, $RUNS runs, medians"
echo; row what rate latency "CPU s server / harness"; row --- --- --- ---

unicast() { # unicast NAME TITLE ARGUMENTS…: the peak, then the latency at half of it
  wanted "$1" || return 0
  local name=$1 title=$2; shift 2
  for run in $(seq "$RUNS"); do start; load "$name" unicast --clients "$CLIENTS" --duration "$SECONDS_PER_RUN" "$@"; stop; done
  row "$title" "$(metric "$name" received_per_second)/s received, $(metric "$name" accepted_per_second)/s accepted" \
    "p50 $(metric "$name" latency_ms_p50) ms, p99 $(metric "$name" latency_ms_p99) ms (saturated)" \
    "$(metric "$name" server_cpu_seconds) / $(metric "$name" harness_cpu_seconds)"
  local half; half=$(metric "$name" received_per_second | awk '{print int($1/2)}')
  [ "${half:-0}" -gt 0 ] 2>/dev/null || return 0
  for run in $(seq "$RUNS"); do start; load "$name-half" unicast --clients "$CLIENTS" --duration "$SECONDS_PER_RUN" --rate "$half" "$@"; stop; done
  row "$title, at half the peak" "$half/s sent, $(metric "$name-half" received_per_second)/s received" \
    "p50 $(metric "$name-half" latency_ms_p50) ms, p99 $(metric "$name-half" latency_ms_p99) ms, p99.9 $(metric "$name-half" latency_ms_p99_9) ms" \
    "$(metric "$name-half" server_cpu_seconds) / $(metric "$name-half" harness_cpu_seconds)"
}
unicast transient-single "unicast transient, one per request" --level transient --batch 1 --concurrency 64
unicast transient-batch "unicast transient, 500 per request" --level transient --batch 500 --concurrency 4
unicast durable-batch "unicast durable, 500 per request" --level durable --batch 500 --concurrency 4
unicast durable-single "unicast durable, one per request" --level durable --batch 1 --concurrency 64

if wanted broadcast; then
  for run in $(seq "$RUNS"); do start; load broadcast broadcast --clients 10000 --ramp 5000 --broadcasts 10; stop; done
  row "broadcast to 10,000 clients" "$(metric broadcast deliveries_per_second_median)/s delivered" \
    "to the last client p50 $(metric broadcast time_to_last_ms_p50) ms" "$(metric broadcast server_cpu_seconds) / $(metric broadcast harness_cpu_seconds)"
fi
if wanted connect; then
  for run in $(seq "$RUNS"); do
    start; load connect-2000 connect --clients 2000 --ramp 4000 --hold 5; stop
    start; load connect-15000 connect --clients 15000 --ramp 4000 --hold 5; stop
  done
  slope=$(awk -v a="$(metric connect-2000 server_rss_online_bytes)" -v b="$(metric connect-15000 server_rss_online_bytes)" 'BEGIN {printf "%d", (b-a)/13000}')
  row "connect and login, 15,000 clients" "$(metric connect-15000 connects_per_second)/s" \
    "login p50 $(metric connect-15000 login_ms_p50) ms, p99 $(metric connect-15000 login_ms_p99) ms" "$(metric connect-15000 server_cpu_seconds) / $(metric connect-15000 harness_cpu_seconds)"
  row "memory per idle bound connection, slope from 2,000 to 15,000" "$slope bytes RSS" "" ""
fi
if wanted start; then
  for run in $(seq "$RUNS"); do
    rm -rf "$work/data"; api=$(port) dispatcher=$(port) room=$(port); began=$(date +%s%N)
    dotnet Standalone/bin/Release/net10.0/PushSystem.Standalone.dll --data "$work/data" --api "127.0.0.1:$api" --dispatcher "127.0.0.1:$dispatcher" \
      --room "127.0.0.1:$room" >"$work/gateway.log" 2>&1 &
    pid=$!
    until [ -s "$work/data/demo.key" ] && curl -sf -o /dev/null -X POST "http://127.0.0.1:$api/v1/messages" -H "Authorization: Bearer $(cat "$work/data/demo.key")" \
      -H 'Content-Type: application/json' -d '{"user":"phone-1","text":"first"}'; do sleep 0.01; done
    printf '{\n  "start_ms": %d\n}\n' $((($(date +%s%N) - began) / 1000000)) >"$work/start.$run.json"
    stop
  done
  row "process start to the first accepted push, empty data folder" "$(metric start start_ms) ms" "" ""
fi
exit $failed
