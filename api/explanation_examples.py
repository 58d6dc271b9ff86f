"""Examples of explanations, for the API's document."""

from typing import Any

_EXECUTION = "3f6f1c3e-8f55-4b0e-9a86-0b8a3c5d7e21"

EXPLANATIONS: dict[str, Any] = {
    "no worker": {
        "value": {
            "execution_id": _EXECUTION,
            "status": "pending",
            "sentence": "There is no worker for queue 'perdure': start one (`perdure worker`).",
            "since": "2026-11-26T09:00:00.000000Z",
            "waiting_for": [
                {
                    "kind": "worker",
                    "sentence": "There is no worker for queue 'perdure': start one (`perdure worker`).",
                    "since": "2026-11-26T09:00:00.000000Z",
                    "step_id": None,
                    "task_queue": "perdure",
                    "build_id": None,
                    "backlog": 1,
                    "workers": [],
                }
            ],
        }
    },
    "a model's retry": {
        "value": {
            "execution_id": _EXECUTION,
            "status": "running",
            "sentence": "Step writer has failed and is tried again (attempt 3); the next attempt is at"
            " 2026-11-26 09:00:04 UTC. It failed of: openai:gpt-4o-mini is limiting the rate of requests (HTTP 429).",
            "since": "2026-11-26T09:00:02.000000Z",
            "waiting_for": [
                {
                    "kind": "retry",
                    "sentence": "Step writer has failed and is tried again (attempt 3); the next attempt is at"
                    " 2026-11-26 09:00:04 UTC. It failed of: openai:gpt-4o-mini is limiting the rate of requests"
                    " (HTTP 429).",
                    "since": "2026-11-26T09:00:02.000000Z",
                    "step_id": "writer",
                    "attempt": 3,
                    "last_error": "openai:gpt-4o-mini is limiting the rate of requests (HTTP 429).",
                    "next_attempt_at": "2026-11-26T09:00:04.000000Z",
                }
            ],
        }
    },
    "ended": {
        "value": {
            "execution_id": _EXECUTION,
            "status": "completed",
            "sentence": "It has completed; it waits for nothing.",
            "since": "2026-11-26T09:00:05.000000Z",
            "waiting_for": [],
        }
    },
}
