"""One module a scenario; each exports SCENARIO."""
