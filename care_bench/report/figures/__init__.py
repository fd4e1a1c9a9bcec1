"""Figures of a collection, drawn with matplotlib (extra `report`): the same records give the same bytes."""
