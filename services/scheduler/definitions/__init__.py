"""What users ask for: applications and groups, read from JSON, checked, normalised and written back."""
