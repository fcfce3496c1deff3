"""Every row of docs/protocol/limits.md has tests, at the limit and one above; this says which."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

from hub.audience import MAX_KEPT
from hub.config import HubConfig
from hub.event_types import MAX_EVENT_TYPES
from hub.name_filter import MAX_FILTERS, MAX_MEMORY
from messaging.compression import MAX_BYTES, MAX_RATIO
from messaging.envelope import MAX_FILTER_CHARS
from netcore.server_config import ServerConfig
from netcore.token import TokenGate
from tests.support.named_tests import missing

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "limits.md"

EVERYWHERE = "tests/integration/test_limits.py"
"""Once for each transport."""
CONTRACT = "tests/transports/contract.py"
SESSION = "tests/hub/test_session.py"
HUB = "tests/hub/test_hub.py"
CHANNEL = "tests/hub/test_channel.py"
TARGETING = "tests/hub/test_targeting.py"
MEMORY = "tests/stores/test_memory.py"
SERVER = "tests/netcore/test_server.py"
WEBSOCKET = "tests/transports/test_websocket_transport.py"
OUTGOING = "tests/transports/test_outgoing.py"
HTTP = "tests/signaling/test_limits.py"
LONG_POLL = "tests/transports/test_long_poll_transport.py"
JSON_VIEW = "tests/integration/test_json_view.py"

TESTS: dict[str, list[str]] = {
    # Messages and names
    "name (channel, agent, type)": [
        "tests/messaging/test_names.py",
        f"{EVERYWHERE}::test_a_type_name_has_64_bytes",
        "tests/signaling/test_sessions.py::test_a_bad_field_is_named",
    ],
    "application message, content, without compression": [
        f"{EVERYWHERE}::test_content_at_its_limit_arrives_and_one_byte_more_is_refused",
        f"{EVERYWHERE}::test_content_counts_as_it_is_without_compression",
    ],
    "compressed content": [
        f"{EVERYWHERE}::test_a_bomb_closes_the_link_of_its_sender_only",
        "tests/messaging/test_compression.py::test_the_ratio_is_held_to_the_byte",
        "tests/messaging/test_compression.py::test_the_largest_content_passes_and_one_byte_more_does_not",
    ],
    "message on any link": [
        f"{CONTRACT}::test_the_largest_message_passes_both_ways",
        f"{CONTRACT}::test_a_message_one_byte_too_large_is_the_callers_mistake",
    ],
    "control message": [
        f"{EVERYWHERE}::test_a_control_message_has_4096_bytes_at_most",
        "tests/messaging/test_control.py",
    ],
    "metadata of an agent": [
        "tests/attacks/test_bombs.py::test_what_json_does_not_know_is_refused",
        "tests/signaling/test_sessions.py::test_a_bad_field_is_named",
    ],
    "key of a sequenced message": [f"{EVERYWHERE}::test_a_key_has_thirty_bits"],
    "filter over names": [
        f"{EVERYWHERE}::test_a_filter_has_256_characters",
        "tests/attacks/test_regular_expressions.py::test_an_evil_filter_is_refused_or_bounded",
    ],
    "filters kept compiled": [
        "tests/hub/test_name_filter.py::test_the_cache_keeps_the_newest_1024_and_what_is_used",
        f"{TARGETING}::test_a_channel_keeps_few_results",
    ],
    "work by new filters, for each agent": [
        f"{TARGETING}::test_one_who_asks_for_ever_new_filters_is_throttled_and_recovers",
        f"{TARGETING}::test_a_filter_too_complex_for_a_full_room_is_refused",
    ],
    "types that an agent chooses to get": [
        f"{TARGETING}::test_a_choice_is_a_list_or_a_text_with_commas",
        f"{TARGETING}::test_a_choice_that_means_nothing_is_refused",
        "tests/signaling/test_sessions.py::test_event_types_can_be_chosen",
    ],
    "types in a channel": [
        "tests/hub/test_type_names.py",
        f"{EVERYWHERE}::test_an_agent_brings_so_many_types_and_not_one_more",
    ],
    "messages set aside by a client": ["tests/messaging_agent/test_session_core.py"],
    # Channels
    "agents in a channel": [f"{HUB}::test_a_channel_is_full_one_above_its_limit"],
    "channels of a server": [f"{HUB}::test_the_server_is_busy_one_channel_above_its_limit"],
    "connects that create a channel, for each (key, address)": [
        "tests/hub/test_throttle.py::test_a_burst_holds_at_the_limit_and_waits_one_above",
        "tests/hub/test_access.py::test_creating_is_throttled_for_each_key_and_address",
        "tests/attacks/test_password_guessing.py",
    ],
    "log of a channel in memory": [
        f"{MEMORY}::test_the_newest_thousand_are_kept",
        f"{MEMORY}::test_bytes_of_a_channel_are_bounded",
        f"{MEMORY}::test_bytes_of_all_channels_are_bounded_and_the_idlest_goes_whole",
    ],
    "log of a channel in memory after its last session": [
        f"{HUB}::test_history_outlives_the_last_agent_for_a_while"
    ],
    "messages in one answer of `receive`": [
        f"{HUB}::test_bad_questions_to_the_log_are_refused",
        "tests/signaling/test_messages.py::test_a_bad_query_is_refused",
    ],
    # Sessions and links
    "what one agent sends": [
        "tests/hub/test_budget.py",
        f"{EVERYWHERE}::test_above_the_budget_reliable_messages_close_and_others_are_dropped",
        f"{EVERYWHERE}::test_bytes_have_a_budget_too",
    ],
    "unacknowledged messages of a session stream": [
        "tests/messaging/test_stream.py::test_the_message_cap_holds_at_the_limit_and_breaks_one_above",
        "tests/messaging/test_stream.py::test_the_byte_cap_holds_at_the_limit_and_breaks_one_above",
        "tests/messaging/test_stream.py::test_the_age_cap_holds_at_the_limit_and_breaks_above",
        f"{EVERYWHERE}::test_a_receiver_that_acknowledges_nothing_is_slow_at_the_cap_and_one",
        f"{SESSION}::test_an_absent_receiver_keeps_its_outbox_to_the_cap_and_loses_it_one_above",
    ],
    "unacknowledged on a new link while a stream is replayed": [
        f"{SESSION}::test_a_full_outbox_is_replayed_in_portions_that_a_link_can_take"
    ],
    "out of order in a session stream": [
        f"{EVERYWHERE}::test_a_stream_number_lies_2048_ahead_at_most",
        "tests/messaging/test_stream.py::test_the_window_holds_at_the_limit_and_breaks_one_above",
    ],
    "acknowledgement of a stream message": [
        f"{SESSION}::test_stream_messages_are_acknowledged_together_within_the_delay"
    ],
    "slots of the sequenced lane": ["tests/hub/test_slots.py"],
    "links of a session without ATTACH": [
        f"{EVERYWHERE}::test_a_link_without_attach_is_closed_after_its_time",
        f"{CHANNEL}::test_a_link_without_attach_is_closed_in_time",
        f"{CHANNEL}::test_only_a_few_links_may_wait",
    ],
    "session without its first link": [
        f"{HUB}::test_a_session_that_never_gets_a_link_ends_and_was_never_seen"
    ],
    "session without a link": [
        f"{CHANNEL}::test_away_becomes_left_after_thirty_seconds_and_not_before",
        f"{CHANNEL}::test_after_two_minutes_the_session_is_over",
        f"{CHANNEL}::test_a_late_resume_is_a_join_that_says_so",
    ],
    "presenting a connect token on an open link": [
        f"{WEBSOCKET}::test_no_token_in_time_closes_the_link",
        f"{WEBSOCKET}::test_the_deadline_does_not_hit_who_was_in_time",
    ],
    # Handshake of NCP
    "half-open handshakes": [
        f"{SERVER}::test_the_cap_of_half_open_handshakes_holds",
        f"{SERVER}::test_many_half_open_handshakes_make_cookies_due",
        f"{SERVER}::test_a_handshake_that_died_gives_its_token_back",
    ],
    "log of used connect tokens": [
        "tests/netcore/test_token.py::test_a_full_log_refuses_rather_than_forgets",
        "tests/netcore/test_token.py::test_an_entry_outlives_every_moment_its_token_could_be_used",
    ],
    "HELLOs without a cookie from an address": [
        f"{SERVER}::test_above_its_limit_an_address_gets_retry_and_with_a_cookie_passes",
        "tests/attacks/test_crowds.py",
    ],
    "HELLOs without a cookie in all": [
        f"{SERVER}::test_a_flood_of_bogus_first_packets_does_not_keep_honest_clients_out",
        "tests/test_limits_table.py::test_the_handshakes_limits_are_those_of_the_code",
    ],
    "RESETs to an address": [f"{SERVER}::test_resets_are_limited_by_address_and_not_sent_for_other_workers"],
    # HTTP
    "headers with the request's target": [
        f"{HTTP}::test_too_many_headers_are_refused",
        "tests/signaling/test_server.py::test_a_raw_request_gets_one_answer_and_no_traceback",
    ],
    "body": [
        f"{HTTP}::test_a_body_at_the_limit_is_read_and_one_byte_more_is_not",
        f"{HTTP}::test_a_body_that_does_not_come_is_given_up",
        f"{HTTP}::test_a_steady_body_gets_the_time_its_size_needs",
    ],
    "JSON": ["tests/signaling/test_strict_json.py"],
    "headers of a request": [
        "tests/signaling/test_server.py::test_headers_that_come_too_slowly_end_the_connection",
        "tests/signaling/test_server.py::test_a_second_request_has_a_deadline_as_well",
    ],
    "a kept connection without a request": ["tests/signaling/test_server.py"],
    "an answer that the client does not read": [
        "tests/signaling/test_server.py::test_an_answer_that_nobody_reads_is_given_up"
    ],
    "connections, links over WebSocket included": [
        "tests/signaling/test_server.py::test_an_address_has_only_so_many_connections",
        "tests/attacks/test_crowds.py::test_a_room_of_a_hundred_from_one_address_on_a_whole_server",
    ],
    "requests without a credential accepted lately, for each IPv4 address or IPv6 /64": [
        f"{HTTP}::test_an_address_without_accepted_credentials_has_to_slow_down",
        f"{HTTP}::test_accepted_credentials_pass_whatever_the_neighbours_do",
    ],
    # WebSocket
    "WebSocket message": [f"{WEBSOCKET}::test_fragments_above_the_limit_are_too_big"],
    "bytes before the token is proved": [f"{WEBSOCKET}::test_little_is_taken_before_the_token"],
    "keys on one sequenced lane, client to server": [
        f"{CONTRACT}::test_more_keys_than_a_lane_may_have_end_the_link"
    ],
    "queue of a link, reliable and ordered": [
        f"{OUTGOING}::test_the_reliable_cap_is_exact",
        f"{CONTRACT}::test_a_slow_receiver_fills_the_reliable_queue",
    ],
    "queue of a link, sequenced": [
        f"{OUTGOING}::test_above_its_cap_the_longest_waiting_key_is_dropped",
        f"{CONTRACT}::test_a_slow_receiver_gets_the_latest_state_not_every_state",
    ],
    "queue of a link, unreliable": [
        f"{OUTGOING}::test_the_oldest_unreliable_frame_gives_way",
        f"{CONTRACT}::test_a_slow_receiver_costs_bounded_memory_for_unreliable_messages",
    ],
    "answers to pings that the client does not read": [
        f"{WEBSOCKET}::test_pings_whose_answers_are_not_read_end_the_link"
    ],
    "nothing received": [f"{WEBSOCKET}::test_a_client_that_answers_nothing_is_gone_after_the_idle_time"],
    "the other side's close frame": [f"{WEBSOCKET}::test_a_client_that_never_answers_the_close_is_cut_off"],
    # Long poll
    "batch": [
        "tests/messaging/test_poll_bodies.py::test_a_batch_above_the_limit_is_refused_by_its_length",
        f"{LONG_POLL}::test_a_batch_at_the_limit_is_taken",
    ],
    "body of an opening, of a poll": [f"{LONG_POLL}::test_bodies_have_a_limit"],
    "how long a poll waits": [f"{LONG_POLL}::test_a_poll_ends_empty_after_its_time"],
    "no request of a link, waiting or arriving": [
        f"{LONG_POLL}::test_a_client_that_goes_while_it_waits_is_idle_from_then_on",
        f"{LONG_POLL}::test_a_link_that_is_only_asked_for_stays",
    ],
    "polls of a closed link": [f"{LONG_POLL}::test_a_closed_link_is_forgotten_after_a_moment"],
    "polls of a link that wait, batches under way": [f"{LONG_POLL}::test_a_second_poll_ends_the_first"],
    "queue of a link": [f"{CONTRACT}::test_a_slow_receiver_fills_the_reliable_queue"],
    # Messages without a link
    "`wait` of a request for new messages": [f"{JSON_VIEW}::test_a_bad_question_is_refused"],
    "messages that nobody fetched": [f"{JSON_VIEW}::test_more_than_the_inbox_holds_is_told_as_missed"],
    "no request of an agent without a link": [
        f"{JSON_VIEW}::test_an_agent_is_present_while_it_asks_and_away_when_it_stops"
    ],
}


def rows() -> dict[str, str]:
    """First cell to second cell of every row of every table."""
    found: dict[str, str] = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] != "what":
            found[cells[0]] = f"{found.get(cells[0], '')} {cells[1]}".strip()
    return found


def test_every_limit_names_its_tests() -> None:
    """A new row of the document needs a line in `TESTS`; a row that went needs none."""
    assert sorted(TESTS) == sorted(rows())


def test_the_tests_that_limits_name_are_there() -> None:
    assert {row: gone for row, names in TESTS.items() if (gone := missing(names))} == {}


def test_the_handshakes_limits_are_those_of_the_code() -> None:
    config, gate = ServerConfig(), signature(TokenGate).parameters
    limits = rows()
    said = limits["half-open handshakes"]
    assert f"{config.half_open_cap:,}, for {config.half_open_s:g} s each" in said
    assert f"above {config.retry_above_half_open} " in said
    assert f"{gate['log_cap'].default:,}" in limits["log of used connect tokens"]
    each = f"{config.address_hello_burst:g} at once, then {config.address_hellos_per_s:g}/s"
    assert limits["HELLOs without a cookie from an address"] == each
    in_all = f"{config.hellos_per_s / 4:g} at once, then {config.hellos_per_s:,.0f}/s"
    assert limits["HELLOs without a cookie in all"] == in_all
    resets = f"{config.address_resets_per_s:g} at once, then {config.address_resets_per_s:g}/s"
    assert limits["RESETs to an address"] == resets


def test_the_hubs_new_limits_are_those_of_the_code() -> None:
    config, limits = HubConfig(), rows()
    assert f"{config.filter_steps_burst:,.0f} steps at once" in limits["work by new filters, for each agent"]
    assert f"{config.filter_steps_per_s:,.0f}/s" in limits["work by new filters, for each agent"]
    assert limits["filter over names"] == (
        f"{MAX_FILTER_CHARS} characters, {MAX_MEMORY // 1024} KiB when compiled"
    )
    assert limits["filters kept compiled"] == f"{MAX_FILTERS:,} a server; results {MAX_KEPT} a channel"
    assert limits["types that an agent chooses to get"] == str(MAX_EVENT_TYPES)
    assert limits["compressed content"] == (
        f"{MAX_BYTES // 1024} KiB without compression, {MAX_RATIO} times its block"
    )
