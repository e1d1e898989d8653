"""Prometheus metrics: an observer of sessions' events and of choices. No label carries a session, a text or a voice."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from voicechat.events import (
    DraftDecided,
    Event,
    Failed,
    InputDropped,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    SessionEnded,
    SessionStarted,
    ToolEnded,
    TranscriptFailed,
    TranscriptFinal,
    TurnMeasured,
)
from voicechat.models.residency import Change
from voicechat.placement import Routed
from voicechat.pool import ClauseBegun, ClauseEnded, ClauseJoined, Spoken
from voicechat.protocols.studio import Done, JobBegun, JobEnded

LATENCY_BUCKETS: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 5.0)
TOOL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOB_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
WAIT_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counts what happens in all sessions, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions = Gauge("voicechat_sessions", "Sessions now.", registry=registry)
        self.ended = Counter("voicechat_sessions_ended", "Sessions ended.", ["reason"], registry=registry)
        self.refused = Counter("voicechat_sessions_refused", "Callers refused: the server was full.", registry=registry)
        self.replies = Counter("voicechat_replies", "Answers, by how they ended.", ["status"], registry=registry)
        self.pauses = Counter("voicechat_pauses", "Answers paused by a voice.", registry=registry)
        self.resumes = Counter("voicechat_resumes", "Answers resumed: it was nothing.", registry=registry)
        self.drafts = Counter(
            "voicechat_drafts", "Answers begun before the turn was over, by their fate.", ["fate"], registry=registry
        )
        self.failures = Counter("voicechat_failures", "Errors told to callers.", ["code"], registry=registry)
        self.dropped = Counter("voicechat_input_dropped_seconds", "Callers' sound lost.", registry=registry)
        self.spoken = Counter("voicechat_speech_seconds", "Speech understood.", registry=registry)
        self.recognition = Histogram(
            "voicechat_recognition_factor",
            "Recognition time over speech time.",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 2.0, 5.0),
            registry=registry,
        )
        self.latency = Histogram(
            "voicechat_turn_seconds",
            "From the caller's last sound to each stage.",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.tools = Counter("voicechat_tools", "Tools run for the agent.", ["outcome"], registry=registry)
        self.tool_time = Histogram(
            "voicechat_tool_seconds", "How long tools ran.", buckets=TOOL_BUCKETS, registry=registry
        )
        self.tokens = Counter(
            "voicechat_tokens", "Tokens that a language model counted; cached ones are read, too.", ["kind"],
            registry=registry,
        )  # fmt: skip
        self.routed = Counter(
            "voicechat_routing_decisions", "Replicas chosen.", ["strategy", "outcome"], registry=registry
        )
        self.kept = Counter(
            "voicechat_routing_affinity", "Callers who had a replica, kept or moved.", ["result"], registry=registry
        )
        self.excluded = Counter(
            "voicechat_routing_excluded", "Replicas left out of a choice.", ["reason"], registry=registry
        )
        self.clause_wait = Histogram(
            "voicechat_synthesis_wait_seconds",
            "How long clauses waited for a worker: the first of a reply (opening), and those after it (later).",
            ["place"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.clause_gap = Histogram(
            "voicechat_synthesis_gap_seconds",
            "Silence between two clauses because the second was not there in time.",
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.clause_first = Histogram(
            "voicechat_synthesis_first_sound_seconds",
            "Time of work until a clause's first sound.",
            ["engine"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.clauses_now = Gauge("voicechat_synthesis_clauses_now", "Clauses in work.", ["engine"], registry=registry)
        self.clauses = Counter(
            "voicechat_synthesis_clauses", "Clauses, by how they ended.", ["engine", "outcome"], registry=registry
        )
        self.clause_work = Counter(
            "voicechat_synthesis_work_seconds", "Time of synthesis.", ["engine", "outcome"], registry=registry
        )
        self.clause_sound = Counter(
            "voicechat_synthesis_sound_seconds", "Sound made.", ["engine", "outcome"], registry=registry
        )
        self.jobs_now = Gauge(
            "voicechat_jobs_now", "Texts being spoken and recordings being understood.", ["kind"], registry=registry
        )
        self.jobs = Counter("voicechat_jobs", "They, by how they ended.", ["kind", "outcome"], registry=registry)
        self.job_time = Histogram(
            "voicechat_job_seconds",
            "How long they took, the coming of a recording included.",
            ["kind", "outcome"],
            buckets=JOB_BUCKETS,
            registry=registry,
        )
        self.models = Gauge("voicechat_models", "Models in memory.", ["kind"], registry=registry)
        self.model_bytes = Gauge("voicechat_model_bytes", "Memory of models, as measured.", ["kind"], registry=registry)
        self.model_loads = Counter(
            "voicechat_model_loads", "Models loaded, or not.", ["kind", "outcome"], registry=registry
        )
        self.model_unloads = Counter(
            "voicechat_model_unloads", "Models unloaded, and why.", ["kind", "reason"], registry=registry
        )
        self.model_load_time = Histogram(
            "voicechat_model_load_seconds",
            "What loading a model took, waiting for its place included.",
            ["kind"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0),
            registry=registry,
        )
        self.loop_lag = Histogram(
            "voicechat_loop_lag_seconds",
            "How late the event loop runs its timers.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
            registry=registry,
        )

    def observe(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self.sessions.inc()
            case SessionEnded():
                self.sessions.dec()
                self.ended.labels(event.reason).inc()
            case TranscriptFinal():
                self.spoken.inc(event.seconds)
                if event.seconds > 0:
                    self.recognition.observe(event.factor)
            case ReplyFinished():
                self.replies.labels(event.status.value).inc()
                if event.tokens is not None:
                    for kind in ("read", "cached", "written"):
                        self.tokens.labels(kind).inc(getattr(event.tokens, kind))
            case ToolEnded():
                self.tools.labels("failed" if event.failed else "done").inc()
                self.tool_time.observe(event.seconds)
            case ReplyPaused():
                self.pauses.inc()
            case ReplyResumed():
                self.resumes.inc()
            case DraftDecided():
                self.drafts.labels(event.fate.value).inc()
            case InputDropped():
                self.dropped.inc(event.seconds)
            case Failed() | TranscriptFailed():
                self.failures.labels(event.code).inc()
            case TurnMeasured():
                for stage in ("endpointed", "understood", "first_word", "first_sound"):
                    self.latency.labels(stage).observe(getattr(event, stage))

    def observe_routing(self, routed: Routed) -> None:
        self.routed.labels(routed.strategy, routed.outcome).inc()
        if routed.affinity:
            self.kept.labels(routed.affinity).inc()
        for reason, count in routed.excluded.items():
            self.excluded.labels(reason).inc(count)

    def observe_synthesis(self, spoken: Spoken) -> None:
        match spoken:
            case ClauseBegun():
                self.clauses_now.labels(spoken.engine).inc()
                self.clause_wait.labels("opening" if spoken.opening else "later").observe(spoken.wait)
            case ClauseJoined():
                self.clause_gap.observe(spoken.gap)
            case ClauseEnded():
                self.clauses_now.labels(spoken.engine).dec()
                if spoken.first:
                    self.clause_first.labels(spoken.engine).observe(spoken.first)
                self.clauses.labels(spoken.engine, spoken.outcome).inc()
                self.clause_work.labels(spoken.engine, spoken.outcome).inc(spoken.work)
                self.clause_sound.labels(spoken.engine, spoken.outcome).inc(spoken.sound)

    def observe_jobs(self, done: Done) -> None:
        match done:
            case JobBegun():
                self.jobs_now.labels(done.kind).inc()
            case JobEnded():
                self.jobs.labels(done.kind, done.outcome).inc()
                if done.seconds is not None:
                    self.jobs_now.labels(done.kind).dec()
                    self.job_time.labels(done.kind, done.outcome).observe(done.seconds)

    def observe_models(self, change: Change) -> None:
        match change.what:
            case "loaded":
                self.models.labels(change.kind).inc()
                self.model_bytes.labels(change.kind).inc(change.memory)
                self.model_loads.labels(change.kind, "loaded").inc()
                self.model_load_time.labels(change.kind).observe(change.seconds)
            case "failed":
                self.model_loads.labels(change.kind, "failed").inc()
            case "unloaded":
                self.models.labels(change.kind).dec()
                self.model_bytes.labels(change.kind).dec(change.memory)
                self.model_unloads.labels(change.kind, change.reason).inc()
