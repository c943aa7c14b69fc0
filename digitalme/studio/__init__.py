"""Pages for people: the 3D view in the report, `digitalme live`, `digitalme studio`. Served to this computer only."""
