# SPDX-License-Identifier: GPL-2.0-or-later
"""drywalld on one host of the topology, with a bus of its own, and the policy directory that all of them read."""
import json
import os
import pathlib
import subprocess
import time

from case import NotUnderstood

BUS = """<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
NO_ANSWER = 3  # exit code of drywall
START_SECONDS = RELOAD_SECONDS = 30


class ProductFailed(Exception):
    """The daemon did not start, or refused a step's policy: a line that says so, and all that it said."""

    def __init__(self, line, words):
        super().__init__(line)
        self.words = words


class PolicyDirectory:
    """One file for each object. Files are replaced by renaming, so a reader sees the old or the new one."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def apply(self, document):
        file = self.file_of(document.get("kind"), document.get("metadata", {}).get("name"),
                            document.get("metadata", {}).get("namespace"))
        scratch = self.path / f".{file.name}.new"
        scratch.write_text(json.dumps(document, indent=2))
        scratch.rename(file)

    def delete(self, identity):
        try:
            self.file_of(identity.kind, identity.name, identity.namespace).unlink()
        except FileNotFoundError:
            raise NotUnderstood(f"{identity.kind} {identity.name} is to be deleted, and is not there") from None

    def file_of(self, kind, name, namespace):
        if not kind or not name:
            raise NotUnderstood("an object without kind or metadata.name")
        return self.path / f"{kind}_{namespace or 'default'}_{name}.json"


class Product:

    def __init__(self, namespace, node, folder, policies):
        self.folder = folder
        self.namespace = namespace
        folder.mkdir()
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus"}
        (folder / "bus.conf").write_text(BUS.format(address=f"unix:path={folder}/bus"))
        (folder / "drywall.yaml").write_text("watch: false\n")  # a step is in force when `reload` says so, not before
        self.processes = [self.start("dbus-daemon", "--config-file", folder / "bus.conf", "--nofork", "--nopidfile",
                                     "--nosyslog")]
        self.wait_for(lambda: (folder / "bus").exists(), "the bus did not start")
        self.processes.append(self.start(
            program("drywalld"), "--node", node, "--policy-dir", policies.path, "--state-dir", folder / "state",
            "--runtime-dir", folder / "runtime", "--config", folder / "drywall.yaml"))

    def start(self, *command):
        # Whatever becomes of this process, the kernel kills what it started.
        command = ["setpriv", "--pdeathsig", "KILL", *command]
        with self.namespace.entered(), open(self.folder / "log", "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)

    def wait_for(self, holds, complaint):
        until = time.monotonic() + START_SECONDS
        while not holds():
            if time.monotonic() > until or any(process.poll() is not None for process in self.processes):
                raise ProductFailed(complaint, self.log())
            time.sleep(0.005)

    def ask(self, *command):
        with self.namespace.entered():
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                  env=self.environment, timeout=RELOAD_SECONDS)

    def ruleset(self):
        return self.ask("nft", "list", "ruleset").stdout

    def reload(self):
        """Back when the kernel holds what the directory says. The first one waits until the daemon answers."""
        answers = []

        def answered():
            answers.append(self.ask(program("drywall"), "reload"))
            return answers[-1].returncode != NO_ANSWER

        self.wait_for(answered, "drywalld does not answer")
        if answers[-1].returncode != 0:
            words = (answers[-1].stderr + answers[-1].stdout).strip()
            first_error = next((line for line in words.splitlines() if "error" in line), words.partition("\n")[0])
            raise ProductFailed("refused: " + first_error.rpartition("/policy/")[2], words)

    def log(self):
        return (self.folder / "log").read_text(errors="replace").strip()

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def program(name):
    return pathlib.Path(os.environ["DRYWALL_BUILD"]) / name
