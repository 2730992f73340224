"""Stage 1 of the data's way: events in (``read``) or events made (``simulate``)."""
