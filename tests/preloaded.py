"""`synthcohort` commands forked from one process that has imported what they need.

A whole run starts Python more than thirty times, and on a tiny system most of its time are imports.
The tests of sources and conditions, which look at the data, run on such commands, and so does the
repetition of `finished`. `finished` itself and the cluster's tests start theirs as users do, and
are held against one another.

    python tests/preloaded.py SOCKET
"""

import importlib
import json
import os
import socket
import socketserver
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiny import environment

# What the stages import when they are called.
LIBRARIES = """
diffusers.models.autoencoders.autoencoder_kl diffusers.models.unets.unet_2d
diffusers.models.unets.unet_2d_condition matplotlib.pyplot mlflow scipy.stats skimage.metrics
sklearn.linear_model sklearn.model_selection torch._dynamo torch_fidelity umap
synthcohort.tracking.publish stand_ins
"""
STAND_INS = "TESTS_STAND_INS"
"""An environment variable: where it is set, commands use those in `stand_ins`."""
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b" "], [0, 1, 2])
    asked = [sys.argv[1:], os.getcwd(), dict(os.environ)]
    server.sendall(json.dumps(asked).encode() + b"\\n")
    sys.exit(int(server.recv(4) or b"1"))
"""


class Command(socketserver.StreamRequestHandler):
    """One command: arguments, folder and environment come as a line, the streams beside it."""

    rbufsize = 0  # a buffered reader would take the byte that the streams come with

    def handle(self) -> None:
        _, streams, *_ = socket.recv_fds(self.request, 1, 3)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        with self.request.makefile() as asked:
            arguments, folder, variables = json.loads(asked.readline())
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        os.environ.pop("SYNTHCOHORT_RUN", None)  # no process beside it that publishes it live
        sys.argv = ["synthcohort", *arguments]
        if STAND_INS in variables:
            importlib.import_module("stand_ins").put()
        self.request.sendall(str(self._run()).encode())

    def _run(self) -> int:
        from synthcohort.cli import main

        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush(), sys.stderr.flush()
        return 0


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = 100


def serve(address: str) -> None:
    from synthcohort.stages import STAGES

    modules = {stage.function.split(":")[0] for stage in STAGES.values()}
    for name in [*LIBRARIES.split(), *(f"synthcohort.{module}" for module in sorted(modules))]:
        importlib.import_module(name)
    with Server(address, Command) as server:
        print("ready", flush=True)
        server.serve_forever()


@contextmanager
def preloaded(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `synthcohort` is such a command, while the block runs."""
    address, client = str(folder / "socket"), folder / "synthcohort"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    here = environment()
    server = subprocess.Popen(
        [sys.executable, __file__, address], env=here, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout.readline() == "ready\n"
        yield {"PATH": f"{folder}:{here['PATH']}"}
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    serve(sys.argv[1])
