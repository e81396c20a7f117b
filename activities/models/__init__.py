"""Wire types recorded in workflow histories. Change them additively only: new fields carry defaults."""
