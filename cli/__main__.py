"""The `voltaro` command. Sub-commands load what they run only when they are run."""

import typer

from cli import accounts, services
from cli.up.command import up

app = typer.Typer(
    name="voltaro",
    help="Back end of EV-charging networks: a horizontally scaled OCPP cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up)
app.command()(services.gateway)
app.command()(services.control)
app.command()(services.worker)
app.command()(services.migrate)
app.command()(accounts.create_admin)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def sim(context: typer.Context) -> None:
    """Run simulated charging stations."""
    # Its options take their choices from the simulator, so not even they can be known without
    # loading it; hence a command line of its own, that gets all of the arguments.
    from cli.sim import sim as command

    own = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    own.command()(command)
    own(args=context.args, prog_name="voltaro sim")


def main() -> None:
    """Run the command line."""
    app(prog_name="voltaro")


if __name__ == "__main__":
    main()
