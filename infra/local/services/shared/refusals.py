"""The words GuardDuty and Security Hub refuse in: one relationship API, two products.

GuardDuty's are documented (awsdocs guardduty-user-guide), those that name an e-mail or a
master as well; Security Hub answers "already a member" in the same words (SEA issue 814).
The rest of Security Hub's is inferred from them.
"""

from __future__ import annotations

from infra.local.facts.membership import Texts

REJECTED = "The request is rejected because "
OUT_OF_RANGE = REJECTED + "an invalid or out-of-range value is specified as an input parameter."
NOT_MEMBER = (
    REJECTED + "the given account ID is not an associated member of account the current account."
)
NO_INVITATION = (
    REJECTED + "the current account has no pending invitation from the given master account ID "
    "or is already an associated member of another master account."
)
ALREADY_ASSOCIATED = (
    REJECTED + "the current account cannot accept invitations since it is already an associated "
    "member of some master account."
)
HAS_MEMBERS = (
    REJECTED + "the current account cannot accept invitations since it still has created, invited "
    "or associated members."
)
NOT_ASSOCIATED = REJECTED + "the current account is not associated to a master account."
# Inferred: the rule is documented, its words are not.
ORGANIZATION_MEMBER = REJECTED + "only the administrator can disassociate organization accounts."


def relationship_texts(product: str, not_created: str) -> Texts:
    """``not_created`` is what InviteMembers says of an account CreateMembers was not called for."""
    return Texts(
        already_member=REJECTED
        + "the given account ID is already a member or associated member of the current account.",
        itself=REJECTED + "an account cannot become a member of itself.",
        not_member=NOT_MEMBER,
        already_invited=REJECTED
        + f"the current account has already invited or is already the {product} master of the "
        "given member account ID.",
        administrator_is_member=REJECTED
        + "the current account cannot create members since it is already an associated member "
        "of another master account.",
        # Inferred.
        other_administrator=REJECTED
        + "the given account ID is already an associated member of another master account.",
        limit=REJECTED
        + "the current account cannot create anymore members since it cannot exceed the maximum "
        "number of allowed members.",
        not_created=not_created,
        # Inspector's words, whose relationship API is GuardDuty's (Terraform provider).
        not_associated=REJECTED
        + "the current account cannot disassociate the given member account ID since the latter "
        "is not yet associated to it.",
        still_associated=REJECTED
        + "the current account cannot delete the given member account ID since it is still "
        "associated to it.",
        no_invitation=NO_INVITATION,
        invitation_open=REJECTED
        + "the current account cannot delete the invitation from the given master account ID "
        "since it is still associated to it or has not declined their invitation yet.",
        # Inferred.
        organization_account=REJECTED
        + "the given account ID belongs to the organization of the current account.",
        # Inferred.
        auto_enable_all=REJECTED
        + "the organization of the given account ID has autoEnableOrganizationMembers set to ALL.",
        management_not_enabled=(
            f"Operation failed because your organization master must first enable {product} "
            "to be added as a member"
        ),
        unknown_account=OUT_OF_RANGE,
    )
