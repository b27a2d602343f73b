"""The command `knhk`. At import it loads click and nothing heavier: `knhk --help` is fast."""
