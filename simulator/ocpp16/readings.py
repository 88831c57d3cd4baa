"""Meter readings as OCPP 1.6 writes them."""

from simulator.charging import Reading, SampleContext
from simulator.context import Context
from simulator.rpc import Payload


def meter_values(
    context: Context, reading: Reading, why: SampleContext, measurands: tuple[str, ...]
) -> list[Payload]:
    """Return one MeterValue (7.33), or none when there is nothing to tell.

    Args:
        context: Whose clock writes the timestamp.
        reading: What the meter showed.
        why: Why it was read.
        measurands: Which of its values to tell; the state of charge only if there is a vehicle.
    """
    samples = [
        _sampled_value(reading, why, measurand)
        for measurand in measurands
        if measurand != "SoC" or reading.soc_percent is not None
    ]
    if not samples:
        return []
    return [{"timestamp": context.timestamp(reading.at), "sampledValue": samples}]


def _sampled_value(reading: Reading, why: SampleContext, measurand: str) -> Payload:
    """Return a SampledValue; the value is a string in 1.6 (7.43)."""
    match measurand:
        case "Energy.Active.Import.Register":
            value, unit = str(reading.energy_wh), "Wh"
        case "Power.Active.Import":
            value, unit = f"{reading.power_w:.1f}", "W"
        case "Current.Import":
            value, unit = f"{reading.current_a:.2f}", "A"
        case "Voltage":
            value, unit = f"{reading.voltage_v:.1f}", "V"
        case "SoC":
            value, unit = f"{reading.soc_percent or 0:.1f}", "Percent"
        case _:
            raise ValueError(f"no meter of this station measures {measurand}")
    sample = {"value": value, "context": why.value, "measurand": measurand, "unit": unit}
    # The state of charge is read from the vehicle, everything else at the outlet (7.30).
    return {**sample, "location": "EV" if measurand == "SoC" else "Outlet"}
