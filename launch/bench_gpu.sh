#!/usr/bin/env bash
# Takes every measurement that needs a GPU, in stages of under nine minutes each.
#
#   launch/bench_gpu.sh [--dry-run] STAGE…      or all, or list
#
# Every row is appended to $BENCH_OUT/results.jsonl (runs/bench) as soon as it is
# measured, and the page is drawn anew after each stage. What was measured is skipped,
# so that the same command goes on where a stage ran out of time (exit status 75); the
# last stage trains the Extended U-Net on Clothing Co-Parsing, and goes on likewise.
# Needs a GPU that JAX sees. Relative paths are those of the folder it is called in.
#
#   PYTHON        interpreter of fashionjax             (.venv/bin/python)
#   TORCH_PYTHON  interpreter with torch, for peer      (PYTHON)
#   CRF_PYTHON    interpreter with pydensecrf2, which crf then takes turns with (none)
#   RAW_DIR       folder of Clothing Co-Parsing, where it was not prepared before
#   PRETRAINED    weights that the training begins with (none; torchvision/resnet34 are
#                 the document's, see docs/pretrained.md)
#   STAGE_SECONDS seconds a stage may take              (480)
#   REDUCED=1     few small models and steps on CPU, to try the script; its rows go to
#                 runs/bench-reduced, and RAW_DIR is not looked at
set -euo pipefail

case ${1:-} in
  --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
esac

# The path $1 from the folder that this script was called in.
from_here() {
  case $1 in
    /* | '') echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
}

# Likewise, but a bare name is one of $PATH.
program() {
  case $1 in
    */*) from_here "$1" ;;
    *) echo "$1" ;;
  esac
}

raw_dir=$(from_here "${RAW_DIR:-}")
out=$(from_here "${BENCH_OUT:-}")
pretrained=${PRETRAINED:-none}
if [ -e "$pretrained" ]; then pretrained=$(from_here "$pretrained"); fi
crf_python=$(program "${CRF_PYTHON:-}")
python=$(program "${PYTHON:-}")
torch_python=$(program "${TORCH_PYTHON:-}")
cd "$(dirname "$0")/.."
python=${python:-$PWD/.venv/bin/python}
torch_python=${torch_python:-$python}
out=${out:-$PWD/runs/bench${REDUCED:+-reduced}}
limit=${STAGE_SECONDS:-480}
# What a row needs at least: a stage with less left ends.
least_seconds=60
# What a run may take to save itself.
grace_seconds=50
results=$out/results.jsonl

stages=(ceilings train profile infer peer-eager peer-compiled peer-graphs peer-infer
  float32 metrics augment crf input startup e2e curves scale extunet)

fail() {
  echo "error: $*" >&2
  exit 2
}

if [ -n "${REDUCED:-}" ]; then
  export JAX_PLATFORMS=cpu
  raw_dir=''
  # Their speed is not looked at: compiled in a fraction of the time.
  export XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0"
  models=(linknet-resnet34) model=linknet-resnet34
  dtype=float32
  size=(--size=64x64 --steps=2 --window=1)
  calls=()
  train_batches='1 2' infer_batches='1 2' peer_batch=2 least_seconds=1
  areas=(32x32 64x64) curve_batches=(1 2) class_counts=(23 59)
  examples=(100) threads=(1 2) input_steps=(--steps=4)
  photos=synthetic configs=(unet) e2e=(--steps=4 --window=2)
  crf_batches=1 crf=(--size=96x64 --classes=5 --steps=1)
  ext_unet=(--config=configs/unet_ext.py:synthetic --config.data.num_examples.train=16
    --config.data.num_examples.val=8 --config.data.num_examples.test=8
    --config.num_panels=1 --config.batch_size=8 --config.eval_batch_size=8)
else
  models=(unet-vgg16 unet-vgg19 unet-resnet34 segnet-vgg16 extunet fcn-resnet50
    fpn-resnext50 fpn-resnext101_32x8d deeplabv3-resnet50 deeplabv3plus-resnet50
    ocrnet-hrnet_w18 panoptic_fpn-resnet34 pspnet-resnet34 linknet-resnet34
    dynamic_unet-resnet34 unet-efficientnet_lite0 fcn8s-vgg16)
  # Of what one model tells.
  model=unet-resnet34
  dtype=bfloat16
  # Windows of a tenth of a second at least; see `bench train --help`.
  size=()
  # Enough of them for the slowest hundredth.
  calls=(--steps=1000)
  train_batches='8 16 64' infer_batches='1 8 16 64' peer_batch=16
  areas=(144x96 288x192 576x384 1152x768) curve_batches=(1 2 4 8 16 32 64 128)
  class_counts=(23 47 59) examples=(1000 10000 45000)
  threads=() input_steps=()
  for count in 1 2 4 8 16 32; do
    if [ "$count" -le "$(nproc)" ]; then threads+=("$count"); fi
  done
  photos=ccp_full configs=(unet unet_ext segnet) e2e=(--steps=600 --window=50)
  # Photos and classes as in the document that has a CRF.
  crf_batches='1 8 32' crf=(--size=600x400 --classes=25)
  ext_unet=(--config=configs/unet_ext.py:ccp_full
    --config.model.pretrained="$pretrained")
fi

# What one row compiled the next ones read, and one that ran out of time gets on where
# it was. Those that tell what compiling takes have a folder of their own.
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$out/cache}
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
# Of three quarters, JAX's own, a large batch would miss the rest.
if [ -z "${XLA_CLIENT_MEM_FRACTION:-}${XLA_PYTHON_CLIENT_MEM_FRACTION:-}" ]; then
  export XLA_CLIENT_MEM_FRACTION=.92
fi

# Measures the row $1 by the command that follows, unless that was done.
row() {
  local mark=$out/done/$1 failure=$out/failed/$1 status=0 start=$SECONDS left
  shift
  if [ -n "$dry_run" ]; then
    printf '%q ' "$@" | sed 's/ $//'
    echo
    return
  fi
  # Once a stage is out of time, the rest of it is the next call's.
  if [ "$ended" = 75 ] || [ -e "$mark" ]; then return; fi
  if [ -e "$failure" ]; then
    ended=1
    return
  fi
  left=$((limit - SECONDS))
  if [ "$left" -lt "$least_seconds" ]; then
    out_of_time
    return
  fi
  echo "+ $*"
  # The status of a command that ran out of time is its own, which may be 75. It is
  # waited for in the background, where the shell hears signals meanwhile.
  timeout --signal=TERM --preserve-status --kill-after="$grace_seconds" "$left" "$@" &
  child=$!
  wait "$child" || status=$?
  child=''
  case $status in
    0) mkdir -p "$(dirname "$mark")" && touch "$mark" ;;
    # A training run that saved itself.
    75) out_of_time ;;
    *)
      # A row that began late may have the whole of the next stage's time.
      if [ "$SECONDS" -ge "$limit" ] && [ "$start" -ge "$least_seconds" ]; then
        out_of_time
      else
        echo "$stage: failed with status $status: $*" >&2
        mkdir -p "$(dirname "$failure")" && touch "$failure"
        ended=1
      fi
      ;;
  esac
}

out_of_time() {
  echo "$stage: out of time; the same command goes on"
  ended=75
}

# Leaves out what cannot be measured here, for the reason $1.
skip() {
  if [ "$ended" = 75 ]; then return; fi
  echo "$stage: skipped: $1" >&2
  ended=1
}

# On Ctrl-C and SIGTERM: ends the row, which training needs a while for, and then this
# script with the status $1. A second signal does not wait.
stop() {
  trap - INT TERM
  # A signal may come before the number of what was just started is noted.
  child=${child:-$(jobs -p)}
  if [ -n "$child" ]; then
    echo "$stage: stopping; the same command goes on" >&2
    kill "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  exit "$1"
}

# The row $1: the command $2 of the benchmark with the words that follow.
bench() {
  local name=$1 command=$2
  shift 2
  row "$name" "$python" -m fashionjax.bench "$command" "$@" --out="$results"
}

# Rows NAME/MODEL-BATCH: the command $2 on each model and each of the batches $3, with
# the words that follow. A process each: none begins anew what another has done, and
# where one finds no memory the others have theirs.
each_model() {
  local name=$1 command=$2 batches=$3 model batch
  shift 3
  for model in "${models[@]}"; do
    for batch in $batches; do
      bench "$name/$model-$batch" "$command" --model="$model" --batch="$batch" "$@" \
        ${size[@]+"${size[@]}"}
    done
  done
}

peer() {
  each_model "$1" peer "$peer_batch" --dtype=$dtype --torch_python="$torch_python" \
    "${@:2}"
}

# Whether the peers can run; asked once.
torch_found=''
has_torch() {
  local code='import torch, torchvision, timm, segmentation_models_pytorch'
  if [ -n "$dry_run" ]; then return; fi
  if [ -z "${REDUCED:-}" ]; then
    code+='; assert torch.cuda.is_available(), "torch sees no GPU"'
  fi
  if [ -z "$torch_found" ]; then
    torch_found=no
    if "$torch_python" -c "$code"; then torch_found=yes; fi
  fi
  [ "$torch_found" = yes ]
}

# Whether there is Clothing Co-Parsing; prepares it where it was not.
has_photos() {
  if [ -n "${REDUCED:-}" ]; then return; fi
  row photos "$python" -m fashionjax.data prepare ccp ${raw_dir:+--raw="$raw_dir"}
  if [ -z "$dry_run" ] && [ ! -e "$out/done/photos" ]; then
    skip "no Clothing Co-Parsing; RAW_DIR names its folder"
    return 1
  fi
}

run_stage() {
  local value graphs
  local steps=(${size[@]+"${size[@]:1}"})
  if [[ $stage == peer-* ]] && ! has_torch; then
    skip "$torch_python has no torch for this; TORCH_PYTHON names one that has"
    return
  fi
  case $stage in
    ceilings)
      bench ceilings/bfloat16 ceilings --dtype=bfloat16
      bench ceilings/float32 ceilings --dtype=float32
      ;;
    train) each_model train train "$train_batches" --dtype=$dtype ;;
    profile)
      each_model profile profile "$peer_batch" --dtype=$dtype
      # Whether steps are captured in CUDA graphs; XLA has none in a profile otherwise.
      graphs=--xla_enable_command_buffers_during_profiling=true
      [ -z "${REDUCED:-}" ] || graphs=''
      XLA_FLAGS="${XLA_FLAGS:-} $graphs" bench profile-graphs profile --model=$model \
        --batch="$peer_batch" --dtype=$dtype ${size[@]+"${size[@]}"}
      ;;
    infer)
      each_model infer infer "$infer_batches" --dtype=$dtype ${calls[@]+"${calls[@]}"}
      each_model infer-unfolded infer "1 $peer_batch" --dtype=$dtype --no-fold \
        ${calls[@]+"${calls[@]}"}
      ;;
    peer-eager) peer peer-eager ;;
    peer-compiled) peer peer-compiled --compile ;;
    peer-graphs) peer peer-graphs --compile=reduce-overhead ;;
    peer-infer)
      peer peer-infer --what=infer
      peer peer-infer-compiled --what=infer --compile
      peer peer-infer-graphs --what=infer --compile=reduce-overhead
      ;;
    float32) each_model float32 train "$peer_batch" --dtype=float32 ;;
    metrics)
      for value in "${class_counts[@]}"; do
        bench "metrics/$value" metrics --batch=$peer_batch --classes="$value" \
          ${size[@]+"${size[@]}"}
      done
      ;;
    augment) bench augment augment --model=extunet --batch="$peer_batch" \
      --step_batch="$peer_batch" --dtype=$dtype ${size[@]+"${size[@]}"} ;;
    crf)
      for value in $crf_batches; do
        bench "crf/$value" crf --batch="$value" "${crf[@]}" \
          ${crf_python:+--peer_python="$crf_python"}
      done
      ;;
    input)
      for value in "${threads[@]}"; do
        bench "input/drawn-$value" input --config=configs/unet.py:synthetic_full \
          --threads="$value" ${input_steps[@]+"${input_steps[@]}"}
      done
      if has_photos; then
        for value in "${threads[@]}"; do
          bench "input/photos-$value" input --config=configs/unet.py:$photos \
            --threads="$value" ${input_steps[@]+"${input_steps[@]}"}
        done
      fi
      ;;
    startup)
      if has_photos; then
        for value in "${examples[@]}"; do
          for input in stream resident; do
            bench "startup/$value-$input" curves --what=startup --values="$value" \
              --config=configs/unet.py:$photos --input=$input
          done
        done
      fi
      ;;
    e2e)
      if has_photos; then
        for config in "${configs[@]}"; do
          for input in stream resident; do
            bench "e2e/$config-$input" e2e --config="configs/$config.py:$photos" \
              --input=$input --dtype=$dtype "${e2e[@]}"
          done
        done
      fi
      ;;
    curves)
      for value in "${curve_batches[@]}"; do
        bench "curves/batch-$value" curves --what=batch --values="$value" \
          --model=$model --dtype=$dtype ${size[@]+"${size[@]}"}
      done
      for value in "${areas[@]}"; do
        bench "curves/area-$value" curves --what=area --values="$value" \
          --model=$model --batch="$peer_batch" --dtype=$dtype ${steps[@]+"${steps[@]}"}
      done
      for value in "${class_counts[@]}"; do
        bench "curves/classes-$value" curves --what=classes --values="$value" \
          --model=$model --batch="$peer_batch" --dtype=$dtype \
          ${size[@]+"${size[@]}"}
      done
      if has_photos; then
        for value in "${threads[@]}"; do
          bench "curves/cores-$value" curves --what=input --values="$value" \
            --config=configs/unet.py:$photos ${input_steps[@]+"${input_steps[@]}"}
        done
      fi
      ;;
    scale)
      bench scale/overlapped scale --model=$model --batch="$peer_batch" \
        --dtype=$dtype ${size[@]+"${size[@]}"}
      # The same without what several GPUs are compiled with.
      XLA_FLAGS="${XLA_FLAGS:-} --xla_gpu_enable_latency_hiding_scheduler=false" \
        bench scale/plain scale --model=$model --batch="$peer_batch" --dtype=$dtype \
        ${size[@]+"${size[@]}"}
      ;;
    extunet)
      if has_photos; then
        row extunet "$python" -m fashionjax.main "${ext_unet[@]}" \
          --workdir="$out/extunet"
        if [ -n "$dry_run" ] || [ -e "$out/done/extunet" ]; then
          bench extunet-scores run "$out/extunet"
        fi
      fi
      ;;
    *) fail "unknown stage $stage; allowed are ${stages[*]}" ;;
  esac
}

# Without a GPU every figure would be another one's.
check_gpu() {
  local backend
  backend=$("$python" -c 'import jax; print(jax.default_backend())') \
    || fail "$python cannot ask JAX for its devices; see above"
  case $backend in
    gpu | cuda | rocm) ;;
    *) fail "JAX sees no GPU, its devices are '$backend'; REDUCED=1 tries the script" ;;
  esac
}

draw_page() {
  [ -s "$results" ] || return 0
  "$python" -m fashionjax.bench page "$results" --out="$out/bench.html"
}

dry_run='' stage='' child='' ended=0
if [ "${1:-}" = --dry-run ]; then
  dry_run=1
  shift
fi
case ${1:-} in
  list) printf '%s\n' "${stages[@]}"; exit 0 ;;
  all) set -- "${stages[@]}" ;;
  '') fail "needs a stage; see --help" ;;
esac
for stage in "$@"; do
  [[ " ${stages[*]} " == *" $stage "* ]] \
    || fail "unknown stage $stage; allowed are ${stages[*]}"
done

[ -n "$dry_run" ] || [ -n "${REDUCED:-}" ] || check_gpu
# What failed before is tried again, once.
[ -n "$dry_run" ] || rm -rf "$out/failed"
trap 'stop 130' INT
trap 'stop 143' TERM
status=0
for stage in "$@"; do
  # A stage that is not alone goes on by itself where its time ended.
  while true; do
    ended=0 SECONDS=0
    run_stage
    [ "$ended" = 75 ] && [ $# -gt 1 ] || break
  done
  # A page that fails leaves the measurements to come.
  [ -n "$dry_run" ] || draw_page || status=1
  if [ "$ended" != 0 ]; then status=$ended; fi
done
exit "$status"
