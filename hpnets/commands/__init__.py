"""The command line of the installed package: `hpnets train --model ccp`; torch is imported as late as possible."""

# The line of each command in `hpnets --help`.
COMMANDS = {
    "train": "train a network on a task, with its neural tangent kernel tracked",
    "evaluate": "check a checkpoint or a finished run against what was recorded",
    "study": "measure the statements of a paper, and write its page",
    "report": "write one html page of runs and studies, from their folders alone",
    "models": "list the models, or those that match a pattern",
    "tasks": "list the tasks, or those that match a pattern",
}
