"""What the state machines do with their own roles: invoke functions, and start a map's children."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.simulation.machine import StateError
from tests.simulation.permissions import Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.agenda import Agenda
    from tests.simulation.lambda_functions import Functions
    from tests.simulation.machine import Done, Execution
    from tests.simulation.permissions import Permissions

# "A Task state failed because it had insufficient privileges to run the specified code" (Step
# Functions guide, "Error names"). Inferred: it is the error of a map, too.
_DENIED = "States.Permissions"
# The map's, by which its children are named (infra.constructs.onboarding_machine).
_LABEL = "Target"
_FUNCTION = re.compile(r'"(arn:aws:lambda:[^"]+:function:(\w+):\w+)"')


class MachineRoles:
    """``definitions`` are those of the machines, by ARN."""

    def __init__(
        self,
        definitions: Mapping[str, Mapping[str, Any]],
        permissions: Permissions,
        functions: Functions,
        agenda: Agenda,
    ) -> None:
        self._permissions = permissions
        self._functions = functions
        self._agenda = agenda
        self._invoked = {
            (machine, step): arn
            for machine, definition in definitions.items()
            for arn, step in _FUNCTION.findall(json.dumps(definition))
        }

    def invoke(self, machine: str, step: str, event: Any, done: Done) -> None:
        """Invoke a function, as ``StateMachines`` wants it."""
        wanted = Wanted("lambda:InvokeFunction", self._invoked[machine, step])
        refusal = self._permissions.refusal(machine, (wanted,))
        if refusal is None:
            self._functions.invoke(step, event, done)
        else:
            self._agenda.after(0.05, lambda: done(None, StateError(_DENIED, refusal)))

    def begin_map(self, execution: Execution) -> None:
        """Raises StateError: the machine may not start the children of its map or, in an execution
        that is redriven, go on with them.
        """
        machine = execution.machine_arn
        wanted = Wanted("states:StartExecution", machine)
        if execution.children is not None:
            children = execution.arn.replace(f":{execution.name}", f"/{_LABEL}:{execution.name}")
            wanted = Wanted("states:RedriveExecution", children)
        refusal = self._permissions.refusal(machine, (wanted,))
        if refusal is not None:
            raise StateError(_DENIED, refusal)
