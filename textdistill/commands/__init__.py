"""The commands of the command line, three files of them: what makes, what scores, what looks."""
