"""The clinic: reception, diagnosis, examination and patient management."""
