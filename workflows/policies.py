"""Named activity configurations: queue, timeouts and retries, each with the reason for its values.

A failed activity that a person can fix (401, 403, 404, a missing Secret) is raised as non-retryable and shown at
once. Where `attempts` is bounded, the workflow's own timer goes on after the last one, so that the cause is shown
meanwhile; where it is not, nothing could be decided without the answer anyway.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from activities.models.bounds import cut
from activities.models.tracking import Timings
from workflows.identity import Queues

SUMMARY_BYTES = 200
"""The server refuses longer user metadata summaries."""

HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""A watching worker that died is noticed after this long; shorter would punish a busy event loop."""

WATCH_GRACE = timedelta(minutes=3)
"""Time beyond the watch itself for the fresh read at its end, of a hundred applications at a slow Argo CD as well; a
worker that died is noticed by its heartbeat long before."""

UNLIMITED = 0

DRIFT_LOOK = timedelta(minutes=3)
"""Lists and reads of one look, each of which ends by itself after a minute."""

DRIFT_CREATE = timedelta(hours=1)
"""An API server that is away is back by then."""

AWAITED_WITHIN = timedelta(minutes=6)
"""What a step awaits ends by then, also where no worker takes it: commands and deadlines wait meanwhile. All attempts
of a policy with their pauses are shorter."""

PUBLISHED_WITHIN = timedelta(seconds=10)
"""A watcher that serves its queue writes in milliseconds; one that is away for longer comes back to a newer status."""

PRESENT_ATTEMPTS = 4
"""On the way: a presentation gives way to the next one."""

PRESENT_BRIEFLY = timedelta(minutes=2)
"""Well within the ten minutes that a finalizer waits, after what else ends a deleted tracker."""


def config_read(queues: Queues, timings: Timings, *, summary: str, attempts: int = UNLIMITED) -> ActivityConfig:
    """Read custom resources: an API server comes back within seconds, and nothing can be decided without it."""
    return _config(queues.config, timings, _backoff(initial=1, maximum=30, attempts=attempts), summary)


def config_read_shown(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Read custom resources in a step: few attempts, then the cause is shown and the workflow's timer goes on."""
    return config_read(queues, timings, summary=summary, attempts=3)


def send_view(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Send a place a member's view: what is not sent within this activity is sent at the step's next wait.

    A place that never receives it would keep others waiting; a step that never gets back would receive no command.
    """
    config = send_last_view(queues, timings, summary=summary)
    config["schedule_to_close_timeout"] = AWAITED_WITHIN
    return config


def stand_in_line(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Get in line, and take the lane where it is free: once, since a second attempt would find a lane that is taken,
    and could not know by whom. The step's next wait gets in line again."""
    config = _config(queues.config, timings, _backoff(initial=1, maximum=30, attempts=1), summary)
    config["schedule_to_close_timeout"] = AWAITED_WITHIN
    return config


def send_last_view(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Send places the last view of a promotion that ended: no step awaits it, and no one would repeat it."""
    return _config(queues.config, timings, _backoff(initial=1, maximum=30), summary)


def connection_check(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Prove a credential: whatever the host answers is an outcome, so that only an outage of ours is retried."""
    return _config(queues.checks, timings, _backoff(initial=1, maximum=30), summary)


def drift_look(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Look at what was promoted: what does not answer is an answer, and the workflow's timer looks again."""
    config = _config(queues.checks, timings, _backoff(initial=2, maximum=30, attempts=3), summary)
    config["start_to_close_timeout"] = DRIFT_LOOK
    return config


def drift_create(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Have what arrived watched: until it is, as nothing waits for it; not forever, since a workflow ends with it."""
    config = _config(queues.checks, timings, _backoff(initial=1, maximum=60), summary)
    config["schedule_to_close_timeout"] = min(DRIFT_CREATE, timings.present_deadline)
    return config


def drift_signal(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Show drift, or request a sync for it: few attempts, since the workflow tries again after its next look."""
    return _config(queues.checks, timings, _backoff(initial=2, maximum=30, attempts=2), summary)


def scm_read(queues: Queues, timings: Timings, *, summary: str, attempts: int = 3) -> ActivityConfig:
    """Read from the SCM host: few attempts, then the cause is shown and the workflow's timer goes on."""
    return _config(queues.scm, timings, _backoff(initial=2, maximum=60, attempts=attempts), summary)


def list_pull_requests(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Look at a repository's list: one attempt, the workflow's timer is the retry."""
    return _config(queues.scm, timings, _backoff(initial=5, maximum=30, attempts=1), summary)


def scm_present(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Show the whole wanted presentation: few attempts, since a newer state may wait; the workflow's timer goes on."""
    return _present(queues, timings, summary, attempts=PRESENT_ATTEMPTS)


def scm_present_once(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Show the end: a single attempt, so that people see why it failed before it is tried patiently."""
    return _present(queues, timings, summary, attempts=1)


def scm_present_patiently(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Show the end after that: again and again up to a deadline, since nothing comes after it, and nothing waits."""
    return _present(queues, timings, summary, attempts=UNLIMITED)


def scm_present_briefly(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Show the end of a tracker that is being deleted: brief also where the host asks to wait for an hour."""
    config = _present(queues, timings, summary, attempts=PRESENT_ATTEMPTS)
    config["schedule_to_close_timeout"] = min(PRESENT_BRIEFLY, timings.present_deadline)
    return config


def ci_trigger(
    queues: Queues, timings: Timings, *, summary: str, at_most: timedelta = AWAITED_WITHIN
) -> ActivityConfig:
    """Trigger test runs within `at_most`: a retry must find the run of a lost reply, so it waits for the list's lag.

    Of a round, only an attempt that was lost as a whole is retried here: a test that failed is an answer, and the
    workflow triggers it again alone. The parts end before the attempt does (activities/parts.py).
    """
    lag = timings.listing_lag.total_seconds()
    config = _config(queues.ci, timings, _backoff(initial=lag, maximum=max(lag, 120), attempts=3), summary)
    within = min(at_most, AWAITED_WITHIN)
    # Of a trigger that no worker took this proves that it began no run; the other end would leave that open.
    config["schedule_to_close_timeout"] = config["schedule_to_start_timeout"] = within
    return config


def ci_poll(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Poll the runs of a round: one attempt, the workflow's timer is the retry. A runner that fails is an answer."""
    return _config(queues.ci, timings, _backoff(initial=5, maximum=30, attempts=1), summary)


def ci_cancel(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Cancel runs by key: few attempts, since the workflow asks again in the background, as long as that may help."""
    return _config(queues.ci, timings, _backoff(initial=2, maximum=60, attempts=3), summary)


def delivery_read(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Read what deployments run: few attempts, then the place shows the problem and its timer goes on."""
    return _config(queues.delivery, timings, _backoff(initial=1, maximum=10, attempts=3), summary)


def delivery_write(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Write and sync by compare-and-set: safe to retry as a whole, but the place is compared again after a few losses.

    A retry finds what is written by its value, and the sync by its key.
    """
    return _config(queues.delivery, timings, _backoff(initial=1, maximum=15, attempts=5), summary)


def scm_write(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Write files by compare-and-set: safe to retry as a whole, but the place is compared again after a few losses."""
    return _config(queues.scm, timings, _backoff(initial=1, maximum=15, attempts=5), summary)


def scm_post(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Post one commit status: one attempt, since a newer one may wait for its turn; the workflow's timer goes on."""
    return _config(queues.scm, timings, _backoff(initial=1, maximum=30, attempts=1), summary)


def deliver_events(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Send events: one attempt, the workflow's timer is the retry. In the queue that a dead host may keep busy."""
    return _config(queues.checks, timings, _backoff(initial=1, maximum=30, attempts=1), summary)


def observation_watch(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Follow the deployments: one attempt, since the place reads and watches again by itself."""
    config = _config(queues.observation, timings, _backoff(initial=1, maximum=10, attempts=1), summary)
    # No step awaits it, and it lasts as long as the reads at its end.
    config.pop("schedule_to_close_timeout", None)
    config["start_to_close_timeout"] = timings.watch + WATCH_GRACE
    config["heartbeat_timeout"] = HEARTBEAT_TIMEOUT
    return config


def kubernetes_publish(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Write status: unlimited, since a dead watcher delays status and must lose none; steps never wait for it."""
    return _config(queues.kubernetes, timings, _backoff(initial=1, maximum=30), summary)


def kubernetes_publish_briefly(queues: Queues, timings: Timings, *, summary: str) -> ActivityConfig:
    """Write status where the workflow awaits it and offers it again later: a watcher that is away holds nothing up."""
    config = kubernetes_publish(queues, timings, summary=summary)
    config["schedule_to_close_timeout"] = PUBLISHED_WITHIN
    # One that was given up must not write over the next one.
    config["start_to_close_timeout"] = min(PUBLISHED_WITHIN, timings.activity_start_to_close)
    return config


def _present(queues: Queues, timings: Timings, summary: str, *, attempts: int) -> ActivityConfig:
    config = _config(queues.scm, timings, _backoff(initial=5, maximum=300, attempts=attempts), summary)
    config["schedule_to_close_timeout"] = timings.present_deadline
    # One that is cancelled ends with the current attempt, so that the next one never writes at the same time.
    config["cancellation_type"] = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    return config


def _config(queue: str, timings: Timings, retry: RetryPolicy, summary: str) -> ActivityConfig:
    config = ActivityConfig(
        task_queue=queue,
        start_to_close_timeout=timings.activity_start_to_close,
        retry_policy=retry,
        summary=cut(summary, SUMMARY_BYTES),
    )
    if retry.maximum_attempts:
        config["schedule_to_close_timeout"] = AWAITED_WITHIN
    return config


def _backoff(*, initial: float, maximum: float, attempts: int = UNLIMITED) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=initial),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=maximum),
        maximum_attempts=attempts,
    )
