#!/bin/sh
# Starts the receiver in the background and waits until it answers. stop-webhook.sh ends it.

root=$(cd "$(dirname "$0")" && pwd) || exit 1
home=${QUERN_HOME:-$root}
pid_file=$home/logs/webhook.pid
output=$home/logs/webhook.out

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

# Whether the process with this number is a receiver of this home, or this script on its way to one: numbers are used again.
is_ours() {
  case $(command_of "$1") in
    *dist/main.cjs\ serve*) works_here "$1" ;;
    *start-webhook.sh*) return 0 ;;
    *) return 1 ;;
  esac
}

# Takes the pid file, or says who has it. Creating it fails where it exists, so that two starts at once cannot both go on.
take_pid_file() {
  (set -C && echo $$ > "$pid_file") 2>/dev/null && return 0
  if [ ! -e "$pid_file" ]; then
    echo "start-webhook.sh: cannot write $pid_file; may $(id -un) write there?" >&2
    exit 1
  fi
  pid=$(cat "$pid_file")
  if [ -n "$pid" ] && is_ours "$pid"; then
    echo "start-webhook.sh: the receiver of $home runs already (process $pid); stop it first with $root/stop-webhook.sh" >&2
    exit 1
  fi
  rm -f "$pid_file"
  (set -C && echo $$ > "$pid_file") 2>/dev/null && return 0
  echo "start-webhook.sh: another start is under way" >&2
  exit 1
}

# Starts it in a session of its own, so that closing this terminal does not end it (Node would undo nohup).
# setsid, the launcher and Node replace one another, so that the number of the first is that of the last.
start() {
  # Made here, not in the background: what an earlier receiver said must not be taken for this one's word.
  : > "$output" || exit 1
  (
    cd "$home" || exit 1
    if command -v setsid >/dev/null 2>&1; then
      QUERN_HOME=$PWD exec setsid "$root/bin/quern" serve
    else
      QUERN_HOME=$PWD exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$root/bin/quern" serve
    fi
  ) < /dev/null >> "$output" 2>&1 &
  receiver=$!
}

# Whether the receiver that says it listens answers, too.
answers() {
  url=$(sed -n 's/^Listening on \(.*:\/\/[^/]*\).*/\1/p' "$output" | head -n 1)
  [ -n "$url" ] || return 1
  if command -v curl >/dev/null 2>&1; then
    curl -fsk --noproxy '*' -m 2 -o /dev/null "$url/healthz"
  elif command -v wget >/dev/null 2>&1; then
    wget -q --no-proxy -T 2 --no-check-certificate -O /dev/null "$url/healthz"
  fi
}

# Whoever interrupts the wait wants no receiver: stop-webhook.sh would not know it.
give_up() {
  [ -z "$receiver" ] || kill "$receiver" 2>/dev/null
  rm -f "$pid_file"
  exit 1
}

if [ ! -d "$home" ]; then
  echo "start-webhook.sh: there is no $home: make a home there with quern init, or name another by QUERN_HOME" >&2
  exit 1
fi
# Quern refuses root there, too, but only after this has left files in which the home's user could write no more.
if [ -O / ] && [ ! -O "$home" ]; then
  echo "start-webhook.sh: $home belongs to another user, and you are root: call this as that user" >&2
  exit 1
fi
mkdir -p "$home/logs" || exit 1
take_pid_file
receiver=
trap give_up INT TERM HUP
start
tries=0
until answers; do
  tries=$((tries + 1))
  if ! kill -0 "$receiver" 2>/dev/null || [ $tries -gt 100 ]; then
    echo "start-webhook.sh: the receiver did not start:" >&2
    cat "$output" >&2
    kill "$receiver" 2>/dev/null
    rm -f "$pid_file"
    exit 1
  fi
  sleep 0.1
done
echo "$receiver" > "$pid_file"
trap - INT TERM HUP
cat "$output"
