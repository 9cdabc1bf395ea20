"""Custom resources as typed classes: a field that does not exist is an error here, not on the server."""
