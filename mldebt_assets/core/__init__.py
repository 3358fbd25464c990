"""The pure part: no Dagster, no MLflow, no I/O. Read in the order in which data flows."""
