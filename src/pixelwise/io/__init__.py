"""Pictures and masks in and out, one file at a time."""
