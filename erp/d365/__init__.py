"""Dynamics 365 Finance & Operations (Microsoft), version 10.0.x, over its OData v4 service at `{environment}/data`.

Vendor's pages, all under learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro: data-entities/odata,
data-entities/services-home-page (Microsoft Entra ID applications), data-entities/cross-company-behavior,
data-entities/service-protection-api-limits, financial/dimensions.

Quirks. Nothing on OData posts a journal: we enter it, people or the Post journals batch post it, and `IsPosted` tells.
The number of a journal is given by Dynamics in the answer to the header, so a lost answer is found again only by our
posting key (last word of the header's Description, Document of every line). A $batch answers 200 even where its
changeset failed; a changeset is all or nothing, a journal of several is not. Reads see one company unless
`cross-company=true` is given. Texts of errors are in the language of the Dynamics user behind the connection. The
account string depends on one active format and one delimiter of the whole environment, and a dimension that is not in
the format would be dropped silently, so it is refused here.
"""
