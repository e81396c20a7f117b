"""How many bytes and entries the values may have that histories, signals and statuses carry, each with its reason.

The server refuses a payload above 2 MB and a message above 4 MB, and fails the workflow task that made it for good;
etcd takes no object above 1.5 MB. Everything stays far below.
"""

LINE_BYTES = 300
"""A text about one application, one test or one member: a value holds some hundreds of them."""

TEXT_BYTES = 1000
"""A text of which a value holds a few: a Kubernetes event takes 1,024 bytes, a status text as many characters."""

LINK_BYTES = 512
"""An address that people open. A longer one would not lead anywhere once cut, so that it is left out."""

SHORT_BYTES = 128
MENTION_BYTES = 4000
"""A short text of others, such as a label, a login or a build number."""

LABELS_KEPT = 100
"""Labels of a pull request: the host allows as many."""

FIELDS_KEPT = 50
"""Field paths that one problem names."""

AWAITED_SHOWN = 10
"""Pull requests of ours that a status names as awaited; a webhook finds these, and others are looked at in turn."""

FOREIGN_KEPT = 3
"""Foreign runs that one trigger names, the oldest: anybody who may start runs can start many."""

MOVES_KEPT = 20
"""Moves of a source that one record names, the newest."""

VALUE_BYTES = 1_000_000
"""One payload, and all signals that one workflow task sends: half and a quarter of what the server takes."""

VIEW_BYTES = 250_000
"""What an Environment deploys of one repository: a promotion carries it, and names each application several times."""

READING_BYTES = 64_000
"""What a joining member brings a place that it joins: the history of the place keeps it for each that joins."""

HISTORY_BYTES = 300_000
"""Artifact sets of a place in its status; an Environment's object has room for a few of them at most."""

MEMBERS_SHOWN = 200
"""Members of a place in its status, as many as its schema takes."""

STATUS_BYTES = 900_000
"""One tracker's status: the object with its spec, its metadata and the field managers stays below etcd's 1.5 MB."""

RECORDS_BYTES = 250_000
"""All records of a tracker: status, carried story and every publication hold them."""

EVENTS_KEPT = 100
"""Events that wait for a watcher that is away: the newest are worth a write each, older ones are counted."""

EVENTS_BYTES = 60_000
"""The events of one publication."""

EVENT_ARTIFACTS = 20
"""Artifacts that one event to a receiver names."""

SINK_EVENTS = 500
"""Events that wait for a receiver: the newest are worth sending once it is back."""

SINK_BYTES = 400_000
"""The same in bytes: the workflow carries them, with what it remembers of trackers."""

SINK_SIGNAL_BYTES = 250_000
"""Events of one signal to a sink's workflow, and of one delivery."""

SINK_DELIVERY = 20
"""Events of one delivery, each of which may take the receiver seconds."""

SINK_ATTEMPTS = 500
"""Attempts of trackers of which a sink's workflow remembers the newest event."""

TRACKERS_LISTED = 500
"""Live trackers of one page: a place carries them until each has answered, next to all that it carries anyway."""

POSTS_TRIED = 4
"""Posts without an answer by which a commit status recognises its own."""

DRIFT_READINGS = 150
"""Applications that one look for drift reads and answers with; the others have their turn at the next one."""

DRIFT_SILENCES = 50
"""Projects of one Argo CD that give no answer."""

DRIFT_LINES = 20
"""Applications that a pull request's comment names."""

DRIFT_OWED = 500
"""Trackers, and syncs, that wait for a host to answer."""
