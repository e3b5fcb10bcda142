"""$metadata and service document of a projection of the IFS Cloud sandbox."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from erp.ifs.sandbox_schema import PLAIN_KINDS, EntityType, Function, Projection, Row, enumerations


def service_document(projection: Projection) -> Row:
    names = [{"name": name, "url": name} for name in projection.sets]
    return {"@odata.context": "$metadata", "value": names}


def metadata(projection: Projection) -> str:
    """EDMX with the types of the facts: Number is Edm.Decimal of variable scale, lengths for texts only."""
    space = f"IfsApp.{projection.name}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">',
        " <edmx:DataServices>",
        f'  <Schema Namespace="{space}" xmlns="http://docs.oasis-open.org/odata/ns/edm">',
    ]
    lines += [enumeration(name) for name in projection.enumerations_used()]
    for entity in projection.types.values():
        lines += written_type(entity, space)
    for function in projection.functions.values():
        lines += written_function(function, space)
    for action in projection.actions.values():
        bound = f"{space}.{action.binds}" if action.binds else ""
        head = f"   <Action Name={quoteattr(action.name)}" + (' IsBound="true"' if bound else "") + ">"
        given = [f'<Parameter Name="bindingParameter" Type="{bound}"/>'] if bound else []
        given += [f'<Parameter Name="{name}" Type="{PLAIN_KINDS[kind]}"/>' for name, kind in action.parameters.items()]
        answer = f'<ReturnType Type="{PLAIN_KINDS[action.returns]}"/>' if action.returns else ""
        lines.append(head + "".join(given) + answer + "</Action>")
    lines.append(f'   <EntityContainer Name="{projection.name}">')
    lines += [
        f'    <EntitySet Name="{name}" EntityType="{space}.{type_name}"/>'
        for name, type_name in projection.sets.items()
    ]
    lines += ["   </EntityContainer>", "  </Schema>", " </edmx:DataServices>", "</edmx:Edmx>", ""]
    return "\n".join(lines)


def enumeration(name: str) -> str:
    members = "".join(f'<Member Name="{each}" Value="{place}"/>' for place, each in enumerate(enumerations()[name]))
    return f'   <EnumType Name="{name}">{members}</EnumType>'


def written_type(entity: EntityType, space: str) -> list[str]:
    key = "".join(f'<PropertyRef Name="{name}"/>' for name in entity.key)
    lines = [f'   <EntityType Name="{entity.name}">', f"    <Key>{key}</Key>"]
    for name, kind in entity.fields.items():
        facet = ' Scale="variable"' if kind == "Decimal" else ""
        if name in entity.lengths:
            facet = f' MaxLength="{entity.lengths[name]}"'
        lines.append(f'    <Property Name="{name}" Type="{entity.edm_type_of(name)}"{facet}/>')
    lines += [
        f'    <NavigationProperty Name="{name}" Type="Collection({space}.{type_name})"/>'
        for name, type_name in entity.nested.items()
    ]
    return [*lines, "   </EntityType>"]


def written_function(function: Function, space: str) -> list[str]:
    """A function that answers with a structure brings its complex type along."""
    lines = []
    returns = PLAIN_KINDS.get(function.returns) if isinstance(function.returns, str) else None
    if isinstance(function.returns, dict):
        returns = f"{space}.{function.name}Structure"
        inner = "".join(f'<Property Name="{n}" Type="{PLAIN_KINDS[k]}"/>' for n, k in function.returns.items())
        lines.append(f'   <ComplexType Name="{function.name}Structure">{inner}</ComplexType>')
    given = "".join(f'<Parameter Name="{n}" Type="{PLAIN_KINDS[k]}"/>' for n, k in function.parameters.items())
    lines.append(f'   <Function Name="{function.name}">{given}<ReturnType Type="{returns}"/></Function>')
    return lines
