"""The checks of whole files and workflows: declarations, tasks, callees, policies."""
