"""Phases x faults x kills from seeds. A seed makes a plan (`plan`), the plan is played once undisturbed and once in a storm
(`storm`), and the far ledger has to end the same (`ending`).
"""
