#!/usr/bin/env bash
# typed-ocpp 1.6.2 (npm), which validates frames of OCPP 1.6, 2.0.1 and 2.1.
#
# Guessed: it takes each error code that the table of its version has.
#
# Seen: of 1.6 it refuses OccurenceConstraintViolation, which has one r on the wire (OCPP-J 1.6
# 4.2.3, and its errata 5.1: not to be corrected); of 2.0.1 and 2.1 it refuses FormatViolation
# (part 4, table of error codes) and takes 1.6's FormationViolation in its place. Frames of the
# types 5 and 6 of OCPP 2.1, which its enum names, are refused by `validate`, and taken by
# `validateCall` and `validateCallError`.
#
# Output seen:
#   OCPP16: OccurenceConstraintViolation false
#   OCPP20: FormatViolation false, FormationViolation true
#   OCPP21: FormatViolation false, FormationViolation true
#   OCPP21 CALLRESULTERROR: validate false, validateCallError true
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit typed-ocpp@1.6.2

cat >look.mjs <<'JAVASCRIPT'
import assert from 'node:assert/strict';
import * as versions from 'typed-ocpp';

const taken = (version, code) => versions[version].validate([4, '1', code, '', {}]);
const misspelt = taken('OCPP16', 'OccurenceConstraintViolation');
console.log(`OCPP16: OccurenceConstraintViolation ${misspelt}`);
assert.equal(misspelt, false);
for (const version of ['OCPP20', 'OCPP21']) {
  const [format, formation] = ['FormatViolation', 'FormationViolation'].map((code) => taken(version, code));
  console.log(`${version}: FormatViolation ${format}, FormationViolation ${formation}`);
  assert.deepEqual([format, formation], [false, true]);
}
const frame = [5, '1', 'GenericError', '', {}];
const seen = [versions.OCPP21.validate(frame), versions.OCPP21.validateCallError(frame)];
console.log(`OCPP21 CALLRESULTERROR: validate ${seen[0]}, validateCallError ${seen[1]}`);
assert.deepEqual(seen, [false, true]);
JAVASCRIPT
node look.mjs
