"""`hotline dialplan …`: what the admins wrote, tried before callers hear it."""

import typer

dialplan_app = typer.Typer(no_args_is_help=True, help="Numbers, flows, prompts: try and publish.")
