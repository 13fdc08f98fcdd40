"""The first company: its schedule in code, its job queue, its orchestrator and its stores, as small real servers.

Models, stores and agents are stand-ins: their work takes the time that the company says, `LAB_SPEED` times faster. Minutes are the company's own.
"""
