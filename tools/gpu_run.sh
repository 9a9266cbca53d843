#!/usr/bin/env bash
# Train, look at and time networks on a machine with a GPU: tools/gpu_run.sh [MINUTES=7] [NETWORK ...]
# Needs the pack that `python -m tools.gpu_pack` leaves in .cache/gpu; asks nothing; see docs/gpu.md.
set -u
begun=$(date +%s)
cd "$(dirname "$0")/.." || exit 2
minutes=${1:-7}
[ $# -gt 0 ] && shift
python=${PYTHON:-python3}
data=${QUAYWATCH_GPU_DATA:-.cache/gpu}
out=${OUT:-runs/gpu}
if [ ! -f "$data/train.json" ]; then
  echo "gpu_run: $data/train.json is not there; pack it first: python -m tools.gpu_pack" >&2
  exit 2
fi
# What is missing comes out of the packed wheels, into a folder that goes again.
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
for name in shapely ultralytics; do
  "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$name') is None)" && continue
  "$python" -m zipfile -e "$data"/wheels/"$name"-*.whl "$site" || exit 2
done
export PYTHONPATH="$PWD:$site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export YOLO_CONFIG_DIR="$site" YOLO_OFFLINE=1 YOLO_AUTOINSTALL=0
seconds=$("$python" -c "import sys; print(int(60 * float(sys.argv[1])) + 15)" "$minutes") || exit 2
timeout --signal=INT --kill-after=10 "$seconds" \
  "$python" -m tools.gpu_train --minutes "$minutes" --begun "$begun" --data "$data" --out "$out" "$@"
