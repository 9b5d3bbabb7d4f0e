from collections.abc import Iterator

import httpx
import pytest

from soundlink_assets.sandbox import (
    PROVIDER_LIMITS,
    Key,
    Limit,
    RunningSandbox,
    SandboxConfig,
    serving,
)
from soundlink_assets.sandbox.access import RateLimits, RefusedError
from soundlink_assets.settings import AuthStyle
from soundlink_assets_tests.sandbox.conftest import ANCHOR, NOW, error_of


@pytest.fixture(scope="module")
def later_revision() -> Iterator[RunningSandbox]:
    with serving(SandboxConfig(anchor=ANCHOR, auth_style=AuthStyle.BEARER), now=NOW) as sandbox:
        yield sandbox


CLIENT = httpx.Client()


def get(sandbox: RunningSandbox, path: str = "/v1/ping", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CLIENT.get(sandbox.base_url + path, headers=named)


class TestContractStyle:
    def test_the_key_goes_in_x_api_key(self, sandbox: RunningSandbox) -> None:
        assert get(sandbox, x_api_key=sandbox.api_key).status_code == 200

    @pytest.mark.parametrize("key", ["", "sk_sandbox_unknown", "nonsense", "sk_sandbox_every"])
    def test_an_unknown_key_is_refused(self, sandbox: RunningSandbox, key: str) -> None:
        assert error_of(get(sandbox, x_api_key=key)) == (401, "invalid_api_key")

    def test_no_key_is_refused(self, sandbox: RunningSandbox) -> None:
        assert error_of(get(sandbox)) == (401, "invalid_api_key")

    def test_bearer_alone_is_refused(self, sandbox: RunningSandbox) -> None:
        response = get(sandbox, authorization=f"Bearer {sandbox.api_key}")
        assert error_of(response) == (401, "invalid_api_key")

    def test_both_headers_together_are_refused(self, sandbox: RunningSandbox) -> None:
        response = get(
            sandbox, x_api_key=sandbox.api_key, authorization=f"Bearer {sandbox.api_key}"
        )
        assert error_of(response) == (401, "mixed_credentials")


class TestLaterStyle:
    def test_the_key_goes_in_a_bearer_header(self, later_revision: RunningSandbox) -> None:
        key = later_revision.api_key
        assert get(later_revision, authorization=f"Bearer {key}").status_code == 200

    def test_x_api_key_is_never_looked_at(self, later_revision: RunningSandbox) -> None:
        key = later_revision.api_key
        assert error_of(get(later_revision, x_api_key=key)) == (401, "invalid_api_key")
        both = get(later_revision, x_api_key="nonsense", authorization=f"Bearer {key}")
        assert both.status_code == 200

    def test_a_bearer_value_that_is_no_key_is_an_invalid_token(
        self, later_revision: RunningSandbox
    ) -> None:
        response = get(later_revision, authorization="Bearer eyJhbGciOi")
        assert error_of(response) == (401, "invalid_token")
        unknown = get(later_revision, authorization="Bearer sk_sandbox_unknown")
        assert error_of(unknown) == (401, "invalid_api_key")


class TestKeys:
    def test_the_campaigns_of_another_organisation_are_not_found(
        self, sandbox: RunningSandbox
    ) -> None:
        ours = sandbox.world.campaigns[0].campaign_id
        other = Key.OTHER_ORGANISATION
        listed = get(sandbox, "/v1/campaigns?pageSize=100", x_api_key=other).json()["data"]["items"]
        assert listed
        assert ours not in {item["campaignId"] for item in listed}
        for path in ("/metrics/overview", "/metrics/breakdown/export"):
            response = get(sandbox, f"/v1/campaigns/{ours}{path}", x_api_key=other)
            assert error_of(response) == (404, "campaign_not_found")
            foreign = f"/v1/campaigns/{listed[0]['campaignId']}{path}"
            assert error_of(get(sandbox, foreign, x_api_key=sandbox.api_key))[0] == 404


class TestLimits:
    def test_over_the_limit_the_provider_says_when_to_come_back(self) -> None:
        config = SandboxConfig(limits=(Limit(3, 60), Limit(5, 3600)))
        with serving(config) as sandbox:
            served = [get(sandbox, x_api_key=sandbox.api_key) for _ in range(4)]
            assert [response.status_code for response in served] == [200, 200, 200, 429]
            assert error_of(served[3]) == (429, "rate_limit_exceeded")
            assert 1 <= int(served[3].headers["retry-after"]) <= 60

    def test_every_key_has_limits_of_its_own(self) -> None:
        with serving(SandboxConfig(limits=(Limit(1, 60),))) as sandbox:
            assert get(sandbox, x_api_key=Key.FULL).status_code == 200
            assert get(sandbox, x_api_key=Key.FULL).status_code == 429
            assert get(sandbox, x_api_key=Key.SECOND).status_code == 200

    def test_there_are_none_unless_asked_for(self, sandbox: RunningSandbox) -> None:
        statuses = {get(sandbox, x_api_key=sandbox.api_key).status_code for _ in range(61)}
        assert statuses == {200}

    def test_sixty_requests_fit_in_any_minute(self) -> None:
        limits = RateLimits(PROVIDER_LIMITS)
        for second in range(60):
            limits.admit("sk_one", float(second))
        assert retry_after(limits, 59.5) == 1
        limits.admit("sk_one", 60.0)
        assert retry_after(limits, 60.25) == 1

    def test_six_hundred_requests_fit_in_any_hour_and_the_wait_can_be_long(self) -> None:
        limits = RateLimits(PROVIDER_LIMITS)
        for number in range(600):
            limits.admit("sk_one", number * 1.0)
        assert retry_after(limits, 700.0) == 2900
        assert retry_after(limits, 700.25) == 2900
        assert retry_after(limits, 699.75) == 2901
        limits.admit("sk_one", 3600.0)

    def test_refused_requests_do_not_count(self) -> None:
        limits = RateLimits((Limit(1, 10),))
        limits.admit("sk_one", 0.0)
        for moment in (1.0, 5.0, 9.0):
            assert retry_after(limits, moment) == 10 - moment
        limits.admit("sk_one", 10.0)


def retry_after(limits: RateLimits, moment: float) -> int:
    with pytest.raises(RefusedError) as refused:
        limits.admit("sk_one", moment)
    return int(refused.value.headers["Retry-After"])
