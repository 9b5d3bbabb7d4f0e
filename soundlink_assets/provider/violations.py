"""What a delivery can do to break the contract, as exceptions.

Where violations are found is in `lines` and `parsing`; what they stop is for the callers.
"""

from typing import Literal

CheckName = Literal["schema_version", "required_fields", "primary_key", "request_match"]
"""The asset check that a violation fails."""


class ContractViolation(Exception):  # noqa: N818 - named for what happened, as the contract says it
    """A delivered body that is not what the contract promises.

    `check` is the asset check that fails. `line` counts the body's lines from 1, blank ones
    included; it and `field` are None where the violation is not of one line or one field.
    `is_cut_off` tells that the body ends inside this line: what a broken connection leaves.
    """

    def __init__(
        self,
        message: str,
        *,
        check: CheckName,
        line: int | None = None,
        field: str | None = None,
        is_cut_off: bool = False,
    ) -> None:
        self.message = message
        self.check: CheckName = check
        self.line = line
        self.field = field
        self.is_cut_off = is_cut_off
        super().__init__(message)

    def __str__(self) -> str:
        place = [
            f"line {self.line}" if self.line is not None else "",
            f"field {self.field!r}" if self.field is not None else "",
        ]
        where = ", ".join(part for part in place if part)
        return f"{where}: {self.message}" if where else self.message


class UnreadableDelivery(ContractViolation):
    """The rows are not of the schema version that this platform knows.

    Another `schema_version`, an unparsable line, a required field missing, null or of a wrong
    type. Nothing of the export is written.
    """


class RefusedDelivery(ContractViolation):
    """The rows are readable and cannot be right.

    Another day, another or several campaigns, conflicting duplicates of a key, negative counts.
    Only the delivery of this campaign is refused.
    """
