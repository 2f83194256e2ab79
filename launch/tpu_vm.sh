#!/usr/bin/env bash
# Starts a run on all workers of a Cloud TPU VM slice, one process a worker.
#
#   launch/tpu_vm.sh --name=TPU --zone=ZONE [--project=PROJECT] [--dir=DIR] [--dry-run] -- FLAGS…
#
# FLAGS are those of `python -m fashionjax.main`; --workdir must lie where all workers
# can write, such as a mounted bucket. Every worker needs this repository, with a virtual
# environment .venv that has the extra `tpu`, in DIR (default: fashionjax, in the home
# folder). The processes find each other through the slice's metadata.
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit 2
}

name='' zone='' project='' dir=fashionjax dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --name=*) name=${1#*=} ;;
    --zone=*) zone=${1#*=} ;;
    --project=*) project=${1#*=} ;;
    --dir=*) dir=${1#*=} ;;
    --dry-run) dry_run=1 ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --) shift; break ;;
    *) fail "unexpected argument $1; see --help" ;;
  esac
  shift
done
[ -n "$name" ] || fail "needs --name=TPU"
[ -n "$zone" ] || fail "needs --zone=ZONE"
[ $# -gt 0 ] || fail "needs flags for fashionjax.main after --, such as --config=FILE"

remote="cd $(printf '%q' "$dir") && exec .venv/bin/python -u -m fashionjax.main"
remote+="$(printf ' %q' --distributed=auto "$@")"
command=(gcloud compute tpus tpu-vm ssh "$name" "--zone=$zone")
if [ -n "$project" ]; then command+=("--project=$project"); fi
command+=(--worker=all "--command=$remote")
if [ -n "$dry_run" ]; then
  printf '%q ' "${command[@]}" | sed 's/ $//'
  echo
else
  exec "${command[@]}"
fi
