"""What an OpenAPI document takes away from the one before it: whatever a client could stumble over.

What a request may say may grow, and what an answer says may grow; nothing that was promised goes
away. So a schema is compared in one of two directions: of requests it may only become wider, of
answers only narrower.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

# Which way a bound is stricter.
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def removals(old: Json, new: Json) -> list[str]:
    """Return each change from `old` to `new` that does not only add, in words."""
    return list(dict.fromkeys(_Comparison(old, new).paths()))


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str, bool]] = set()

    def paths(self) -> Iterator[str]:
        for path, operations in self._old["paths"].items():
            if path not in self._new["paths"]:
                yield f"{path}: the path is gone"
                continue
            for method in _METHODS:
                if method in operations:
                    name = f"{method.upper()} {path}"
                    if method not in self._new["paths"][path]:
                        yield f"{name}: the operation is gone"
                    else:
                        yield from self._operation(
                            name, operations[method], self._new["paths"][path][method]
                        )

    def _operation(self, name: str, old: Json, new: Json) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield (
                f"{name}: operationId was {old['operationId']} and is {new['operationId']}, which "
                "is a function's name in generated clients"
            )
        yield from self._parameters(name, old, new)
        yield from self._body(name, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                if status < "400":
                    yield f"{name}: there is no answer {status} any more"
                continue
            told = new["responses"][status].get("content", {})
            for media_type, content in answer.get("content", {}).items():
                where = f"{name} {status}"
                if media_type not in told:
                    yield f"{where}: it is not {media_type} any more"
                elif "schema" in content:
                    yield from self._schema(
                        where, content["schema"], told[media_type]["schema"], asked=False
                    )
        for status in new["responses"]:
            if status < "400" and status not in old["responses"]:
                yield f"{name}: the answer {status} is new, and clients do not expect it"

    def _parameters(self, name: str, old: Json, new: Json) -> Iterator[str]:
        before, now = (
            {(each["in"], each["name"]): each for each in said.get("parameters", ())}
            for said in (old, new)
        )
        for key, parameter in before.items():
            where = f"{name} {key[0]} parameter {key[1]}"
            if key not in now:
                yield f"{where}: it is gone, and who sends it is refused"
                continue
            if now[key].get("required") and not parameter.get("required"):
                yield f"{where}: it is required now"
            yield from self._schema(where, parameter["schema"], now[key]["schema"], asked=True)
        for key, parameter in now.items():
            if key not in before and parameter.get("required"):
                yield f"{name} {key[0]} parameter {key[1]}: it is new and required"

    def _body(self, name: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if old is None or new is None:
            if old is not None:
                yield f"{name}: it takes no body any more"
            elif new is not None and new.get("required"):
                yield f"{name}: a body is required now"
            return
        if new.get("required") and not old.get("required"):
            yield f"{name}: a body is required now"
        for media_type, content in old["content"].items():
            if media_type not in new["content"]:
                yield f"{name}: it takes no {media_type} any more"
            else:
                told = new["content"][media_type]["schema"]
                yield from self._schema(f"{name} body", content["schema"], told, asked=True)

    def _resolved(self, document: Json, schema: Json) -> Json:
        while "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**document["components"]["schemas"][name], **rest}
        return schema

    def _schema(self, where: str, old: Json, new: Json, *, asked: bool) -> Iterator[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")), asked)
        if all(pair[:2]):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = self._resolved(self._old, old), self._resolved(self._new, new)
        before, now = self._kinds(self._old, old), self._kinds(self._new, new)
        lost = before - now if asked else now - before
        if lost and before | now != {"any"}:
            verb = "it may not be any more" if asked else "it may be now"
            yield f"{where}: {verb} {', '.join(sorted(lost))}"
        yield from self._values(where, old, new, asked=asked)
        yield from self._bounds(where, old, new, asked=asked)
        yield from self._members(where, old, new, asked=asked)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], asked=asked)
        yield from self._variants(where, old, new, asked=asked)

    def _kinds(self, document: Json, schema: Json) -> set[str]:
        schema = self._resolved(document, schema)
        variants = [each for key in ("anyOf", "oneOf") for each in schema.get(key, ())]
        if variants:
            return {kind for each in variants for kind in self._kinds(document, each)}
        kind = schema.get("type")
        if kind is None and ("enum" in schema or "const" in schema):
            kind = "string"
        found = {kind} if isinstance(kind, str) else set(kind or ("any",))
        return found | {"integer"} if "number" in found else found

    @staticmethod
    def _values(where: str, old: Json, new: Json, *, asked: bool) -> Iterator[str]:
        before, now = (
            {str(value) for value in said.get("enum", [said["const"]] if "const" in said else [])}
            for said in (old, new)
        )
        if asked and now and before - now:
            yield f"{where}: these values are refused now: {', '.join(sorted(before - now))}"
        if asked and now and not before:
            yield f"{where}: only these values are taken now: {', '.join(sorted(now))}"
        if not asked and before and not now:
            yield f"{where}: it may have any value now, not only {', '.join(sorted(before))}"
        if not asked and before and now - before:
            yield (
                f"{where}: these values are new, and clients do not know them: "
                f"{', '.join(sorted(now - before))}"
            )

    @staticmethod
    def _bounds(where: str, old: Json, new: Json, *, asked: bool) -> Iterator[str]:
        if not asked:
            return  # an answer's bounds promise nothing that clients build on
        for names, sign in ((_LOWER, 1), (_UPPER, -1)):
            for name in names:
                if name in new and (name not in old or sign * new[name] > sign * old[name]):
                    yield f"{where}: {name} was {old.get(name, 'none')} and is {new[name]}"
        for name in ("pattern", "format"):
            if name in new and old.get(name) != new[name]:
                yield f"{where}: {name} was {old.get(name, 'none')} and is {new[name]}"

    def _members(self, where: str, old: Json, new: Json, *, asked: bool) -> Iterator[str]:
        before, now = old.get("properties", {}), new.get("properties", {})
        for name, member in before.items():
            if name in now:
                yield from self._schema(f"{where}.{name}", member, now[name], asked=asked)
            elif "properties" in new or new.get("additionalProperties") is False:
                yield f"{where}.{name}: it is gone" + (", and refused" if asked else "")
        required, requires = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(requires - required) if asked else ():
            yield f"{where}.{name}: it is required now"
        for name in sorted(required - requires) if not asked else ():
            if name in now:
                yield f"{where}.{name}: it may be left out now"
        open_before = old.get("additionalProperties", True) is not False
        if asked and open_before and new.get("additionalProperties") is False and before:
            yield f"{where}: members that it does not know are refused now"

    def _variants(self, where: str, old: Json, new: Json, *, asked: bool) -> Iterator[str]:
        """Compare what stands in anyOf and oneOf: by name of the schema, else by kind."""
        before, now = (
            {
                self._key(document, each): each
                for key in ("anyOf", "oneOf")
                for each in said.get(key, ())
            }
            for document, said in ((self._old, old), (self._new, new))
        )
        if not before and now and not asked:
            return
        for key, variant in before.items():
            if key in now:
                yield from self._schema(where, variant, now[key], asked=asked)
            elif len(before) > 1 and now and asked:
                yield f"{where}: it may not be {key} any more"
            elif not now and key != "null":
                yield from self._schema(where, variant, new, asked=asked)
        if before and not asked:
            for key in now.keys() - before.keys():
                yield f"{where}: it may be {key} now"

    def _key(self, document: Json, schema: Json) -> str:
        if "$ref" in schema:
            return str(schema["$ref"].rpartition("/")[2])
        return "/".join(sorted(self._kinds(document, schema)))
