#!/usr/bin/env bash
# Starts a run on a Kubernetes cluster that has the JobSet controller, one process a pod.
#
#   launch/kubernetes.sh --name=NAME --image=IMAGE --claim=CLAIM --processes=N
#       [--gpus_per_process=G] [--restarts=R] [--dry-run] -- FLAGS…
#
# FLAGS are those of `python -m fashionjax.main`. IMAGE holds Python with fashionjax and
# the configs in its working folder. CLAIM is a PersistentVolumeClaim that all pods can
# write; it is mounted at /shared, and --workdir must lie there. After status 75 and after
# lost pods all processes start again, R times in all (default 10). --dry-run prints the
# manifest, launch/jobset.yaml filled in, instead of applying it.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "error: $*" >&2
  exit 2
}

name='' image='' claim='' processes='' gpus='' restarts=10 dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --name=*) name=${1#*=} ;;
    --image=*) image=${1#*=} ;;
    --claim=*) claim=${1#*=} ;;
    --processes=*) processes=${1#*=} ;;
    --gpus_per_process=*) gpus=${1#*=} ;;
    --restarts=*) restarts=${1#*=} ;;
    --dry-run) dry_run=1 ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --) shift; break ;;
    *) fail "unexpected argument $1; see --help" ;;
  esac
  shift
done
[[ $name =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] || fail "needs --name=NAME: a-z, 0-9 and -"
[ -n "$image" ] || fail "needs --image=IMAGE"
[ -n "$claim" ] || fail "needs --claim=CLAIM"
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "needs --processes=N"
[[ ${gpus:-1} =~ ^[1-9][0-9]*$ ]] || fail "--gpus_per_process=$gpus is no number"
[[ $restarts =~ ^[0-9]+$ ]] || fail "--restarts=$restarts is no number"
[ $# -gt 0 ] || fail "needs flags for fashionjax.main after --, such as --config=FILE"

# A YAML string, which is one of JSON; Kubernetes would fill in $(NAME).
quote() {
  local text=${1//\\/\\\\}
  text=${text//"\$("/"\$\$("}
  printf '"%s"' "${text//\"/\\\"}"
}

manifest() {
  local hosts='' args='' limits='{}' text i
  for ((i = 0; i < processes; i++)); do hosts+=",$name-workers-0-$i"; done
  for argument in "$@"; do args+="                    - $(quote "$argument")"$'\n'; done
  if [ -n "$gpus" ]; then limits="{nvidia.com/gpu: $gpus}"; fi
  text=$(<launch/jobset.yaml)
  text=${text//@NAME@/"$name"}
  text=${text//@RESTARTS@/"$restarts"}
  text=${text//@PROCESSES@/"$processes"}
  text=${text//@IMAGE@/"$(quote "$image")"}
  text=${text//@CLAIM@/"$(quote "$claim")"}
  text=${text//@HOSTS@/"$(quote "${hosts#,}")"}
  text=${text//@LIMITS@/"$limits"}
  text=${text//@ARGS@/"${args%$'\n'}"}
  printf '%s\n' "$text"
}

if [ -n "$dry_run" ]; then
  manifest "$@"
else
  manifest "$@" | kubectl apply -f -
fi
