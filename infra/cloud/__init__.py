"""The boxes that Azure provides."""
