# Runs the supervisor script in SCRIPT with the data directory on a tmpfs of DISK_SIZE_MB megabytes.
# Must be run as root in a separate mount namespace.
set -u
trap '' INT HUP TERM
DIR=$(mktemp -d "${TMPDIR:-/tmp}/fitness-pg.XXXXXX") || exit 1
mkdir "$DIR/data"
options="size=${DISK_SIZE_MB}m,mode=700,uid=$(id -u postgres),gid=$(id -g postgres)"
if mount -t tmpfs -o "$options" tmpfs "$DIR/data"; then
  chown postgres "$DIR"
  export DIR
  runuser -u postgres -- sh -c "$SCRIPT"
  umount "$DIR/data"
fi
rm -rf "$DIR"
