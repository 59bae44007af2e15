"""What is seen inside the jail in place of the package's own modules, and what asks the student's functions there.

Nothing in this folder is imported on the trusted side: `runner` is sent into the kernel as text, the other two are
laid over modules of the same kind.
"""
