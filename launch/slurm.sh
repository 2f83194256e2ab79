#!/usr/bin/env bash
# Submits a run to Slurm, one process a node with all GPUs that the job has there.
#
#   launch/slurm.sh --nodes=N [--gpus_per_node=G] [--sbatch=OPTION …] [--dry-run] -- FLAGS…
#
# FLAGS are those of `python -m fashionjax.main`; --workdir must lie on a disk that all
# nodes share. --sbatch=OPTION, repeatable, is handed on: --sbatch=--partition=gpu. Two
# minutes before its time is over the job is told to stop: it saves, ends with status 75
# and is queued again. --dry-run prints the batch script instead of submitting it. The
# Python is .venv/bin/python of this repository, or PYTHON=FILE.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

fail() {
  echo "error: $*" >&2
  exit 2
}

nodes='' gpus='' dry_run='' options=()
while [ $# -gt 0 ]; do
  case $1 in
    --nodes=*) nodes=${1#*=} ;;
    --gpus_per_node=*) gpus=${1#*=} ;;
    --sbatch=*) options+=("${1#*=}") ;;
    --dry-run) dry_run=1 ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --) shift; break ;;
    *) fail "unexpected argument $1; see --help" ;;
  esac
  shift
done
[[ $nodes =~ ^[1-9][0-9]*$ ]] || fail "needs --nodes=N"
[[ ${gpus:-1} =~ ^[1-9][0-9]*$ ]] || fail "--gpus_per_node=$gpus is no number"
[ $# -gt 0 ] || fail "needs flags for fashionjax.main after --, such as --config=FILE"

batch_script() {
  cat <<HEAD
#!/usr/bin/env bash
#SBATCH --job-name=fashionjax
#SBATCH --nodes=$nodes
#SBATCH --ntasks-per-node=1
HEAD
  if [ -n "$gpus" ]; then echo "#SBATCH --gpus-per-node=$gpus"; fi
  for option in ${options[@]+"${options[@]}"}; do echo "#SBATCH $option"; done
  cat <<'BODY'
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
BODY
  printf 'cd %q || exit\n' "$PWD"
  printf 'command=('
  printf '%q ' "$python" -u -m fashionjax.main "$@"
  echo ')'
  cat <<'BODY'

hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | paste -sd, -)
export FASHIONJAX_HOSTS=$hosts
export FASHIONJAX_NUM_PROCESSES=$SLURM_JOB_NUM_NODES
# Jobs that share a node must not share a port.
export FASHIONJAX_COORDINATOR=${hosts%%,*}:$((61440 + SLURM_JOB_ID % 4096))

# A process that ends lets the others end by themselves: one that is killed while it
# leaves with status 75 would hide that status.
srun --kill-on-bad-exit=0 --wait=0 --label bash -c \
  'FASHIONJAX_PROCESS_ID=$SLURM_PROCID exec "$@"' fashionjax "${command[@]}" &
step=$!
trap 'kill -TERM "$step"' TERM
# The signal would end a wait, not the step.
while kill -0 "$step" 2>/dev/null; do sleep 1; done
status=0
wait "$step" || status=$?
if [ "$status" = 75 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
BODY
}

if [ -n "$dry_run" ]; then
  batch_script "$@"
else
  batch_script "$@" | sbatch
fi
