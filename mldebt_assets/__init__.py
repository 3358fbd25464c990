"""Machine-learning pipelines as Dagster assets, with exact lineage, a drift rule and a gate."""
