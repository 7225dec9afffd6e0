"""How each defence of SECURITY.md is taken away, and the test that then fails.

A removal is a piece of source and what stands in its place. The test is named as in the table; what
follows it there narrows a whole file to the one that is about this removal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removal:
    """`old`, which stands exactly once in `path`, becomes `new`, and `test` fails. `is_quick`: the
    gate tries it, without an emulator or a browser."""

    name: str
    test: str
    path: str
    old: str
    new: str
    is_quick: bool = False


ATTACK = "tests/attack"
UNIT = "tests/unit"
SIMMER = "layers/common/simmer"
JOBS = f"{SIMMER}/jobs"

REMOVALS = (
    Removal(
        "routes without the authorizer",
        f"{ATTACK}/test_tokens.py::test_no_forged_token_opens_a_route",
        "template.yaml",
        "        DefaultAuthorizer: Jwt\n",
        "",
    ),
    Removal(
        "everybody sees every job",
        f"{ATTACK}/test_jobs_of_others.py"
        "::test_foreign_job_is_the_same_404_as_none_in_every_spelling",
        f"{JOBS}/job.py",
        "return self.is_shared or self.owner == user",
        "return True",
    ),
    Removal(
        "everybody sees every job that is kept",
        f"{UNIT}/status/test_cached_status.py"
        "::test_a_stranger_and_another_tasks_path_find_nothing",
        f"{JOBS}/job.py",
        "return self.is_shared or self.owner == user",
        "return True",
    ),
    Removal(
        "a 404 takes as long as its read",
        f"{UNIT}/status/test_status.py::test_every_404_takes_the_same_time",
        f"{SIMMER}/web/http.py",
        "NOT_FOUND_MS = 50",
        "NOT_FOUND_MS = 0",
    ),
    Removal(
        "a header says who asks",
        f"{ATTACK}/test_jobs_of_others.py::test_claims_in_headers_and_body_are_nobody",
        f"{SIMMER}/web/http.py",
        'subject = part(event, "requestContext",',
        'subject = header(event, "x-user") or part(event, "requestContext",',
    ),
    Removal(
        "ids of shared jobs without the secret",
        f"{UNIT}/submit/test_same_request.py"
        "::test_id_of_a_shared_job_can_be_computed_by_nobody_else",
        f"{SIMMER}/web/push_tokens.py",
        "return f\"everyone {self._signer(now_ms, _SHARED_SALT).dumps('')}\"",
        'return "everyone"',
        is_quick=True,
    ),
    Removal(
        "a push token is for any job",
        f"{ATTACK}/test_jobs_of_others.py::test_push_token_of_ones_own_opens_no_other_job",
        f"{SIMMER}/web/push_tokens.py",
        "if of_job_id != job_id:",
        "if not of_job_id:",
    ),
    Removal(
        "a token may name nobody",
        f"{UNIT}/submit/test_input_errors.py::test_token_that_names_no_user_is_401",
        f"{SIMMER}/web/http.py",
        "    if not is_name or len(subject) > MAX_SUBJECT_CHARACTERS:\n",
        "    if len(str(subject)) > MAX_SUBJECT_CHARACTERS:\n",
    ),
    Removal(
        "claims count wherever they stand",
        f"{UNIT}/test_odd_events.py::test_event_of_another_service_is_answered",
        f"{SIMMER}/web/http.py",
        '"authorizer", "jwt", "claims", "sub")',
        '"authorizer", "claims", "sub")',
        is_quick=True,
    ),
    Removal(
        "a socket without a ticket",
        f"{UNIT}/push/test_connect.py::test_nobody_else_is_let_in",
        "functions/push/subscription.py",
        "lambda: tokens.check_ticket(str(ticket), now_ms)",
        "lambda: None",
    ),
    Removal(
        "places for who does not wait",
        f"{UNIT}/simmer/jobs/test_subscribe.py::test_only_who_waits_for_the_job_has_a_place",
        f"{JOBS}/store.py",
        "if not {mark, _MANY} & job.wanted_by:",
        "if not mark:",
    ),
    Removal(
        "who has gone keeps the place",
        f"{UNIT}/push/test_news.py"
        "::test_one_who_has_gone_gives_the_place_back_at_the_first_news",
        "functions/push/announcement.py",
        "if not (is_there or job.status.is_terminal):",
        "if is_there and not job.status:",
    ),
    Removal(
        "a joiner's message in the owner's group",
        f"{UNIT}/submit/test_resubmits.py::test_message_of_a_joiner_is_in_the_joiners_group",
        f"{JOBS}/queue.py",
        "user = on_behalf_of or job.owner",
        "user = job.owner",
    ),
    Removal(
        "a budget without a price",
        f"{UNIT}/worker/test_budget.py",
        "functions/worker/app.py",
        "    require_prices([",
        "    (lambda *_: None)([",
    ),
    Removal(
        "an answer is looked at on the event loop",
        f"{UNIT}/worker/test_messages.py::test_answer_is_looked_at_beside_the_event_loop",
        "functions/worker/climb.py",
        "return await asyncio.to_thread(validated, task, request, text)",
        "return validated(task, request, text)",
        is_quick=True,
    ),
    Removal(
        "a malformed record holds up the bus",
        f"{UNIT}/job_events/test_events.py"
        "::test_malformed_record_is_left_out_and_the_other_is_told",
        "functions/events/app.py",
        '        logger.error("unexpected error", extra=whereabouts(error))\n        return None',
        "        raise error",
    ),
    Removal(
        "no limit of places for a user",
        f"{UNIT}/simmer/jobs/test_subscribe.py::test_nobody_fills_the_places_of_a_job_alone",
        f"{JOBS}/store.py",
        "set(own[: 1 - MAX_PLACES_A_USER])",
        "set(own[:0])",
    ),
    Removal(
        "the request's body in the log",
        f"{ATTACK}/test_privacy.py::test_no_log_holds_what_users_said_or_what_opens_doors",
        f"{SIMMER}/web/http.py",
        '"request", extra={"route": event.get("routeKey"),',
        '"request", extra={"body": event.get("body"), "route": event.get("routeKey"),',
    ),
    Removal(
        "markup is not looked for",
        f"{UNIT}/worker/test_answer.py::test_an_invalid_answer_is_refused_with_a_complaint",
        "functions/worker/answer.py",
        "if plain.has_markup(shown) and",
        "if not shown and",
    ),
    Removal(
        "control characters are not looked for",
        f"{UNIT}/worker/test_answer.py::test_an_invalid_answer_is_refused_with_a_complaint",
        "functions/worker/answer.py",
        'yield from (f"{place}: {flaw}" for flaw in plain.flaws(text))',
        "yield from ()",
    ),
    Removal(
        "addresses are not looked for",
        f"{UNIT}/worker/test_links.py::test_plain_text_holds_no_address",
        "functions/worker/answer.py",
        "for each in plain.addresses(folded(shown))",
        'for each in addresses("")',
        is_quick=True,
    ),
    Removal(
        "a host goes on behind its end",
        f"{UNIT}/worker/test_links.py::test_where_links_are_wanted_no_other_address_is_one",
        f"{SIMMER}/text/plain.py",
        '    r"(?![^\\s/?#]*(?:[.。]\\w|https?:))"\n',
        "",
        is_quick=True,
    ),
    Removal(
        "an image where links are wanted",
        f"{UNIT}/worker/test_links.py::test_where_links_are_wanted_no_other_address_is_one",
        f"{SIMMER}/text/plain.py",
        'return text if "![" in text else',
        "return",
    ),
    Removal(
        "references are not looked for",
        f"{UNIT}/worker/test_markdown.py::test_of_what_passes_a_markdown_view_makes_nothing",
        f"{SIMMER}/text/plain.py",
        '    r"|\\]:(?:[ \\t]*\\n)?[ \\t]*[^ \\t\\r\\n]{1,400}+[ \\t]*+(?:[\\"\'(].*)?$"\n',
        "",
    ),
    Removal(
        "hidden texts are not looked for",
        f"{UNIT}/simmer/text/test_plain.py::test_what_spells_a_hidden_text_is_a_flaw",
        f"{SIMMER}/text/plain.py",
        "elif seen != text and re.search(_HIDDEN, text):",
        "elif len(seen) > len(text):",
    ),
    Removal(
        "a key may stand twice",
        "tests/fuzz/test_fuzz.py"
        "::test_no_corrupted_answer_reaches_an_app_that_the_judges_refuse",
        f"{SIMMER}/text/strict_json.py",
        "if len(parsed) != len(pairs):",
        "if len(parsed) > len(pairs):",
    ),
    Removal(
        "a request is not fenced",
        f"{UNIT}/worker/test_prompt.py::test_no_ingredient_can_end_the_data",
        "functions/worker/prompt.py",
        'return text.replace("<", "\\\\u003c")',
        "return text",
        is_quick=True,
    ),
    Removal(
        "a request is not fenced, on a stack",
        f"{ATTACK}/test_prompt_fences.py::test_no_word_of_a_user_ends_the_data",
        "functions/worker/prompt.py",
        "{_as_data(_compact(request))}",
        "{_compact(request)}",
    ),
    Removal(
        "a complaint is not fenced",
        f"{ATTACK}/test_prompt_fences.py::test_no_word_of_a_wrong_answer_ends_the_complaints",
        "functions/worker/prompt.py",
        "{_as_data(_one_line(complaint))}",
        "{_one_line(complaint)}",
    ),
    Removal(
        "no limit of jobs under way",
        f"{ATTACK}/test_consumption.py::test_fifty_at_once_are_as_many_as_may_be_under_way",
        f"{JOBS}/store.py",
        "(attribute_not_exists(#in_flight) OR size(#in_flight) < :most)",
        "(attribute_not_exists(#in_flight) OR size(#in_flight) < :most OR size(#in_flight) > :one)",
    ),
    Removal(
        "each resubmit sends a message",
        f"{UNIT}/submit/test_resubmits.py::test_two_hundred_resubmits_send_one_message_more",
        f"{JOBS}/admission.py",
        "return job.sent_at_ms is None or now_ms - job.sent_at_ms >= SENT_AGAIN_AFTER_MS",
        "return True",
    ),
    Removal(
        "no throttle of the API",
        f"{UNIT}/test_deployment.py::test_requests_are_throttled_and_submits_more_so",
        "template.yaml",
        "        ThrottlingRateLimit: !Ref ApiRequestsPerSecond\n",
        "",
    ),
    Removal(
        "no throttle of the socket",
        f"{UNIT}/test_deployment.py::test_messages_of_the_socket_are_throttled",
        "template.yaml",
        "        ThrottlingRateLimit: !Ref PushMessagesPerSecond\n",
        "",
    ),
    Removal(
        "an unreadable message raises",
        f"{UNIT}/worker/test_messages.py"
        "::test_an_unreadable_message_is_shown_again_at_once_and_its_batch_unhurt",
        f"{JOBS}/queue.py",
        "except (ValueError, KeyError, TypeError, AttributeError, RecursionError):",
        "except ZeroDivisionError:",
    ),
    Removal(
        "a spent budget is not looked at",
        f"{UNIT}/worker/test_budget.py",
        "functions/worker/books.py",
        "is_spent = spent_microusd >= limit_microusd",
        "is_spent = spent_microusd < 0",
    ),
    Removal(
        "a budget that nobody can read is spent",
        f"{UNIT}/worker/test_budget.py",
        "functions/worker/books.py",
        "return self.is_blind or is_spent",
        "return is_spent",
    ),
    Removal(
        "depth without a bound",
        f"{ATTACK}/test_consumption.py::test_bomb_is_refused_by_name",
        f"{SIMMER}/text/strict_json.py",
        "    except RecursionError:",
        "    except ZeroDivisionError:",
    ),
    Removal(
        "a malformed record raises",
        f"{UNIT}/push/test_odd_records.py"
        "::test_malformed_record_is_left_out_and_the_other_is_told",
        "functions/push/announcement.py",
        '        logger.error("unexpected error", extra=whereabouts(error))\n        return None',
        "        raise error",
        is_quick=True,
    ),
    Removal(
        "an answer is read to its end",
        f"{UNIT}/worker/test_bounds.py::test_what_does_not_end_is_left_and_counts_as_a_call",
        "functions/worker/providers/bounds.py",
        "if self._left < 0:",
        "if self._left is None:",
    ),
    Removal(
        "an answer that the document does not have",
        f"{ATTACK}/test_schemathesis.py::test_every_answer_is_a_known_one",
        f"{SIMMER}/errors.py",
        '    http_status, code, title = 422, "invalid_request", "The request is invalid"',
        '    http_status, code, title = 418, "invalid_request", "The request is invalid"',
    ),
    Removal(
        "a role that may use every queue",
        f"{UNIT}/test_template.py",
        "template.yaml",
        "                  - sqs:SendMessage\n                Resource: !GetAtt JobsQueue.Arn",
        '                  - sqs:SendMessage\n                Resource: "*"',
    ),
    Removal(
        "code in a network may change it",
        f"{UNIT}/test_template.py::test_no_code_of_a_function_may_change_the_network",
        "template.yaml",
        "            Action: ec2:*\n",
        "            Action: ec2:RunInstances\n",
    ),
    Removal(
        "an action that nothing needs",
        "tests/integration/test_every_permission.py::test_each_action_of_each_role_has_a_probe",
        "template.yaml",
        "                Action: events:PutEvents\n",
        "                Action: [events:PutEvents, events:DescribeEventBus]\n",
    ),
    Removal(
        "an action by its tag",
        f"{UNIT}/test_supply_chain.py",
        ".github/workflows/release.yml",
        "actions/download-artifact@",
        "actions/download-artifact@v4 # ",
    ),
    Removal(
        "the stand-in serves pages",
        "tests/browser/test_foreign_pages.py"
        "::test_no_foreign_page_reads_or_does_anything_on_any_port",
        "local/model/server.py",
        ", middlewares=[for_programs])",
        ")",
    ),
    Removal(
        "the emulator serves foreign hosts",
        "tests/browser/test_foreign_pages.py"
        "::test_no_foreign_page_reads_or_does_anything_on_any_port",
        "local/emulator/ministack_main.py",
        '        return "this host is not served"',
        '        return ""',
    ),
    Removal(
        "a page may sign below the deployed APIs",
        "tests/browser/test_foreign_pages.py"
        "::test_no_foreign_page_reads_or_does_anything_on_any_port",
        "local/emulator/ministack_main.py",
        "    if is_deployed and not is_signed:",
        "    if is_deployed or path.startswith('/_aws/execute-api/'):",
    ),
    Removal(
        "the emulator's own key is the root's",
        "tests/integration/test_emulator.py::test_no_key_that_anybody_knows_is_the_root",
        "local/emulator/ministack_main.py",
        "    if _ROOT_OF_MINISTACK.fullmatch(key):\n",
        "    if not key:\n",
    ),
    Removal(
        "no key at all is the root's",
        "tests/integration/test_emulator.py::test_no_spelling_of_a_signature_is_the_roots",
        "local/emulator/ministack_main.py",
        "    if _ROOT_OF_MINISTACK.fullmatch(key):\n",
        '    if key == "test":\n',
    ),
    Removal(
        "a key that nobody has given opens doors",
        "tests/integration/test_emulator.py::test_signing_in_opens_no_other_door",
        "local/emulator/ministack_main.py",
        'return getattr(found, "code", "") != "UnrecognizedClientException"',
        "return bool(found)",
    ),
    Removal(
        "signing in opens every door",
        "tests/integration/test_emulator.py::test_signing_in_opens_no_other_door",
        "local/emulator/ministack_main.py",
        'or (path == "/" and not query and target == _SIGN_IN)',
        "or target == _SIGN_IN",
    ),
    Removal(
        "sam local without its key",
        f"{UNIT}/local/test_guarded.py",
        "local/sam_local/guarded_sam.py",
        "if not hmac.compare_digest(",
        "if False and not hmac.compare_digest(",
    ),
    Removal(
        "the gate of the containers lets pages in",
        f"{UNIT}/local/test_guarded.py",
        "local/front.py",
        ", for_no_page],",
        "],",
    ),
)  # fmt: skip
