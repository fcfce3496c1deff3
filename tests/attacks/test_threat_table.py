"""Which test defends against which attack: the rows of the threat table, and where their tests are."""

from __future__ import annotations

import pytest

from tests.support.named_tests import missing

SERVER = "tests/netcore/test_server.py"
TOKEN = "tests/netcore/test_token.py"
REPLAY = "tests/attacks/test_replay.py"
TWO = "tests/integration/test_two_transports.py"

DEFENCES: dict[str, tuple[str, list[str]]] = {
    "A01": (
        "amplification towards a spoofed source",
        [
            f"{SERVER}::test_an_unproved_address_never_gets_more_than_it_sent",
            "tests/attacks/test_amplification.py",
        ],
    ),
    "A02": (
        "flood of handshakes",
        [
            f"{SERVER}::test_a_flood_of_bogus_first_packets_does_not_keep_honest_clients_out",
            f"{SERVER}::test_without_the_key_no_public_key_operation_happens",
            "tests/attacks/test_crowds.py",
        ],
    ),
    "A05": (
        "replayed datagrams",
        [
            f"{SERVER}::test_a_recorded_session_replays_to_nothing",
            f"{REPLAY}::test_no_recorded_datagram_delivers_anything_a_second_time",
            f"{REPLAY}::test_no_recorded_datagram_delivers_anything_at_another_server",
            f"{REPLAY}::test_a_packet_from_before_the_window_is_not_taken_though_it_never_came",
        ],
    ),
    "A06": (
        "a nonce used twice",
        [
            f"{SERVER}::test_the_keys_of_two_connections_never_meet_even_with_one_token_and_a_restart",
            "tests/attacks/test_nonces.py",
        ],
    ),
    "A07": ("sessions taken over after a NAT forgot them", ["tests/attacks/test_hijack.py"]),
    "A08": (
        "tokens replayed, stolen, forged, expired",
        [
            f"{TOKEN}::test_every_changed_byte_is_noticed",
            f"{TOKEN}::test_a_token_redeems_once",
            f"{TOKEN}::test_the_leeway_is_five_seconds_past_expiry",
            f"{TOKEN}::test_a_clock_set_back_revives_nothing",
            f"{TOKEN}::test_a_restarted_server_has_another_key_and_refuses_old_tokens",
            f"{SERVER}::test_two_endpoints_of_one_server_do_not_both_take_a_hello",
            f"{TWO}::test_a_token_opens_one_link_of_its_own_transport",
            "tests/transports/contract.py::test_a_forged_token_is_refused",
            "tests/attacks/test_tokens.py",
        ],
    ),
    "A09": (
        "early data, and its replay",
        [
            f"{REPLAY}::test_the_first_flight_is_one_hello_with_nothing_in_it_that_has_an_effect",
            f"{REPLAY}::test_replaying_hello_and_first_data_has_one_effect",
            f"{REPLAY}::test_first_data_does_not_survive_a_restart_between_the_flights",
        ],
    ),
    "A10": ("sessions guessed, fixed or stolen", ["tests/attacks/test_session_theft.py"]),
    "A11": (
        "slow clients and silent ones",
        [
            "tests/attacks/test_slow_clients.py",
            "tests/signaling/test_server.py::test_headers_that_come_too_slowly_end_the_connection",
            "tests/signaling/test_server.py::test_an_answer_that_nobody_reads_is_given_up",
        ],
    ),
    "A12": ("what is too large", ["tests/attacks/test_oversize.py", "tests/integration/test_limits.py"]),
    "A13": ("bombs", ["tests/attacks/test_bombs.py", "tests/messaging/test_compression.py"]),
    "A14": (
        "floods of colliding keys",
        ["tests/attacks/test_bombs.py::test_keys_that_all_collide_never_reach_a_dict"],
    ),
    "A15": (
        "nesting, huge numbers, lone surrogates, doubled keys",
        [
            "tests/attacks/test_bombs.py::test_odd_metadata_is_taken_as_it_is_or_refused",
            "tests/signaling/test_strict_json.py",
            "tests/signaling/test_any_body.py",
            "tests/messaging/test_control.py",
        ],
    ),
    "A16": ("evil regular expressions", ["tests/attacks/test_regular_expressions.py"]),
    "A19": ("guessed passwords", ["tests/attacks/test_password_guessing.py"]),
    "A20": (
        "channel ids that reveal or collide",
        [
            "tests/attacks/test_password_guessing.py::"
            "test_no_other_split_of_the_same_characters_is_the_same_channel",
            "tests/hub/test_access.py",
        ],
    ),
    "A25": (
        "a sender's name, time or offset forged",
        [
            "tests/attacks/test_sender_spoofing.py",
            "tests/hub/test_publisher.py::test_nothing_that_a_client_sends_sets_sender_time_or_offset",
        ],
    ),
    "A39": (
        "lines and control characters forged in the log",
        [
            "tests/attacks/test_log_injection.py",
            "tests/netplay/test_logs.py::test_whatever_a_client_sends_makes_exactly_one_line",
        ],
    ),
    "A40": ("series for everything that users name", ["tests/attacks/test_metric_cardinality.py"]),
    "A41": ("clocks that jump or lie", ["tests/attacks/test_clock_jumps.py"]),
    "A42": ("poisoned records", ["tests/attacks/test_poisoned_records.py"]),
    "A43": (
        "an event loop held up by one request",
        [
            "tests/attacks/test_blocked_loop.py",
            "tests/attacks/test_regular_expressions.py::"
            "test_what_one_agent_can_cost_at_once_is_less_than_fifty_milliseconds",
            "tests/netplay/test_loop_lag.py",
        ],
    ),
}


@pytest.mark.parametrize("row", list(DEFENCES))
def test_the_tests_of_a_row_are_there(row: str) -> None:
    assert missing(DEFENCES[row][1]) == []


def test_every_row_that_this_stage_promises_is_there() -> None:
    numbers = (1, 2, *range(5, 17), 19, 20, 25, *range(39, 44))
    assert list(DEFENCES) == [f"A{number:02}" for number in numbers]
