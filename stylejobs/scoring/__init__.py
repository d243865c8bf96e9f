"""Scoring frames with a model. Knows nothing of Dagster."""

import sys

# OpenVINO's package reports each import of it to its makers, from a forked process that hangs at
# exit where the network is closed. Without this module it does not.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
