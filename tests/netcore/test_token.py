from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.token import (
    MAX_CLAIMS_BYTES,
    MAX_TOKEN_BYTES,
    OpenedToken,
    TokenGate,
    TokenKey,
    seal_token,
    token_id_of,
)
from tests.netcore.seeded import seeded

APP_ID = 99
NOW = 5_000.0
KEY = TokenKey(3, b"k" * 32)
RANDOM = seeded(4)


def token(
    expires: int = 5_030, claims: bytes = b"claims", key: TokenKey = KEY, app_id: int = APP_ID
) -> bytes:
    return seal_token(key, app_id=app_id, claims=claims, expires_unix=expires, random=RANDOM)[0]


def gate(**options: float) -> TokenGate:
    return TokenGate([KEY], APP_ID, **options)  # type: ignore[arg-type]


def reason(attempt: object, *arguments: object) -> str:
    assert callable(attempt)
    with pytest.raises(ProtocolError) as caught:
        attempt(*arguments)
    assert caught.value.code == CloseCode.TOKEN_REFUSED
    return caught.value.text


@given(st.binary(max_size=512), st.integers(0, 2**64 - 1), st.integers(5_000, 5_100))
@settings(max_examples=50)
def test_what_was_sealed_is_opened(claims: bytes, user_id: int, expires: int) -> None:
    sealed, psk = seal_token(
        KEY, app_id=APP_ID, claims=claims, expires_unix=expires, random=RANDOM, user_id=user_id
    )
    opened = gate().open(sealed, NOW)
    assert opened == OpenedToken(token_id_of(sealed), psk, claims, user_id, expires)
    assert len(sealed) <= MAX_TOKEN_BYTES


# NCP-4-1
def test_two_tokens_share_nothing_secret() -> None:
    one, other = (seal_token(KEY, app_id=1, claims=b"", expires_unix=1, random=RANDOM) for _ in range(2))
    assert one[1] != other[1]
    assert one[0][26:] != other[0][26:]


@pytest.mark.parametrize(
    "wrong",
    [{"claims": bytes(MAX_CLAIMS_BYTES + 1)}, {"expires_unix": 1 << 64}, {"app_id": -1}, {"user_id": -1}],
)
# NCP-4-2
def test_a_caller_that_breaks_a_rule_is_told(wrong: dict[str, object]) -> None:
    arguments: dict[str, object] = {"app_id": 1, "claims": b"", "expires_unix": 1, "user_id": 0, **wrong}
    with pytest.raises(ValueError, match=r"512|u64"):
        seal_token(KEY, random=RANDOM, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="32 bytes"):
        TokenKey(1, b"short")
    with pytest.raises(ValueError, match="u16"):
        TokenKey(65_536, bytes(32))


def test_a_key_never_shows_its_secret() -> None:
    assert "kkk" not in repr(KEY)


def test_a_generated_key_opens_its_own_tokens_only() -> None:
    mine, other = TokenKey.generate(RANDOM), TokenKey.generate(RANDOM)
    both = TokenGate([mine], APP_ID)
    both.open(token(key=mine), NOW)
    assert reason(both.open, token(key=other), NOW) == "token_key"
    assert reason(both.open, token(key=TokenKey(mine.key_id, bytes(32))), NOW) == "token_forged"


def test_every_changed_byte_is_noticed() -> None:
    sealed = token()
    guard = gate()
    for at in range(len(sealed)):
        for mask in (1, 0x80):
            damaged = sealed[:at] + bytes((sealed[at] ^ mask,)) + sealed[at + 1 :]
            assert reason(guard.open, damaged, NOW) in (
                "token_key",
                "token_forged",
                "token_lifetime",
                "token_expired",
            )
    guard.open(sealed, NOW)


def test_the_application_is_part_of_the_seal() -> None:
    assert reason(gate().open, token(app_id=APP_ID + 1), NOW) == "token_forged"


@given(st.binary(max_size=1000))
def test_random_bytes_raise_nothing_but_the_one_error(data: bytes) -> None:
    reason(gate().open, data, NOW)


def test_the_leeway_is_five_seconds_past_expiry() -> None:
    # NCP-4-4
    sealed = token(expires=5_030)
    gate().open(sealed, 5_035.0)
    assert reason(gate().open, sealed, 5_035.1) == "token_expired"


def test_a_token_that_would_live_too_long_is_refused() -> None:
    # NCP-4-4
    gate().open(token(expires=5_125), NOW)
    assert reason(gate().open, token(expires=5_126), NOW) == "token_lifetime"


def test_a_token_redeems_once() -> None:
    # NCP-4-5, NCP-4-7
    guard, sealed = gate(), token()
    assert guard.redeem(sealed, NOW).claims == b"claims"
    assert reason(guard.redeem, sealed, NOW) == "token_used"
    assert reason(guard.open, sealed, NOW) == "token_used"


def test_a_pending_token_belongs_to_one_handshake() -> None:
    guard, sealed = gate(), token()
    opened = guard.open(sealed, NOW)
    guard.reserve(opened, b"e1", NOW)
    guard.reserve(opened, b"e1", NOW)
    assert reason(guard.reserve, opened, b"e2", NOW) == "token_pending"
    assert reason(guard.redeem, sealed, NOW) == "token_pending"
    guard.release(opened.token_id)
    guard.reserve(opened, b"e2", NOW)
    guard.consume(opened.token_id)
    guard.release(opened.token_id)
    assert reason(guard.reserve, opened, b"e2", NOW) == "token_used"
    assert reason(guard.redeem, sealed, NOW) == "token_used"


def test_a_token_whose_time_runs_out_while_it_is_pending() -> None:
    guard, sealed = gate(), token(expires=5_030)
    guard.reserve(guard.open(sealed, 5_035.0), b"e1", 5_035.0)
    guard.redeem(token(expires=5_100), 5_036.0)
    guard.consume(token_id_of(sealed))
    assert guard.log_size == 1
    assert reason(guard.redeem, sealed, 5_000.0) == "token_expired"


def test_a_full_log_refuses_rather_than_forgets() -> None:
    # NCP-4-6
    guard = gate(log_cap=3)
    used = [token() for _ in range(3)]
    for sealed in used:
        guard.redeem(sealed, NOW)
    assert reason(guard.redeem, token(), NOW) == "token_log_full"
    assert reason(guard.reserve, guard.open(token(), NOW), b"e", NOW) == "token_log_full"
    assert [reason(guard.redeem, sealed, NOW) for sealed in used] == ["token_used"] * 3
    assert guard.redeem(token(expires=5_100), 5_036.0)
    assert guard.log_size == 1


def test_an_entry_outlives_every_moment_its_token_could_be_used() -> None:
    # NCP-4-6
    guard, sealed = gate(), token(expires=5_030)
    guard.redeem(sealed, NOW)
    guard.redeem(token(expires=5_040), 5_035.0)
    assert reason(guard.redeem, sealed, 5_035.0) == "token_used"
    assert guard.log_size == 2


def test_a_clock_set_back_revives_nothing() -> None:
    guard, sealed = gate(), token(expires=5_030)
    guard.redeem(sealed, NOW)
    guard.redeem(token(expires=5_100), 5_090.0)
    assert guard.log_size == 1
    assert reason(guard.redeem, sealed, NOW) == "token_expired"


def test_a_restarted_server_has_another_key_and_refuses_old_tokens() -> None:
    # NCP-4-3
    old, new = TokenKey.generate(RANDOM), TokenKey.generate(RANDOM)
    sealed = token(key=old)
    TokenGate([old], APP_ID).redeem(sealed, NOW)
    assert reason(TokenGate([new], APP_ID).redeem, sealed, NOW) == "token_key"


def test_keys_rotate() -> None:
    guard, new = gate(), TokenKey(4, b"n" * 32)
    guard.add_key(new)
    guard.redeem(token(key=new), NOW)
    guard.redeem(token(), NOW)
    guard.drop_key(KEY.key_id)
    assert reason(guard.redeem, token(), NOW) == "token_key"


class TokenLogMachine(RuleBasedStateMachine):
    """The log against a set: no token is ever used twice, whatever comes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = gate(log_cap=6)
        self.now = NOW
        self.tokens: list[bytes] = []
        self.used: set[bytes] = set()
        self.pending: dict[bytes, bytes] = {}

    @rule(life=st.integers(1, 60))
    def issue(self, life: int) -> None:
        self.tokens.append(token(expires=int(self.now) + life))

    @rule(seconds=st.integers(-20, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def redeem(self, data: st.DataObject) -> None:
        sealed = data.draw(st.sampled_from(self.tokens))
        try:
            self.guard.redeem(sealed, self.now)
        except ProtocolError:
            return
        assert sealed not in self.used
        assert sealed not in self.pending
        self.used.add(sealed)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), ephemeral=st.sampled_from([b"a", b"b"]))
    def reserve(self, data: st.DataObject, ephemeral: bytes) -> None:
        sealed = data.draw(st.sampled_from(self.tokens))
        try:
            self.guard.reserve(self.guard.open(sealed, self.now), ephemeral, self.now)
        except ProtocolError:
            return
        assert sealed not in self.used
        assert self.pending.get(sealed, ephemeral) == ephemeral
        self.pending[sealed] = ephemeral

    @precondition(lambda self: self.pending)
    @rule(used=st.booleans())
    def finish(self, used: bool) -> None:
        sealed, _ = self.pending.popitem()
        if not used:
            self.guard.release(token_id_of(sealed))
            return
        self.guard.consume(token_id_of(sealed))
        self.used.add(sealed)


TestTokenLog = TokenLogMachine.TestCase
TestTokenLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
