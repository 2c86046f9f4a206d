# Keeps a PostgreSQL cluster for as long as somebody holds the other end of its standard input.
# The environment says how: BIN, PORT, SETTINGS (lines of postgresql.conf); TLS_CERT, TLS_KEY, TLS_CA (PEM)
# where there is to be TLS; PRIMARY_DIR and PRIMARY_PORT where it is to follow another cluster; DIR where
# there is a directory already. Commands come line by line, and each is answered by a line.
set -u
cd /
umask 077
# Whoever interrupts the tests ends them, and thereby us: not before we have cleaned up.
trap '' INT HUP TERM

pid=
dir=${DIR:-$(mktemp -d "${TMPDIR:-/tmp}/fitness-pg.XXXXXX")} || exit 1
data=$dir/data

halt() { # signal
  [ -n "$pid" ] || return 0
  kill "-$1" "$pid" 2> /dev/null
  wait "$pid" 2> /dev/null
  pid=
}

finish() {
  halt QUIT
  rm -rf "$dir" 2> /dev/null
}

is_up() {
  "$BIN/pg_isready" -q -h "$dir" -p "$PORT"
}

launch() {
  "$BIN/postgres" -D "$data" -p "$PORT" -k "$dir" < /dev/null >> "$dir/log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2> /dev/null; do
    is_up && return 0
    sleep 0.05
  done
  wait "$pid" 2> /dev/null
  pid=
  return 1
}

start() {
  # After a kill the old server's children take a moment to find out; until then they have its memory.
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    : > "$dir/log"
    launch && return 0
    grep -q -e 'pre-existing shared memory' -e 'lock file' "$dir/log" || return 1
    sleep 0.2
  done
  return 1
}

answer() { # command...
  if "$@"; then echo ok; else echo "failed: $(tail -n 5 "$dir/log" 2> /dev/null | tr '\n' ' ')"; fi
}

follow() {
  "$BIN/pg_basebackup" -D "$data" -h "$PRIMARY_DIR" -p "$PRIMARY_PORT" -U postgres -R -c fast --no-sync \
    > "$dir/log" 2>&1
}

# Leaves nothing of the disk, which has to be one of our own.
fill() {
  dd if=/dev/zero of="$data/ballast" bs=64k > /dev/null 2>&1
  [ -s "$data/ballast" ]
}

create() {
  if [ -n "${PRIMARY_DIR:-}" ]; then
    follow
    return
  fi
  # A server that cannot write its journal does not refuse anything: it crashes. That is another test.
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
    create) answer create ;;
    start) answer start ;;
    stop) answer halt INT ;;
    crash) answer halt QUIT ;;
    kill) answer halt KILL ;;
    fill) answer fill ;;
    free) answer rm -f "$data/ballast" ;;
    *) echo "failed: no such command" ;;
  esac
done
finish
