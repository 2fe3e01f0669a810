#!/usr/bin/env bash
# Make a model of the zoo again, from nothing: render, train, export, evaluate.
#
#   bash tools/train_zoo.sh sstrack-tiny FOOTAGE [REAL]
#
# FOOTAGE is a folder of video files without labels, REAL one of sequences to evaluate on
# (NAME/img/* with groundtruth_rect.txt). Everything is written to work_dirs/zoo/MODEL;
# what is there already is not made again. Seven hours on two cores of a small machine.
set -euo pipefail
if [ $# -lt 2 ] || [ "$1" != sstrack-tiny ]; then
  echo 'usage: bash tools/train_zoo.sh sstrack-tiny FOOTAGE [REAL]' >&2
  exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$1 footage=$2 real=${3:-}
out=work_dirs/zoo/$model
config=$tools/../configs/sstrack_tiny.py
export SSTRACK_BANK=$out/bank

python "$tools/dataset_tools/make_bank.py" "$SSTRACK_BANK" --footage "$footage" --held-out \
  boofcv_tracking_dashcam02 mdn_frog flutter_bee intel_store-aisle-detection \
  udacity_vehicle_test --regions "$out/regions"
python "$tools/train.py" "$tools/../configs/sstrack_tiny_128.py" --work-dir "$out/stage_128" \
  --resume
python "$tools/train.py" "$config" --work-dir "$out/training" --resume \
  --cfg-options load_from="$(cat "$out/stage_128/last_checkpoint")"
python "$tools/train.py" "$config" --work-dir "$out/more" --resume --cfg-options \
  load_from="$(cat "$out/training/last_checkpoint")" train_cfg.max_epochs=16 \
  randomness.seed=6
python "$tools/model_converters/publish_model.py" --half \
  "$(cat "$out/more/last_checkpoint")" "$out/sstrack_tiny.safetensors" \
  --average "$(cat "$out/training/last_checkpoint")"
python "$tools/analysis_tools/presence.py" "$config" "$out/sstrack_tiny.safetensors" \
  --calibrate "$out/sstrack_tiny.safetensors"
python "$tools/export_onnx.py" "$config" "$out/sstrack_tiny.safetensors" \
  "$out/sstrack_tiny_int8.onnx" --int8
python "$tools/analysis_tools/presence.py" "$config" "$out/sstrack_tiny_int8.onnx" \
  --calibrate "$out/sstrack_tiny_int8.onnx"
sha256sum "$out"/sstrack_tiny*.safetensors "$out"/sstrack_tiny*.onnx
python "$tools/test.py" "$config" "$out/sstrack_tiny.safetensors" --dataset folder \
  --root "$out/regions" --eval OPE --out "$out/held_out/sstrack-tiny"
if [ -n "$real" ]; then
  python "$tools/test.py" "$config" "$out/sstrack_tiny.safetensors" --dataset folder \
    --root "$real" --eval OPE --out "$out/real/sstrack-tiny"
fi
