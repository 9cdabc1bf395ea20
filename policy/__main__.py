"""The platform's rules as a pack for Pulumi's engine: `pulumi preview --policy-pack policy`."""

from collections.abc import Callable

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from infra.names import PROJECT
from infra.rule import Rule, Subject
from infra.rules import RULES


def _validate(rule: Rule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        protect = args.opts.protect if args.opts else None
        keeps = pulumi.Config(PROJECT).get_bool("protect") or False
        subject = Subject(args.resource_type, args.name, args.props, keeps, protect)
        for problem in rule.check(subject):
            report(problem, args.urn)

    return validate


PolicyPack(
    name="clinic",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(name=rule.name, description=rule.why, validate=_validate(rule))
        for rule in RULES
    ],
)
