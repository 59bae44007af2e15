"""A class on JupyterHub: README.md says how; the files beside it are copied to the server and edited there."""
