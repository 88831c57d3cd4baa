#!/usr/bin/env bash
# typed-ocpp 1.6.2 (npm), OCPP16.ChargingManager, which merges charging profiles into schedules.
#
# Guessed: a ChargePointMaxProfile is set at connector 0, where OCPP 1.6 (3.13.1) wants it, and caps
# the schedules of the connectors.
#
# Seen: at connector 0 it is refused with a sentence that asks for 0, and at every other connector
# as well, so that no schedule of that class ever knows the station's limit.
#
# Output seen:
#   connector 0: "ChargePointMaxProfile" profiles cannot be added for evseId other than "0"
#   connector 1: "ChargePointMaxProfile" profiles cannot be added for evseId other than "0"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit typed-ocpp@1.6.2

cat >look.mjs <<'JAVASCRIPT'
import assert from 'node:assert/strict';
import { OCPP16 } from 'typed-ocpp';

const request = (connectorId) => ({
  connectorId,
  csChargingProfiles: {
    chargingProfileId: 1,
    stackLevel: 0,
    chargingProfilePurpose: 'ChargePointMaxProfile',
    chargingProfileKind: 'Absolute',
    chargingSchedule: {
      startSchedule: '2026-11-30T00:00:00Z',
      chargingRateUnit: 'A',
      chargingSchedulePeriod: [{ startPeriod: 0, limit: 32 }],
    },
  },
});
for (const connectorId of [0, 1]) {
  assert.equal(OCPP16.validate([2, '1', 'SetChargingProfile', request(connectorId)]), true);
  let told = 'accepted';
  try {
    new OCPP16.ChargingManager().setChargingProfile(request(connectorId));
  } catch (error) {
    told = error.message;
  }
  console.log(`connector ${connectorId}: ${told}`);
  assert.match(told, /cannot be added for evseId other than "0"/);
}
JAVASCRIPT
node look.mjs
