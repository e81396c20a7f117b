"""InstallationWorkflow: as long as it runs, its installation belongs to the cluster that started it."""

from datetime import timedelta

from temporalio import workflow

from workflows.identity import INSTALLATION_WORKFLOW, POKE_SIGNAL
from workflows.runtime import lifetime
from workflows.runtime.timers import wait_until

LOOK = timedelta(hours=1)
"""How long the workers of a replaced version may have to wait for it: a run that sleeps learns of no newer one."""
EVENTS_BEFORE_CONTINUING = 500


@workflow.defn(name=INSTALLATION_WORKFLOW)
class InstallationWorkflow:
    """Stay until terminated, which frees the name for another cluster. The cluster's uid is in the memo."""

    def __init__(self) -> None:
        self._poked = False

    @workflow.run
    async def run(self, cluster_uid: str) -> None:
        """Do nothing, for years if need be; the memo stays when it continues as new."""
        workflow.set_current_details(
            f"Held by the cluster whose namespace `default` has the uid `{cluster_uid}`. "
            "Terminate this workflow to free the name once that cluster is gone."
        )
        while True:
            why = "move to a newer worker version, if there is one"
            await wait_until(lambda: self._poked, at_most=LOOK, why=why)
            self._poked = False
            if lifetime.due(EVENTS_BEFORE_CONTINUING):
                lifetime.hand_over(cluster_uid)

    @workflow.signal(name=POKE_SIGNAL, description="Look now: is there a newer worker version?")
    def poke(self) -> None:
        """Look at once."""
        self._poked = True
