-- Run by the PostgreSQL image when it makes its cluster. Dagster has the database that the image
-- makes itself; MLflow needs one of its own, since both call tables `runs` and `alembic_version`.
CREATE DATABASE mlflow;
