# Runs a PostgreSQL cluster until standard input is closed, then deletes it.
#
# Environment:
#   BIN                        directory of the PostgreSQL programs
#   PORT                       port of the server
#   SETTINGS                   lines to append to postgresql.conf
#   TLS_CERT, TLS_KEY, TLS_CA  PEM; TLS is turned on if they are set
#   PRIMARY_DIR, PRIMARY_PORT  socket directory and port of a primary; the cluster becomes its standby
#   DIR                        existing directory to use; by default a temporary one is created
#
# The first line of output is the directory. Then the script reads one command per line and prints one line
# for each: `ok`, or `failed:` with the end of the log.
set -u
cd /
umask 077
# The signal that interrupts the tests must not end this shell before it has cleaned up.
trap '' INT HUP TERM

pid=
dir=${DIR:-$(mktemp -d "${TMPDIR:-/tmp}/fitness-pg.XXXXXX")} || exit 1
data=$dir/data

signal_server() { # signal
  [ -n "$pid" ] || return 0
  kill "-$1" "$pid" 2> /dev/null
  wait "$pid" 2> /dev/null
  pid=
}

clean_up() {
  signal_server QUIT
  rm -rf "$dir" 2> /dev/null
}

is_ready() {
  "$BIN/pg_isready" -q -h "$dir" -p "$PORT"
}

try_start() {
  "$BIN/postgres" -D "$data" -p "$PORT" -k "$dir" < /dev/null >> "$dir/log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2> /dev/null; do
    is_ready && return 0
    sleep 0.05
  done
  wait "$pid" 2> /dev/null
  pid=
  return 1
}

start() {
  # After a kill, the old server's child processes hold its shared memory until they have noticed and exited.
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    : > "$dir/log"
    try_start && return 0
    grep -q -e 'pre-existing shared memory' -e 'lock file' "$dir/log" || return 1
    sleep 0.2
  done
  return 1
}

reply() { # command...
  if "$@"; then echo ok; else echo "failed: $(tail -n 5 "$dir/log" 2> /dev/null | tr '\n' ' ')"; fi
}

copy_primary() {
  "$BIN/pg_basebackup" -D "$data" -h "$PRIMARY_DIR" -p "$PRIMARY_PORT" -U postgres -R -c fast --no-sync \
    > "$dir/log" 2>&1
}

# Uses all space of the disk, which must be one that limited_disk.sh mounted.
fill_disk() {
  dd if=/dev/zero of="$data/ballast" bs=64k > /dev/null 2>&1
  [ -s "$data/ballast" ]
}

create() {
  if [ -n "${PRIMARY_DIR:-}" ]; then
    copy_primary
    return
  fi
  # The write-ahead log is kept off a limited disk: a server that cannot write it crashes instead of
  # reporting an error.
  "$BIN/initdb" -D "$data" ${DIR:+--waldir="$dir/wal"} -U postgres -A trust -E UTF8 --locale=C --no-sync \
    > "$dir/log" 2>&1 || return 1
  printf '%s\n' "$SETTINGS" >> "$data/postgresql.conf" || return 1
  {
    echo 'local all postgres trust'
    echo 'local replication postgres trust'
    echo 'local all all scram-sha-256'
    if [ -n "${TLS_CERT:-}" ]; then
      echo 'hostssl all certified all cert'
      echo 'hostssl all all all scram-sha-256'
    else
      echo 'host all all all scram-sha-256'
    fi
  } > "$data/pg_hba.conf" || return 1
  if [ -n "${TLS_CERT:-}" ]; then
    printf '%s' "$TLS_CERT" > "$data/server.crt"
    printf '%s' "$TLS_KEY" > "$data/server.key"
    printf '%s' "$TLS_CA" > "$data/root.crt"
    printf '%s\n' 'ssl = on' "ssl_ca_file = 'root.crt'" >> "$data/postgresql.conf"
  fi
}

echo "$dir"
while read -r command; do
  case $command in
    create) reply create ;;
    start) reply start ;;
    stop) reply signal_server INT ;;
    stop_immediate) reply signal_server QUIT ;;
    kill) reply signal_server KILL ;;
    fill_disk) reply fill_disk ;;
    free_disk) reply rm -f "$data/ballast" ;;
    *) echo "failed: unknown command" ;;
  esac
done
clean_up
