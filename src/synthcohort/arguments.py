"""What the arguments of several commands have in common, and what is made of them."""

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from synthcohort.errors import UserError
from synthcohort.hardware.variables import preferred, variable

if TYPE_CHECKING:
    from synthcohort.hardware import Hardware


def add_hardware(parser: argparse.ArgumentParser) -> None:
    """Where to compute; a variable of the environment says it for all commands."""
    for option, otherwise, meaning in (
        ("device", "auto", "auto, cpu, cuda or cuda:N"),
        ("precision", "auto", "auto, fp32, bf16 or fp16"),
        ("compile", "auto", "auto, on or off: whether networks are compiled"),
        ("deterministic", "off", "on or off: the same bits on a GPU every time, slower"),
    ):
        told = f"{meaning}; {variable(option)} says it for all commands"
        default = preferred(option, otherwise)
        parser.add_argument(f"--{option}", default=default, metavar="WORD", help=told)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
    cut = "most images a process puts through a network at once; 0: as many as are wanted; "
    default, told = preferred("micro_batch", "0"), cut + variable("micro_batch")
    parser.add_argument("--micro-batch", type=int, default=default, metavar="N", help=told)


def add_training(parser: argparse.ArgumentParser) -> None:
    """When a training stops and saves."""
    stop = "stop and save before so many minutes are over, exit with an error; 0: never"
    parser.add_argument("--time-budget", type=float, default=0, metavar="MINUTES", help=stop)
    save = "save at least so often"
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, metavar="MINUTES", help=save
    )


def hardware(given: argparse.Namespace) -> "Hardware":
    """Where to compute, as `add_hardware`'s arguments say."""
    from synthcohort.hardware import Hardware

    options = {option.name for option in fields(Hardware)} & vars(given).keys()
    return Hardware(**{name: getattr(given, name) for name in options})


def section(kind: type, text: str, option: str) -> object:
    """A section of the configuration from its JSON.

    Raises:
        UserError: it does not hold what `kind` asks for.
    """
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise UserError(f"{option}: {error}") from None
