"""The classroom: assignments handed out, collected, graded behind a wall, and given back.

One submission takes this way, and only `kernel` meets the student's code:

    intake.read  ->  Submission  ->  kernel.run(Task)  ->  Run  ->  grading.judge  ->  Grade  ->  journal, gradebook

`records` says what is passed along. Everything in a Run came out of the jail: it is plain data, and it is not trusted.
"""
