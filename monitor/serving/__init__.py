"""What stays up: jobs on a schedule, done once by one of several processes, and the proof that it is all alive."""
