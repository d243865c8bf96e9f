"""The media store: uploads in, work in progress, painted videos out. Knows nothing of Dagster."""
