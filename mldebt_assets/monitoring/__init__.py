"""What tells others how the pipelines are: alerts as something happens, metrics when asked."""
