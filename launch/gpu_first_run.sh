#!/usr/bin/env bash
# Trains the Extended U-Net at the document's size on one machine with GPUs, first on
# drawn figures (speed: the progress lines show images/s), then on Clothing Co-Parsing.
#
#   launch/gpu_first_run.sh [RAW_DIR_OF_CCP]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

"$python" -m fashionjax.main --config=configs/unet_ext.py:synthetic_full \
  --workdir=runs/gpu-synthetic --config.model.pretrained=none \
  --config.data.num_examples.train=4800 --config.data.num_examples.val=256 \
  --config.data.num_examples.test=256 --config.num_epochs=1.0 \
  --config.freeze.num_epochs=0.5

"$python" -m fashionjax.main --config=configs/unet_ext.py:ccp4_full \
  --workdir=runs/gpu-ccp4 ${1:+--config.data.raw_dir="$1"}
