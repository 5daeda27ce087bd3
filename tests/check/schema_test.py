#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# docs/schema/drywall-policy.schema.json and the manuals with policies in them say what `drywall check` says.
#
#   tests/check/schema_test.py [-v]      DRYWALL_BUILD: where the binary is, default build
#
# The schema refuses no document that `check` accepts, and at least so many of the others as the floors below say; every
# ```yaml block of the manuals below passes `check`. Python 3.11, standard library only. Last line: `N passed, N failed`.

import copy
import functools
import glob
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMA = os.path.join(ROOT, 'docs/schema/drywall-policy.schema.json')
DRYWALL = os.path.join(os.environ.get('DRYWALL_BUILD') or os.path.join(ROOT, 'build'), 'drywall')

MANUALS = ['docs/policy.md', 'docs/coexistence.md', 'docs/moving.md']

# How many of the invalid documents the schema refuses. More is better; fewer is a schema that has rotted.
FLOOR_OF_VECTORS = 110  # of 114
FLOOR_OF_MISTAKES = 115  # of 127, without those that are no YAML


# ------------------------------------------------------------------------------------------------- JSON Schema, draft 07
class Schema:
    """Judges values by the keywords of draft 07 that our schema uses; any other keyword is an error of the schema."""

    ANNOTATIONS = {'$schema', '$comment', 'title', 'description', 'definitions', 'errorMessage'}  # the last: editors'
    TYPES = {'object': dict, 'array': list, 'string': str, 'null': type(None), 'boolean': bool}

    def __init__(self, root):
        self.root = root
        self.audit(root, '#')

    def audit(self, schema, where):
        """Every keyword, reference and pattern, also where no document leads."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise ValueError('%s: not a schema' % where)
        for key, value in schema.items():
            at = '%s/%s' % (where, key)
            if key in ('properties', 'definitions'):
                for name, inner in value.items():
                    self.audit(inner, at + '/' + name)
            elif key in ('allOf', 'anyOf', 'oneOf'):
                for i, inner in enumerate(value):
                    self.audit(inner, '%s/%d' % (at, i))
            elif key in ('items', 'contains', 'additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else'):
                self.audit(value, at)
            elif key == '$ref':
                self.resolve(value)
                if set(schema) - {'$ref', 'description'}:
                    raise ValueError('%s: draft 07 ignores what stands beside $ref' % where)
            elif key == 'pattern':
                pattern(value)
            elif key not in self.ANNOTATIONS and not hasattr(self, 'on_' + key):
                raise ValueError('%s: keyword not known here' % at)

    def resolve(self, reference):
        node = self.root
        for part in reference.removeprefix('#/').split('/'):
            node = node[part]
        return node

    def accepts(self, value):
        return self.complaint(self.root, value, '') is None

    def complaint(self, schema, value, at):
        """Why the value is refused, or None."""
        if schema is True:
            return None
        if schema is False:
            return at + ': nothing may be here'
        if '$ref' in schema:
            return self.complaint(self.resolve(schema['$ref']), value, at)
        for key, argument in schema.items():
            judge = getattr(self, 'on_' + key, None)
            if judge is not None:
                text = judge(argument, value, at, schema)
                if text is not None:
                    return text
        return None

    def holds(self, schema, value):
        return self.complaint(schema, value, '') is None

    def has_type(self, name, value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name == 'number':
            return number
        if name == 'integer':
            return number and value == value // 1
        return isinstance(value, self.TYPES[name])

    def on_type(self, names, value, at, _):
        names = names if isinstance(names, list) else [names]
        return None if any(self.has_type(n, value) for n in names) else '%s: not of type %s' % (at, names)

    def on_enum(self, values, value, at, _):
        return None if any(same(v, value) for v in values) else '%s: none of %s' % (at, values)

    def on_const(self, constant, value, at, _):
        return None if same(constant, value) else '%s: not %r' % (at, constant)

    def on_pattern(self, text, value, at, _):
        if isinstance(value, str) and not pattern(text).fullmatch(value):
            return '%s: %r does not match %s' % (at, value, text)

    def on_minLength(self, least, value, at, _):
        return '%s: too short' % at if isinstance(value, str) and len(value) < least else None

    def on_maxLength(self, most, value, at, _):
        return '%s: too long' % at if isinstance(value, str) and len(value) > most else None

    def on_minimum(self, least, value, at, _):
        return '%s: below %s' % (at, least) if self.has_type('number', value) and value < least else None

    def on_maximum(self, most, value, at, _):
        return '%s: above %s' % (at, most) if self.has_type('number', value) and value > most else None

    def on_minItems(self, least, value, at, _):
        return '%s: too few' % at if isinstance(value, list) and len(value) < least else None

    def on_maxItems(self, most, value, at, _):
        return '%s: too many' % at if isinstance(value, list) and len(value) > most else None

    def on_uniqueItems(self, wanted, value, at, _):
        if wanted and isinstance(value, list) and any(same(a, b) for i, a in enumerate(value) for b in value[:i]):
            return '%s: an element is repeated' % at

    def on_items(self, schema, value, at, _):
        for i, item in enumerate(value if isinstance(value, list) else []):
            text = self.complaint(schema, item, '%s/%d' % (at, i))
            if text is not None:
                return text

    def on_contains(self, schema, value, at, _):
        if isinstance(value, list) and not any(self.holds(schema, item) for item in value):
            return '%s: no element is as one must be' % at

    def on_required(self, names, value, at, _):
        missing = [n for n in names if isinstance(value, dict) and n not in value]
        return '%s: %s is missing' % (at, missing) if missing else None

    def on_properties(self, schemas, value, at, _):
        for name, schema in schemas.items() if isinstance(value, dict) else ():
            if name in value:
                text = self.complaint(schema, value[name], at + '/' + name)
                if text is not None:
                    return text

    def on_additionalProperties(self, schema, value, at, beside):
        for name in value if isinstance(value, dict) else ():
            if name not in beside.get('properties', {}):
                text = self.complaint(schema, value[name], at + '/' + name)
                if text is not None:
                    return text

    def on_propertyNames(self, schema, value, at, _):
        for name in value if isinstance(value, dict) else ():
            text = self.complaint(schema, name, '%s: the name %r' % (at, name))
            if text is not None:
                return text

    def on_allOf(self, schemas, value, at, _):
        return next((text for text in (self.complaint(s, value, at) for s in schemas) if text is not None), None)

    def on_anyOf(self, schemas, value, at, _):
        texts = [self.complaint(s, value, at) for s in schemas]
        return None if None in texts else '; or '.join(texts)

    def on_oneOf(self, schemas, value, at, _):
        held = sum(self.holds(s, value) for s in schemas)
        return None if held == 1 else '%s: %d of %d alternatives hold, not one' % (at, held, len(schemas))

    def on_not(self, schema, value, at, _):
        return '%s: is what it must not be' % at if self.holds(schema, value) else None

    def on_if(self, condition, value, at, beside):
        return self.complaint(beside.get('then' if self.holds(condition, value) else 'else', True), value, at)

    def on_then(self, *_):
        return None  # judged by on_if

    on_else = on_then


def same(a, b):
    """Equal as JSON: 1 is 1.0, and not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


@functools.cache
def pattern(text):
    """What Python and ECMAScript (with the flag u) read alike: anchored at both ends, no classes like \\d."""
    if not (text.startswith('^') and text.endswith('$')):
        raise ValueError('the pattern %s is not anchored' % text)
    inner = text[1:-1]
    for escape in re.findall(r'\\(.)', inner):
        if escape not in '.|(){}*+?[]^$/t\\':
            raise ValueError('the escape \\%s in %s is not portable' % (escape, text))
    return re.compile(inner)


# ---------------------------------------------------------------------------------------- as much of YAML as our files use
class NotPlain(Exception):
    """YAML that this reader does not know, or that is wrong."""


class Yaml:
    """Block mappings and lists, flow collections, quoted, plain and block scalars, comments, several documents."""

    WORDS = {'': None, '~': None, 'null': None, 'Null': None, 'NULL': None, 'true': True, 'True': True, 'TRUE': True,
             'false': False, 'False': False, 'FALSE': False}
    ESCAPES = {'n': '\n', 't': '\t', '"': '"', '\\': '\\', '/': '/', '0': '\0'}
    KEY = re.compile(r'''("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\-?:,\[\]{}#&*!|>'"%@`][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)''')

    def __init__(self, text):
        if '\t' in text:
            raise NotPlain('a tab')
        self.lines = []  # indentation, content
        for line in text.split('\n'):
            self.lines.append((len(line) - len(line.lstrip(' ')), line.strip(' \r')))
        self.at = 0

    @staticmethod
    def documents(text):
        out = []
        for part in re.split(r'(?m)^---[ ]*$', text):
            reader = Yaml(part)
            if reader.skip():
                out.append(reader.block(reader.lines[reader.at][0]))
                if reader.skip():
                    raise NotPlain('wrong indentation: %r' % reader.lines[reader.at][1])
        return out

    def skip(self):
        while self.at < len(self.lines) and (not self.lines[self.at][1] or self.lines[self.at][1][0] == '#'):
            self.at += 1
        return self.at < len(self.lines)

    def block(self, indent):
        content = self.lines[self.at][1]
        if content == '-' or content.startswith('- '):
            return self.sequence(indent)
        if self.KEY.match(content):
            return self.mapping(indent)
        return self.value_at_line(content, indent - 1)

    def sequence(self, indent):
        out = []
        while self.skip():
            here, content = self.lines[self.at]
            if here != indent or not (content == '-' or content.startswith('- ')):
                break
            rest = content[1:].lstrip(' ')
            if not rest or rest[0] == '#':
                self.at += 1
                out.append(self.nested(indent + 1))
            else:
                inner = indent + len(content) - len(rest)
                self.lines[self.at] = (inner, rest)
                out.append(self.block(inner))
        return out

    def mapping(self, indent):
        out = {}
        while self.skip():
            here, content = self.lines[self.at]
            key = self.KEY.match(content)
            if here != indent or content == '-' or content.startswith('- '):
                break
            if not key:
                raise NotPlain('no key: %r' % content)
            name, rest = self.key(key[1]), content[key.end():]
            if name in out:
                raise NotPlain('the key %r again' % name)
            if not rest or rest[0] == '#':
                self.at += 1
                listed = self.skip() and self.lines[self.at][0] == indent and self.lines[self.at][1].startswith('-')
                out[name] = self.sequence(indent) if listed else self.nested(indent + 1)
            else:
                out[name] = self.value_at_line(rest, indent)
        return out

    def key(self, text):
        return self.quoted(text, 0)[0] if text[0] in '\'"' else text

    def nested(self, least):
        if not self.skip() or self.lines[self.at][0] < least:
            return None
        return self.block(self.lines[self.at][0])

    def value_at_line(self, text, indent):
        """A value that begins in this line; further lines are more indented than `indent`."""
        if text[0] in '|>':
            return self.folded(text, indent)
        self.at += 1
        if text[0] in '[{"\'':
            while True:
                try:
                    value, end = self.flow(text, 0)
                    break
                except IndexError:
                    if self.at >= len(self.lines) or not self.lines[self.at][1] or self.lines[self.at][0] <= indent:
                        raise NotPlain('never closed: %r' % text) from None
                    text += ' ' + self.lines[self.at][1]
                    self.at += 1
            if not re.fullmatch(r'\s*(#.*)?', text[end:]):
                raise NotPlain('%r after a value' % text[end:])
            return value
        if text[0] in '&*!%@`' or text.startswith(('? ', '- ')):
            raise NotPlain('%r' % text)
        text = re.split(r'\s#', text)[0].rstrip()
        if re.search(r':(\s|$)', text):
            raise NotPlain('a mapping in a line: %r' % text)
        if self.at < len(self.lines) and self.lines[self.at][1] and self.lines[self.at][0] > indent:
            raise NotPlain('a plain scalar of several lines')
        return self.plain(text)

    def folded(self, header, indent):
        head = re.fullmatch(r'([|>])([-+]?)\s*(#.*)?', header)
        if not head or head[2] == '+':
            raise NotPlain(header)
        self.at += 1
        lines = []
        while self.at < len(self.lines) and (not self.lines[self.at][1] or self.lines[self.at][0] > indent):
            lines.append(self.lines[self.at])
            self.at += 1
        while lines and not lines[-1][1]:
            lines.pop()
        margin = min((i for i, c in lines if c), default=0)
        if head[1] == '>' and any(i != margin or not c for i, c in lines):
            raise NotPlain('folding')
        text = (' ' if head[1] == '>' else '\n').join(' ' * max(i - margin, 0) + c for i, c in lines)
        return text if head[2] or not lines else text + '\n'

    def flow(self, text, at):
        """The value at `at` and where it ends; IndexError if the text ends first."""
        while text[at] == ' ':
            at += 1
        if text[at] in '\'"':
            return self.quoted(text, at)
        if text[at] in '[{':
            return self.collection(text, at)
        end = at
        while text[end] not in ',]}' and not (text[end] == ':' and text[end + 1] in ' ,]}'):
            if text[end] in '[{' or text[end] == '#' and text[end - 1] == ' ':
                raise NotPlain(text)
            end += 1
        return self.plain(text[at:end].rstrip()), end

    def collection(self, text, at):
        close, mapping = ('}', True) if text[at] == '{' else (']', False)
        pairs, at = [], at + 1
        while True:
            while text[at] == ' ':
                at += 1
            if text[at] == close:
                return dict(pairs) if mapping else [v for _, v in pairs], at + 1
            start = at
            value, at = self.flow(text, at)
            while text[at] == ' ':
                at += 1
            if mapping:
                key = value if isinstance(value, str) else text[start:at].strip()
                value = None
                if text[at] == ':':
                    value, at = self.flow(text, at + 1)
                if key in dict(pairs):
                    raise NotPlain('the key %r again' % key)
                pairs.append((key, value))
            elif text[at] == ':':
                raise NotPlain('a pair in a list')
            else:
                pairs.append((None, value))
            while text[at] == ' ':
                at += 1
            if text[at] == ',':
                at += 1
            elif text[at] != close:
                raise NotPlain('%r where , or %s should be' % (text[at:], close))

    def quoted(self, text, at):
        quote, out, at = text[at], '', at + 1
        while text[at] != quote or quote == "'" and text[at:at + 2] == "''":
            if quote == '"' and text[at] == '\\':
                if text[at + 1] not in self.ESCAPES:
                    raise NotPlain(text)
                out += self.ESCAPES[text[at + 1]]
                at += 2
            elif quote == "'" and text[at] == "'":
                out += "'"
                at += 2
            else:
                out += text[at]
                at += 1
        return out, at + 1

    def plain(self, text):
        if text in self.WORDS:
            return self.WORDS[text]
        if re.fullmatch(r'[-+]?[0-9]+', text):
            return int(text)
        if re.fullmatch(r'0x[0-9a-fA-F]+|0o[0-7]+', text):
            return int(text, 0)
        if re.fullmatch(r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?', text):
            return float(text)
        if re.fullmatch(r'[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)', text):
            return float(text.replace('.', ''))
        return text


# --------------------------------------------------------------------------------------------------------------- drywall
def check(*files):
    """Whether `drywall check` accepts the files {name: text}, and what it says."""
    with tempfile.TemporaryDirectory() as directory:
        for i, (suffix, text) in enumerate(files):
            with open(os.path.join(directory, '%03d.%s' % (i, suffix)), 'w') as f:
                f.write(text)
        done = subprocess.run([DRYWALL, 'check', directory], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError('drywall check: exit %d: %s' % (done.returncode, done.stderr))
    return done.returncode == 0, done.stderr.replace(directory + '/', '')


def check_documents(documents):
    return check(*(('json', json.dumps(d)) for d in documents))


# ----------------------------------------------------------------------------------------------------------------- tests
class Count:
    passed = failed = 0

    def judge(self, what, complaint):
        if complaint is None:
            self.passed += 1
        else:
            self.failed += 1
            print('FAILED %s: %s' % (what, str(complaint)[:600]))


def conformance_runner():
    """tests/conformance/run knows how its cases become documents."""
    path = os.path.join(ROOT, 'tests/conformance/run')
    loader = importlib.machinery.SourceFileLoader('conformance_run', path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('conformance_run', loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Captured(Exception):
    pass


class Capture:
    """Stands for the runner's binary: keeps the documents that it is asked about."""

    def check(self, documents):
        self.documents = documents
        raise Captured


def vectors(runner):
    """The cases of validation.json as (id, valid, documents); the last document is the case's own."""
    options = type('Options', (), {'staged': False})
    with open(os.path.join(ROOT, 'tests/conformance/validation.json')) as f:
        cases = json.load(f)['cases']
    for case in cases:
        capture = Capture()
        try:
            runner.case_validation(capture, case, options)
        except Captured:
            yield case['id'], case['valid'], capture.documents
        except runner.Skip:
            pass


def resources(value):
    """Every resource inside the data of a conformance file."""
    if isinstance(value, dict):
        if isinstance(value.get('apiVersion'), str) and isinstance(value.get('kind'), str):
            yield value
        for inner in value.values():
            yield from resources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from resources(inner)


def test_vectors(count, schema, runner, verbose):
    refused = invalid = 0
    for name, valid, documents in vectors(runner):
        complaints = [schema.complaint(schema.root, d, '') for d in documents]
        if valid:
            count.judge('valid vector %s is accepted' % name, next((c for c in complaints if c), None))
            continue
        invalid += 1
        refused += complaints[-1] is not None
        if verbose and complaints[-1] is None:
            print('  not refused: %s %s' % (name, json.dumps(documents[-1])[:300]))
    print('measured: %d of %d invalid vectors are refused' % (refused, invalid))
    few = 'refused: %d, at least %d should be' % (refused, FLOOR_OF_VECTORS)
    count.judge('invalid vectors', few if refused < FLOOR_OF_VECTORS else None)


def test_conformance_documents(count, schema, runner):
    """What the schema refuses `check` refuses too: the other conformance data."""
    seen = set()
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests/conformance/*.json'))):
        with open(path) as f:
            data = json.load(f)
        for resource in resources(data):
            text = json.dumps(resource, sort_keys=True)
            if text in seen:
                continue
            seen.add(text)
            complaint = schema.complaint(schema.root, resource, '')
            if complaint is not None:
                beside = runner.referenced(resource) if isinstance(resource.get('metadata'), dict) else []
                accepted, _ = check_documents([d for d in beside if d.get('kind') != resource['kind']] + [resource])
                complaint = '%s: %s' % (text[:300], complaint) if accepted else None
            count.judge('%s: a document that check accepts' % os.path.basename(path), complaint)


def test_files(count, schema):
    """Policy files that lie in the tree."""
    paths = glob.glob(os.path.join(ROOT, 'tests/golden/mission/*.yaml')) + glob.glob(os.path.join(ROOT, 'etc/**/*.yaml'), recursive=True)
    for path in sorted(paths):
        if os.path.basename(path) == 'drywall.yaml':
            continue  # the daemon's own configuration
        with open(path) as f:
            text = f.read()
        for document in Yaml.documents(text):
            count.judge(os.path.relpath(path, ROOT), schema.complaint(schema.root, document, ''))
        accepted, said = check(('yaml', text))
        count.judge(os.path.relpath(path, ROOT) + ' passes check', None if accepted else said)


def test_mistakes(count, schema, verbose):
    """tests/golden/mistakes: what is only warned of is accepted, and most errors are refused."""
    refused = readable = 0
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests/golden/mistakes/*.yaml'))):
        with open(path) as f:
            text = f.read()
        with open(path.removesuffix('.yaml') + '.expected') as f:
            wrong = ': error: ' in f.read()
        try:
            documents = Yaml.documents(text)
        except NotPlain:
            if not wrong:
                raise
            continue  # mistakes of YAML are no concern of a schema
        complaint = next((c for c in (schema.complaint(schema.root, d, '') for d in documents) if c), None)
        if not wrong:
            count.judge('%s, which is only warned of' % os.path.basename(path), complaint)
            continue
        readable += 1
        refused += complaint is not None
        if verbose and complaint is None:
            print('  not refused: %s' % os.path.basename(path))
    print('measured: %d of %d mistakes that YAML can read are refused' % (refused, readable))
    few = 'refused: %d, at least %d should be' % (refused, FLOOR_OF_MISTAKES)
    count.judge('mistakes', few if refused < FLOOR_OF_MISTAKES else None)


def yaml_blocks(path):
    with open(path) as f:
        lines = f.read().split('\n')
    begin = None
    for number, line in enumerate(lines, 1):
        if begin is None and line == '```yaml':
            begin = number
        elif begin is not None and line == '```':
            yield begin, '\n'.join(lines[begin:number - 1]) + '\n'
            begin = None


def test_manual(count, schema):
    for name in MANUALS:
        blocks = 0
        for line, text in yaml_blocks(os.path.join(ROOT, name)):
            blocks += 1
            accepted, said = check(('yaml', text))
            count.judge('%s:%d passes check' % (name, line), None if accepted else said)
            for document in Yaml.documents(text):
                count.judge('%s:%d' % (name, line), schema.complaint(schema.root, document, ''))
        count.judge('%s has examples' % name, None if blocks else 'no ```yaml block was found')


def main():
    verbose = '-v' in sys.argv[1:]
    count = Count()
    with open(SCHEMA) as f:
        schema = Schema(json.load(f))
    runner = conformance_runner()
    if not os.access(DRYWALL, os.X_OK):
        count.judge('the binary', '%s is not there: build it, or set DRYWALL_BUILD' % DRYWALL)
    else:
        test_conformance_documents(count, schema, runner)
        test_files(count, schema)
        test_manual(count, schema)
    test_vectors(count, schema, runner, verbose)
    test_mistakes(count, schema, verbose)
    print('%d passed, %d failed' % (count.passed, count.failed))
    return 1 if count.failed else 0


if __name__ == '__main__':
    sys.exit(main())
