#!/usr/bin/env bash
# Starts one run as several processes on this machine; ends all when one fails.
#
#   launch/local.sh --processes=N [--devices_per_process=M] [--port=P] [--dry-run] -- FLAGS…
#
# FLAGS are those of `python -m fashionjax.main`. On a machine with GPUs each process
# gets its own share of them, otherwise (and with JAX_PLATFORMS=cpu) M virtual CPU
# devices. Every line of output is preceded by the number of its process. SIGTERM and
# Ctrl-C go to all processes. Exit status: that of the first process that failed; 75 if
# the run was stopped and goes on when the same command is given again.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
grace_seconds=${FASHIONJAX_GRACE_SECONDS:-15}

fail() {
  echo "error: $*" >&2
  exit 2
}

processes='' devices='' port='' dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --processes=*) processes=${1#*=} ;;
    --devices_per_process=*) devices=${1#*=} ;;
    --port=*) port=${1#*=} ;;
    --dry-run) dry_run=1 ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --) shift; break ;;
    *) fail "unexpected argument $1; see --help" ;;
  esac
  shift
done
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "needs --processes=N"
[[ ${devices:-1} =~ ^[1-9][0-9]*$ ]] || fail "--devices_per_process=$devices is no number"
[[ ${port:-1} =~ ^[1-9][0-9]*$ ]] || fail "--port=$port is no number"
[ $# -gt 0 ] || fail "needs flags for fashionjax.main after --, such as --config=FILE"

# The GPUs that this shell may use, one a line.
list_gpus() {
  if [ "${JAX_PLATFORMS:-}" = cpu ]; then
    return
  elif [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
    tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | sed '/^$/d'
  elif command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || true
  fi
}

gpus=()
while read -r gpu; do gpus+=("$gpu"); done < <(list_gpus)
num_gpus=${#gpus[@]}
if [ "$num_gpus" -gt 0 ]; then
  devices=${devices:-$((num_gpus / processes))}
  if [ "$devices" = 0 ] || [ $((devices * processes)) -gt "$num_gpus" ]; then
    fail "$processes processes cannot share $num_gpus GPUs; JAX_PLATFORMS=cpu leaves them"
  fi
fi
if [ -z "$port" ]; then
  port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
fi

# What process $1 is told, one NAME=VALUE a line.
settings_of() {
  echo "FASHIONJAX_COORDINATOR=127.0.0.1:$port"
  echo "FASHIONJAX_NUM_PROCESSES=$processes"
  echo "FASHIONJAX_PROCESS_ID=$1"
  # Nobody else on the network can reach what only this machine needs.
  echo "JAX_COORDINATOR_BIND_ADDRESS=127.0.0.1:$port"
  if [ "$num_gpus" -gt 0 ]; then
    local share=("${gpus[@]:$(($1 * devices)):$devices}")
    (IFS=, && echo "CUDA_VISIBLE_DEVICES=${share[*]}")
  else
    echo "JAX_NUM_CPU_DEVICES=${devices:-1}"
  fi
}

prefix() {
  local line
  trap '' INT TERM
  # The last line may lack its end.
  while IFS= read -r line || [ -n "$line" ]; do printf '[%s] %s\n' "$1" "$line"; done
}

# Process groups: a signal can reach a process together with its data workers, and
# Ctrl-C is not ignored as it is in a script's background jobs.
set -m
pids=()
for ((i = 0; i < processes; i++)); do
  settings=()
  while read -r setting; do settings+=("$setting"); done < <(settings_of "$i")
  command=(env "${settings[@]}" "$python" -u -m fashionjax.main "$@")
  if [ -n "$dry_run" ]; then
    printf '%q ' "${command[@]}" | sed 's/ $//'
    echo
    continue
  fi
  "${command[@]}" > >(prefix "$i") 2> >(prefix "$i" >&2) </dev/null &
  pids+=($!)
done
[ -z "$dry_run" ] || exit 0

trap 'kill -TERM "${pids[@]}" 2>/dev/null || true' TERM
trap 'kill -INT "${pids[@]}" 2>/dev/null || true' INT

# 75 is no failure: the other processes are about to end with it as well.
status=0 deadline='' running=("${pids[@]}")
while [ ${#running[@]} -gt 0 ]; do
  left=()
  for pid in "${running[@]}"; do
    if kill -0 "$pid" 2>/dev/null; then
      left+=("$pid")
      continue
    fi
    ended=0
    wait "$pid" 2>/dev/null || ended=$?
    if [ "$ended" != 0 ] && { [ "$status" = 0 ] || [ "$status" = 75 ]; }; then
      status=$ended
    fi
  done
  running=(${left[@]+"${left[@]}"})
  if [ "$status" != 0 ] && [ "$status" != 75 ] && [ -z "$deadline" ]; then
    # A process that failed tells the others, and they end by themselves; one that was
    # killed could not. SIGTERM would make them wait for it to save.
    echo "error: a process ended with status $status; the others end too" >&2
    deadline=$((SECONDS + grace_seconds))
  fi
  if [ -n "$deadline" ] && [ "$SECONDS" -ge "$deadline" ]; then
    for pid in "${pids[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
  fi
  sleep 0.2
done
# Data workers of a process that was killed.
for pid in "${pids[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
exit "$status"
