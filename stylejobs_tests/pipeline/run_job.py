"""Runs a job for a clip in a process of its own: ``python -m … JOB CLIP_KEY``. To be killed."""

import sys
from pathlib import Path

from dagster import DagsterInstance

from stylejobs.storage.clips import Clip
from stylejobs_tests.pipeline.desk import Desk, studio_of_environment


def main() -> int:
    job, style, name = sys.argv[1:]
    with DagsterInstance.ephemeral() as instance:
        desk = Desk(studio_of_environment(), instance, Path())
        clip = Clip(style=style, name=name)
        instance.add_dynamic_partitions("clips", [clip.key])
        shards = (0, desk.studio.settings.shards - 1) if job == "paint" else None
        result = desk.run(job, clip, shards, raises=False)
        for event in result.all_events:
            if event.is_step_failure:
                failure = event.step_failure_data.user_failure_data
                print("FAILURE:", failure.description if failure else event.step_failure_data.error)
        return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main())
