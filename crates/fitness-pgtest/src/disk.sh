# Runs the supervisor, whose script is SCRIPT, with a disk of DISK MB of its own under the data directory. Run
# as root, in a mount namespace of its own.
set -u
trap '' INT HUP TERM
DIR=$(mktemp -d "${TMPDIR:-/tmp}/fitness-pg.XXXXXX") || exit 1
mkdir "$DIR/data"
if mount -t tmpfs -o "size=${DISK}m,mode=700,uid=$(id -u postgres),gid=$(id -g postgres)" tmpfs "$DIR/data"; then
  chown postgres "$DIR"
  export DIR
  runuser -u postgres -- sh -c "$SCRIPT"
  umount "$DIR/data"
fi
rm -rf "$DIR"
