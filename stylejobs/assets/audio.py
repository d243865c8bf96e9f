"""The sound of a clip: every audio track of the upload, packets unchanged."""

from dagster import AssetExecutionContext, DataVersion, MaterializeResult, asset

from stylejobs.assets.failures import explained
from stylejobs.assets.labels import UPLOAD_ETAG, label
from stylejobs.assets.manifest import manifest
from stylejobs.assets.reports import Stopwatch, part_facts
from stylejobs.media.audio import audio_suffix, extract_audio
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import WORK, Workplace
from stylejobs.storage.parts import Part, commit_part
from stylejobs.studio import AUDIO_VERSION, Studio


@asset(
    partitions_def=clips,
    deps=[manifest],
    group_name=WORK,
    code_version=AUDIO_VERSION,
    kinds={"ffmpeg"},
)
def audio(context: AssetExecutionContext, studio: StudioResource) -> MaterializeResult:
    """The sound of a video, every track as it is, kept aside while the frames are painted.

    A video without sound gives an empty part.
    """
    rules = studio.get()
    with explained(rules):
        clip = rules.clip(context.partition_key)
        label(context, [clip])
        with explained(rules, clip):
            place = rules.workplace(clip, context.run.tags.get(UPLOAD_ETAG))
            path, part = extract(rules, place)
    return MaterializeResult(
        metadata=part_facts(part, path, reused=False),
        data_version=DataVersion(part.sha256 or "silent"),
    )


def extract(studio: Studio, place: Workplace) -> tuple[str, Part]:
    """Make the audio part of ``place``; return where it lies and what it is."""
    watch = Stopwatch()
    manifest = studio.manifest(place)
    path = place.audio(audio_suffix(manifest))
    with studio.store.scratch() as folder:
        file = None
        packets = 0
        if manifest.audio:
            file = folder / f"audio{audio_suffix(manifest)}"
            with studio.open_upload(place) as source:
                packets = extract_audio(source, manifest, file)
        facts = {
            "tracks": len(manifest.audio),
            "packets": packets,
            **watch.facts(0, manifest.video),
        }
        return path, commit_part(studio.store, path, file, 0, facts)
