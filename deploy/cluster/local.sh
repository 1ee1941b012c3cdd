#!/usr/bin/env bash
# A whole cluster on this machine: etcd, redis, MariaDB and two processes of every role on free ports, with an app to push to.
# Prints addresses and a curl line, runs until Ctrl+C, and then stops everything that it started.
#
# usage: deploy/cluster/local.sh [--each N] [--data DIR] [--port FIRST] [--lease SECONDS] [--no-build]
#   --each N         processes of every role (default 2)
#   --data DIR       keep everything in DIR (default: a temporary folder that is removed at the end)
#   --port FIRST     first port to look at (default 17000); taken ones are passed over
#   --lease SECONDS  how long a node that is not heard of counts as alive (default 10)
#   --no-build       use what is built
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
configuration=${CONFIGURATION:-Release} each=2 data="" port=17000 lease=10 build=1
while [ $# -gt 0 ]; do
  case "$1" in
    --each) each=$2; shift 2 ;;
    --data) data=$2; shift 2 ;;
    --port) port=$2; shift 2 ;;
    --lease) lease=$2; shift 2 ;;
    --no-build) build=0; shift ;;
    *) sed -n '2,11p' "$0" | cut -c3-; exit 2 ;;
  esac
done
for command in dotnet etcd redis-server mariadb-install-db curl; do
  command -v $command >/dev/null || { echo "$command is needed: apt-get install etcd-server redis-server mariadb-server curl, and the .NET 10 SDK"; exit 1; }
done
mariadbd=$(PATH=$PATH:/usr/sbin command -v mariadbd)
if [ -z "$data" ]; then data=$(mktemp -d); temporary=1; else mkdir -p "$data"; data=$(realpath "$data"); temporary=0; fi

pids=()
stop() { # the nodes first and all at once, then what they stand on
  trap - EXIT INT TERM
  echo "stopping"
  local node=()
  for pid in "${pids[@]:3}"; do kill -TERM "$pid" 2>/dev/null && node+=("$pid"); done
  for pid in "${node[@]}"; do wait "$pid" 2>/dev/null; done
  for pid in "${pids[@]:0:3}"; do kill -TERM "$pid" 2>/dev/null; done
  for pid in "${pids[@]:0:3}"; do wait "$pid" 2>/dev/null; done
  [ $temporary = 1 ] && rm -rf "$data"
  exit "${1:-0}"
}
trap 'stop 0' INT TERM
trap 'stop 1' EXIT

free() { # free: the next port that nobody listens on, in $REPLY
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  REPLY=$port
  port=$((port + 1))
}
run() { # run NAME COMMAND…: in the background, output to NAME.log; away from the terminal's Ctrl+C, which is this script's
  local name=$1
  shift
  setsid "$@" >"$data/$name.log" 2>&1 </dev/null &
  pids+=($!)
}
await() { # await NAME TEXT: until NAME printed TEXT
  for _ in $(seq 600); do
    grep -q "$2" "$data/$1.log" 2>/dev/null && return
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  echo "$1 did not start; the end of its output ($data/$1.log):"
  tail -n 20 "$data/$1.log"
  stop 1
}

if [ $build = 1 ]; then
  echo "building"
  dotnet build PushSystem.sln -c "$configuration" -v quiet -clp:ErrorsOnly || exit 1
fi

free; etcd=$REPLY; free; peer=$REPLY; free; redis=$REPLY; free; sql=$REPLY
run etcd etcd --name one --data-dir "$data/etcd" --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "one=http://127.0.0.1:$peer"
await etcd "ready to serve client requests"
mkdir -p "$data/redis"
run redis redis-server deploy/cluster/redis.conf --port "$redis" --bind 127.0.0.1 --dir "$data/redis"
await redis "Ready to accept connections"
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
[ -s "$data/sql.password" ] && password=$(cat "$data/sql.password")
(umask 077; echo "$password" >"$data/sql.password")
[ -d "$data/mariadb" ] || mariadb-install-db --no-defaults --datadir="$data/mariadb" --user="$(id -un)" --auth-root-authentication-method=normal --skip-test-db >"$data/mariadb-install.log" 2>&1 \
  || { cat "$data/mariadb-install.log"; exit 1; }
(umask 077; printf "CREATE USER IF NOT EXISTS 'push'@'127.0.0.1' IDENTIFIED BY '%s';\nCREATE DATABASE IF NOT EXISTS push;\nGRANT ALL ON push.* TO 'push'@'127.0.0.1';\n" "$password" >"$data/users.sql")
run mariadb "$mariadbd" --no-defaults --datadir="$data/mariadb" --port="$sql" --bind-address=127.0.0.1 --socket="$data/mariadb.sock" \
  --pid-file="$data/mariadb.pid" --user="$(id -un)" --skip-name-resolve --init-file="$data/users.sql"
await mariadb "ready for connections"

[ -s "$data/cluster.key" ] || (umask 077; od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$data/cluster.key"; echo >>"$data/cluster.key")
[ -s "$data/admin.key" ] || (umask 077; echo "pa_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$data/admin.key")

node() { # node ROLE N "more lines of the node file"
  local id="$1-$2"
  free; local links=$REPLY; free; local http=$REPLY
  cat >"$data/$id.yaml" <<YAML
cluster: local
node: $id
data: $data/$id
clusterKeyFile: $data/cluster.key
etcd:
  endpoints: ["http://127.0.0.1:$etcd"]
  leaseTime: 00:00:$(printf '%02d' "$lease")
links:
  listen: 127.0.0.1:$links
http:
  listen: 127.0.0.1:$http
$3
YAML
  echo "$id $http" >>"$data/nodes"
  run "$id" dotnet "${1^}/bin/$configuration/net10.0/PushSystem.${1^}.dll" --config "$data/$id.yaml"
}
: >"$data/nodes"
store="redis:
  endPoints: 127.0.0.1:$redis"
for n in $(seq "$each"); do
  node saver "$n" "$store
sql:
  connectionString: Server=127.0.0.1;Port=$sql;User ID=push;Database=push
  passwordFile: $data/sql.password"
  node register "$n" "$store"
  node coordinator "$n" ""
done
rooms="" centers="" dispatchers=""
for n in $(seq "$each"); do
  free; rooms="$rooms 127.0.0.1:$REPLY"
  node room "$n" "room:
  listen: [\"127.0.0.1:$REPLY\"]"
  free; centers="$centers http://127.0.0.1:$REPLY"
  node center "$n" "center:
  listen: 127.0.0.1:$REPLY
  adminKeyFile: $data/admin.key"
  free; dispatchers="$dispatchers http://127.0.0.1:$REPLY"
  node dispatcher "$n" "dispatcher:
  listen: 127.0.0.1:$REPLY"
done
while read -r id _; do await "$id" "is ready"; done <"$data/nodes"

api=${centers# }; api=${api%% *}
answer=$(curl -s -X POST "$api/v1/apps" -H "Authorization: Bearer $(cat "$data/admin.key")" -H 'Content-Type: application/json' -d '{"id":"demo"}')
key=$(sed -nE 's/.*"apiKey":"([^"]+)".*/\1/p' <<<"$answer")
if [ -n "$key" ]; then (umask 077; echo "$key" >"$data/demo.key"); else key=$(cat "$data/demo.key" 2>/dev/null); fi
[ -n "$key" ] || { echo "the app could not be made: $answer"; exit 1; }
cat <<TEXT

The cluster is ready: $each of every role.
  API          $centers
  Dispatchers  $dispatchers
  Rooms        $rooms
  etcd         http://127.0.0.1:$etcd   redis 127.0.0.1:$redis   MariaDB 127.0.0.1:$sql
  Files        $data   (node files, logs, keys; "nodes" lists each node's port for /health/ready and /metrics)

Push to a user, and ask for it:
  curl -s -X POST $api/v1/messages -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' -d '{"user":"phone-1","text":"hello"}'
  curl -s $api/v1/users/phone-1 -H 'Authorization: Bearer $key'

List the nodes:
  dotnet deploy/pushctl/bin/$configuration/net10.0/PushSystem.Pushctl.dll --etcd http://127.0.0.1:$etcd --cluster local nodes

Ctrl+C stops everything.
TEXT
# Until a signal; a node that dies is told, the others go on.
while :; do
  for i in "${!pids[@]}"; do
    if [ -n "${pids[$i]}" ] && ! kill -0 "${pids[$i]}" 2>/dev/null; then
      echo "process ${pids[$i]} ended; its log is in $data"
      pids[$i]=""
    fi
  done
  sleep 1 &
  wait $!
done
