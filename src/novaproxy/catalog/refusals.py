"""The refusals that the catalog gives: contract section 3, rows 1 to 14, each sentence once."""

from decimal import Decimal

from novaproxy.errors import Refusal, echo
from novaproxy.money import plain


class PlanRequired(Refusal):
    """No plan was given."""

    code = "plan_required"

    def __init__(self) -> None:
        super().__init__("The plan field is required.")


class PlanNotText(Refusal):
    """The plan is a number, a list or the like."""

    code = "plan_not_string"

    def __init__(self) -> None:
        super().__init__("The plan field must be a string.")


class PlanNotFound(Refusal):
    """No plan has this slug, exactly and with this case."""

    code = "plan_not_found"

    def __init__(self, slug: str) -> None:
        super().__init__(f"Plan '{echo(slug)}' not found.")
        self.slug = slug


class PlanNotActive(Refusal):
    """The plan exists, and is switched off."""

    code = "plan_not_active"

    def __init__(self) -> None:
        super().__init__("The selected plan is not active.")


class DurationRequired(Refusal):
    """A duration plan, and no duration was given."""

    code = "duration_required"

    def __init__(self) -> None:
        super().__init__("The duration field is required.")


class DurationNotText(Refusal):
    """The duration is a number, a list or the like."""

    code = "duration_not_string"

    def __init__(self) -> None:
        super().__init__("The duration field must be a string.")


class DurationFormatInvalid(Refusal):
    """The duration says no length of time."""

    code = "duration_format_invalid"

    def __init__(self, slug: str) -> None:
        super().__init__(f"Invalid duration format '{echo(slug)}'. Expected e.g. '30_days', '1_day', '20_minutes'.")
        self.slug = slug


class DurationNotAvailable(Refusal):
    """The plan does not sell this duration, or sells none at all."""

    code = "duration_not_available"

    def __init__(self, slug: str, plan: str) -> None:
        super().__init__(f"Duration '{echo(slug)}' is not available for plan '{echo(plan)}'.")
        self.slug = slug
        self.plan = plan


class ConfigRequired(Refusal):
    """The duration has options, and no config was given."""

    code = "config_required"

    def __init__(self) -> None:
        super().__init__("The config field is required for this plan duration.")


class ConfigNotObject(Refusal):
    """The config is no mapping of option names to values."""

    code = "config_not_object"

    def __init__(self) -> None:
        super().__init__("The config field must be an object.")


class OptionMissing(Refusal):
    """An option of the duration has no value."""

    code = "option_missing"

    def __init__(self, option: str) -> None:
        super().__init__(f"Missing config value for option '{echo(option)}'.")
        self.option = option


class OptionUnknown(Refusal):
    """The config names something that is no option here."""

    code = "option_unknown"

    def __init__(self, option: str) -> None:
        super().__init__(f"Option '{echo(option)}' does not exist for the selected plan duration.")
        self.option = option


class ValueInvalid(Refusal):
    """The value is none of the option's choices."""

    code = "option_value_invalid"

    def __init__(self, option: str) -> None:
        super().__init__(f"Invalid value for option '{echo(option)}'.")
        self.option = option


class ValueNotNumeric(Refusal):
    """The option wants a number."""

    code = "option_value_not_numeric"

    def __init__(self, option: str) -> None:
        super().__init__(f"Value for option '{echo(option)}' must be numeric.")
        self.option = option


class ValueBelowMinimum(Refusal):
    """The number given for an option is under the option's minimum."""

    code = "option_value_below_minimum"

    def __init__(self, option: str, minimum: Decimal) -> None:
        super().__init__(f"Value for option '{echo(option)}' must be at least {plain(minimum)}.")
        self.option = option
        self.minimum = minimum


class ValueAboveMaximum(Refusal):
    """The number given for an option is over the option's maximum."""

    code = "option_value_above_maximum"

    def __init__(self, option: str, maximum: Decimal) -> None:
        super().__init__(f"Value for option '{echo(option)}' must be at most {plain(maximum)}.")
        self.option = option
        self.maximum = maximum


class ValueNotMultiple(Refusal):
    """The number given for an option is no multiple of the option's step."""

    code = "option_value_not_multiple"

    def __init__(self, option: str, step: Decimal) -> None:
        super().__init__(f"Value for option '{echo(option)}' must be a multiple of {plain(step)}.")
        self.option = option
        self.step = step


class BandwidthRequired(Refusal):
    """A bandwidth plan, and no bandwidth was given."""

    code = "bandwidth_required"

    def __init__(self) -> None:
        super().__init__("The bandwidth field is required.")


class BandwidthNotValid(Refusal):
    """The bandwidth is no whole number of GB that the plan sells."""

    code = "bandwidth_not_valid"

    def __init__(self) -> None:
        super().__init__("The entered bandwidth is not valid.")


class PlanUnknown(Refusal):
    """``GET /plans/{slug}``: no such plan is sold."""

    status = 404
    code = "plan_not_found"

    def __init__(self) -> None:
        super().__init__("Plan not found.")
