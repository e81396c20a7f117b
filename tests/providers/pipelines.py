"""What GitLab answers about pipelines, and what tests ask of them."""

from providers.ports import TestRuns
from tests.providers.hosts import FakeHost, answer

PROJECT = "/api/v4/projects/acme%2Fweb"


def variables_of(number: int) -> str:
    return rf"{PROJECT}/pipelines/{number}/variables\?per_page=100"


async def traceable(runs: TestRuns, job: str = "main") -> bool:
    return await runs.traceable(job)


def pipeline(number: int, **more: object) -> dict[str, object]:
    url = f"https://gitlab.example.com/acme/web/-/pipelines/{number}"
    return {"id": number, "iid": 3, "status": "running", "source": "api", "web_url": url, **more}


def show_each(host: FakeHost, *numbers: int) -> None:
    """Let the host show single pipelines, as it does before one is taken for ours."""
    for number in numbers:
        host.on("GET", f"{PROJECT}/pipelines/{number}", answer(pipeline(number, ref="main")))
