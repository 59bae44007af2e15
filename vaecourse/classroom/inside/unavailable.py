raise ImportError(f"{__name__} is not available in graded work.")
