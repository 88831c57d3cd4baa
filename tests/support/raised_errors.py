"""Which errors of ours a function may raise, found by reading it and all that it calls.

What is read is the source: names are followed through imports, parameters through annotations,
attributes through those of their class. What is caught is taken off. A function that is only named,
as for `partial`, counts as called. What leads through a container or a callback that was handed in
is not seen, so this finds what is there, and not all there could be.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

from control.errors import problem_of
from control.problems import ProblemType
from shared.domain import error_codes
from shared.domain.error_codes import ErrorCode
from shared.domain.errors import VoltaroError

ROOT = Path(__file__).parents[2]

Raised = tuple[type[BaseException], str]
"""An error's class and its code."""


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    top: dict[str, ast.AST] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a name means: a module, a function, a class, an instance of one, or a constant."""

    kind: str
    module: str
    node: ast.AST | None = None
    owner: ast.ClassDef | None = None


@cache
def read(name: str) -> Module | None:
    """Return a module of ours, None for anybody else's."""
    path = ROOT / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if name.partition(".")[0] not in {"control", "shared"} or not path.exists():
        return None
    module = Module(name, ast.parse(path.read_text(encoding="utf-8")))
    for node in module.tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                module.top[node.name] = node
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                module.top[target] = value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                module.top[target] = value
            case ast.Import(names=names):
                module.imports.update(
                    (each.asname or each.name, (each.name, None)) for each in names
                )
            case ast.ImportFrom(module=str(source), names=names):
                module.imports.update(
                    (each.asname or each.name, (source, each.name)) for each in names
                )
            case _:
                pass
    return module


def look_up(module: str, name: str) -> Found | None:
    """Return what a name means at the top of a module."""
    source = read(module)
    if source is None:
        return None
    if name in source.imports:
        return _imported(module, name, *source.imports[name])
    kinds = {
        ast.ClassDef: "class",
        ast.FunctionDef: "function",
        ast.AsyncFunctionDef: "function",
    }
    node = source.top.get(name)
    return None if node is None else Found(kinds.get(type(node), "constant"), module, node)


def _imported(module: str, name: str, where: str, what: str | None) -> Found | None:
    if what is None:
        return Found("module", where)
    found = None if (where, what) == (module, name) else look_up(where, what)
    if found is None and read(f"{where}.{what}") is not None:
        return Found("module", f"{where}.{what}")
    return found


def instance_of(found: Found | None) -> Found | None:
    return Found("instance", found.module, found.node) if found and found.kind == "class" else None


class Reader:
    """Reads one function: what its names mean, and what it may raise."""

    def __init__(self, module: str, node: ast.AST, owner: ast.ClassDef | None = None) -> None:
        self.module = module
        self.node = node
        self.names: dict[str, Found | None] = {}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            for each in every:
                if each.annotation is not None:
                    self.names[each.arg] = self.annotated(each.annotation)
            if owner is not None and every and every[0].arg == "self":
                self.names["self"] = Found("instance", module, owner)
            for each in ast.walk(node):
                match each:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value):
                        self.names.setdefault(name, self.meaning(value))
                    case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                        self.names.setdefault(name, self.meaning(value))
                    case _:
                        pass

    def annotated(self, node: ast.expr) -> Found | None:
        """Return what an annotation names: an instance."""
        match node:
            case ast.Constant(value=str(text)):
                return self.annotated(ast.parse(text, mode="eval").body)
            case ast.BinOp(left=left, right=right):
                return self.annotated(left) or self.annotated(right)
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[of, *_])):
                return self.annotated(of)
            case ast.Name() | ast.Attribute():
                found = self.meaning(node)
                if found is not None and found.kind == "constant":  # an alias
                    return Reader(found.module, ast.Pass()).annotated(found.node)  # type: ignore[arg-type]
                return instance_of(found)
            case _:
                return None

    def meaning(self, node: ast.AST) -> Found | None:
        """Return what an expression is, as far as that is written."""
        match node:
            case ast.Await(value=value):
                return self.meaning(value)
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Name(id=name):
                return look_up(self.module, name)
            case ast.Attribute(value=value, attr=name):
                return self.attribute(self.meaning(value), name)
            case ast.Call(func=function):
                return self._result(self.meaning(function))
            case _:
                return None

    @staticmethod
    def _result(called: Found | None) -> Found | None:
        """Return what comes of a call."""
        if called is not None and called.kind == "class":
            return instance_of(called)
        returns = getattr(called.node, "returns", None) if called is not None else None
        if called is None or returns is None:
            return None
        return Reader(called.module, ast.Pass()).annotated(returns)

    def attribute(self, of: Found | None, name: str) -> Found | None:
        """Return what an attribute of something is, of classes of ours and their bases."""
        if of is not None and of.kind == "module":
            return look_up(of.module, name)
        if of is None or not isinstance(of.node, ast.ClassDef):
            return None
        for node in of.node.body:
            if found := self._member(of, of.node, node, name):
                return found
        there = Reader(of.module, ast.Pass())
        bases = (instance_of(there.meaning(base)) for base in of.node.bases)
        return next(filter(None, (self.attribute(base, name) for base in bases)), None)

    def _member(self, of: Found, owner: ast.ClassDef, node: ast.stmt, name: str) -> Found | None:
        """Return what a statement of a class makes of an attribute."""
        there = Reader(of.module, ast.Pass())
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
                if any(ast.unparse(each) == "property" for each in node.decorator_list):
                    return there.annotated(node.returns) if node.returns else None
                return Found("function", of.module, node, owner)
            case ast.AnnAssign(target=ast.Name(id=target), annotation=kind) if target == name:
                return there.annotated(kind)
            case ast.FunctionDef(name="__init__"):
                return self._assigned(of, node, name)
            case _:
                return None

    @staticmethod
    def _assigned(of: Found, init: ast.FunctionDef, name: str) -> Found | None:
        reader = Reader(of.module, init)
        for node in ast.walk(init):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr=target)], value=value) if (
                    target == name
                ):
                    return reader.meaning(value)
                case ast.AnnAssign(target=ast.Attribute(attr=target), annotation=kind) if (
                    target == name
                ):
                    return reader.annotated(kind)
                case _:
                    pass
        return None

    def errors(self, node: ast.AST) -> Iterator[Raised]:
        """Yield what a piece of the function may raise."""
        match node:
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                caught = tuple(
                    kind
                    for handler in handlers
                    if not any(_raises_it_again(each) for each in handler.body)
                    for kind in self.classes(handler.type)
                )
                for each in body:
                    yield from (r for r in self.errors(each) if not issubclass(r[0], caught))
                for each in (*handlers, *orelse, *final):
                    yield from self.errors(each)
                return
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as call)], body=body) if (
                ast.unparse(call.func) == "suppress"
            ):
                caught = tuple(kind for each in call.args for kind in self.classes(each))
                for each in body:
                    yield from (r for r in self.errors(each) if not issubclass(r[0], caught))
                return
            case ast.Call(func=function, args=arguments, keywords=keywords):
                yield from self.made(function, arguments, keywords)
            case ast.Name() | ast.Attribute():
                yield from self.named(node)
            case _:
                pass
        for each in ast.iter_child_nodes(node):
            yield from self.errors(each)

    def classes(self, node: ast.expr | None) -> Iterator[type[BaseException]]:
        """Yield the classes of errors that are named here; all of them, if none is."""
        if node is None:
            yield BaseException
        elif isinstance(node, ast.Tuple):
            for each in node.elts:
                yield from self.classes(each)
        elif isinstance(node, ast.Name) and node.id in {"Exception", "BaseException"}:
            yield Exception
        elif (found := _error_class(self.meaning(node))) is not None:
            yield found

    def made(
        self, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
    ) -> Iterator[Raised]:
        """Yield the error that is made here, if one is."""
        kind = _error_class(self.meaning(function))
        if kind is None:
            return
        if kind.__name__ == "ProblemError":
            problem = arguments[0]
            coded = any(each.arg == "code" for each in keywords)
            if isinstance(problem, ast.Attribute) and not coded:
                module = import_module("control.problems")
                named: ProblemType = getattr(module, problem.attr)
                yield kind, named.code
            return
        if not any(each.arg == "code" for each in keywords):
            with suppress(KeyError):  # what nobody is told of is caught on the way
                yield kind, problem_of(kind).code

    def named(self, node: ast.Name | ast.Attribute) -> Iterator[Raised]:
        """Yield what a function raises that is named here, or the code that is."""
        match node:
            case ast.Attribute(value=ast.Name(id=codes), attr=name):
                enum = getattr(error_codes, codes, None)
                if isinstance(enum, type) and issubclass(enum, ErrorCode):
                    code: ErrorCode = enum[name]
                    error = "NotFoundError" if codes == "NotFoundCode" else "ConflictError"
                    yield getattr(import_module("shared.domain.errors"), error), code.value
            case _:
                pass
        found = self.meaning(node)
        if found is not None and found.kind == "function" and found.node is not self.node:
            yield from errors_of(found)
        elif found is not None and found.kind == "class":
            for called in ("__init__", "__call__"):  # as an answer that sends itself is
                method = self.attribute(instance_of(found), called)
                if method is not None and method.kind == "function":
                    yield from errors_of(method)
        elif found is not None and found.kind == "constant" and found.node is not None:
            yield from _errors_of_constant(found)
        elif isinstance(node, ast.Attribute):
            yield from self._of_property(node)

    def _of_property(self, node: ast.Attribute) -> Iterator[Raised]:
        of = self.meaning(node.value)
        if of is None or not isinstance(of.node, ast.ClassDef):
            return
        for each in of.node.body:
            if isinstance(each, ast.FunctionDef) and each.name == node.attr:
                yield from errors_of(Found("function", of.module, each, of.node))


def _raises_it_again(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) and node.exc is None


def _error_class(found: Found | None) -> type[BaseException] | None:
    if found is None or found.kind != "class" or not isinstance(found.node, ast.ClassDef):
        return None
    kind = getattr(import_module(found.module), found.node.name, None)
    return kind if isinstance(kind, type) and issubclass(kind, VoltaroError) else None


_known: dict[tuple[str, int], frozenset[Raised]] = {}


def errors_of(found: Found) -> frozenset[Raised]:
    """Return what a function may raise."""
    node = found.node
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    key = (found.module, node.lineno)
    if key not in _known:
        _known[key] = frozenset()  # what calls itself raises what it raises
        reader = Reader(found.module, node, found.owner)
        _known[key] = frozenset(each for part in node.body for each in reader.errors(part))
    return _known[key]


def _errors_of_constant(found: Found) -> frozenset[Raised]:
    assert found.node is not None
    key = (found.module, getattr(found.node, "lineno", 0))
    if key not in _known:
        _known[key] = frozenset()
        _known[key] = frozenset(Reader(found.module, ast.Pass()).errors(found.node))
    return _known[key]


def codes_of(module: str, function: str) -> Mapping[str, str]:
    """Return the codes of what a function at the top of a module may raise, with their classes."""
    found = look_up(module, function)
    assert found is not None, f"{module}.{function} is not found"
    assert found.kind == "function"
    return {code: kind.__name__ for kind, code in errors_of(found)}
