#!/bin/sh
# Stops the receiver that start-webhook.sh started. Requests in flight are answered first; builds go on.

root=$(cd "$(dirname "$0")" && pwd) || exit 1
home=${QUERN_HOME:-$root}
pid_file=$home/logs/webhook.pid

if [ ! -r "$pid_file" ]; then
  echo "stop-webhook.sh: no receiver of $home was started with start-webhook.sh ($pid_file is missing)" >&2
  exit 1
fi
pid=$(cat "$pid_file")

# The words of a running command. Small systems have no ps, and macOS has no /proc.
command_of() {
  if [ -r "/proc/$1/cmdline" ]; then
    tr '\0' ' ' < "/proc/$1/cmdline"
  else
    ps -o args= -p "$1"
  fi 2>/dev/null
}

# Whether a process works in this home, or in one that was here before. A copy of a home brings the number of the other's receiver.
works_here() {
  [ ! -e "/proc/$1/cwd" ] || [ "/proc/$1/cwd" -ef "$home" ] || [ "$(readlink "/proc/$1/cwd")" = "$(cd "$home" && pwd -P) (deleted)" ]
}

# Numbers of processes are used again: only a receiver of this home is ended.
is_receiver() {
  case $(command_of "$pid") in
    *dist/main.cjs\ serve*) works_here "$pid" ;;
    *) return 1 ;;
  esac
}

if [ -z "$pid" ] || ! is_receiver; then
  echo "stop-webhook.sh: process $pid is no receiver of $home (any more); removed $pid_file" >&2
  rm -f "$pid_file"
  exit 1
fi
kill "$pid"
tries=0
while is_receiver; do
  tries=$((tries + 1))
  if [ $tries -gt 150 ]; then
    echo "stop-webhook.sh: process $pid does not end; end it with: kill -9 $pid" >&2
    exit 1
  fi
  sleep 0.1
done
rm -f "$pid_file"
echo "Stopped the receiver (process $pid)"
