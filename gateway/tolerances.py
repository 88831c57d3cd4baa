"""What of a message may be odd, missing or given up, because it decides nothing.

Who charges, where, and how much stands in no list here.
"""

# Vendors' texts run over by a few characters, not by pages.
_MAX_TEXT_LENGTH = 500
# Texts that are pages: OCPP 2.1 allows signed data 32768 characters (part 2 §2.92) and certificates
# 10000 (AuthorizeRequest), 2.0.1 values of variables 2500, and stations of 1.6 have lists of
# measurands that are longer than its 500.
_MAX_LENGTHS = {
    **dict.fromkeys(("signedMeterData", "publicKey"), 32_768),
    **dict.fromkeys(("value", "attributeValue", "actualValue", "valuesList"), 8_192),
    **dict.fromkeys(("techInfo", "additionalInfo", "content", "data", "responderURL"), 8_192),
    **dict.fromkeys(("certificate", "csr"), 10_000),
}
_MAX_KEPT_WORD_LENGTH = 50

# Words of a later version than 1.6 or 2.0.1, up to 2.1, which mean there what they say. They are
# written out, as loading `ocpp.v21` takes a fifth of the time that a pod starts in.
_NEWER_WORDS: dict[str, frozenset[str]] = {
    "measurand": frozenset(
        {
            *("Energy.Active.Net", "Energy.Reactive.Net", "Energy.Apparent.Net"),
            *("Energy.Apparent.Import", "Energy.Apparent.Export"),
            *("Current.Export.Offered", "Current.Export.Minimum", "Current.Import.Offered"),
            *("Current.Import.Minimum", "Display.PresentSOC", "Display.MinimumSOC"),
            *("Display.TargetSOC", "Display.MaximumSOC"),
            *("Display.RemainingTimeToMinimumSOC", "Display.RemainingTimeToTargetSOC"),
            *("Display.RemainingTimeToMaximumSOC", "Display.ChargingComplete"),
            *("Display.BatteryEnergyCapacity", "Display.InletHot"),
            "Energy.Active.Import.CableLoss",
            "Energy.Active.Import.LocalGeneration.Register",
            *("Energy.Active.Setpoint.Interval", "EnergyRequest.Target"),
            *("EnergyRequest.Minimum", "EnergyRequest.Maximum"),
            *("EnergyRequest.Minimum.V2X", "EnergyRequest.Maximum.V2X"),
            *("EnergyRequest.Bulk", "Power.Active.Setpoint", "Power.Active.Residual"),
            *("Power.Export.Minimum", "Power.Export.Offered", "Power.Import.Offered"),
            *("Power.Import.Minimum", "Voltage.Minimum", "Voltage.Maximum"),
        }
    ),
    "location": frozenset({"Upstream"}),
    "stoppedReason": frozenset({"ReqEnergyTransferRejected"}),
    "triggerReason": frozenset(
        {
            *("CostLimitReached", "LimitSet", "OperationModeChanged", "RunningCost"),
            *("SoCLimitReached", "TariffChanged", "TariffNotAccepted", "TxResumed"),
        }
    ),
    "reservationUpdateStatus": frozenset({"NoTransaction"}),
}
# Members that are kept for people to read, by Action.
_ANY_WORDS = frozenset(
    {
        ("TransactionEvent", "triggerReason"),
        ("NotifyEvent", "trigger"),
        ("NotifyEvent", "eventNotificationType"),
    }
)
# Optional members without which the rest means the same, or that have a default.
LEFT_OUT_WORDS = frozenset({"chargingState", "context", "mutability"})

UNTOLD = {
    "readonly": False,
    "supportsMonitoring": False,
    "dataType": "string",
    "triggerReason": "Trigger",
}
"""Required members that may be missing: their handlers know. The values only stand for them."""

NEEDLESS = frozenset(
    {
        *("customData", "statusInfo", "attributeStatusInfo", "additionalInfo"),
        *("signedMeterValue", "variableCharacteristics", "modem", "iccid", "imsi"),
        *("serialNumber", "chargePointSerialNumber", "chargeBoxSerialNumber", "firmwareVersion"),
        *("meterType", "meterSerialNumber", "info", "vendorErrorCode", "techCode", "techInfo"),
        *("chargingState", "timeSpentCharging", "numberOfPhasesUsed", "cableMaxCurrent"),
        *("reason", "stoppedReason", "mutability", "cause", "variableMonitoringId"),
        "childCertificateHashData",
    }
)
"""Members that are left out if they cannot be mended: what they stand in means the same without."""

WHOLE_LISTS = frozenset(
    {
        "chargingSchedule",
        "chargingSchedulePeriod",
        "iso15118CertificateHashData",
        "setVariableResult",
    }
)
"""Lists whose items mean something only together: with one of them wrong the list is."""


def max_length(member: str | int) -> int:
    """Return how many characters of a member are kept, though they are too many."""
    return _MAX_LENGTHS.get(str(member), _MAX_TEXT_LENGTH)


def keeps_word(action: str, member: str | int, word: str) -> bool:
    """Tell whether a word that a member should not have is kept as it is."""
    if word in _NEWER_WORDS.get(str(member), ()):
        return True
    return (action, member) in _ANY_WORDS and len(word) <= _MAX_KEPT_WORD_LENGTH
